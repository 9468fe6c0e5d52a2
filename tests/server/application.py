"""The application in this process, without a port."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from webhook.admission.app import create_app
from webhook.admission.health import Health, create_side_app
from webhook.admission.metrics import Metrics

if TYPE_CHECKING:
    from fastapi import FastAPI

    from webhook.names import Object

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}


class Application:
    """Both ports' applications; the clock is `now`, the certificate's end `not_after`."""

    def __init__(self, *, ipv6: bool = False) -> None:
        self.now, self.not_after = NOW, NOW + timedelta(days=1)
        self.metrics = Metrics()
        self.health = Health(now=lambda: self.now, not_after=lambda: self.not_after)
        self._main = create_app(self.metrics, self.health, ipv6=ipv6)
        self._side = create_side_app(self.metrics, self.health)

    def post(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/mutate") -> httpx.Response:
        return self.send("POST", path, body, JSON if headers is None else headers)

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        return asyncio.run(_send(self._main, method, path, body, headers or {}))

    def side(self, path: str, method: str = "GET") -> httpx.Response:
        return asyncio.run(_send(self._side, method, path, b"", {}))

    def review(self, review: Any, path: str = "/mutate") -> Object:
        """The response in the answer to a review."""
        answer = self.post(json.dumps(review).encode(), path=path)
        assert answer.status_code == httpx.codes.OK, answer.text
        response: Object = answer.json()["response"]
        return response

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value; 0 for one that was never touched."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def _send(app: FastAPI, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """An exception of the application comes through as it is."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://webhook") as client:
        return await client.request(method, path, content=body, headers=headers)


def patch_of(response: Object) -> list[Object]:
    patch: list[Object] = json.loads(base64.b64decode(response["patch"], validate=True))
    return patch
