"""Keys that wait to be reconciled, each at most once and never by two threads at a time.

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
    """How the wait for the next try grows. It doubles from `first` seconds up to `longest`."""

    first: float
    longest: float

    def delay(self, tries: int) -> float:
        """Return the seconds to wait after so many tries before this one."""
        return float(min(self.longest, self.first * 2 ** min(tries, _LARGEST_EXPONENT)))


FAST: Final = Pace(0.05, 60)
"""For what passes by itself, such as a lost race or an apiserver that does not answer."""
PATIENT: Final = Pace(1, 60)
"""For what others will do soon without telling us, such as the garbage collector."""
SLOW: Final = Pace(5, 300)
"""For what people have to change, such as a quota or a policy."""


class Queue:
    """A queue that merges all requests for one key.

    A key that is added while a thread has it comes back once that thread calls `done`, so that
    no change is missed. Every key that `get` returns must be passed to `done`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._waiting: deque[str] = deque()
        # Keys that wait, and keys that were added while a thread had them.
        self._dirty: set[str] = set()
        # Keys that a thread has.
        self._taken: set[str] = set()
        # A heap of times and keys. An entry counts only if `_due` has the same time.
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._closed = False

    def __len__(self) -> int:
        """Return how many keys wait, without those for later."""
        with self._changed:
            return len(self._dirty)

    def add(self, key: str) -> None:
        """Have a key reconciled as soon as possible."""
        with self._changed:
            self._add_key(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Have a key reconciled later. The earliest of several times counts."""
        with self._changed:
            due = self._clock() + seconds
            if not self._closed and due < self._due.get(key, float("inf")):
                self._due[key] = due
                heapq.heappush(self._later, (due, key))
                self._changed.notify()

    def retry(self, key: str, pace: Pace = FAST) -> float:
        """Have a key reconciled again, after a wait that grows with each call.

        Returns:
            The seconds until then.
        """
        with self._changed:
            tries = self._tries.get(key, 0)
            self._tries[key] = tries + 1
        delay = pace.delay(tries)
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """Forget the tries of a key, so that its next failure is its first."""
        with self._changed:
            self._tries.pop(key, None)

    def get(self, timeout: float) -> str | None:
        """Take the next key, which no other thread gets until `done`.

        Returns:
            None after `timeout` seconds, or when the queue is closed.
        """
        end = self._clock() + timeout
        with self._changed:
            while not self._closed:
                self._fetch_due()
                if self._waiting:
                    return self._take_key()
                now = self._clock()
                if now >= end:
                    break
                wake_up = end
                if self._later:
                    wake_up = min(end, self._later[0][0])
                self._changed.wait(max(wake_up - now, 0))
        return None

    def done(self, key: str) -> None:
        """Give a key back. It waits again if it was added meanwhile."""
        with self._changed:
            self._taken.discard(key)
            if key in self._dirty:
                self._waiting.append(key)
                self._changed.notify()

    def close(self) -> None:
        """Let nobody get a key any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add_key(self, key: str) -> None:
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._taken:
            self._waiting.append(key)
            self._changed.notify()

    def _take_key(self) -> str:
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._taken.add(key)
        return key

    def _fetch_due(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, key = heapq.heappop(self._later)
            # Otherwise an earlier time has replaced this one.
            if self._due.get(key) == due:
                del self._due[key]
                self._add_key(key)
