"""The side port: liveness, readiness, metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import recordings
from tests.server.test_review import HEAD, asking
from tests.volcano_pods import pod

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.application import Application

REVIEWS = "volray_reviews_total"
REQUESTS = "volray_webhook_requests_total"
LATENCY = "volray_webhook_latency_seconds"


def drains(application: Application) -> None:
    application.health.draining = True


def has_expired(application: Application) -> None:
    application.now = application.not_after


def has_a_second(application: Application) -> None:
    application.now = application.not_after - timedelta(seconds=1)


def has_a_problem(application: Application) -> None:
    application.health.report("certificates", "no CA")


def had_a_problem(application: Application) -> None:
    has_a_problem(application)
    application.health.report("certificates", None)


@pytest.mark.parametrize(
    ("states", "problems"),
    [
        ([], []),
        ([had_a_problem, has_a_second], []),
        ([drains], ["draining"]),
        ([has_expired], ["the certificate has expired"]),
        ([drains, has_a_problem, has_expired], ["draining", "the certificate has expired", "no CA"]),
    ],
)
def test_a_server_is_alive_and_what_keeps_it_from_being_ready_is_named(
    states: list[Callable[[Application], None]], problems: list[str], application: Application
) -> None:
    for state in states:
        state(application)
    alive, ready = application.side("/livez"), application.side("/readyz")
    assert (alive.status_code, alive.text) == (200, "ok\n")
    assert (ready.status_code, ready.text.splitlines()) == ((503, problems) if problems else (200, ["ok"]))


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/mutate", "POST", 404), ("/", "GET", 404), ("/livez", "POST", 405)]
)
def test_the_side_port_has_no_other_path(path: str, method: str, status: int, application: Application) -> None:
    assert application.side(path, method).status_code == status


ADOPTED = "job-create-native-minimal"
WRONG = asking(
    recordings.subject("job-create-labelled-minimal") | {"metadata": {"name": "7b"}},
    kind={"group": "batch.volcano.sh", "version": "v1alpha1", "kind": "Job"},
)

OUTCOMES = [
    ("/mutate", recordings.review(HEAD), "patched", "injected"),
    ("/mutate", asking(pod(command=["ray", "start", "--head"])), "patched", "injected-own"),
    ("/mutate", recordings.review("pod-create-bare"), "allowed", "not-volcano"),
    ("/mutate", asking(pod(), operation="UPDATE"), "allowed", "not-create"),
    ("/mutate", asking(pod(flags="--port=x")), "denied", "bad-value"),
    ("/mutate-jobs", recordings.review(ADOPTED), "patched", "adopted"),
    ("/mutate-jobs", recordings.review("job-create-tf"), "allowed", "not-a-ray-job"),
    ("/validate-jobs", recordings.review("job-create-labelled-minimal"), "allowed", "job-judged"),
    ("/validate-jobs", WRONG, "denied", "service-name"),
]


@pytest.mark.parametrize(
    ("path", "review", "outcome", "reason"), OUTCOMES, ids=[f"{path} {reason}" for path, _, _, reason in OUTCOMES]
)
def test_a_review_counts_once_by_webhook_outcome_and_reason(
    path: str, review: object, outcome: str, reason: str, application: Application
) -> None:
    for count in (1, 2):
        application.review(review, path)
        assert application.sample(REVIEWS, webhook=path, outcome=outcome, reason=reason) == count
        assert application.sample(f"{LATENCY}_count", webhook=path) == count
    samples = [s for metric in application.metrics.reviews.collect() for s in metric.samples if s.name == REVIEWS]
    assert len(samples) == 1


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [(b"{", None, "400"), (b"{}", {"Content-Type": "text/plain"}, "415"), (b" " * 8_000_000, None, "413")],
)
def test_a_request_that_is_no_review_counts_by_its_status_alone(
    body: bytes, headers: dict[str, str] | None, code: str, application: Application
) -> None:
    application.post(body, headers)
    assert application.sample(REQUESTS, webhook="/mutate", code=code) == 1
    assert application.sample(f"{LATENCY}_count", webhook="/mutate") == 0
    assert "volray_reviews_total{" not in application.side("/metrics").text


def test_nothing_is_in_flight_after_good_and_bad_requests(application: Application) -> None:
    application.post(recordings.body(HEAD))
    application.post(b"{")
    assert application.sample("volray_webhook_requests_in_flight", webhook="/mutate") == 0
    assert "volray_webhook_requests_in_flight" in application.side("/metrics").text


def test_latency_buckets_begin_at_half_a_millisecond(application: Application) -> None:
    application.post(recordings.body(HEAD))
    lines = [line for line in application.side("/metrics").text.splitlines() if line.startswith(f"{LATENCY}_bucket")]
    assert 'le="0.0005"' in lines[0]
    assert 'le="+Inf"' in lines[-1]


def test_metrics_come_in_the_text_format_of_prometheus(application: Application) -> None:
    answer = application.side("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for name in (REVIEWS, REQUESTS, "volray_webhook_requests_in_flight", "volray_certificate_not_after_seconds"):
        assert f"# TYPE {name}" in answer.text


def test_the_certificates_end_follows_the_certificate(application: Application) -> None:
    for _ in range(2):
        application.not_after += timedelta(days=1)
        application.side("/metrics")
        assert application.sample("volray_certificate_not_after_seconds") == application.not_after.timestamp()
