"""Whether the loops are alive, and the plain HTTP port that tells.

The server is the standard library's, in a thread of its own. Everything else in the
controller is threads too, and it must answer when one of them does not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Final

from webhook.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.controller.metrics import Metrics

_SLOW_CLIENT_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.1
_TEXT: Final = "text/plain; charset=utf-8"
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Health:
    """What /livez and /readyz look at.

    Each loop says more often than its limit that it is alive, even when there is nothing to
    do. That tells a stuck loop from a quiet one.

    Attributes:
        is_synced: Returns whether the first lists are there.
        clock: Seconds for comparisons.
        stopping: Whether the process is about to end.
    """

    is_synced: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    _limits: dict[str, float] = field(default_factory=dict)
    _beats: dict[str, float] = field(default_factory=dict)

    def loop(self, name: str, limit: float) -> Callable[[], None]:
        """Register a loop that must beat within `limit` seconds.

        Returns:
            What the loop calls to beat.
        """
        self._limits[name] = limit

        def beat() -> None:
            self._beats[name] = self.clock()

        beat()
        return beat

    def ended(self, name: str) -> None:
        """Forget a loop that has ended as it should."""
        self._limits.pop(name, None)

    def stuck(self) -> list[str]:
        """Return a sentence for each loop that has been silent for too long."""
        now = self.clock()
        problems = []
        for name, limit in dict(self._limits).items():
            silence = now - self._beats[name]
            if silence > limit:
                problems.append(f"{name} has been silent for {silence:.0f} s")
        return problems

    def unready(self) -> list[str]:
        """Return why this process could not act if it had to."""
        problems = []
        if self.stopping:
            problems.append("stopping")
        if not self.is_synced():
            problems.append("the first lists are not there yet")
        return problems


class SideServer(ThreadingHTTPServer):
    """Answers /livez, /readyz and /metrics.

    Raises:
        AddressError: It is not possible to listen on the port.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, health: Health, metrics: Metrics) -> None:
        self.health = health
        self.metrics = metrics
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise AddressError(host, port, str(error.strerror)) from error

    def start(self) -> None:
        """Serve in a thread that ends with the process."""
        poll = {"poll_interval": _POLL_SECONDS}
        Thread(target=self.serve_forever, kwargs=poll, name="side", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: SideServer
    timeout = _SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, self.server.metrics.text(), _EXPOSITION)
        elif path == "/livez":
            self._report(self.server.health.stuck())
        elif path == "/readyz":
            self._report(self.server.health.unready())
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"not found\n")

    def _report(self, problems: list[str]) -> None:
        if problems:
            text = "\n".join(problems)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{text}\n".encode())
        else:
            self._answer(HTTPStatus.OK, b"ok\n")

    def _answer(self, status: HTTPStatus, content: bytes, content_type: str = _TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing, since probes come every few seconds."""
