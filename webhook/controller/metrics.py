"""The metrics of one controller."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)


class Metrics:
    """The metrics of one controller, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queue_depth = Gauge(
            "volray_controller_queue_depth",
            "Jobs that wait to be reconciled.",
            registry=self.registry,
        )
        self.reconciles = Counter(
            "volray_controller_reconciles_total",
            "Looks at a Job and its Service, by what came of them.",
            ["outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "volray_controller_reconcile_seconds",
            "Time of one look.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.writes = Counter(
            "volray_controller_writes_total",
            "Services written, by verb.",
            ["verb"],
            registry=self.registry,
        )
        self.restarts = Counter(
            "volray_controller_watch_restarts_total",
            "Ends of a watch but the ordinary one.",
            ["resource", "reason"],
            registry=self.registry,
        )
        self.leader = Gauge(
            "volray_controller_leader", "1 in the process that acts.", registry=self.registry
        )

    def count_write(self, verb: str) -> None:
        """Count a write of a Service."""
        self.writes.labels(verb).inc()

    def text(self) -> bytes:
        """Return the metrics in the exposition format of Prometheus."""
        return generate_latest(self.registry)
