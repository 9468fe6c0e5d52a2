"""`volray controller`: its threads, how they work together, and how they end.

It uses threads rather than asyncio, because the client is urllib3. There are the watches, the
election, a few threads that reconcile and the side port, and each waits nearly all its life.
Watches run on every replica, so that one that takes over knows everything already. Only the
leader reconciles.
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
from typing import TYPE_CHECKING, Final

from webhook import log
from webhook.controller.head_service.reconciler import HeadServiceReconciler
from webhook.controller.health import Health, SideServer
from webhook.controller.metrics import Metrics
from webhook.controller.runtime.events import Recorder
from webhook.controller.runtime.lease import DEFAULT_TERMS, Election, Terms
from webhook.controller.runtime.queue import FAST, Queue
from webhook.controller.runtime.reconciler import Outcome, Result
from webhook.controller.runtime.watch import SERVER_SECONDS, SILENCE_SECONDS, Watch
from webhook.errors import NotLeadingError
from webhook.k8s.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from webhook.controller.runtime.reconciler import Reconciler, WatchedResource
    from webhook.k8s.client import Api

LIST_SECONDS: Final = 30.0
"""For one page of a list. Any other request must be answered within what the lease leaves."""

_IDLE_SECONDS: Final = 5.0
"""After which a thread without a key to reconcile shows that it is alive."""

# After so many seconds without a beat, a loop counts as stuck.
_RECONCILER_LIMIT: Final = 120.0
_ELECTION_LIMIT: Final = 60.0
# How many times as long as its longest request a watch may be silent.
_WATCH_LIMIT: Final = 2.0

LAST_KEY_SECONDS: Final = 25.0
"""For the keys at work after SIGTERM. The Deployment's grace period is longer."""


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        side_host: The address of the side port.
        side_port: The side port.
        lease: The name of the Lease.
        namespace: The namespace of the Lease.
        all_jobs: Whether Jobs without the opt-in label count too.
        threads: How many threads reconcile.
        resync_seconds: How often everything is reconciled again, though nothing has changed.
        terms: The times of the election.
        server_seconds: See `watch.SERVER_SECONDS`.
        silence_seconds: See `watch.SILENCE_SECONDS`.
    """

    side_host: str
    side_port: int
    lease: str
    namespace: str
    all_jobs: bool = False
    threads: int = 2
    resync_seconds: float = 600.0
    terms: Terms = DEFAULT_TERMS
    server_seconds: float = SERVER_SECONDS
    silence_seconds: float = SILENCE_SECONDS


class Controller:
    """One replica.

    Args:
        reader: The apiserver, with time enough for a page of a list.
        election: Decides whether this replica acts.
        reconcilers: What it does when it acts.
        metrics: What it counts.
        options: How to run.
    """

    def __init__(
        self,
        reader: Api,
        election: Election,
        reconcilers: Sequence[Reconciler],
        metrics: Metrics,
        options: Options,
    ) -> None:
        self.options = options
        self.election = election
        self.reconcilers = reconcilers
        self.metrics = metrics
        self.health = Health(self._is_synced)
        self.stop = Event()
        self._election_stop = Event()
        self._leading = Event()
        self._lost: NotLeadingError | None = None
        self._queues = {reconciler.name: Queue() for reconciler in reconcilers}
        self._watches: dict[str, Watch] = {}
        for reconciler in reconcilers:
            for resource in reconciler.resources:
                changed = partial(self._object_changed, reconciler, resource)
                resource.cache.subscribe(changed)
                if resource.name not in self._watches:
                    self._watches[resource.name] = self._watch(reader, resource)
        metrics.queue_depth.set_function(self.waiting)

    def run(self) -> None:
        """Run until `stop` is set.

        Raises:
            NotLeadingError: The lease was lost, so a new process has to begin anew.
            AddressError: It is not possible to listen on the side port.
        """
        side = SideServer(self.options.side_host, self.options.side_port, self.health, self.metrics)
        side.start()
        log.event(
            "controller",
            me=self.election.identity,
            side_port=side.server_port,
            all_jobs=self.options.all_jobs,
        )
        for name, watch in self._watches.items():
            _start_thread(f"watch {name}", partial(watch.run, self.stop))
        reconciling = [
            self._start_reconciling(reconciler, number)
            for reconciler in self.reconcilers
            for number in range(self.options.threads)
        ]
        electing = _start_thread("election", self._elect)
        while not self.stop.wait(self.options.resync_seconds):
            self._resync()
        self._finish(reconciling, electing)
        side.shutdown()
        side.server_close()
        if self._lost is not None:
            raise self._lost

    def waiting(self) -> int:
        """Return how many keys wait to be reconciled."""
        return sum(map(len, self._queues.values()))

    def _finish(self, reconciling: list[Thread], electing: Thread) -> None:
        """Finish the keys at work under the lease, and only then give the lease back."""
        self.health.stopping = True
        for queue in self._queues.values():
            queue.close()
        if self._lost is not None:
            return
        log.event("stopping")
        last = time.monotonic() + LAST_KEY_SECONDS
        for thread in reconciling:
            thread.join(max(0.0, last - time.monotonic()))
        self._election_stop.set()
        electing.join(LAST_KEY_SECONDS)
        # A thread that is still at work may write, so the lease has to run out by itself.
        if not any(thread.is_alive() for thread in reconciling):
            self.election.release()
        log.event("stopped")

    # Watches.

    def _watch(self, reader: Api, resource: WatchedResource) -> Watch:
        longest_request = self.options.silence_seconds + LIST_SECONDS
        beat = self.health.loop(f"watch {resource.name}", _WATCH_LIMIT * longest_request)

        def count_restart(reason: str) -> None:
            self.metrics.restarts.labels(resource.name, reason).inc()

        return Watch(
            reader,
            resource.path,
            resource.cache,
            resource.selector,
            self.options.server_seconds,
            self.options.silence_seconds,
            beat,
            count_restart,
        )

    def _is_synced(self) -> bool:
        return all(watch.synced for watch in self._watches.values())

    def _object_changed(
        self, reconciler: Reconciler, resource: WatchedResource, object_key: str
    ) -> None:
        key = resource.key_for(object_key)
        if key is not None:
            self._enqueue(reconciler, key)

    def _enqueue(self, reconciler: Reconciler, key: str) -> None:
        # Nobody empties the queue of a replica that does not lead, so it would grow for ever.
        if self._leading.is_set():
            self._queues[reconciler.name].add(key)

    def _resync(self) -> None:
        for reconciler in self.reconcilers:
            for key in reconciler.keys_to_resync():
                self._enqueue(reconciler, key)

    # The election.

    def _elect(self) -> None:
        """Stand for election once everything is known.

        A replica that cannot list must not keep others from acting.
        """
        beat = self.health.loop("election", _ELECTION_LIMIT)
        try:
            while not self._election_stop.is_set():
                beat()
                pause = self.options.terms.hurry
                if self._is_synced():
                    self._lead(is_leader=self.election.step())
                    pause = self.election.pause
                # The spread keeps candidates from meeting at the apiserver again and again.
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - no secret depends on it
                self._election_stop.wait(pause * spread)
        except NotLeadingError as error:
            self._lose(error)
        except Exception:
            # Nobody renews the lease from here on, so a new process is better.
            log.event("lease", trace=traceback.format_exc())
            self._lose(NotLeadingError("The election failed, which is a fault of volray."))
        self.health.ended("election")

    def _lead(self, *, is_leader: bool) -> None:
        self.metrics.leader.set(is_leader)
        if not is_leader or self._leading.is_set():
            return
        log.event("leading", me=self.election.identity)
        self._leading.set()
        for reconciler in self.reconcilers:
            for key in reconciler.every_key():
                self._enqueue(reconciler, key)

    def _lose(self, error: NotLeadingError) -> None:
        log.event("lost", problem=str(error))
        self.metrics.leader.set(0)
        self._lost = error
        self._election_stop.set()
        self.stop.set()

    # Threads that reconcile.

    def _start_reconciling(self, reconciler: Reconciler, number: int) -> Thread:
        name = f"reconciler {reconciler.name} {number}"
        beat = self.health.loop(name, _RECONCILER_LIMIT)
        queue = self._queues[reconciler.name]

        def loop() -> None:
            while not self.stop.is_set():
                beat()
                key = queue.get(_IDLE_SECONDS)
                if key is not None:
                    self._reconcile(reconciler, queue, key)
            self.health.ended(name)

        return _start_thread(name, loop)

    def _reconcile(self, reconciler: Reconciler, queue: Queue, key: str) -> None:
        with self.metrics.seconds.time():
            result = self._result(reconciler, key)
        self.metrics.reconciles.labels(result.outcome).inc()
        if result.again is None:
            queue.forget(key)
        else:
            queue.retry(key, result.again)
        queue.done(key)

    def _result(self, reconciler: Reconciler, key: str) -> Result:
        try:
            return reconciler.reconcile(key)
        except NotLeadingError as error:
            self._lose(error)
        except Exception:
            # A fault on one Job must not keep the others waiting.
            log.event("reconcile", job=key, trace=traceback.format_exc())
        return Result(Outcome.FAILED, FAST)


def _start_thread(name: str, target: Callable[[], None]) -> Thread:
    """Start a thread that does not outlive the process.

    A watch may be in the middle of a long read when the process ends.
    """
    thread = Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def assemble(client: Client, options: Options) -> Controller:
    """Return a controller with all its reconcilers."""
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    metrics = Metrics()
    # A write that began under the lease must end before another candidate may take it.
    writer = client.within(options.terms.lease - options.terms.renew)
    election = Election(writer, options.namespace, options.lease, identity, options.terms)
    head_services = HeadServiceReconciler(
        writer,
        Recorder(writer, identity),
        election.check,
        all_jobs=options.all_jobs,
        wrote=metrics.count_write,
    )
    reader = client.within(LIST_SECONDS)
    return Controller(reader, election, [head_services], metrics, options)


def run(options: Options) -> None:
    """Run as the pod's service account, or as the kubeconfig says, until SIGTERM.

    Raises:
        NotLeadingError: The lease was lost.
        AddressError: It is not possible to listen on the side port.
        ApiError: There is no apiserver to talk to.
    """
    controller = assemble(Client.from_environment(), options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: controller.stop.set())
    controller.run()
