"""When the authorities and the leaf change, and into what: decisions only.

Core: no I/O and no clock. The shell reads what is kept, asks here what should be kept, and writes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from certs.authority import (
    Pair,
    canonical_host,
    hosts_of,
    is_valid,
    issued_at,
    matches,
    new_authority,
    not_after,
    renew_at,
    signed_by,
    split_bundle,
)
from webhook.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUNDLE = "ca.crt"
KEY = "ca.key"
NEXT_KEY = "next-ca.key"

_SHORTEST_LIFE = timedelta(seconds=10)  # X.509 counts in seconds, and a tenth of a life is for backdating


@dataclass(frozen=True)
class Policy:
    """How long things live.

    Attributes:
        authority_lifetime: Of a CA; the next one is made at two thirds of it.
        leaf_lifetime: Of a leaf, at most that of a CA.
        overlap: How long a CA is in the bundle before it signs; less than the last third of a CA's life, or
            the old CA would expire under it.

    Raises:
        CertificateError: The three do not fit together.
    """

    authority_lifetime: timedelta = timedelta(days=365)
    leaf_lifetime: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        if not _SHORTEST_LIFE <= self.leaf_lifetime <= self.authority_lifetime:
            raise CertificateError("A leaf must live for 10 s at least and no longer than its authority.")
        if not timedelta(0) <= self.overlap < self.authority_lifetime / 3:
            raise CertificateError("The overlap must be shorter than a third of the authority's life.")


@dataclass(frozen=True)
class Authorities:
    """The CAs at one moment.

    Attributes:
        current: Signs leaves.
        upcoming: Already in the bundle and does not sign yet; None for most of a CA's life.
        bundle: The certificates that clients are to trust: of both, and of former CAs until they expire.
    """

    current: Pair
    upcoming: Pair | None
    bundle: tuple[bytes, ...]

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Authorities | None:
        """Read them from the files of a directory or the keys of a Secret.

        `ca.crt` is the bundle; `ca.key` and `next-ca.key` belong to the certificates in it that have their
        public keys. A writer that died half-way leaves a bundle with a certificate too many, or one key
        under both names; both read as a sound state.

        Returns:
            None when no key belongs to any certificate of the bundle.
        """
        bundle = split_bundle(files.get(BUNDLE, b""))
        pairs = [pair for name in (KEY, NEXT_KEY) if (pair := _pair(bundle, files.get(name, b"")))]
        return _of(pairs, bundle) if pairs else None

    def to_files(self) -> dict[str, bytes]:
        """Return the files that `from_files` reads, without `next-ca.key` when there is no upcoming CA."""
        upcoming = {NEXT_KEY: self.upcoming.key} if self.upcoming else {}
        return {BUNDLE: b"".join(self.bundle), KEY: self.current.key, **upcoming}


def next_authorities(state: Authorities | None, now: datetime, policy: Policy, published: bool = True) -> Authorities:
    """Bring the authorities forward to `now`, by one change at most besides dropping what has expired.

    Laws, whenever this is called and however seldom:

    - The current CA is valid at `now`, and the bundle holds it and the upcoming one.
    - A certificate leaves the bundle only by expiring, so a leaf that verified goes on verifying as long as
      it is valid (a leaf never outlives its CA).
    - While the current CA is valid, only one that was in the bundle for `policy.overlap` and is `published`
      takes its place: whoever trusts a bundle read since then can verify the new leaf.
    - With nothing to do, the result equals `state`.

    When the current CA has expired there is nothing left to overlap with: the upcoming one takes over at
    once, else a fresh one does.

    Args:
        state: What is kept now; None when there is nothing usable.
        now: Wall-clock time.
        policy: How long things live.
        published: Whether the bundle of `state` was read back from where clients look. Without it the
            upcoming CA waits.
    """
    bundle = tuple(pem for pem in state.bundle if now < not_after(pem)) if state else ()
    pairs = [pair for pair in _pairs(state) if is_valid(pair.certificate, now)]
    if not pairs:
        return _with_new(pairs, bundle, now, policy)
    alive = _of(pairs, bundle)
    if alive.upcoming is None:
        due = now >= renew_at(alive.current.certificate)
        return _with_new(pairs, bundle, now, policy) if due else alive
    ripe = now >= issued_at(alive.upcoming.certificate) + policy.overlap
    return _of([alive.upcoming], bundle) if ripe and published else alive


def leaf_is_due(leaf: Pair | None, authorities: Authorities, hosts: Iterable[str], now: datetime) -> bool:
    """Tell whether a leaf must be issued.

    Due when it is missing, its key is another's, the current CA did not sign it, it is for other hosts, two
    thirds of its life are over, or its life has not begun.

    Raises:
        CertificateError: One of `hosts` is no host.
    """
    if leaf is None or not matches(leaf) or not signed_by(leaf.certificate, authorities.current.certificate):
        return True
    if hosts_of(leaf.certificate) != frozenset(map(canonical_host, hosts)):
        return True
    return now >= renew_at(leaf.certificate) or not is_valid(leaf.certificate, now)


def _pair(bundle: tuple[bytes, ...], key: bytes) -> Pair | None:
    return next((pair for pem in bundle if matches(pair := Pair(pem, key))), None)


def _pairs(state: Authorities | None) -> tuple[Pair, ...]:
    if state is None:
        return ()
    return (state.current, state.upcoming) if state.upcoming else (state.current,)


def _of(pairs: list[Pair], bundle: tuple[bytes, ...]) -> Authorities:
    """Make the first pair the current CA and the last, when it is another, the upcoming one."""
    current, upcoming = pairs[0], pairs[-1]
    return Authorities(current, None if upcoming == current else upcoming, bundle)


def _with_new(pairs: list[Pair], bundle: tuple[bytes, ...], now: datetime, policy: Policy) -> Authorities:
    made = new_authority(now, policy.authority_lifetime)
    return _of([*pairs, made], (*bundle, made.certificate))
