"""The pair that a running server shows, swapped without losing a handshake."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from certs.authority import not_after
from webhook.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_State = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True)
class _Serving:
    context: ssl.SSLContext
    not_after: datetime


def _log(refusal: CertificateError) -> None:
    logging.getLogger(__name__).warning("%s", refusal)


class Keeper:
    """Keeps a TLS 1.3 server on the newest sound pair of two files.

    A pair loaded into a live SSLContext that turns out not to match stops every later handshake. So each
    pair gets a context of its own, and the one that the server listens with, `context`, hands each new
    connection over to the newest in its SNI callback, which OpenSSL calls without SNI as well. Connections
    that are open keep the context that they began with.

    Attributes:
        context: For `asyncio`'s `ssl=` and uvicorn's `ssl_context_factory`; the same for life.

    Args:
        certificate_path: PEM, the leaf first; a symbolic link (a mounted Secret) is followed.
        key_path: PEM, unencrypted.
        on_refusal: Called once for each state of the files that is refused; logs a warning by default.

    Raises:
        CertificateError: There is no sound pair to begin with.
    """

    def __init__(
        self,
        certificate_path: Path | str,
        key_path: Path | str,
        on_refusal: Callable[[CertificateError], None] = _log,
    ) -> None:
        self._paths = (Path(certificate_path), Path(key_path))
        self._on_refusal = on_refusal
        self._seen = self._state()
        self._serving = self._load()
        self.context = self._serving.context
        # The first context is also the base, and serves until the first swap only.
        self.context.sni_callback = self._hand_over

    @property
    def not_after(self) -> datetime:
        """The end of life, in UTC, of the certificate that new connections get."""
        return self._serving.not_after

    def refresh(self) -> bool:
        """Take up the files if they changed since the last call; two `stat` calls if they did not.

        A pair that cannot be served (mismatched, half-written, gone) is refused, and looked at again when the
        files change again; until then the last sound pair stays.

        Returns:
            Whether new connections get another pair from now on.
        """
        state = self._state()
        if state == self._seen:
            return False
        # Noted before loading: a file replaced while it is loaded counts as a change the next time.
        self._seen = state
        try:
            self._serving = self._load()
        except CertificateError as error:
            until = f"{self.not_after:%F %T} UTC"
            self._on_refusal(CertificateError(f"{error} The last sound pair, valid until {until}, stays in use."))
            return False
        return True

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _base: ssl.SSLContext) -> None:
        connection.context = self._serving.context

    def _state(self) -> _State:
        return tuple(_identity(path) for path in self._paths)

    def _load(self) -> _Serving:
        certificate, key = self._paths
        try:
            context = _tls13()
            # A password, even a wrong one, or OpenSSL asks the terminal for that of an encrypted key.
            context.load_cert_chain(certificate, key, password="")
            return _Serving(context, not_after(certificate.read_bytes()))
        except (OSError, ValueError, CertificateError) as error:
            raise CertificateError(
                f"{certificate} and {key} cannot be served ({_reason(error)}): "
                "they must be a certificate and its own unencrypted key, in PEM."
            ) from error


def _tls13() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A resumed session would skip the new certificate, and the apiserver keeps its connections anyway.
    context.num_tickets = 0
    return context


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced, its link is turned or it is written to; None if absent."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
