"""The other side: clients that trust a bundle, and a store in memory."""

from __future__ import annotations

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
