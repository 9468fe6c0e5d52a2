"""The HTTPS application that an apiserver calls, with one endpoint for each webhook.

The endpoints are bare ASGI applications inside FastAPI. Pydantic models, dependency injection and a
thread pool between a request and its answer would cost half of the throughput.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import orjson
from fastapi import FastAPI
from starlette.routing import Route

from webhook import log
from webhook.admission.jobs import mutate_job, validate_job
from webhook.admission.pods import mutate
from webhook.admission.review import BODY_LIMIT, CONTENT_TYPE, decode, encode
from webhook.errors import ReviewError
from webhook.reasons import Code, finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from webhook.admission.health import Health
    from webhook.admission.metrics import Metrics
    from webhook.admission.review import Review, Verdict

_WEBHOOKS: Final = {
    "/mutate": mutate,
    "/mutate-jobs": mutate_job,
    "/validate-jobs": validate_job,
}

_JSON_HEADER: Final = (b"content-type", b"application/json")
_CLOSE_HEADER: Final = (b"connection", b"close")


class Endpoint:
    """Answers each POST of an AdmissionReview with an AdmissionReview.

    Args:
        path: The path of the URL. It also names the webhook in the metrics and in the log.
        decide: Returns the verdict on a review and never raises.
        metrics: The metrics of the process.
        health: Knows whether connections are to be closed.
    """

    def __init__(
        self,
        path: str,
        decide: Callable[[Review], Verdict],
        metrics: Metrics,
        health: Health,
    ) -> None:
        self.path = path
        self.decide = decide
        self.metrics = metrics
        self.health = health
        # Looking up the labels of a metric costs more than counting, so it is done once.
        self.latency = metrics.latency.labels(path)
        self.in_flight = metrics.in_flight.labels(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with self.in_flight.track_inprogress():
            try:
                _check_content_type(scope)
                body = await _read_body(receive)
                answer = self._answer_review(body)
                status = 200
            except ReviewError as error:
                answer = _error_body(error)
                status = error.status
                log.event(
                    "no-review",
                    webhook=self.path,
                    status=status,
                    reason=error.finding.code,
                    message=error.finding.text,
                )
        self.metrics.requests.labels(self.path, str(status)).inc()
        await _respond(send, status, answer, close=self.health.draining)

    def _answer_review(self, body: bytes) -> bytes:
        start = perf_counter_ns()
        review = decode(body)
        verdict = self.decide(review)
        answer = encode(review.uid, verdict)
        nanoseconds = perf_counter_ns() - start
        self.latency.observe(nanoseconds / 1e9)
        self.metrics.count_review(self.path, verdict)
        _log_review(self.path, review, verdict, nanoseconds // 1000)
        return answer


def _check_content_type(scope: Scope) -> None:
    found = ""
    for name, value in scope["headers"]:
        if name == b"content-type":
            found = value.decode("latin-1")
            break
    media_type = found.partition(";")[0].strip().lower()
    if media_type != CONTENT_TYPE:
        raise ReviewError(415, finding(Code.CONTENT_TYPE, found=found))


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        # Checked with each chunk, so that a body without end does not fill the memory.
        if size > BODY_LIMIT:
            raise ReviewError(413, finding(Code.TOO_LARGE, limit=BODY_LIMIT))
        chunks.append(chunk)
    return b"".join(chunks)


def _error_body(error: ReviewError) -> bytes:
    return orjson.dumps({"reason": error.finding.code, "message": error.finding.text})


async def _respond(send: Send, status: int, body: bytes, *, close: bool) -> None:
    headers = [_JSON_HEADER, (b"content-length", str(len(body)).encode())]
    # While draining, each connection ends with its answer, so the client opens the next one to
    # another replica.
    if close:
        headers.append(_CLOSE_HEADER)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _log_review(webhook: str, review: Review, verdict: Verdict, microseconds: int) -> None:
    log.event(
        "review",
        webhook=webhook,
        # The apiserver's audit log has the same uid.
        uid=review.uid,
        namespace=review.namespace,
        name=review.name,
        role=verdict.role,
        reason=verdict.reason,
        allowed=verdict.allowed,
        microseconds=microseconds,
        message=verdict.message or None,
        trace=verdict.trace or None,
    )


def create_app(metrics: Metrics, health: Health, *, ipv6: bool = False) -> FastAPI:
    """Return the application that an apiserver calls.

    Args:
        metrics: The metrics of the process.
        health: Knows whether connections are to be closed.
        ipv6: The cluster's pods have IPv6 addresses first.
    """
    # Without the OpenAPI document FastAPI serves no pages of documentation either.
    app = FastAPI(title="volray", openapi_url=None)
    for path, decide in _WEBHOOKS.items():
        endpoint = Endpoint(path, partial(decide, ipv6=ipv6), metrics, health)
        app.router.routes.append(Route(path, endpoint, methods=["POST"]))
    return app
