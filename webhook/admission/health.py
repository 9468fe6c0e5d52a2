"""Whether this process should receive requests, and the plain HTTP port that reports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from webhook.admission.metrics import Metrics


@dataclass
class Health:
    """The state behind /readyz.

    Attributes:
        now: Returns the time.
        not_after: Returns when the serving certificate expires.
        problems: What keeps the process from serving, by the part that found it.
        draining: Whether the process is about to end.
    """

    now: Callable[[], datetime]
    not_after: Callable[[], datetime]
    problems: dict[str, str] = field(default_factory=dict)
    draining: bool = False

    def report(self, part: str, problem: str | None) -> None:
        """Note the problem of a part. None means that the part has no problem any more."""
        if problem is None:
            self.problems.pop(part, None)
        else:
            self.problems[part] = problem

    def unready(self) -> list[str]:
        """Return why this process should receive no requests. The list is empty when it should."""
        reasons: list[str] = []
        if self.draining:
            reasons.append("draining")
        if self.now() >= self.not_after():
            reasons.append("the certificate has expired")
        reasons.extend(self.problems.values())
        return reasons


def create_side_app(metrics: Metrics, health: Health) -> FastAPI:
    """Return the application of the side port, with liveness, readiness and metrics."""
    app = FastAPI(title="volray side port", openapi_url=None)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        reasons = health.unready()
        if reasons:
            return PlainTextResponse("\n".join(reasons) + "\n", status_code=503)
        return PlainTextResponse("ok\n")

    @app.get("/metrics")
    async def exposition() -> PlainTextResponse:
        metrics.not_after.set(health.not_after().timestamp())
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    return app
