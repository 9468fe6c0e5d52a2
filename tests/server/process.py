"""`volray serve` as a process, and how a client speaks with it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.store import LEAF
from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Mapping

VOLRAY = str(Path(sys.executable).with_name("volray"))
HOSTS = ("volray-webhook.volray-system.svc", "volray-webhook.volray-system", "127.0.0.1")
PATIENCE = 60.0
"""Seconds; the two cores may be busy with other tests."""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


wait_until = partial(wait, seconds=PATIENCE)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One TLS connection that is kept until the server says otherwise; it is never opened again by itself."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._http = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=context)
        self._http.connect()
        self._http.auto_open = False

    def send(
        self, body: Any, *, method: str = "POST", path: str = "/mutate", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An iterable body goes out in chunks."""
        self._http.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        response = self._http.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    @property
    def certificate(self) -> bytes:
        """What the server showed, in DER."""
        assert isinstance(self._http.sock, ssl.SSLSocket)
        shown = self._http.sock.getpeercert(binary_form=True)
        assert shown is not None
        return shown

    def close(self) -> None:
        self._http.close()


class Process:
    """A server on free ports, its output in files."""

    def __init__(
        self,
        folder: Path,
        cert_dir: Path,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        *,
        full_disk: bool = False,
    ) -> None:
        folder.mkdir()
        self.cert_dir, self.port, self.side_port = cert_dir, free_port(), free_port()
        self._out, self._err = Path("/dev/full") if full_disk else folder / "stdout", folder / "stderr"
        self._has_log = not full_disk
        ports = ["--port", str(self.port), "--side-port", str(self.side_port)]
        command = [VOLRAY, "serve", *ports, "--cert-dir", str(cert_dir), "--namespace", "volray-system", *options]
        environment = {k: v for k, v in os.environ.items() if k != "KUBERNETES_SERVICE_HOST"} | (env or {})
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        self.pid = self._process.pid

    def wait_until_ready(self) -> None:
        wait_until(lambda: self._process.poll() is not None or self._is_ready(), "ready")
        assert self._process.poll() is None, self.log()

    def _is_ready(self) -> bool:
        try:
            return self.side("/readyz").status == 200
        except ConnectionError:
            return False

    @property
    def trust(self) -> ssl.SSLContext:
        """The bundle as it is on the disk now."""
        return ssl.create_default_context(cafile=self.cert_dir / "ca.crt")

    def connect(self, context: ssl.SSLContext | None = None) -> Connection:
        return Connection(self.port, context or self.trust)

    def post(self, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        with closing(self.connect()) as connection:
            return connection.send(body, headers=headers)

    def exchange(self, sent: bytes) -> bytes:
        """What comes back for bytes over TLS, until the server ends or has nothing to say for half a second."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        with closing(self.trust.wrap_socket(plain, server_hostname="127.0.0.1")) as secure:
            secure.sendall(sent)
            secure.settimeout(0.5)
            received = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while more := secure.recv(65536):
                    received += more
            return received

    def shown(self) -> str:
        """The certificate that a new connection gets, in PEM."""
        with closing(self.connect()) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.certificate)

    def shows(self, certificate: bytes) -> bool:
        return self.shown().split() == certificate.decode().split()

    def shows_its_file(self) -> bool:
        return self.shows((self.cert_dir / LEAF).read_bytes())

    def side(self, path: str, method: str = "GET") -> Answer:
        plain = http.client.HTTPConnection("127.0.0.1", self.side_port, timeout=PATIENCE)
        with closing(plain):
            plain.request(method, path)
            response = plain.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def sample(self, name: str) -> float:
        """A metric, its labels as in the exposition."""
        lines = self.side("/metrics").body.decode().splitlines()
        return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")), "0"))

    def events(self) -> list[dict[str, Any]]:
        """The log, line by line; the last one may be half written."""
        lines = self.output.splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n") and line.startswith("{")]

    def events_text(self, field: str) -> str:
        """What every event says in a field."""
        return " ".join(str(event[field]) for event in self.events() if field in event)

    @property
    def output(self) -> str:
        return self._out.read_text() if self._has_log else ""

    @property
    def errors(self) -> str:
        return self._err.read_text()

    def log(self) -> str:
        return f"{self.output}{self.errors}"

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def exit_status(self) -> int:
        return self._process.wait(PATIENCE)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        if self.runs:
            self._process.kill()
        self._process.wait(PATIENCE)
