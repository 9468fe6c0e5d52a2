"""The HTTPS application: routes to the core.

Each is an ASGI endpoint inside FastAPI: between a body and its answer stand no pydantic model, no dependency
injection and no thread pool, which cost half of what a bare application reaches.
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

_VERDICTS: Final = {"/mutate": mutate, "/mutate-jobs": mutate_job, "/validate-jobs": validate_job}

_JSON: Final = (b"content-type", b"application/json")
_CLOSE: Final = (b"connection", b"close")


class Endpoint:
    """POST an AdmissionReview, get one back.

    Args:
        path: Where it is, which is also its name in the metrics and in the log.
        decide: The verdict on a review; it never raises.
        metrics: Of the process.
        health: Says whether connections are to be closed.
    """

    def __init__(self, path: str, decide: Callable[[Review], Verdict], metrics: Metrics, health: Health) -> None:
        self.path, self.decide, self.metrics, self.health = path, decide, metrics, health
        self.latency, self.in_flight = metrics.latency.labels(path), metrics.in_flight.labels(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        with self.in_flight.track_inprogress():
            try:
                _check_content_type(scope)
                status, answer = 200, self._answer(await _body(receive))
            except ReviewError as error:
                status, answer = error.status, _problem(error)
                found = error.finding
                log.event("no-review", webhook=self.path, status=status, reason=found.code, message=found.text)
        self.metrics.requests.labels(self.path, str(status)).inc()
        await _respond(send, status, answer, close=self.health.draining)

    def _answer(self, body: bytes) -> bytes:
        start = perf_counter_ns()
        asked = decode(body)
        verdict = self.decide(asked)
        answer = encode(asked.uid, verdict)
        nanoseconds = perf_counter_ns() - start
        self.latency.observe(nanoseconds / 1e9)
        self.metrics.review(self.path, verdict)
        _log_review(self.path, asked, verdict, nanoseconds // 1000)
        return answer


def _check_content_type(scope: Scope) -> None:
    found = next((value for name, value in scope["headers"] if name == b"content-type"), b"").decode("latin-1")
    if found.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise ReviewError(415, finding(Code.CONTENT_TYPE, found=found))


async def _body(receive: Receive) -> bytes:
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > BODY_LIMIT:
            raise ReviewError(413, finding(Code.TOO_LARGE, limit=BODY_LIMIT))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _problem(error: ReviewError) -> bytes:
    return orjson.dumps({"reason": error.finding.code, "message": error.finding.text})


async def _respond(send: Send, status: int, body: bytes, *, close: bool) -> None:
    """While draining every connection ends with its answer, so that the client opens the next one elsewhere."""
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, _CLOSE] if close else headers})
    await send({"type": "http.response.body", "body": body})


def _log_review(webhook: str, asked: Review, verdict: Verdict, microseconds: int) -> None:
    """The line of one review, with the path that it came to; the uid is the one in the apiserver's audit log."""
    log.event(
        "review",
        webhook=webhook,
        uid=asked.uid,
        namespace=asked.namespace,
        name=asked.name,
        role=verdict.role,
        reason=verdict.reason,
        allowed=verdict.allowed,
        microseconds=microseconds,
        message=verdict.message or None,
        trace=verdict.trace or None,
    )


def create_app(metrics: Metrics, health: Health, *, ipv6: bool = False) -> FastAPI:
    """The application that an apiserver calls."""
    app = FastAPI(title="volray", openapi_url=None)
    for path, decide in _VERDICTS.items():
        endpoint = Endpoint(path, partial(decide, ipv6=ipv6), metrics, health)
        app.router.routes.append(Route(path, endpoint, methods=["POST"]))
    return app
