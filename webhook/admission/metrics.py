"""What /metrics says; the names follow controller-runtime's `controller_runtime_webhook_*`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from webhook.admission.review import Verdict

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, from half a millisecond to an apiserver's longest patience (30 s is its maximum, 10 s its default)."""


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latency = Histogram(
            "volray_webhook_latency_seconds",
            "Time from a whole request to its answer.",
            ["webhook"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "volray_webhook_requests_in_flight", "Requests being answered.", ["webhook"], registry=self.registry
        )
        self.requests = Counter(
            "volray_webhook_requests_total", "Requests by HTTP status.", ["webhook", "code"], registry=self.registry
        )
        self.reviews = Counter(
            "volray_reviews_total",
            "Reviews by what became of them.",
            ["webhook", "outcome", "reason"],
            registry=self.registry,
        )
        self.not_after = Gauge(
            "volray_certificate_not_after_seconds",
            "End of the serving certificate, in Unix time.",
            registry=self.registry,
        )

    def review(self, webhook: str, verdict: Verdict) -> None:
        """Counts a verdict of one webhook: patched, allowed as it was, or denied."""
        outcome = "denied" if not verdict.allowed else "patched" if verdict.operations else "allowed"
        self.reviews.labels(webhook, outcome, verdict.reason.value).inc()

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self.registry)
