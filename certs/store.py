"""Where certificates are kept: a few named files, changed by one writer at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from certs.rotation import BUNDLE, KEY, NEXT_KEY
from webhook.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Files = dict[str, bytes]

LEAF_KEY = "tls.key"
LEAF = "tls.crt"

# In the order of writing. Clients must trust a CA before it can sign; and a server that looks between the
# last two files finds a key without its certificate, which it refuses until the certificate comes.
_NAMES = (BUNDLE, KEY, NEXT_KEY, LEAF_KEY, LEAF)


class Store(Protocol):
    """Named files that several processes may change, one at a time."""

    def read(self) -> Files:
        """Return what is kept, by name."""

    def update(self, change: Callable[[Files], Files]) -> Files:
        """Replace what is kept by what `change` makes of it, and return that.

        A name that `change` leaves out is removed. `change` may be called several times, on what another
        writer has left there in the meantime.
        """


class DirectoryStore:
    """The certificates' files in one directory; files of other names are never touched."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def read(self) -> Files:
        """Return the files that are there; an absent directory has none.

        Takes no lock, since a mounted Secret cannot be written to. Each file is whole, but a writer may be
        between two of them.

        Raises:
            CertificateError: The directory or a file in it cannot be read.
        """
        with _explained(self.path, "read"):
            return {name: pem for name in _NAMES if (pem := _content(self.path / name)) is not None}

    def update(self, change: Callable[[Files], Files]) -> Files:
        """Change the files under a lock that excludes every other process, and return what is there then.

        The directory is made (0700) if absent. Only files that differ are written, each in one step, with
        mode 0600.

        Raises:
            CertificateError: The directory cannot be written to.
        """
        with self._locked():
            before = self.read()
            after = change(dict(before))
            if after != before:
                with _explained(self.path, "write to"):
                    self._write(before, after)
        return after

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _explained(self.path, "write to"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _explained(self.path, "lock a file in"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, before: Files, after: Files) -> None:
        for name in _NAMES:
            if name in after and after[name] != before.get(name):
                _replace(self.path / name, after[name])
        for name in before.keys() - after.keys():
            (self.path / name).unlink(missing_ok=True)
        _flush(self.path)


def _content(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old one or the new one, also after a crash.

    The temporary name is always the same (the lock excludes other writers), so that a crash leaves one
    stray key at most, which the next write replaces.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _flush(directory: Path) -> None:
    """Make renames outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CertificateError(
            f"Cannot {verb} {path} ({error.strerror}): give a directory, not a file, that uid {os.geteuid()} "
            f"can {verb}."
        ) from error
