"""Keys that wait for a worker: each at most once, and never with two workers at the same time.

The rules are those of client-go's rate-limited work queue (k8s.io/client-go/util/workqueue).
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_EXPONENT: Final = 32


@dataclass(frozen=True)
class Pace:
    """How the wait for the next try grows: doubling from `first` seconds up to `longest`."""

    first: float
    longest: float

    def delay(self, tries: int) -> float:
        """Seconds to wait after so many tries before this one."""
        return float(min(self.longest, self.first * 2 ** min(tries, _LARGEST_EXPONENT)))


FAST: Final = Pace(0.05, 60)
"""For what passes by itself: a lost race, an apiserver that does not answer."""
PATIENT: Final = Pace(1, 60)
"""For what others will do soon, without anybody telling us: the garbage collector, say."""
SLOW: Final = Pace(5, 300)
"""For what somebody has to change: a quota, a policy."""


class Queue:
    """A queue that merges what waits under one key.

    A key that is added while it is worked on comes back after that, so that no change is missed. Whoever gets a key
    has to say `done` of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._waiting: deque[str] = deque()
        self._dirty: set[str] = set()
        """Waiting, or added while worked on."""
        self._working: set[str] = set()
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait, the later ones left out."""
        with self._changed:
            return len(self._dirty)

    def add(self, key: str) -> None:
        """Has a key looked at."""
        with self._changed:
            self._add(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Has a key looked at later; of several times the earliest counts."""
        with self._changed:
            due = self._clock() + seconds
            if not self._closed and due < self._due.get(key, float("inf")):
                self._due[key] = due
                heapq.heappush(self._later, (due, key))
                self._changed.notify()

    def retry(self, key: str, pace: Pace = FAST) -> float:
        """Has a key looked at again, later from time to time; returns in how many seconds."""
        with self._changed:
            tries = self._tries.get(key, 0)
            self._tries[key] = tries + 1
        delay = pace.delay(tries)
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """All is well with a key: its next failure is its first."""
        with self._changed:
            self._tries.pop(key, None)

    def get(self, timeout: float) -> str | None:
        """The next key, to be worked on by the caller alone; None after `timeout` seconds, or when closed."""
        end = self._clock() + timeout
        with self._changed:
            while not self._closed:
                self._fetch_due()
                if self._waiting:
                    return self._take()
                left = min([end, *(due for due, _ in self._later[:1])]) - self._clock()
                if self._clock() >= end:
                    break
                self._changed.wait(max(left, 0))
        return None

    def done(self, key: str) -> None:
        """The caller has finished with a key; it comes again at once if it was added meanwhile."""
        with self._changed:
            self._working.discard(key)
            if key in self._dirty:
                self._waiting.append(key)
                self._changed.notify()

    def close(self) -> None:
        """Nobody gets a key any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, key: str) -> None:
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._waiting.append(key)
            self._changed.notify()

    def _take(self) -> str:
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def _fetch_due(self) -> None:
        while self._later and self._later[0][0] <= self._clock():
            due, key = heapq.heappop(self._later)
            if self._due.get(key) == due:  # else an earlier time replaced this one
                del self._due[key]
                self._add(key)
