"""The two ports of `volray serve`: TLS for the apiserver, plain HTTP for probes and Prometheus; signals and drain."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import uvicorn

from certs.errors import CertificateError
from certs.serving import Keeper
from certs.store import LEAF, LEAF_KEY
from webhook import log
from webhook.admission.app import create_app
from webhook.admission.health import Health, create_side_app
from webhook.admission.metrics import Metrics
from webhook.errors import AddressError, VolrayError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from fastapi import FastAPI

    from certs.renewal import Renewal

KEEP_ALIVE: Final = 120
"""Seconds. kube-apiserver keeps idle connections for 90 s and does not repeat a POST that one of them loses."""

RENEWAL_INTERVAL: Final = 60.0
REFRESH_INTERVAL: Final = 1.0
LAST_ANSWERS: Final = 10
"""Seconds that answers under way get after the drain."""


@dataclass(frozen=True)
class Serving:
    """Where to listen and how to end."""

    host: str
    port: int
    side_port: int
    cert_dir: Path
    drain_seconds: float
    ipv6: bool = False


class _Server(uvicorn.Server):
    """Leaves the signals alone: uvicorn's own handlers close idle connections before a client has noticed."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _now() -> datetime:
    return datetime.now(UTC)


def run(serving: Serving, renewal: Renewal, on_serving: Callable[[], None] = lambda: None) -> None:
    """Serves until SIGTERM and the drain after it.

    Args:
        serving: Where and how.
        renewal: Puts the pair into the directory and keeps it there.
        on_serving: Called once both ports answer.

    Raises:
        CertificateError: There is no pair to begin with.
        AddressError: A port cannot be had.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(serving, renewal, on_serving))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop  # noqa: PLC0415 - `volray inject` does without

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(serving: Serving, renewal: Renewal, on_serving: Callable[[], None]) -> None:
    first_problem = await _step(renewal)
    try:
        keeper = Keeper(serving.cert_dir / LEAF, serving.cert_dir / LEAF_KEY, on_refusal=_refused)
    except CertificateError as error:
        raise CertificateError(first_problem or str(error)) from error
    health = Health(now=_now, not_after=lambda: keeper.not_after)
    health.report("certificates", first_problem)
    metrics = Metrics()
    with _listen(serving.host, serving.port) as main, _listen(serving.host, serving.side_port) as side:
        app = _server(create_app(metrics, health, ipv6=serving.ipv6), keeper)
        probes = _server(create_side_app(metrics, health))
        servers = {app: main, probes: side}
        running = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in servers.items()]
        chores = [asyncio.create_task(_renew(renewal, health)), asyncio.create_task(_refresh(keeper))]
        stopping = asyncio.create_task(_stop(serving, health, [app, probes]))
        await _started([app, probes])
        log.event("serving", host=serving.host, port=main.getsockname()[1], not_after=keeper.not_after)
        on_serving()
        await asyncio.gather(*running)
        for task in (stopping, *chores):
            task.cancel()
    log.event("stopped")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise AddressError(f"{host} port {port} cannot be listened on ({error.strerror}). Choose another.") from error


def _server(app: FastAPI, keeper: Keeper | None = None) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=LAST_ANSWERS,
            ssl_context_factory=(lambda _config, _default: keeper.context) if keeper else None,
        )
    )


async def _started(servers: list[_Server]) -> None:
    for server in servers:
        await server.ready.wait()


async def _stop(serving: Serving, health: Health, servers: list[_Server]) -> None:
    """First out of the endpoints, then out of the world: requests come until every kube-proxy has heard of it."""
    loop, asked, at_once = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    loop.add_signal_handler(signal.SIGINT, at_once.set)
    await _any_of(asked, at_once)
    health.draining = True
    log.event("draining", seconds=serving.drain_seconds)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(at_once.wait(), serving.drain_seconds)
    for server in servers:
        server.should_exit = True


async def _any_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _renew(renewal: Renewal, health: Health) -> None:
    while True:
        await asyncio.sleep(RENEWAL_INTERVAL)
        health.report("certificates", await _step(renewal))


async def _step(renewal: Renewal) -> str | None:
    """Why clients cannot trust what is served, if they cannot; a step may wait for an apiserver, hence the thread."""
    try:
        step = await asyncio.to_thread(renewal.step)
    except Exception as error:  # whatever it is: an end of the renewal would be noticed when the certificate expires
        is_ours = isinstance(error, VolrayError | CertificateError)
        problem = str(error) if is_ours else repr(error)
        log.event("certificates", problem=problem)
        return problem
    if step and step.issued:
        log.event("certificates", issued=True)
    return None if step is None or step.published else "the CA bundle is not published"


async def _refresh(keeper: Keeper) -> None:
    while True:
        await asyncio.sleep(REFRESH_INTERVAL)
        if keeper.refresh():
            log.event("certificates", served=True, not_after=keeper.not_after)


def _refused(error: CertificateError) -> None:
    log.event("certificates", problem=str(error))
