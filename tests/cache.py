"""The user's cache, where what takes minutes to build stands once for all working copies of the repository."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotBuiltError(Exception):
    """Something is not in the cache; the message says what to do about it."""


def folder(subject: str) -> Path:
    """Return the folder of one subject, which need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "volray" / subject


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Wait until no other build holds the lock, and hold it."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build is running: waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
