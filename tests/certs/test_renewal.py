from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.authority import Pair, issue, matches, new_authority, not_after, renew_at, signed_by, split_bundle
from certs.errors import CertificateError, ClusterError
from certs.renewal import Renewal, is_provided
from certs.rotation import Authorities, Policy
from certs.store import DirectoryStore
from tests.certs.trusting import DAY, HOST, MINUTE, NOW, MemoryStore, trusts

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

POLICY = Policy(authority_lifetime=30 * DAY, leaf_lifetime=9 * DAY, overlap=10 * MINUTE)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Webhooks:
    """Where clients look: remembers since when they have been able to see which bundle."""

    def __init__(self, clock: Clock) -> None:
        self.works = True
        self.views: list[tuple[datetime, bytes]] = []
        self._clock = clock

    def publish(self, bundle: bytes) -> bool:
        if self.works:
            self.views.append((self._clock.now, bundle))
        return self.works

    def seen_between(self, first: datetime, last: datetime) -> set[bytes]:
        at_first = [bundle for since, bundle in self.views if since <= first][-1:]
        return {*at_first, *(bundle for since, bundle in self.views if first <= since <= last)}


class Replica:
    """A renewal with its own leaf; the CA may be shared."""

    def __init__(self, clock: Clock, authorities: MemoryStore, webhooks: Webhooks) -> None:
        self.directory = MemoryStore()
        self.renewal = Renewal(authorities, self.directory, [HOST], POLICY, webhooks.publish, clock=clock)

    @property
    def leaf(self) -> bytes:
        return self.directory.files["tls.crt"]


def _ours(files: dict[str, bytes]) -> Authorities:
    authorities = Authorities.from_files(files)
    assert authorities is not None
    return authorities


def test_one_directory_gets_an_authority_and_its_leaf(tmp_path: Path) -> None:
    directory = DirectoryStore(tmp_path)
    step = Renewal(directory, directory, [HOST]).step()
    files = directory.read()
    assert step is not None
    assert (step.bundle, step.published, step.issued) == (files["ca.crt"], True, True)
    assert matches(Pair(files["tls.crt"], files["tls.key"]))
    assert trusts(files["ca.crt"], files["tls.crt"], datetime.now(UTC))


def test_a_second_step_changes_nothing(tmp_path: Path) -> None:
    directory = DirectoryStore(tmp_path)
    renewal = Renewal(directory, directory, [HOST])
    renewal.step()
    before = {path.name: path.stat() for path in tmp_path.iterdir()}
    step = renewal.step()
    assert step is not None
    assert not step.issued
    assert {path.name: path.stat() for path in tmp_path.iterdir()} == before


def test_the_leaf_is_issued_anew_at_two_thirds_of_its_life() -> None:
    clock, both = Clock(), MemoryStore()
    renewal = Renewal(both, both, [HOST], POLICY, clock=clock)
    renewal.step()
    first = both.files["tls.crt"]
    clock.now = renew_at(first) - timedelta(seconds=1)
    renewal.step()
    assert both.files["tls.crt"] == first
    clock.now += timedelta(seconds=1)
    renewal.step()
    assert both.files["tls.crt"] != first


def test_a_replicas_directory_never_holds_the_authoritys_key() -> None:
    clock = Clock()
    replica = Replica(clock, MemoryStore(), Webhooks(clock))
    replica.renewal.step()
    assert replica.directory.files.keys() == {"ca.crt", "tls.crt", "tls.key"}


def test_files_of_others_in_the_store_stay() -> None:
    clock, store = Clock(), MemoryStore(note=b"do not delete")
    Replica(clock, store, Webhooks(clock)).renewal.step()
    assert store.files.keys() == {"ca.crt", "ca.key", "note"}


@pytest.mark.parametrize("error", [ClusterError("no answer"), None])
def test_a_bundle_that_cannot_be_published_does_not_keep_the_leaf(error: ClusterError | None) -> None:
    clock, directory = Clock(), MemoryStore()

    def publish(_: bytes) -> bool:
        if error:
            raise error
        return False

    renewal = Renewal(MemoryStore(), directory, [HOST], POLICY, publish, clock=clock)
    if error:
        with pytest.raises(ClusterError, match="no answer"):
            renewal.step()
    else:
        step = renewal.step()
        assert step is not None
        assert not step.published
    assert trusts(directory.files["ca.crt"], directory.files["tls.crt"], NOW)


def test_the_overlap_counts_from_when_the_bundle_was_last_seen_to_be_published() -> None:
    clock = Clock()
    webhooks, store = Webhooks(clock), MemoryStore()
    renewal = Replica(clock, store, webhooks).renewal
    renewal.step()
    first = _ours(store.files).current
    clock.now = renew_at(first.certificate)
    for works, after, current_is_first in [
        (False, 0, True),
        (False, 600, True),  # old enough, never published
        (True, 60, True),
        (True, 599, True),  # published for too short a time
        (False, 0, True),  # somebody overwrote it: counted anew
        (True, 60, True),
        (True, 599, True),
        (True, 1, False),
    ]:
        webhooks.works = works
        clock.now += timedelta(seconds=after)
        renewal.step()
        assert (_ours(store.files).current == first) is current_is_first


def test_a_host_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(CertificateError, match="https://a"):
        Renewal(MemoryStore(), MemoryStore(), ["https://a"])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", False),
        ("tls.crt tls.key", True),
        ("ca.crt tls.crt tls.key", True),
        ("ca.crt ca.key tls.crt tls.key", False),
        ("ca.crt ca.key tls.key", False),
        ("tls.key", True),
    ],
)
def test_a_pair_without_an_authoritys_key_is_somebody_elses(names: str, expected: bool) -> None:
    assert is_provided(dict.fromkeys(names.split(), b"")) is expected


def test_a_provided_pair_is_never_written(tmp_path: Path) -> None:
    authority = new_authority(NOW, DAY)
    leaf = issue(authority, ["other.svc"], NOW, DAY)
    (tmp_path / "tls.crt").write_bytes(leaf.certificate)
    (tmp_path / "tls.key").write_bytes(leaf.key)
    directory = DirectoryStore(tmp_path)
    renewal = Renewal(directory, directory, [HOST], provided=is_provided(directory.read()))
    assert renewal.step() is None
    assert {path.name for path in tmp_path.iterdir()} == {"tls.crt", "tls.key"}
    assert directory.read()["tls.crt"] == leaf.certificate


# A step of hours and one of minutes in turn, each by one of two replicas, with publishing working or not;
# over and over until a CA has lived and died twice.
STEPS = st.tuples(st.integers(12 * 3600, 36 * 3600), st.integers(1, 900))
WALKS = st.lists(st.tuples(STEPS, st.booleans(), st.integers(0, 1)), min_size=1, max_size=8)


@settings(max_examples=20, deadline=None)
@given(WALKS)
def test_whoever_read_the_bundle_within_the_overlap_verifies_every_leaf(
    walk: list[tuple[tuple[int, int], bool, int]],
) -> None:
    clock, authorities = Clock(), MemoryStore()
    webhooks = Webhooks(clock)
    replicas = [Replica(clock, authorities, webhooks) for _ in range(2)]
    for replica in replicas:
        replica.renewal.step()
    for steps, webhooks.works, turn in cycle(walk):
        for seconds in steps:
            clock.now += timedelta(seconds=seconds)
            if not_after(_ours(authorities.files).current.certificate) <= clock.now:
                return  # not published for a third of a CA's life: nothing is left to overlap with
            replicas[turn].renewal.step()
            for bundle in webhooks.seen_between(clock.now - POLICY.overlap, clock.now):
                assert trusts(bundle, replicas[turn].leaf, clock.now)
                other = replicas[1 - turn].leaf
                assert trusts(bundle, other, clock.now) or not_after(other) <= clock.now
        if clock.now > NOW + 2 * POLICY.authority_lifetime:
            return


def _race(paths: list[Path], start: Barrier, bundles: Queue[bytes]) -> None:
    for path in paths:
        directory = DirectoryStore(path)
        start.wait(timeout=30)
        step = Renewal(directory, directory, [HOST]).step()
        bundles.put(step.bundle if step else b"")


def test_two_processes_on_one_directory_converge_on_one_authority(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    paths = [tmp_path / str(number) for number in range(5)]
    start, bundles = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_race, args=(paths, start, bundles)) for _ in range(2)]
    for process in processes:
        process.start()
    seen = [bundles.get(timeout=30) for _ in range(2 * len(paths))]
    for process in processes:
        process.join(timeout=30)
    bundles.close()
    assert [process.exitcode for process in processes] == [0, 0]
    for path in paths:
        files = DirectoryStore(path).read()
        assert len(split_bundle(files["ca.crt"])) == 1
        assert seen.count(files["ca.crt"]) == 2
        assert matches(Pair(files["tls.crt"], files["tls.key"]))
        assert signed_by(files["tls.crt"], files["ca.crt"])
