"""Decides which of several controllers acts, by a Lease that one holds and renews.

The rules are those of client-go (`tools/leaderelection`). Three steps keep two leaders from
ever acting at once:

- A candidate takes a Lease only after it has itself seen it unchanged for as long as the
  Lease says, by its own monotonic clock. It never compares the wall clocks of two machines.
  `renewTime` is a text that changes or does not.
- The leader counts from before the renewal was sent. It stops `Terms.renew` seconds later,
  well before anybody may take over. The difference is left for a write that is under way.
- Right before each write the leader asks its clock again (`Election.check`). That clock runs
  on while the process is stopped or the machine asleep (CLOCK_BOOTTIME), so a process that
  was continued too late knows it.
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

_NEVER: Final = float("-inf")


@dataclass(frozen=True)
class Terms:
    """Times in seconds. The defaults are client-go's.

    Attributes:
        lease: How long others leave a Lease alone that does not change.
        renew: How long the leader acts after the last renewal that worked.
        retry: The pause between two looks at the Lease.
        hurry: The same after a failure. An apiserver that restarts takes most of `renew`
            (7 s were seen), and what is left must not be slept away.
    """

    lease: int = 15
    renew: float = 10
    retry: float = 2
    hurry: float = 0.5


DEFAULT_TERMS: Final = Terms()


@dataclass(frozen=True)
class Sighting:
    """A state of the Lease, and since when it has been seen so."""

    spec: Object
    since: float


def boottime() -> float:
    """Return seconds that also pass while the process is stopped or the machine suspended."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def timestamp(now: datetime) -> str:
    """Return a `MicroTime`, which is in UTC and always has six digits."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seen(before: Sighting | None, spec: Object, now: float) -> Sighting:
    """Return what is known after a look at the Lease.

    A spec that is as before has been so since then.
    """
    if before is not None and before.spec == spec:
        return before
    return Sighting(spec, now)


def is_free(sighting: Sighting, identity: str, now: float) -> bool:
    """Tell whether a candidate may take the Lease.

    It may if the Lease was given back, is already its own, or was not renewed for as long as
    it says.
    """
    holder = sighting.spec.get("holderIdentity")
    if not holder or holder == identity:
        return True
    duration = sighting.spec.get("leaseDurationSeconds") or 0
    return now >= sighting.since + duration


def held(before: Object, identity: str, seconds: int, now: str) -> Object:
    """Return the spec that makes or keeps a candidate the holder.

    A change of the holder counts as a transition, but the first holder does not.
    """
    transitions = before.get("leaseTransitions") or 0
    acquired = now
    if before.get("holderIdentity") == identity:
        acquired = before.get("acquireTime", now)
    elif before:
        transitions += 1
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": seconds,
        "acquireTime": acquired,
        "renewTime": now,
        "leaseTransitions": transitions,
    }


def released(before: Object, now: str) -> Object:
    """Return the spec of a Lease that nobody holds.

    It has no holder at all, because an empty one is not a valid name.
    """
    spec = {**before, "acquireTime": now, "renewTime": now, "leaseDurationSeconds": 1}
    spec.pop("holderIdentity", None)
    return spec


@dataclass
class Election:
    """One candidate. Call `step` every `pause` seconds from one thread, and `check` from any.

    Attributes:
        api: The apiserver of the Lease.
        namespace: The Lease's namespace.
        name: The Lease's name.
        identity: The name of this candidate, which no other has.
        terms: How long things take.
        clock: Seconds for comparisons.
        now: Wall-clock time, which only people read.
    """

    api: Api
    namespace: str
    name: str
    identity: str
    terms: Terms = DEFAULT_TERMS
    clock: Callable[[], float] = boottime
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _sighting: Sighting | None = None
    # The Lease as the apiserver last told it, for the resourceVersion of the next renewal.
    _lease: Object | None = None
    # When the right to write ends.
    _until: float = _NEVER
    _was_leader: bool = False
    _failed: bool = False

    @property
    def pause(self) -> float:
        """Seconds until the next step."""
        return self.terms.hurry if self._failed else self.terms.retry

    @property
    def is_leader(self) -> bool:
        """Whether this candidate may write at this moment."""
        return self.clock() < self._until

    def check(self) -> None:
        """Make sure, right before a write, that this candidate still leads.

        Raises:
            NotLeadingError: Another may be the leader by now.
        """
        if not self.is_leader:
            raise NotLeadingError("The lease has run out. Another controller may be acting.")

    def step(self) -> bool:
        """Take, renew or watch the Lease, and return whether this candidate leads.

        Raises:
            NotLeadingError: It led and cannot be sure of it any more. It does not begin again,
                because what is in memory and under way belongs to the time when it led.
        """
        if self._was_leader:
            self.check()
        began = self.clock()
        self._failed = False
        try:
            is_held = self._renew(began) if self._was_leader else self._try_to_take(began)
        except ApiError as error:
            log.event("lease", problem=str(error))
            self._failed = True
            return self.is_leader
        if self._was_leader and not is_held:
            self._until = _NEVER
            raise NotLeadingError("Another controller has taken the lease.")
        self._was_leader = is_held
        return is_held

    def release(self) -> None:
        """Give the Lease back, so that the next leader need not wait for its end.

        A failure costs only that wait.
        """
        if self._lease is None or not self.is_leader:
            return
        body = {**self._lease, "spec": released(self._lease["spec"], timestamp(self.now()))}
        self._until = _NEVER
        try:
            self.api.put(as_us(self._path), body)
        except ApiError as error:
            log.event("lease", problem=str(error))

    @property
    def _path(self) -> str:
        return namespaced(LEASES, self.namespace, self.name)

    def _renew(self, began: float) -> bool:
        """Renew the Lease with the version that is known.

        Whether a conflict comes from a write of our own that was taken for lost, or from
        another candidate, only a look at the Lease can tell.
        """
        if self._lease is not None and self._replace_lease(self._lease, began):
            return True
        return self._try_to_take(began)

    def _try_to_take(self, began: float) -> bool:
        lease = self._current()
        if lease is None:
            return self._create_lease(began)
        spec = lease.get("spec") or {}
        self._sighting = seen(self._sighting, spec, self.clock())
        if self._was_leader and spec.get("holderIdentity") != self.identity:
            return False
        if not is_free(self._sighting, self.identity, self.clock()):
            return False
        return self._replace_lease(lease, began)

    def _current(self) -> Object | None:
        try:
            return self.api.get(self._path)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _create_lease(self, began: float) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": self._spec_after({}),
        }
        path = as_us(namespaced(LEASES, self.namespace))
        return self._was_written(lambda: self.api.post(path, body), began)

    def _replace_lease(self, lease: Object, began: float) -> bool:
        body = {**lease, "spec": self._spec_after(lease.get("spec") or {})}
        path = as_us(self._path)
        return self._was_written(lambda: self.api.put(path, body), began)

    def _spec_after(self, before: Object) -> Object:
        return held(before, self.identity, self.terms.lease, timestamp(self.now()))

    def _was_written(self, write: Callable[[], Object], began: float) -> bool:
        """Write the Lease, and tell whether that worked.

        The right to write counts from before the request was sent.
        """
        try:
            self._lease = write()
        except ApiError as error:
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                raise
            return False
        self._until = began + self.terms.renew
        return True
