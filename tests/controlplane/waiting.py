"""Waiting for a condition, never for a while."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_INTERVAL = 0.05


def wait(condition: Callable[[], T], what: str, seconds: float = 30) -> T:
    """Return the condition's first true value.

    Args:
        condition: Asked again and again. An AssertionError counts as "not yet" and its message is kept, so that a
            condition may be written as what a test would assert.
        what: What is waited for, in words: the beginning of the failure's message.
        seconds: For how long.

    Raises:
        TimeoutError: It never came true; the message holds what was seen last.
    """
    deadline = time.monotonic() + seconds
    while True:
        value, seen = _ask(condition)
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s; seen last: {seen}")
        time.sleep(_INTERVAL)


def with_others(seconds: float) -> float:
    """Return how long something may take that takes so long on a machine that does nothing else."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _ask(condition: Callable[[], T]) -> tuple[T | None, str]:
    try:
        value = condition()
    except AssertionError as error:
        return None, str(error)
    return value, repr(value)
