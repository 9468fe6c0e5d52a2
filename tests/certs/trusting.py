"""The other side: clients that trust a bundle, and a store in memory."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
HOST = "volray-webhook.volray-system.svc"
DAY, HOUR, MINUTE, SECOND = (
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(seconds=1),
)


def trusts(bundle: bytes, leaf: bytes, now: datetime) -> bool:
    """Verify a chain as a TLS client does (RFC 5280 with the web's profile)."""
    store = Store(x509.load_pem_x509_certificates(bundle))
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(HOST))
    try:
        verifier.verify(x509.load_pem_x509_certificate(leaf), [])
    except VerificationError:
        return False
    return True


class MemoryStore:
    def __init__(self, **files: bytes) -> None:
        self.files = files
        self._lock = Lock()

    def read(self) -> dict[str, bytes]:
        return dict(self.files)

    def update(self, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> dict[str, bytes]:
        with self._lock:
            self.files = change(dict(self.files))
            return dict(self.files)


class Link:
    """A TLS connection in memory: both sides' ends after their handshake.

    Raises:
        ssl.SSLError: The handshake failed.
    """

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname=host)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        pending = [self.client, self.server]
        while pending:
            side = pending.pop(0)
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pending.append(side)

    def shows(self, leaf: bytes) -> bool:
        """Tell whether the server showed that certificate, and the connection still takes bytes both ways."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.write(b"still there?")
            assert receiver.read() == b"still there?"
        return self.client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(leaf.decode())
