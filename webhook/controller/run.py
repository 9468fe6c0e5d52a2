"""`volray controller`: the threads, how they hang together, and how they end.

Threads rather than asyncio, because the client is urllib3: two watches, the election, a few workers and the side port,
each waiting nearly all its life. Watches run on every replica, so that one that takes over knows everything already;
workers run on the leader alone.
"""

from __future__ import annotations

import random
import signal
import socket
import time
import traceback
import uuid
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from webhook import log
from webhook.controller.head_service.observed import OURS, RayJob, job_key, job_reader, read_service, service_key
from webhook.controller.head_service.reconciler import Outcome, Result, Worker
from webhook.controller.health import Health, Metrics, SideServer
from webhook.controller.runtime.cache import Store
from webhook.controller.runtime.events import Recorder
from webhook.controller.runtime.lease import DEFAULT_TERMS, Election, Terms
from webhook.controller.runtime.queue import FAST, Queue
from webhook.controller.runtime.watch import SERVER_SECONDS, SILENCE_SECONDS, Watch
from webhook.errors import NotLeadingError
from webhook.k8s.client import Client
from webhook.k8s.paths import JOBS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.names import Object

LIST_SECONDS: Final = 30.0
"""For one page of a list; anything else must be answered within what the lease leaves (`Terms.lease - Terms.renew`)."""

_IDLE: Final = 5.0
"""Seconds after which a worker without work shows that it is alive."""
_WATCH_LIMIT: Final = 2.0
_WORKER_LIMIT: Final = 120.0
_LEASE_LIMIT: Final = 60.0
_LAST_KEY: Final = 25.0
"""Seconds that the keys at work get after SIGTERM; the Deployment's grace period is longer."""


@dataclass(frozen=True)
class Options:
    """How to run."""

    side_host: str
    side_port: int
    lease: str
    namespace: str
    all_jobs: bool = False
    workers: int = 2
    resync_seconds: float = 600.0
    terms: Terms = DEFAULT_TERMS
    server_seconds: float = SERVER_SECONDS
    silence_seconds: float = SILENCE_SECONDS


class Controller:
    """One replica."""

    def __init__(self, client: Client, options: Options) -> None:
        self.options = options
        self.me = f"{socket.gethostname()}_{uuid.uuid4()}"
        self.stop, self._lease_stop = Event(), Event()
        self.queue = Queue()
        self._leading = Event()
        self._lost: NotLeadingError | None = None
        read_job = job_reader(all_jobs=options.all_jobs)
        self.jobs: Store[RayJob] = Store(read_job, self._changed)
        self.services: Store[Object] = Store(read_service, self._service_changed)
        self.metrics = Metrics(lambda: len(self.queue))
        writer = client.within(options.terms.lease - options.terms.renew)
        self.election = Election(writer, options.namespace, options.lease, self.me, options.terms)
        self.health = Health(self._is_synced)
        reader = client.within(LIST_SECONDS)
        self._watches = {
            "jobs": self._watch(reader, "jobs", JOBS, self.jobs),
            "services": self._watch(reader, "services", SERVICES, self.services, OURS),
        }
        self._worker = Worker(
            writer,
            self.jobs,
            self.services,
            read_job,
            Recorder(writer, self.me),
            self.election.check,
            lambda verb: self.metrics.writes.labels(verb).inc(),
        )

    def run(self) -> None:
        """Runs until `stop` is set.

        Raises:
            NotLeadingError: The lease was lost; a new process has to begin anew.
            AddressError: The side port cannot be had.
        """
        side = SideServer(self.options.side_host, self.options.side_port, self.health, self.metrics)
        side.start()
        log.event("controller", me=self.me, side_port=side.server_port, all_jobs=self.options.all_jobs)
        for name, watch in self._watches.items():
            _thread(f"watch {name}", partial(watch.run, self.stop))
        workers = [_thread(f"worker {index}", self._work_loop(index)) for index in range(self.options.workers)]
        election = _thread("election", self._elect)
        while not self.stop.wait(self.options.resync_seconds):
            self._resync()
        self._end(workers, election)
        side.shutdown()
        side.server_close()
        if self._lost is not None:
            raise self._lost

    def _end(self, workers: list[Thread], election: Thread) -> None:
        """The keys at work are finished under the lease, and only then is it given back."""
        self.health.stopping = True
        self.queue.close()
        if self._lost is not None:
            return
        log.event("stopping")
        last = time.monotonic() + _LAST_KEY
        for worker in workers:
            worker.join(max(0.0, last - time.monotonic()))
        self._lease_stop.set()
        election.join(_LAST_KEY)
        if not any(worker.is_alive() for worker in workers):
            self.election.release()
        log.event("stopped")

    def _watch(self, api: Client, name: str, path: str, store: Store[Any], selector: str = "") -> Watch:
        limit = _WATCH_LIMIT * (self.options.silence_seconds + LIST_SECONDS)
        return Watch(
            api,
            path,
            store,
            selector,
            self.options.server_seconds,
            self.options.silence_seconds,
            self.health.loop(f"watch {name}", limit),
            lambda reason: self.metrics.restarts.labels(name, reason).inc(),
        )

    def _is_synced(self) -> bool:
        return all(watch.synced for watch in self._watches.values())

    def _changed(self, key: str) -> None:
        """Only the leader's queue is emptied: another's would grow for ever."""
        if self._leading.is_set():
            self.queue.add(key)

    def _service_changed(self, key: str) -> None:
        if (job := job_key(key)) is not None:
            self._changed(job)

    def _elect(self) -> None:
        """Stands for election once everything is known: who cannot list must not keep others from acting."""
        beat = self.health.loop("election", _LEASE_LIMIT)
        try:
            while not self._lease_stop.is_set():
                beat()
                pause = self.options.terms.hurry
                if self._is_synced():
                    self._lead(is_leader=self.election.step())
                    pause = self.election.pause
                self._lease_stop.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
        except NotLeadingError as error:
            self._lose(error)
        except Exception:  # the lease is not renewed from here on: better a new process
            log.event("lease", trace=traceback.format_exc())
            self._lose(NotLeadingError("The election failed, which is a fault of volray."))
        self.health.ended("election")

    def _lead(self, *, is_leader: bool) -> None:
        self.metrics.leader.set(is_leader)
        if is_leader and not self._leading.is_set():
            log.event("leading", me=self.me)
            self._leading.set()
            self._look_at_all()

    def _lose(self, error: NotLeadingError) -> None:
        log.event("lost", problem=str(error))
        self.metrics.leader.set(0)
        self._lost = error
        self._lease_stop.set()
        self.stop.set()

    def _look_at_all(self) -> None:
        """Live Jobs first: workers of theirs may be waiting."""
        for key, _ in sorted(self.jobs.items(), key=lambda item: item[1].is_finished):
            self.queue.add(key)

    def _resync(self) -> None:
        """Another look at whatever could have a Service or should; one of a finished Job would be in the store."""
        for key, job in self.jobs.items():
            if not job.is_finished or self.services.get(service_key(key)) is not None:
                self._changed(key)

    def _work_loop(self, index: int) -> Callable[[], None]:
        name = f"worker {index}"
        beat = self.health.loop(name, _WORKER_LIMIT)

        def loop() -> None:
            while not self.stop.is_set():
                beat()
                key = self.queue.get(_IDLE)
                if key is not None:
                    self._work(key)
            self.health.ended(name)

        return loop

    def _work(self, key: str) -> None:
        with self.metrics.seconds.time():
            result = self._reconciled(key)
        self.metrics.reconciles.labels(result.outcome).inc()
        if result.again is None:
            self.queue.forget(key)
        else:
            self.queue.retry(key, result.again)
        self.queue.done(key)

    def _reconciled(self, key: str) -> Result:
        try:
            return self._worker.reconcile(key)
        except NotLeadingError as error:
            self._lose(error)
        except Exception:  # a fault on one Job must not keep the others waiting
            log.event("reconcile", job=key, trace=traceback.format_exc())
        return Result(Outcome.FAILED, FAST)


def _thread(name: str, target: Callable[[], None]) -> Thread:
    """A thread that does not outlive the process: a watch may be in the middle of a long read when it ends."""
    thread = Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def run(options: Options) -> None:
    """Runs as the pod's service account, or as the kubeconfig says, until SIGTERM.

    Raises:
        NotLeadingError: The lease was lost.
        AddressError: The side port cannot be had.
        ApiError: There is no apiserver to talk to.
    """
    controller = Controller(Client.from_environment(), options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: controller.stop.set())
    controller.run()
