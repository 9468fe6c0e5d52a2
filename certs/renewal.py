"""Keeps the authorities, what clients trust, and the leaf in step with the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certs.authority import Pair, canonical_host, issue
from certs.rotation import BUNDLE, KEY, NEXT_KEY, Authorities, Policy, leaf_is_due, next_authorities
from certs.store import LEAF, LEAF_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from certs.store import Files, Store


def is_provided(files: Mapping[str, bytes]) -> bool:
    """Tell whether the pair in a directory is somebody else's: cert-manager's, a mounted Secret's.

    It is when there is a part of a pair and no `ca.key`, since volray writes the key of its CA before its pair. To be
    asked of a directory that would hold the CA too, and not of a replica's own leaf directory in a cluster,
    which has no `ca.key` although everything in it is ours.
    """
    return (LEAF in files or LEAF_KEY in files) and KEY not in files


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Step:
    """What a step found or did.

    Attributes:
        bundle: PEM of the CAs that clients are to trust.
        published: Whether clients can see that bundle; always so without anywhere to publish it.
        issued: Whether the leaf in the directory is another than before.
    """

    bundle: bytes
    published: bool
    issued: bool


@dataclass(frozen=True)
class _Sighting:
    bundle: bytes
    since: datetime


class Renewal:
    """Renews the CA and the leaf; to be stepped every minute or so, and at once at the start.

    Args:
        store: Keeps the CA; in a cluster the Secret that all replicas share.
        directory: Keeps the leaf for the server (and a copy of the bundle): a replica's own. The very same
            object as `store` when one directory has both.
        hosts: DNS names and IP addresses that the leaf is for.
        policy: How long things live.
        publish: Shows clients a bundle and tells whether they can see it (`certs.secret_store.publish_bundle`);
            None when they read the directory.
        clock: Aware wall-clock time.
        provided: The pair is somebody else's (see `is_provided`): nothing is ever written. An explicit
            decision of whoever starts the server, because a replica's own leaf directory looks just like a
            mounted Secret after a restart of its container.

    Raises:
        CertificateError: One of `hosts` is no host.
    """

    def __init__(  # noqa: PLR0913 - each is a decision of the caller's
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
        self._sighting: _Sighting | None = None

    def step(self) -> Step | None:
        """Bring the authorities forward, publish their bundle, and issue a leaf when one is due.

        A bundle that cannot be published keeps the upcoming CA waiting, never the leaf: the error is raised
        after the leaf has been looked after.

        Returns:
            None when the pair is provided.

        Raises:
            CertificateError: Something cannot be kept where it should be.
            ClusterError: The Secret or the bundle's place cannot be reached.
        """
        if self._provided:
            return None
        now = self._clock()
        before = self._directory.read().get(LEAF)
        held = self._store.update(lambda files: self._brought_forward(files, now))
        try:
            published = self._show(held[BUNDLE], now)
        finally:
            if self._store is not self._directory:
                self._directory.update(lambda files: self._with_leaf(files, _authorities(held), now))
        return Step(held[BUNDLE], published, issued=self._directory.read().get(LEAF) != before)

    def _brought_forward(self, files: Files, now: datetime) -> Files:
        state = Authorities.from_files(files)
        following = next_authorities(state, now, self._policy, self._is_trusted(state, now))
        others = {name: files[name] for name in files.keys() - {BUNDLE, KEY, NEXT_KEY}}
        changed = others | following.to_files()
        return self._with_leaf(changed, following, now) if self._store is self._directory else changed

    def _with_leaf(self, files: Files, authorities: Authorities, now: datetime) -> Files:
        leaf = Pair(files[LEAF], files[LEAF_KEY]) if {LEAF, LEAF_KEY} <= files.keys() else None
        if leaf is None or leaf_is_due(leaf, authorities, self._hosts, now):
            leaf = issue(authorities.current, self._hosts, now, self._policy.leaf_lifetime)
        return files | {BUNDLE: b"".join(authorities.bundle), LEAF: leaf.certificate, LEAF_KEY: leaf.key}

    def _is_trusted(self, state: Authorities | None, now: datetime) -> bool:
        """Tell whether clients have been able to see the bundle for the whole overlap.

        Counted from when it was first read back, not from when the CA was made: publishing may have failed
        for hours in between, and a client follows with a delay.
        """
        if self._publish is None:
            return True
        if state is None or self._sighting is None or self._sighting.bundle != b"".join(state.bundle):
            return False
        return now >= self._sighting.since + self._policy.overlap

    def _show(self, bundle: bytes, now: datetime) -> bool:
        if self._publish is None:
            return True
        last, self._sighting = self._sighting, None
        if not self._publish(bundle):
            return False
        self._sighting = last if last and last.bundle == bundle else _Sighting(bundle, now)
        return True


def _authorities(files: Files) -> Authorities:
    authorities = Authorities.from_files(files)
    assert authorities is not None  # noqa: S101 - they were just written from one
    return authorities
