"""Who of several controllers acts: a Lease of coordination.k8s.io, held by one and renewed.

The rules are client-go's (`tools/leaderelection`), in three steps that keep two leaders from ever being at once:

- A candidate takes a Lease only after it has itself seen it unchanged for as long as the Lease says, by its own
  monotonic clock. No two machines' wall clocks are compared: `renewTime` is a text that changes or does not.
- The leader counts from *before* the renewal was sent, and stops `renew_seconds` later, well before anybody may take
  over. The difference is what a write that was under way has left.
- Right before each write the leader asks its clock again (`Election.check`). The clock runs on while the process is
  stopped or the machine asleep (CLOCK_BOOTTIME), so one that was continued too late knows it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from webhook import log
from webhook.errors import NotLeadingError
from webhook.k8s.client import ApiError
from webhook.k8s.paths import LEASES, as_us, namespaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.k8s.client import Api
    from webhook.names import Object


@dataclass(frozen=True)
class Terms:
    """Seconds; the defaults are client-go's."""

    lease: int = 15
    """How long others leave a Lease alone that does not change."""
    renew: float = 10
    """How long the leader acts without a renewal that worked."""
    retry: float = 2
    """Between two looks at the Lease."""
    hurry: float = 0.5
    """The same after a failure: an apiserver that restarts takes most of `renew` (7 s were seen), and what is left must
    not be slept away."""


DEFAULT_TERMS: Final = Terms()


@dataclass(frozen=True)
class Sighting:
    """A state of the Lease, and since when it has been seen so."""

    spec: Object
    since: float


def boottime() -> float:
    """Seconds that also pass while the process is stopped or the machine suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def timestamp(now: datetime) -> str:
    """A `MicroTime`: UTC, always six digits."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seen(before: Sighting | None, spec: Object, now: float) -> Sighting:
    """What is known after a look at the Lease: a spec that is as before has been so since then."""
    return before if before is not None and before.spec == spec else Sighting(spec, now)


def is_free(sighting: Sighting, me: str, now: float) -> bool:
    """Whether the Lease may be taken: given back, already mine, or not renewed for as long as it says."""
    holder = sighting.spec.get("holderIdentity")
    if not holder or holder == me:
        return True
    return now >= sighting.since + (sighting.spec.get("leaseDurationSeconds") or 0)


def held(before: Object, me: str, seconds: int, now: str) -> Object:
    """The spec that makes or keeps me the holder; a change of holder is counted."""
    is_mine = before.get("holderIdentity") == me
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": seconds,
        "acquireTime": before.get("acquireTime", now) if is_mine else now,
        "renewTime": now,
        "leaseTransitions": (before.get("leaseTransitions") or 0) + (not is_mine and bool(before)),
    }


def released(before: Object, now: str) -> Object:
    """The spec of a Lease that nobody holds; without a holder, as an empty one is no valid name."""
    times = {"acquireTime": now, "renewTime": now, "leaseDurationSeconds": 1}
    return {**{key: value for key, value in before.items() if key != "holderIdentity"}, **times}


@dataclass
class Election:
    """One candidate; `step` it every `pause` seconds from one thread, `check` from any."""

    api: Api
    namespace: str
    name: str
    me: str
    terms: Terms = DEFAULT_TERMS
    clock: Callable[[], float] = boottime
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _sighting: Sighting | None = None
    _lease: Object | None = None
    """As the apiserver last told it, for the next renewal's resourceVersion."""
    _until: float = float("-inf")
    """When my right to write ends."""
    _was_leader: bool = False
    _failed: bool = False

    @property
    def pause(self) -> float:
        """Seconds until the next step."""
        return self.terms.hurry if self._failed else self.terms.retry

    @property
    def is_leader(self) -> bool:
        """Whether I may write, at this moment."""
        return self.clock() < self._until

    def check(self) -> None:
        """To be called right before each write.

        Raises:
            NotLeadingError: Another may be the leader by now.
        """
        if not self.is_leader:
            raise NotLeadingError("The lease has run out: another controller may be acting.")

    def step(self) -> bool:
        """Takes, renews or watches the Lease; returns whether I lead.

        Raises:
            NotLeadingError: I led, and cannot be sure of it any more. It does not begin again: what is in memory and
                under way belongs to a reign that is over.
        """
        if self._was_leader and not self.is_leader:
            self.check()
        began, self._failed = self.clock(), False
        try:
            is_mine = self._renew(began) if self._was_leader else self._try(began)
        except ApiError as error:
            log.event("lease", problem=str(error))
            self._failed = True
            return self.is_leader
        if self._was_leader and not is_mine:
            self._until = float("-inf")
            raise NotLeadingError("Another controller has taken the lease.")
        self._was_leader = is_mine
        return is_mine

    def release(self) -> None:
        """Gives the Lease back, so that the next leader need not wait for its end. A failure costs only that wait."""
        if self._lease is None or not self.is_leader:
            return
        body = {**self._lease, "spec": released(self._lease["spec"], timestamp(self.now()))}
        self._until = float("-inf")
        try:
            self.api.put(as_us(self._path), body)
        except ApiError as error:
            log.event("lease", problem=str(error))

    @property
    def _path(self) -> str:
        return namespaced(LEASES, self.namespace, self.name)

    def _renew(self, began: float) -> bool:
        """With the version that is known; whether a conflict was mine or another's, a look tells."""
        if self._lease is not None and self._put(self._lease, began):
            return True
        return self._try(began)

    def _try(self, began: float) -> bool:
        lease = self._look()
        if lease is None:
            return self._create(began)
        spec = lease.get("spec") or {}
        self._sighting = seen(self._sighting, spec, self.clock())
        if self._was_leader and spec.get("holderIdentity") != self.me:
            return False
        return is_free(self._sighting, self.me, self.clock()) and self._put(lease, began)

    def _look(self) -> Object | None:
        try:
            return self.api.get(self._path)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _create(self, began: float) -> bool:
        metadata = {"name": self.name, "namespace": self.namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": self._spec({})}
        return self._sent(lambda: self.api.post(as_us(namespaced(LEASES, self.namespace)), body), began)

    def _put(self, lease: Object, began: float) -> bool:
        body = {**lease, "spec": self._spec(lease.get("spec") or {})}
        return self._sent(lambda: self.api.put(as_us(self._path), body), began)

    def _spec(self, before: Object) -> Object:
        return held(before, self.me, self.terms.lease, timestamp(self.now()))

    def _sent(self, write: Callable[[], Object], began: float) -> bool:
        """Whether the Lease was written; the right counts from before it was sent."""
        try:
            self._lease = write()
        except ApiError as error:
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                raise
            return False
        self._until = began + self.terms.renew
        return True
