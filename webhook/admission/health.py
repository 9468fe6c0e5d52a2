"""Whether this process should get requests, and the plain HTTP port that says so."""

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
    """What /readyz looks at. The certificate's end and the clock come from outside."""

    now: Callable[[], datetime]
    not_after: Callable[[], datetime]
    problems: dict[str, str] = field(default_factory=dict)
    """What stands in the way, by the part that found it."""
    draining: bool = False

    def report(self, part: str, problem: str | None) -> None:
        """Notes a part's problem, or that it has none any more."""
        if problem is None:
            self.problems.pop(part, None)
        else:
            self.problems[part] = problem

    def unready(self) -> list[str]:
        """Why no request should come; empty when ready."""
        expired = ["the certificate has expired"] if self.now() >= self.not_after() else []
        return [*(["draining"] if self.draining else []), *expired, *self.problems.values()]


def create_side_app(metrics: Metrics, health: Health) -> FastAPI:
    """Liveness, readiness and metrics, apart from the apiserver's port."""
    app = FastAPI(title="volray side port", openapi_url=None)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        reasons = health.unready()
        return PlainTextResponse("\n".join(reasons or ["ok"]) + "\n", status_code=503 if reasons else 200)

    @app.get("/metrics")
    async def exposition() -> PlainTextResponse:
        metrics.not_after.set(health.not_after().timestamp())
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    return app
