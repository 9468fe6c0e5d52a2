"""The metrics of the webhook server.

Their names follow `controller_runtime_webhook_*` of controller-runtime, so that a dashboard for
other webhooks is easy to adapt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from webhook.admission.review import Verdict

# In seconds. They end at an apiserver's default timeout. Its longest one is 30 s.
_BUCKETS: Final = (
    0.0005,
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
)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latency = Histogram(
            "volray_webhook_latency_seconds",
            "Time from the receipt of a whole AdmissionReview to its answer, in seconds.",
            ["webhook"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "volray_webhook_requests_in_flight",
            "Requests that are being answered now.",
            ["webhook"],
            registry=self.registry,
        )
        self.requests = Counter(
            "volray_webhook_requests_total",
            "Requests, by the HTTP status of the answer.",
            ["webhook", "code"],
            registry=self.registry,
        )
        self.reviews = Counter(
            "volray_reviews_total",
            "AdmissionReviews, by outcome (patched, allowed or denied) and reason.",
            ["webhook", "outcome", "reason"],
            registry=self.registry,
        )
        self.not_after = Gauge(
            "volray_certificate_not_after_seconds",
            "When the serving certificate expires, in seconds since 1970 (Unix time).",
            registry=self.registry,
        )

    def count_review(self, webhook: str, verdict: Verdict) -> None:
        """Count a verdict of one webhook as patched, allowed without a patch, or denied."""
        if not verdict.allowed:
            outcome = "denied"
        elif verdict.operations:
            outcome = "patched"
        else:
            outcome = "allowed"
        self.reviews.labels(webhook, outcome, verdict.reason.value).inc()

    def text(self) -> bytes:
        """Return the metrics in the exposition format of Prometheus."""
        return generate_latest(self.registry)
