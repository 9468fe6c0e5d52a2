"""An apiserver's protocol in this process: objects, versions, lists in pages, watches with bookmarks; and its faults.

A peer for watch, lease and the whole controller, over real HTTP. The real apiserver meets them in tests/cluster.
"""

from __future__ import annotations

import copy
import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import ApiClient, Configuration

from certs.secret_store import ApiError
from webhook.k8s.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.names import Object

_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?/(?P<kind>[^/]+)(/(?P<name>[^/]+))?"
)
UNTIL = 10.0


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Object | None = None

    @property
    def verb(self) -> str:
        """As the audit log has it."""
        if self.method != "GET":
            return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[self.method]
        name = _PATH.fullmatch(self.path)
        return "watch" if "watch" in self.query else "get" if name and name["name"] else "list"


@dataclass
class Peer:
    """State, and the next faults: each is asked with the request and may return a status to answer with."""

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    history: list[tuple[str, str, Object, Object | None]] = field(default_factory=list)
    """(collection, type, object, what it was) in the order of their versions."""
    requests: list[Request] = field(default_factory=list)
    faults: list[Callable[[Request], int | Object | None]] = field(default_factory=list)
    oldest: int = 0
    """Versions before this one are compacted away."""
    page: int = 1000
    stalled: bool = False
    """Watches send nothing, and do not end."""
    epoch: int = 0
    """Watches of an earlier epoch are cut off."""
    garbage_collects: bool = True

    def __post_init__(self) -> None:
        self.changed = Condition()
        self.version = 100

    # What tests do and see.

    def put(self, collection: str, body: Object) -> Object:
        """Creates or changes an object, as somebody else would."""
        with self.changed:
            key = self._key(collection, body)
            known = key in self.objects
            body = copy.deepcopy(body)
            body["metadata"].setdefault("uid", f"u{self.version}")
            return self._commit(collection, "MODIFIED" if known else "ADDED", body)

    def drop(self, collection: str, name: str, namespace: str = "default") -> None:
        with self.changed:
            self._drop(collection, self.objects[collection, namespace, name])

    def find(self, collection: str, name: str, namespace: str = "default") -> Object | None:
        with self.changed:
            return copy.deepcopy(self.objects.get((collection, namespace, name)))

    def all(self, collection: str) -> list[Object]:
        with self.changed:
            return [copy.deepcopy(body) for key, body in self.objects.items() if key[0] == collection]

    def count(self, verb: str, collection: str = "") -> int:
        with self.changed:
            return sum(each.verb == verb and each.path.startswith(collection) for each in self.requests)

    def writes(self, kind: str) -> list[tuple[str, str]]:
        with self.changed:
            return [
                (each.verb, each.path) for each in self.requests if each.method != "GET" and f"/{kind}" in each.path
            ]

    def compact(self) -> None:
        """Forgets history, as etcd does, and cuts every watch off."""
        with self.changed:
            self.oldest = self.version
            self.cut()

    def cut(self) -> None:
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def fail(self, status: int, verb: str, part: str = "", times: int = 1, message: str = "no") -> None:
        """The next requests of a verb are answered with a status."""
        left = [times]

        def fault(request: Request) -> int | Object | None:
            if request.verb != verb or part not in request.path or not left[0]:
                return None
            left[0] -= 1
            return {"kind": "Status", "code": status, "message": message}

        self.faults.append(fault)

    def wait_for(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        end = time.monotonic() + UNTIL
        while not condition():
            assert time.monotonic() < end, f"{what} did not come true"
            time.sleep(0.005)

    # The API.

    def get(self, path: str, query: dict[str, str]) -> Object:
        collection, namespace, name = _split(path)
        with self.changed:
            if name is not None:
                return copy.deepcopy(self._found(collection, namespace, name))
            start = int(query.get("continue", "0"))
            size = min(self.page, int(query.get("limit", "1000")))
            items = [body for key, body in self.objects.items() if key[0] == collection and _matches(body, query)]
            rest = {"continue": str(start + size)} if start + size < len(items) else {}
            return {
                "metadata": {"resourceVersion": str(self.version), **rest},
                "items": copy.deepcopy(items[start : start + size]),
            }

    def post(self, path: str, body: Object) -> Object:
        collection, namespace, _ = _split(path)
        with self.changed:
            body["metadata"]["namespace"] = namespace
            if self._key(collection, body) in self.objects:
                raise ApiError("already exists", 409)
            body["metadata"]["uid"] = f"u{self.version}"
            return self._commit(collection, "ADDED", body)

    def replace(self, path: str, body: Object) -> Object:
        collection, namespace, name = _split(path)
        with self.changed:
            before = self._found(collection, namespace, str(name))
            for part in ("resourceVersion", "uid"):
                if body["metadata"].get(part, before["metadata"][part]) != before["metadata"][part]:
                    raise ApiError("the object has been modified", 409)
            return self._commit(collection, "MODIFIED", body)

    def patch(self, path: str, body: Object) -> Object:
        collection, namespace, name = _split(path)
        with self.changed:
            return self._commit(collection, "MODIFIED", {**self._found(collection, namespace, str(name)), **body})

    def delete(self, path: str, options: Object) -> Object:
        collection, namespace, name = _split(path)
        with self.changed:
            before = self._found(collection, namespace, str(name))
            for part, value in options.get("preconditions", {}).items():
                if before["metadata"][part] != value:
                    raise ApiError("the precondition failed", 409)
            self._drop(collection, before)
            return before

    def watch(self, path: str, query: dict[str, str], epoch: int) -> Iterator[Object]:
        """Everything since a version, a bookmark when all is said, then what comes, until its time or epoch is over."""
        collection, _, _ = _split(path)
        end = time.monotonic() + float(query["timeoutSeconds"])
        since = int(query["resourceVersion"])
        bookmarked = False
        while time.monotonic() < end:
            with self.changed:
                if since < self.oldest:
                    yield {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
                    return
                if self.epoch != epoch:
                    return
                news = [] if self.stalled else [each for each in self.history if _version(each[2]) > since]
                if not news and (bookmarked or self.stalled):
                    self.changed.wait(min(0.05, max(0.0, end - time.monotonic())))
                    continue
            for where, kind, body, before in news:
                since = _version(body)
                if where == collection and (told := _told(kind, body, before, query)):
                    yield {"type": told, "object": body}
            if not news:
                bookmarked = True
                yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(since)}}}

    def _key(self, collection: str, body: Object) -> tuple[str, str, str]:
        return collection, body["metadata"]["namespace"], body["metadata"]["name"]

    def _found(self, collection: str, namespace: str, name: str) -> Object:
        try:
            return self.objects[collection, namespace, name]
        except KeyError:
            raise ApiError("not found", 404) from None

    def _commit(self, collection: str, kind: str, body: Object) -> Object:
        self.version += 1
        body = copy.deepcopy(body)
        body["metadata"]["resourceVersion"] = str(self.version)
        before = self.objects.get(self._key(collection, body))
        self.objects[self._key(collection, body)] = body
        self.history.append((collection, kind, copy.deepcopy(body), before))
        self.changed.notify_all()
        return copy.deepcopy(body)

    def _drop(self, collection: str, body: Object) -> None:
        del self.objects[self._key(collection, body)]
        self.version += 1
        last = copy.deepcopy(body)
        last["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((collection, "DELETED", last, last))
        self.changed.notify_all()
        self._collect(body["metadata"]["uid"])

    def _collect(self, uid: str) -> None:
        """The garbage collector: what the object owned goes too."""
        owned = [
            (key[0], body)
            for key, body in self.objects.items()
            if any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences") or ())
        ]
        for collection, body in owned if self.garbage_collects else []:
            self._drop(collection, body)


def _split(path: str) -> tuple[str, str, str | None]:
    match = _PATH.fullmatch(path)
    assert match, path
    return f"{match['root']}/{match['kind']}", match["namespace"] or "", match["name"]


def _version(body: Object) -> int:
    return int(body["metadata"]["resourceVersion"])


def _matches(body: Object, query: dict[str, str]) -> bool:
    """Selectors of the form `label`."""
    label = query.get("labelSelector")
    return label is None or label in (body["metadata"].get("labels") or {})


def _told(kind: str, body: Object, before: Object | None, query: dict[str, str]) -> str | None:
    """What a watch with a selector hears: an object that loses its label is deleted to it."""
    is_now, was = _matches(body, query), before is not None and _matches(before, query)
    if kind == "DELETED":
        return kind if was else None
    return {(True, True): "MODIFIED", (True, False): "ADDED", (False, True): "DELETED"}.get((is_now, was))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, peer: Peer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.peer = peer

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _serve(self) -> None:
        url, peer = urlsplit(self.path), self.server.peer
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, url.path, query, json.loads(self.rfile.read(length)) if length else None)
        with peer.changed:
            peer.requests.append(request)
            epoch = peer.epoch
            verdicts = [fault(request) for fault in peer.faults]
        refused = next((verdict for verdict in verdicts if verdict is not None), None)
        if isinstance(refused, dict):
            self._answer(refused["code"], refused)
        elif request.verb == "watch":
            self._stream(peer.watch(request.path, query, epoch))
        else:
            self._call(peer, request)

    def _call(self, peer: Peer, request: Request) -> None:
        body = request.body or {}
        calls: dict[str, Callable[[], Object]] = {
            "GET": lambda: peer.get(request.path, request.query),
            "POST": lambda: peer.post(request.path, body),
            "PUT": lambda: peer.replace(request.path, body),
            "PATCH": lambda: peer.patch(request.path, body),
            "DELETE": lambda: peer.delete(request.path, body),
        }
        try:
            self._answer(200, calls[request.method]())
        except ApiError as error:
            self._answer(error.status or 500, {"kind": "Status", "message": str(error)})

    def _answer(self, status: int, body: Object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: Iterator[Object]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            half = len(line) // 2  # lines need not come in one piece
            for piece in (line[:half], line[half:]):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def over_http(peer: Peer) -> Iterator[str]:
    with _Server(peer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            peer.stalled = False
            peer.cut()
            server.shutdown()
            thread.join()


def client(url: str, timeout: float = 5.0) -> Client:
    configuration = Configuration(host=url)
    configuration.retries = False
    return Client(ApiClient(configuration), timeout)
