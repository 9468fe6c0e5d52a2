"""The user's cache, where what takes minutes to build stands once for all working copies of the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_UNUSED_SECONDS: Final = 3 * 3600
"""Longer than anything that may still use an entry: there is no asking who does, in another mount namespace."""


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


def touch(entry: Path) -> None:
    """Say that an entry is in use."""
    os.utime(entry)


def forget(entries: Iterable[Path], keep: Collection[Path]) -> None:
    """Remove what nobody made or touched for hours, but for what is kept: each change of volray makes a gigabyte."""
    now = time.time()
    for entry in entries:
        # The time of the last change to the inode: what is unpacked has the dates of its archive.
        if entry not in keep and now - entry.lstat().st_ctime > _UNUSED_SECONDS:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
