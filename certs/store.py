"""Keeps certificates as a few named files, which one writer at a time changes."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from certs.errors import CertificateError
from certs.rotation import BUNDLE, KEY, NEXT_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Files = dict[str, bytes]

LEAF_KEY = "tls.key"
LEAF = "tls.crt"

# In the order of writing. Clients must trust a CA before it can sign. A server that looks
# between the last two files finds a key without its certificate, which it refuses until
# the certificate comes.
_NAMES = (BUNDLE, KEY, NEXT_KEY, LEAF_KEY, LEAF)


class Store(Protocol):
    """Named files that several processes may change, one at a time."""

    def read(self) -> Files:
        """Return the files by name."""

    def update(self, change: Callable[[Files], Files]) -> Files:
        """Replace the files by what `change` makes of them, and return the new files.

        A name that `change` leaves out is removed. `change` may be called several times, each
        time with what another writer has left in the meantime.
        """


class DirectoryStore:
    """Keeps the files in one directory. Files of other names are never touched."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> Files:
        """Return the files that are there. An absent directory has none.

        This takes no lock, since a mounted Secret cannot be written to. Each file is whole,
        but a writer may be between two of them.

        Raises:
            CertificateError: The directory or a file in it cannot be read.
        """
        files = {}
        with _os_errors_explained(self.path, "read"):
            for name in _NAMES:
                with suppress(FileNotFoundError):
                    files[name] = (self.path / name).read_bytes()
        return files

    def update(self, change: Callable[[Files], Files]) -> Files:
        """Change the files under a lock that excludes every other process.

        The directory is made with mode 0700 if it is absent. Only files that differ are
        written, each in one step and with mode 0600.

        Returns:
            The files that are there now.

        Raises:
            CertificateError: The directory cannot be written to.
        """
        with self._locked():
            before = self.read()
            after = change(dict(before))
            if after != before:
                with _os_errors_explained(self.path, "write to"):
                    self._write(before, after)
        return after

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _os_errors_explained(self.path, "write to"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _os_errors_explained(self.path, "lock a file in"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, before: Files, after: Files) -> None:
        for name in _NAMES:
            if name in after and after[name] != before.get(name):
                _replace_file(self.path / name, after[name])
        for name in before.keys() - after.keys():
            (self.path / name).unlink(missing_ok=True)
        _flush_directory(self.path)


def _replace_file(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old one or the new one, even after a crash.

    The temporary name is always the same, which the lock allows. A crash thus leaves at most
    one stray key, which the next write replaces.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _flush_directory(directory: Path) -> None:
    """Make the renames in a directory outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _os_errors_explained(path: Path, verb: str) -> Iterator[None]:
    """Turn an OSError into a CertificateError that says what to do about it."""
    try:
        yield
    except OSError as error:
        raise CertificateError(
            f"Cannot {verb} {path} ({error.strerror}). "
            f"Give a directory, not a file, that uid {os.geteuid()} can {verb}."
        ) from error
