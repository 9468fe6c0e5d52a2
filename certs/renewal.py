"""Renews the authorities and the leaf in time, and tells clients whom to trust."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certs.authority import Pair, canonical_host, issue
from certs.rotation import (
    BUNDLE,
    KEY,
    NEXT_KEY,
    Authorities,
    Policy,
    leaf_is_due,
    next_authorities,
)
from certs.store import LEAF, LEAF_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from certs.store import Files, Store


def is_provided(files: Mapping[str, bytes]) -> bool:
    """Tell whether the pair in a directory was provided by cert-manager or a mounted Secret.

    It was if there is a part of a pair and no `ca.key`, since volray writes the key of its CA
    before its pair. Ask this only of a directory that would hold the CA too. A replica's own
    directory in a cluster has no `ca.key`, although volray wrote everything in it.
    """
    has_part_of_pair = LEAF in files or LEAF_KEY in files
    return has_part_of_pair and KEY not in files


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Step:
    """What a step found or did.

    Attributes:
        bundle: PEM of the CAs for clients to trust.
        published: Whether clients can see that bundle. Always so when there is nowhere to
            publish it.
        issued: Whether the directory has another leaf than before.
    """

    bundle: bytes
    published: bool
    issued: bool


@dataclass(frozen=True)
class _PublishedBundle:
    """A bundle that was read back from where clients look, and since when."""

    bundle: bytes
    since: datetime


class Renewal:
    """Renews the CA and the leaf. Call `step` at the start and then about every minute.

    Args:
        store: Keeps the CA. In a cluster it is the Secret that all replicas share.
        directory: Keeps the leaf for the server and a copy of the bundle. It is the replica's
            own, or the very same object as `store` when one directory has both.
        hosts: DNS names and IP addresses that the leaf is for.
        policy: How long things live.
        publish: Shows clients a bundle and returns whether they can see it, for example
            `certs.publish.publish_bundle`. None when they read the directory.
        clock: Aware wall-clock time.
        provided: Whether others provide the pair (see `is_provided`), so that nothing is ever
            written. The caller decides this, because a replica's own directory looks just
            like a mounted Secret after a restart of its container.

    Raises:
        CertificateError: One of `hosts` is not a host.
    """

    def __init__(  # noqa: PLR0913 - the caller decides each
        self,
        store: Store,
        directory: Store,
        hosts: Iterable[str],
        policy: Policy | None = None,
        publish: Callable[[bytes], bool] | None = None,
        *,
        clock: Callable[[], datetime] = _utc_now,
        provided: bool = False,
    ) -> None:
        self._store = store
        self._directory = directory
        self._hosts = sorted(set(map(canonical_host, hosts)))
        self._policy = policy or Policy()
        self._publish = publish
        self._clock = clock
        self._provided = provided
        self._published: _PublishedBundle | None = None

    def step(self) -> Step | None:
        """Bring the authorities forward, publish their bundle, and issue a leaf when one is due.

        A bundle that cannot be published keeps the upcoming CA waiting, but never the leaf.
        The error is raised after a leaf that is due was issued.

        Returns:
            None when the pair is provided.

        Raises:
            CertificateError: Something cannot be kept where it should be.
            ClusterError: The apiserver refused a request or did not answer it.
        """
        if self._provided:
            return None
        now = self._clock()
        before = self._directory.read().get(LEAF)
        held = self._store.update(lambda files: self._brought_forward(files, now))
        try:
            published = self._publish_bundle(held[BUNDLE], now)
        finally:
            if self._store is not self._directory:
                authorities = _stored_authorities(held)
                self._directory.update(lambda files: self._with_leaf(files, authorities, now))
        after = self._directory.read().get(LEAF)
        return Step(held[BUNDLE], published, issued=after != before)

    def _brought_forward(self, files: Files, now: datetime) -> Files:
        state = Authorities.from_files(files)
        following = next_authorities(state, now, self._policy, self._is_trusted(state, now))
        others = {name: files[name] for name in files.keys() - {BUNDLE, KEY, NEXT_KEY}}
        changed = others | following.to_files()
        if self._store is not self._directory:
            return changed
        # One directory has both, so the leaf is written in the same change.
        return self._with_leaf(changed, following, now)

    def _with_leaf(self, files: Files, authorities: Authorities, now: datetime) -> Files:
        leaf = None
        if LEAF in files and LEAF_KEY in files:
            leaf = Pair(files[LEAF], files[LEAF_KEY])
        if leaf is None or leaf_is_due(leaf, authorities, self._hosts, now):
            leaf = issue(authorities.current, self._hosts, now, self._policy.leaf_lifetime)
        bundle = b"".join(authorities.bundle)
        return {**files, BUNDLE: bundle, LEAF: leaf.certificate, LEAF_KEY: leaf.key}

    def _is_trusted(self, state: Authorities | None, now: datetime) -> bool:
        """Tell whether clients have been able to see the bundle for the whole overlap.

        The overlap counts from when the bundle was first read back, not from when the CA was
        made. Publishing may have failed for hours in between, and clients follow with a delay.
        """
        if self._publish is None:
            return True
        if state is None or self._published is None:
            return False
        if self._published.bundle != b"".join(state.bundle):
            return False
        return now >= self._published.since + self._policy.overlap

    def _publish_bundle(self, bundle: bytes, now: datetime) -> bool:
        if self._publish is None:
            return True
        before = self._published
        # Forgotten first, in case publishing raises an error.
        self._published = None
        if not self._publish(bundle):
            return False
        if before is not None and before.bundle == bundle:
            self._published = before
        else:
            self._published = _PublishedBundle(bundle, now)
        return True


def _stored_authorities(files: Files) -> Authorities:
    authorities = Authorities.from_files(files)
    assert authorities is not None  # noqa: S101 - they were just written from one
    return authorities
