"""Waits that grow, with full jitter, so that clients that failed together do not return together.

Source: Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# More doublings would only make larger numbers, since `longest` is reached long before.
_MOST_DOUBLINGS: Final = 32


@dataclass
class Backoff:
    """Tells how many seconds to wait before the next try. Call `reset` after one that worked."""

    first: float = 0.5
    longest: float = 30.0
    jitter: Callable[[], float] = random.random
    _tries: int = 0

    def reset(self) -> None:
        """Let the next failure be the first."""
        self._tries = 0

    def next(self) -> float:
        """Return a random wait below a bound that doubles each time."""
        bound = min(self.longest, self.first * 2**self._tries)
        self._tries = min(self._tries + 1, _MOST_DOUBLINGS)
        return float(bound * self.jitter())
