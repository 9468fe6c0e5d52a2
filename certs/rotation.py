"""Decides when the authorities and the leaf change, and into what.

This is core code without I/O and without a clock. The caller reads what is kept, asks here
what should be kept, and writes that.
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
from certs.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUNDLE = "ca.crt"
KEY = "ca.key"
NEXT_KEY = "next-ca.key"

# X.509 counts in seconds, and a tenth of a life is for backdating.
_SHORTEST_LIFE = timedelta(seconds=10)


@dataclass(frozen=True)
class Policy:
    """How long things live.

    Attributes:
        authority_lifetime: The life of a CA. The next CA is made at two thirds of it.
        leaf_lifetime: The life of a leaf, at most that of a CA.
        overlap: How long a CA is in the bundle before it signs. It is shorter than the last
            third of a CA's life, or the old CA would expire during it.

    Raises:
        CertificateError: The three do not fit together.
    """

    authority_lifetime: timedelta = timedelta(days=365)
    leaf_lifetime: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        if not _SHORTEST_LIFE <= self.leaf_lifetime <= self.authority_lifetime:
            raise CertificateError(
                "A leaf must live for at least 10 s and no longer than its authority."
            )
        if not timedelta(0) <= self.overlap < self.authority_lifetime / 3:
            raise CertificateError(
                "The overlap must be shorter than a third of the authority's life."
            )


@dataclass(frozen=True)
class Authorities:
    """The CAs at one moment.

    Attributes:
        current: The CA that signs leaves.
        upcoming: The CA that is already in the bundle and does not sign yet. It is None for
            most of a CA's life.
        bundle: The certificates for clients to trust. They are those of both CAs, and those
            of former CAs until they expire.
    """

    current: Pair
    upcoming: Pair | None
    bundle: tuple[bytes, ...]

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Authorities | None:
        """Read the authorities from the files of a directory or the keys of a Secret.

        `ca.crt` is the bundle. `ca.key` and `next-ca.key` belong to the certificates in it
        that have their public keys. A writer that died half-way leaves a certificate too many
        in the bundle, or one key under both names. Both read as a sound state.

        Returns:
            None when no key belongs to any certificate of the bundle.
        """
        bundle = split_bundle(files.get(BUNDLE, b""))
        pairs = []
        for name in (KEY, NEXT_KEY):
            pair = _pair_with_key(bundle, files.get(name, b""))
            if pair is not None:
                pairs.append(pair)
        if not pairs:
            return None
        return _authorities_of(pairs, bundle)

    def to_files(self) -> dict[str, bytes]:
        """Return the files that `from_files` reads.

        They include `next-ca.key` only if there is an upcoming CA.
        """
        files = {BUNDLE: b"".join(self.bundle), KEY: self.current.key}
        if self.upcoming is not None:
            files[NEXT_KEY] = self.upcoming.key
        return files


def next_authorities(
    state: Authorities | None, now: datetime, policy: Policy, published: bool = True
) -> Authorities:
    """Bring the authorities forward to `now`, by at most one change besides dropping the expired.

    These laws hold whenever this is called, and however seldom:

    - The current CA is valid at `now`, and the bundle holds it and the upcoming one.
    - A certificate leaves the bundle only by expiring. So a leaf that verified goes on
      verifying as long as it is valid, since a leaf never outlives its CA.
    - While the current CA is valid, another takes its place only if it was in the bundle for
      `policy.overlap` and is `published`. Clients that read the bundle since then can verify
      the new leaf.
    - With nothing to do, the result equals `state`.

    When the current CA has expired there is nothing left to overlap with. The upcoming CA
    takes over at once, or a new one if there is none.

    Args:
        state: What is kept now, or None when nothing usable is kept.
        now: Wall-clock time.
        policy: How long things live.
        published: Whether the bundle of `state` was read back from where clients look. If it
            was not, the upcoming CA waits.
    """
    bundle = _unexpired_bundle(state, now)
    pairs = _valid_pairs(state, now)
    if not pairs:
        return _with_new_authority(pairs, bundle, now, policy)
    alive = _authorities_of(pairs, bundle)
    if alive.upcoming is None:
        if now < renew_at(alive.current.certificate):
            return alive
        return _with_new_authority(pairs, bundle, now, policy)
    overlap_ends = issued_at(alive.upcoming.certificate) + policy.overlap
    if now >= overlap_ends and published:
        return _authorities_of([alive.upcoming], bundle)
    return alive


def leaf_is_due(
    leaf: Pair | None, authorities: Authorities, hosts: Iterable[str], now: datetime
) -> bool:
    """Tell whether a leaf must be issued.

    That is so when there is none, its key is another's, the current CA did not sign it, it is
    for other hosts, two thirds of its life are over, or its life has not begun.

    Raises:
        CertificateError: One of `hosts` is not a host.
    """
    if leaf is None or not matches(leaf):
        return True
    if not signed_by(leaf.certificate, authorities.current.certificate):
        return True
    if hosts_of(leaf.certificate) != frozenset(map(canonical_host, hosts)):
        return True
    return now >= renew_at(leaf.certificate) or not is_valid(leaf.certificate, now)


def _pair_with_key(bundle: tuple[bytes, ...], key: bytes) -> Pair | None:
    """Return the key and the certificate of the bundle that it belongs to."""
    for certificate in bundle:
        pair = Pair(certificate, key)
        if matches(pair):
            return pair
    return None


def _unexpired_bundle(state: Authorities | None, now: datetime) -> tuple[bytes, ...]:
    if state is None:
        return ()
    return tuple(certificate for certificate in state.bundle if now < not_after(certificate))


def _valid_pairs(state: Authorities | None, now: datetime) -> list[Pair]:
    """Return the CAs that are valid at `now`, the current one first."""
    if state is None:
        return []
    pairs = [state.current]
    if state.upcoming is not None:
        pairs.append(state.upcoming)
    return [pair for pair in pairs if is_valid(pair.certificate, now)]


def _authorities_of(pairs: list[Pair], bundle: tuple[bytes, ...]) -> Authorities:
    """Make the first pair the current CA and the last the upcoming one, unless it is the same."""
    current, last = pairs[0], pairs[-1]
    upcoming = None if last == current else last
    return Authorities(current, upcoming, bundle)


def _with_new_authority(
    pairs: list[Pair], bundle: tuple[bytes, ...], now: datetime, policy: Policy
) -> Authorities:
    made = new_authority(now, policy.authority_lifetime)
    return _authorities_of([*pairs, made], (*bundle, made.certificate))
