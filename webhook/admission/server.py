"""The two ports of `volray serve`, their certificate, and how they end.

The apiserver calls one port over TLS. Probes and Prometheus use the other over plain HTTP.
"""

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
    from ssl import SSLContext

    from fastapi import FastAPI

    from certs.renewal import Renewal

KEEP_ALIVE: Final = 120
"""In seconds, and longer than the 90 s for which kube-apiserver keeps idle connections.

kube-apiserver does not repeat a POST whose connection the server closes.
"""

RENEWAL_INTERVAL: Final = 60.0
REFRESH_INTERVAL: Final = 1.0

LAST_ANSWERS: Final = 10
"""Seconds after the drain in which requests that have arrived are still answered."""


@dataclass(frozen=True)
class Serving:
    """Where to listen and how to end.

    Attributes:
        host: The address of both ports.
        port: The port for the apiserver.
        side_port: The port for probes and Prometheus.
        cert_dir: The directory of the certificate and its key.
        drain_seconds: How long to answer requests after SIGTERM.
        ipv6: The cluster's pods have IPv6 addresses first.
    """

    host: str
    port: int
    side_port: int
    cert_dir: Path
    drain_seconds: float
    ipv6: bool = False


class _Server(uvicorn.Server):
    """A server that tells when it has started and leaves signals to volray."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own handlers close idle connections at once. The apiserver may just be sending a
        # request on one of them.
        yield


def run(serving: Serving, renewal: Renewal, on_serving: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM and for the drain period after it.

    Args:
        serving: Where to listen and how to end.
        renewal: Writes the certificate and its key into the directory and renews them.
        on_serving: Called once both ports answer.

    Raises:
        CertificateError: There is no certificate to begin with.
        AddressError: It is not possible to listen on a port.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(serving, renewal, on_serving))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop  # noqa: PLC0415 - only a server needs it

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(serving: Serving, renewal: Renewal, on_serving: Callable[[], None]) -> None:
    first_problem = await _step_renewal(renewal)
    certificate, key = serving.cert_dir / LEAF, serving.cert_dir / LEAF_KEY
    try:
        keeper = Keeper(certificate, key, on_refusal=_log_refused_pair)
    except CertificateError as error:
        # Why no certificate could be written tells more than that there is none.
        raise CertificateError(first_problem or str(error)) from error
    health = Health(now=_now, not_after=lambda: keeper.not_after)
    health.report("certificates", first_problem)
    metrics = Metrics()
    with (
        _listen(serving.host, serving.port) as main_socket,
        _listen(serving.host, serving.side_port) as side_socket,
    ):
        app = create_app(metrics, health, ipv6=serving.ipv6)
        main = _create_server(app, ssl_context_factory=lambda *_: keeper.context)
        side = _create_server(create_side_app(metrics, health))
        servers = [
            asyncio.create_task(main.serve(sockets=[main_socket])),
            asyncio.create_task(side.serve(sockets=[side_socket])),
        ]
        # asyncio keeps no strong reference to a task, so these stay in a list.
        background = [
            asyncio.create_task(_keep_renewing(renewal, health)),
            asyncio.create_task(_keep_refreshing(keeper)),
            asyncio.create_task(_stop_at_signal(serving, health, [main, side])),
        ]
        await main.ready.wait()
        await side.ready.wait()
        port = main_socket.getsockname()[1]
        log.event("serving", host=serving.host, port=port, not_after=keeper.not_after)
        on_serving()
        await asyncio.gather(*servers)
        for task in background:
            task.cancel()
    log.event("stopped")


def _now() -> datetime:
    return datetime.now(UTC)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        # create_server repeats the address in the text of the error.
        reason = str(error.strerror).partition(" (while attempting")[0]
        raise AddressError(host, port, reason) from error


def _create_server(
    app: FastAPI, ssl_context_factory: Callable[..., SSLContext] | None = None
) -> _Server:
    config = uvicorn.Config(
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
        ssl_context_factory=ssl_context_factory,
    )
    return _Server(config)


async def _stop_at_signal(serving: Serving, health: Health, servers: list[_Server]) -> None:
    """Report unready at SIGTERM, keep serving for the drain period, and then stop the servers.

    Requests arrive until every kube-proxy has removed this endpoint. SIGINT ends the drain period
    at once.
    """
    loop = asyncio.get_running_loop()
    terminate = asyncio.Event()
    interrupt = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, terminate.set)
    loop.add_signal_handler(signal.SIGINT, interrupt.set)
    await _wait_for_either(terminate, interrupt)
    health.draining = True
    log.event("draining", seconds=serving.drain_seconds)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(interrupt.wait(), serving.drain_seconds)
    for server in servers:
        server.should_exit = True


async def _wait_for_either(one: asyncio.Event, other: asyncio.Event) -> None:
    waiting = [asyncio.create_task(one.wait()), asyncio.create_task(other.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _keep_renewing(renewal: Renewal, health: Health) -> None:
    while True:
        await asyncio.sleep(RENEWAL_INTERVAL)
        health.report("certificates", await _step_renewal(renewal))


async def _step_renewal(renewal: Renewal) -> str | None:
    """Renew the certificate if it is time.

    Returns:
        Why clients cannot trust the server, or None if they can.
    """
    try:
        # In a thread, as a step may wait for an apiserver.
        step = await asyncio.to_thread(renewal.step)
    except (VolrayError, CertificateError) as error:
        problem = str(error)
        log.event("certificates", problem=problem)
        return problem
    except Exception as error:
        # If the renewal ended here, nobody would notice before the certificate expires.
        problem = repr(error)
        log.event("certificates", problem=problem)
        return problem
    if step is None:
        return None
    if step.issued:
        log.event("certificates", issued=True)
    if not step.published:
        return "the CA bundle is not published"
    return None


async def _keep_refreshing(keeper: Keeper) -> None:
    while True:
        await asyncio.sleep(REFRESH_INTERVAL)
        if keeper.refresh():
            log.event("certificates", served=True, not_after=keeper.not_after)


def _log_refused_pair(error: CertificateError) -> None:
    log.event("certificates", problem=str(error))
