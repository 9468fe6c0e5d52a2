"""An apiserver in memory."""

from __future__ import annotations

import copy
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from certs.secret_store import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

CA_PATH = "/api/v1/namespaces/volray-system/secrets/volray-ca"
CONFIGURATION_PATH = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/batch.ray.volcano.sh"


class Apiserver:
    """Objects by path, with the apiserver's optimistic concurrency.

    A PUT must carry the newest resourceVersion; a strategic merge patch finds webhooks by name. This is what
    certs relies on and no more: the real apiserver meets the code in the next issue's tests.
    """

    def __init__(self, objects: dict[str, Object]) -> None:
        self.requests: list[tuple[str, str]] = []
        self.objects = {path: _at_version({"metadata": {}, **body}, 1) for path, body in objects.items()}
        self._lock = Lock()

    def get(self, path: str) -> Object:
        self.requests.append(("GET", path))
        with self._lock:
            return copy.deepcopy(self._found(path))

    def put(self, path: str, body: Object) -> Object:
        self.requests.append(("PUT", path))
        with self._lock:
            if body["metadata"]["resourceVersion"] != self._found(path)["metadata"]["resourceVersion"]:
                raise ApiError("the object has been modified", 409)
            return self._kept(path, body)

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        assert content_type == "application/strategic-merge-patch+json"
        assert isinstance(body, dict)
        self.requests.append(("PATCH", path))
        with self._lock:
            changed = copy.deepcopy(self._found(path))
            webhooks = {webhook["name"]: webhook for webhook in changed["webhooks"]}
            for webhook in body["webhooks"]:
                webhooks[webhook["name"]]["clientConfig"] |= webhook["clientConfig"]
            return self._kept(path, changed)

    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] != "GET"]

    def _found(self, path: str) -> Object:
        try:
            return self.objects[path.partition("?")[0]]
        except KeyError:
            raise ApiError("not found", 404) from None

    def _kept(self, path: str, body: Object) -> Object:
        version = int(self._found(path)["metadata"]["resourceVersion"]) + 1
        self.objects[path.partition("?")[0]] = _at_version(copy.deepcopy(body), version)
        return copy.deepcopy(self._found(path))


def _at_version(body: Object, version: int) -> Object:
    body["metadata"]["resourceVersion"] = str(version)
    return body


class Front(ThreadingHTTPServer):
    """HTTP in front of an Apiserver; keeps the headers of every request."""

    daemon_threads = True

    def __init__(self, apiserver: Apiserver) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.apiserver = apiserver
        self.headers: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        self._answer(lambda: self.server.apiserver.get(self.path))

    def do_PUT(self) -> None:
        self._answer(lambda: self.server.apiserver.put(self.path, self._body()))

    def do_PATCH(self) -> None:
        content_type = self.headers["Content-Type"]
        self._answer(lambda: self.server.apiserver.patch(self.path, self._body(), content_type))

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, action: Any) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        status = 200
        try:
            answer = action()
        except ApiError as error:
            status, answer = error.status or 500, {"kind": "Status", "message": str(error)}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def over_http(apiserver: Apiserver) -> Iterator[Front]:
    with Front(apiserver) as front:
        thread = Thread(target=front.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield front
        finally:
            front.shutdown()
            thread.join()
