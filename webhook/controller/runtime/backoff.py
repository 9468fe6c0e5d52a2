"""Waits that grow, with full jitter: clients that failed together do not come back together.

Source: Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Backoff:
    """How long to wait before the next try; `reset` when one has worked."""

    first: float = 0.5
    longest: float = 30.0
    jitter: Callable[[], float] = random.random
    _tries: int = 0

    def reset(self) -> None:
        """The next failure is the first."""
        self._tries = 0

    def next(self) -> float:
        """Seconds: anything up to a bound that doubles each time."""
        bound = min(self.longest, self.first * 2**self._tries)
        self._tries = min(self._tries + 1, 32)
        return float(bound * self.jitter())
