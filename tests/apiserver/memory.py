"""An apiserver in memory: objects, versions, lists in pages, watches with bookmarks, and faults.

It has the methods of `webhook.k8s.client.Api`, so tests pass it where a client is expected,
or put HTTP in front of it (`tests.apiserver.front`). It does what volray relies on and no
more. Real apiservers meet volray in tests/controlplane.
"""

from __future__ import annotations

import copy
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from webhook.k8s.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.names import Object

_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?/(?P<kind>[^/]+)(/(?P<name>[^/]+))?"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_STRATEGIC_MERGE = "application/strategic-merge-patch+json"
_MERGE = "application/merge-patch+json"
_UNTIL = 10.0

Key = tuple[str, str, str]
"""Collection, namespace and name. Objects without a namespace have an empty one."""


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Object | list[Object] | None = None

    @property
    def verb(self) -> str:
        """As the audit log has it."""
        if self.method != "GET":
            return _VERBS[self.method]
        if "watch" in self.query:
            return "watch"
        match = _PATH.fullmatch(self.path)
        return "get" if match and match["name"] else "list"


@dataclass
class Change:
    """One entry of the history that watches tell."""

    collection: str
    type: str
    body: Object
    before: Object | None

    @property
    def version(self) -> int:
        return int(self.body["metadata"]["resourceVersion"])


@dataclass
class Apiserver:
    """State, and faults: each fault is asked about every request and may return a Status to refuse it with."""

    objects: dict[Key, Object] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    faults: list[Callable[[Request], Object | None]] = field(default_factory=list)
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

    def place(self, collection: str, body: Object) -> Object:
        """Create or change an object, as some other client would."""
        with self.changed:
            body = copy.deepcopy(body)
            body["metadata"].setdefault("uid", f"u{self.version}")
            known = _key(collection, body) in self.objects
            return self._commit(collection, "MODIFIED" if known else "ADDED", body)

    def place_at(self, path: str, body: Object) -> Object:
        """Create or change the object of a path, which need not say its own name."""
        collection, namespace, name = _split(path)
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        return self.place(collection, {**body, "metadata": {**metadata, **body.get("metadata", {})}})

    def drop(self, collection: str, name: str, namespace: str = "default") -> None:
        with self.changed:
            self._drop(collection, self.objects[collection, namespace, name])

    def find(self, collection: str, name: str, namespace: str = "default") -> Object | None:
        with self.changed:
            return copy.deepcopy(self.objects.get((collection, namespace, name)))

    def at(self, path: str) -> Object:
        """The object of a path, without a request."""
        with self.changed:
            return copy.deepcopy(self._found(path))

    def all(self, collection: str) -> list[Object]:
        with self.changed:
            return [copy.deepcopy(body) for key, body in self.objects.items() if key[0] == collection]

    def count(self, verb: str, collection: str = "") -> int:
        with self.changed:
            return sum(each.verb == verb and each.path.startswith(collection) for each in self.requests)

    def writes(self, kind: str = "") -> list[tuple[str, str]]:
        """Verbs and paths of the requests that were no reads, in one kind of collection if it is given."""
        with self.changed:
            written = [each for each in self.requests if each.method != "GET"]
            return [(each.verb, each.path) for each in written if f"/{kind}" in each.path]

    def compact(self) -> None:
        """Forget the history, as etcd does, and cut every watch off."""
        with self.changed:
            self.oldest = self.version
            self.cut()

    def cut(self) -> None:
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def fail(self, status: int, verb: str, part: str = "", times: int = 1, message: str = "no") -> None:
        """Refuse the next requests of a verb with a status."""
        left = [times]

        def fault(request: Request) -> Object | None:
            if request.verb != verb or part not in request.path or not left[0]:
                return None
            left[0] -= 1
            return {"code": status, "message": message}

        self.faults.append(fault)

    def wait_for(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        end = time.monotonic() + _UNTIL
        while not condition():
            assert time.monotonic() < end, f"{what} did not come true"
            time.sleep(0.005)

    # The API.

    def get(self, path: str) -> Object:
        request = self._received("GET", path)
        collection, namespace, name = _split(request.path)
        with self.changed:
            if name is not None:
                return copy.deepcopy(self._found(request.path))
            return self._list(collection, namespace, request.query)

    def post(self, path: str, body: Object) -> Object:
        request = self._received("POST", path, body)
        collection, namespace, _ = _split(request.path)
        with self.changed:
            body = copy.deepcopy(body)
            body["metadata"]["namespace"] = namespace
            if _key(collection, body) in self.objects:
                raise ApiError("already exists", 409)
            body["metadata"]["uid"] = f"u{self.version}"
            return self._commit(collection, "ADDED", body)

    def put(self, path: str, body: Object) -> Object:
        request = self._received("PUT", path, body)
        with self.changed:
            before = self._found(request.path)
            for part in ("resourceVersion", "uid"):
                if body["metadata"].get(part, before["metadata"][part]) != before["metadata"][part]:
                    raise ApiError("the object has been modified", 409)
            return self._commit(_split(request.path)[0], "MODIFIED", body)

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        request = self._received("PATCH", path, body)
        assert isinstance(body, dict)
        merge = {_MERGE: _merged, _STRATEGIC_MERGE: _webhooks_merged}[content_type]
        with self.changed:
            changed = merge(copy.deepcopy(self._found(request.path)), body)
            return self._commit(_split(request.path)[0], "MODIFIED", changed)

    def delete(self, path: str, body: Object) -> Object:
        request = self._received("DELETE", path, body)
        with self.changed:
            before = self._found(request.path)
            for part, value in body.get("preconditions", {}).items():
                if before["metadata"][part] != value:
                    raise ApiError("the precondition failed", 409)
            self._drop(_split(request.path)[0], before)
            return before

    @contextmanager
    def stream(self, path: str, silence: float) -> Iterator[Iterator[Object]]:  # noqa: ARG002 - memory is never silent
        with self.changed:
            request = self._received("GET", path)
            epoch = self.epoch
        yield self._watch(_split(request.path)[0], request.query, epoch)

    def _received(self, method: str, target: str, body: Object | list[Object] | None = None) -> Request:
        """Note a request, and refuse it if a fault says so."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        request = Request(method, url.path, query, body)
        with self.changed:
            self.requests.append(request)
            verdicts = [fault(request) for fault in self.faults]
        for verdict in verdicts:
            if verdict is not None:
                raise ApiError(verdict["message"], verdict["code"])
        return request

    def _list(self, collection: str, namespace: str, query: dict[str, str]) -> Object:
        start = int(query.get("continue", "0"))
        end = start + min(self.page, int(query.get("limit", "1000")))
        listed = [body for key, body in self.objects.items() if key[0] == collection and namespace in {"", key[1]}]
        items = [body for body in listed if _matches(body, query)]
        metadata = {"resourceVersion": str(self.version)}
        if end < len(items):
            metadata["continue"] = str(end)
        return {"metadata": metadata, "items": copy.deepcopy(items[start:end])}

    def _watch(self, collection: str, query: dict[str, str], epoch: int) -> Iterator[Object]:
        """Everything since a version, a bookmark when all is said, then what comes, until its time or epoch is over."""
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
                news = [] if self.stalled else [each for each in self.history if each.version > since]
                if not news and (bookmarked or self.stalled):
                    self.changed.wait(min(0.05, max(0.0, end - time.monotonic())))
                    continue
            for change in news:
                since = change.version
                if change.collection == collection and (told := _told(change, query)):
                    yield {"type": told, "object": change.body}
            if not news:
                bookmarked = True
                yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(since)}}}

    def _found(self, path: str) -> Object:
        collection, namespace, name = _split(path)
        try:
            return self.objects[collection, namespace, str(name)]
        except KeyError:
            raise ApiError("not found", 404) from None

    def _commit(self, collection: str, kind: str, body: Object) -> Object:
        self.version += 1
        body = copy.deepcopy(body)
        body["metadata"]["resourceVersion"] = str(self.version)
        before = self.objects.get(_key(collection, body))
        self.objects[_key(collection, body)] = body
        self.history.append(Change(collection, kind, copy.deepcopy(body), before))
        self.changed.notify_all()
        return copy.deepcopy(body)

    def _drop(self, collection: str, body: Object) -> None:
        del self.objects[_key(collection, body)]
        self.version += 1
        last = copy.deepcopy(body)
        last["metadata"]["resourceVersion"] = str(self.version)
        self.history.append(Change(collection, "DELETED", last, last))
        self.changed.notify_all()
        if self.garbage_collects:
            self._collect(body["metadata"]["uid"])

    def _collect(self, uid: str) -> None:
        """Drop what an object owned, as the garbage collector does."""
        for (collection, _, _), body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == uid for owner in owners):
                self._drop(collection, body)


def _split(path: str) -> tuple[str, str, str | None]:
    match = _PATH.fullmatch(path)
    if match is None:
        raise ApiError("not found", 404)
    return f"{match['root']}/{match['kind']}", match["namespace"] or "", match["name"]


def _key(collection: str, body: Object) -> Key:
    metadata = body["metadata"]
    return collection, metadata.get("namespace", ""), metadata["name"]


def _merged(body: Object, patch: Object) -> Object:
    """A merge patch of top fields."""
    return {**body, **patch}


def _webhooks_merged(body: Object, patch: Object) -> Object:
    """A strategic merge patch of `caBundle`s, which finds webhooks by name."""
    webhooks = {webhook["name"]: webhook for webhook in body["webhooks"]}
    for webhook in patch["webhooks"]:
        webhooks[webhook["name"]]["clientConfig"] |= webhook["clientConfig"]
    return body


def _matches(body: Object, query: dict[str, str]) -> bool:
    """Selectors of the form `label`."""
    label = query.get("labelSelector")
    return label is None or label in (body["metadata"].get("labels") or {})


def _told(change: Change, query: dict[str, str]) -> str | None:
    """What a watch with a selector hears: an object that loses its label is deleted to it."""
    is_now = _matches(change.body, query)
    was = change.before is not None and _matches(change.before, query)
    if change.type == "DELETED":
        return change.type if was else None
    return {(True, True): "MODIFIED", (True, False): "ADDED", (False, True): "DELETED"}.get((is_now, was))
