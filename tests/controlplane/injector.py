"""What it takes to have a webhook of the tests' own called for pods."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from tests.controlplane.client import path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]

_REGISTRATION: Final = "admissionregistration.k8s.io/v1"


@contextmanager
def serving(answer: Callable[[Object], Object], certificates: Path) -> Iterator[str]:
    """Answer reviews over HTTPS, and yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(answer(review)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the apiserver's log and the assertions tell enough."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/inject"
        finally:
            server.shutdown()


@contextmanager
def registered(plane: ControlPlane, name: str, url: str, selector: Object) -> Iterator[None]:
    """Register the URL for new pods, with the reinvocation policy that injectors have.

    Args:
        plane: Where.
        name: The configuration's name: mutating ones are called in the order of their names.
        url: Of `serving`.
        selector: For which pods, as `{"objectSelector": …}` or `{"namespaceSelector": …}`.
    """
    webhook = {
        "name": "inject.sidecars.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": url, "caBundle": base64.b64encode(plane.ca.read_bytes()).decode()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        **selector,
        "reinvocationPolicy": "IfNeeded",
        "failurePolicy": "Fail",
        "sideEffects": "None",
    }
    kind = {"apiVersion": _REGISTRATION, "kind": "MutatingWebhookConfiguration"}
    configurations = path(_REGISTRATION, "mutatingwebhookconfigurations")
    plane.admin.create(configurations, {**kind, "metadata": {"name": name}, "webhooks": [webhook]})
    try:
        yield
    finally:
        plane.admin.delete(f"{configurations}/{name}")
