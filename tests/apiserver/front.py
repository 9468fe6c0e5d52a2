"""HTTP in front of the apiserver in memory, and a client of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient, Configuration

from webhook.k8s.client import ApiError, Client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.apiserver.memory import Apiserver
    from webhook.names import Object


@dataclass
class Front:
    """Where the server listens, and the headers of every request with lower-case names."""

    url: str
    headers: list[dict[str, str]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, apiserver: Apiserver) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.apiserver = apiserver
        self.headers: list[dict[str, str]] = []

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        try:
            if "watch=" in self.path:
                with self.server.apiserver.stream(self.path, 0) as events:
                    self._stream(events)
            else:
                self._answer(200, self._call(body))
        except ApiError as error:
            self._answer(error.status or 500, {"kind": "Status", "message": error.message})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _call(self, body: Any) -> Object:
        apiserver = self.server.apiserver
        if self.command == "GET":
            return apiserver.get(self.path)
        if self.command == "POST":
            return apiserver.post(self.path, body)
        if self.command == "PUT":
            return apiserver.put(self.path, body)
        if self.command == "PATCH":
            return apiserver.patch(self.path, body, self.headers["Content-Type"])
        return apiserver.delete(self.path, body)

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
def over_http(apiserver: Apiserver) -> Iterator[Front]:
    with _Server(apiserver) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield Front(f"http://127.0.0.1:{server.server_port}", server.headers)
        finally:
            apiserver.stalled = False
            apiserver.cut()
            server.shutdown()
            thread.join()


def package_client(url: str, api_key: Mapping[str, str] | None = None) -> ApiClient:
    """The kubernetes package's client, without a kubeconfig."""
    configuration = Configuration(host=url, api_key=dict(api_key or {}))
    configuration.retries = False
    return ApiClient(configuration)


def client(url: str, timeout: float = 5.0) -> Client:
    return Client(package_client(url), timeout)


def kubeconfig(url: str, token: str) -> str:
    """The text of a kubeconfig for the server."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": token}}],
        }
    )
