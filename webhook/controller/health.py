"""Whether the loops are alive, what they have done, and the plain HTTP port that tells.

The standard library's server in a thread of its own: all is threads here, and it must answer when a loop does not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from webhook.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW_CLIENT = 5.0
_POLL = 0.1


@dataclass
class Health:
    """What /livez and /readyz look at.

    A loop says that it is alive (`beat`) more often than its limit even when there is nothing to do: that is how a
    stuck one is told from a quiet one.
    """

    is_synced: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    _limits: dict[str, float] = field(default_factory=dict)
    _beats: dict[str, float] = field(default_factory=dict)

    def loop(self, name: str, limit: float) -> Callable[[], None]:
        """Registers a loop that must beat within `limit` seconds; returns what it calls to do so."""
        self._limits[name] = limit

        def beat() -> None:
            self._beats[name] = self.clock()

        beat()
        return beat

    def ended(self, name: str) -> None:
        """A loop has ended as it should."""
        self._limits.pop(name, None)

    def stuck(self) -> list[str]:
        """The loops that have been silent for too long."""
        now, limits = self.clock(), dict(self._limits)
        silent = {name: now - self._beats[name] for name in limits}
        return [f"{name} has been silent for {silent[name]:.0f} s" for name in limits if silent[name] > limits[name]]

    def unready(self) -> list[str]:
        """Why this process could not act if it had to."""
        unsynced = [] if self.is_synced() else ["the first lists are not there yet"]
        return [*(["stopping"] if self.stopping else []), *unsynced]


class Metrics:
    """The metrics of one controller, in a registry of their own."""

    def __init__(self, depth: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        Gauge("volray_controller_queue_depth", "Jobs that wait for a worker.", registry=self.registry).set_function(
            depth
        )
        self.reconciles = Counter(
            "volray_controller_reconciles_total",
            "Looks at a Job and its Service, by what came of them.",
            ["outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "volray_controller_reconcile_seconds", "Time of one look.", buckets=_BUCKETS, registry=self.registry
        )
        self.writes = Counter(
            "volray_controller_writes_total", "Services written, by verb.", ["verb"], registry=self.registry
        )
        self.restarts = Counter(
            "volray_controller_watch_restarts_total",
            "Ends of a watch but the ordinary one.",
            ["resource", "reason"],
            registry=self.registry,
        )
        self.leader = Gauge("volray_controller_leader", "1 in the process that acts.", registry=self.registry)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self.registry)


class SideServer(ThreadingHTTPServer):
    """Answers /livez, /readyz and /metrics.

    Raises:
        AddressError: The port cannot be had.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, health: Health, metrics: Metrics) -> None:
        self.health, self.metrics = health, metrics
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise AddressError(
                f"{host} port {port} cannot be listened on ({error.strerror}). Choose another."
            ) from error

    def start(self) -> None:
        """Serves in a thread that ends with the process."""
        Thread(target=self.serve_forever, kwargs={"poll_interval": _POLL}, name="side", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: SideServer
    timeout = _SLOW_CLIENT

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, self.server.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/livez":
            self._report(self.server.health.stuck())
        elif path == "/readyz":
            self._report(self.server.health.unready())
        else:
            self._answer(404, b"not found\n")

    def _report(self, problems: list[str]) -> None:
        self._answer(503 if problems else 200, ("\n".join(problems or ["ok"]) + "\n").encode())

    def _answer(self, status: int, content: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Probes come every few seconds, and nobody reads that they came."""
