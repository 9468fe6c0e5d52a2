"""Swaps the certificate of a running server without losing a handshake."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from certs.authority import not_after
from certs.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

# What changes when one of the two files is replaced, its link is turned or it is written to.
_FileStates = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True)
class _Serving:
    context: ssl.SSLContext
    not_after: datetime


def _warn(refusal: CertificateError) -> None:
    logging.getLogger(__name__).warning("%s", refusal)


class Keeper:
    """Keeps a TLS 1.3 server on the newest sound pair of two files.

    A pair that is loaded into a live SSLContext and does not match stops every later
    handshake. So each pair gets a context of its own. The server listens with `context`,
    which hands each new connection over to the newest one in its SNI callback. OpenSSL calls
    that without SNI as well. Open connections keep the context that they began with.

    Attributes:
        context: For `asyncio`'s `ssl=` and uvicorn's `ssl_context_factory`. It never changes.

    Args:
        certificate_path: PEM, the leaf first. A symbolic link, as in a mounted Secret, is
            followed.
        key_path: PEM, unencrypted.
        on_refusal: Called once for each state of the files that is refused. By default it
            logs a warning.

    Raises:
        CertificateError: There is no sound pair to begin with.
    """

    def __init__(
        self,
        certificate_path: Path | str,
        key_path: Path | str,
        on_refusal: Callable[[CertificateError], None] = _warn,
    ) -> None:
        self._paths = (Path(certificate_path), Path(key_path))
        self._on_refusal = on_refusal
        self._seen = self._file_states()
        self._serving = self._load()
        self.context = self._serving.context
        # The first context is also the one to listen with, and serves until the first swap.
        self.context.sni_callback = self._hand_over

    @property
    def not_after(self) -> datetime:
        """The end in UTC of the certificate that new connections get."""
        return self._serving.not_after

    def refresh(self) -> bool:
        """Load the files if they changed since the last call, which two `stat` calls tell.

        A pair that is mismatched, half-written or gone is refused. The last sound pair stays
        until the files change again.

        Returns:
            Whether new connections get another pair from now on.
        """
        states = self._file_states()
        if states == self._seen:
            return False
        # Noted before loading, so that a file replaced meanwhile counts as a change next time.
        self._seen = states
        try:
            self._serving = self._load()
        except CertificateError as error:
            until = f"{self.not_after:%F %T} UTC"
            sentence = f"{error} The last sound pair, valid until {until}, stays in use."
            self._on_refusal(CertificateError(sentence))
            return False
        return True

    def _hand_over(
        self, connection: ssl.SSLObject, _name: str | None, _base: ssl.SSLContext
    ) -> None:
        connection.context = self._serving.context

    def _file_states(self) -> _FileStates:
        return tuple(map(_file_state, self._paths))

    def _load(self) -> _Serving:
        certificate, key = self._paths
        try:
            context = _tls13()
            # Any password keeps OpenSSL from asking the terminal for that of an encrypted key.
            context.load_cert_chain(certificate, key, password="")
            return _Serving(context, not_after(certificate.read_bytes()))
        except (OSError, ValueError, CertificateError) as error:
            raise CertificateError(
                f"{certificate} and {key} cannot be served ({_failure_to_load(error)}). "
                "They must be a certificate and its own unencrypted key, in PEM."
            ) from error


def _tls13() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A resumed session would skip a new certificate. The apiserver keeps its connections anyway.
    context.num_tickets = 0
    return context


def _file_state(path: Path) -> tuple[int, ...] | None:
    """Return what tells one state of a file from another, or None if it is absent."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _failure_to_load(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
