"""Rotations and the end: no client loses a request."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from certs.authority import Pair, issue, signed_by, split_bundle
from certs.renewal import Renewal
from certs.rotation import Authorities, Policy
from certs.store import LEAF, LEAF_KEY, DirectoryStore
from tests import recordings
from tests.server.process import HOSTS, wait_until
from tests.server.test_review import HEAD
from tests.server.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.server.process import Process

BODY = recordings.body(HEAD)
DAY = timedelta(days=1)
DRAIN = 3.0
"""Seconds."""


def now() -> datetime:
    return datetime.now(UTC)


class Certificates:
    """The hands of a person, or of another replica, in the folder that a server serves from."""

    def __init__(self, path: Path) -> None:
        self.store = DirectoryStore(path)
        # A CA whose life is two thirds over: the server makes the next one when it starts.
        Renewal(self.store, self.store, HOSTS, clock=lambda: now() - 250 * DAY).step()

    @property
    def authorities(self) -> Authorities:
        authorities = Authorities.from_files(self.store.read())
        assert authorities is not None
        return authorities

    @property
    def leaf(self) -> Pair:
        files = self.store.read()
        return Pair(files[LEAF], files[LEAF_KEY])

    def put(self, pair: Pair) -> None:
        self.store.update(lambda files: {**files, LEAF: pair.certificate, LEAF_KEY: pair.key})

    def new_leaf(self) -> Pair:
        return issue(self.authorities.current, HOSTS, now(), DAY)

    def rotate(self) -> None:
        """The next CA signs; what clients trust stays both."""
        Renewal(self.store, self.store, HOSTS, Policy(overlap=timedelta(0))).step()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certs")


@pytest.fixture
def process(start: Callable[..., Process], certificates: Certificates) -> Process:
    process = start("--drain-seconds", str(DRAIN), cert_dir=certificates.store.path)
    process.wait_until_ready()
    return process


@pytest.fixture
def traffic(process: Process) -> Iterator[Traffic]:
    traffic = Traffic(process, BODY)
    yield traffic
    traffic.stop()


def test_clients_that_never_pause_lose_nothing_through_rotations_and_sigterm(
    process: Process, certificates: Certificates, traffic: Traffic
) -> None:
    traffic.goes_on()

    certificates.put(certificates.new_leaf())
    wait_until(process.shows_its_file, "the new leaf")
    traffic.goes_on()

    sound = certificates.leaf
    certificates.put(Pair(certificates.new_leaf().certificate, sound.key))
    wait_until(lambda: "mismatch" in process.events_text("problem"), "the mismatched pair refused")
    assert process.shows(sound.certificate)
    traffic.goes_on()

    old = certificates.authorities.current
    certificates.rotate()
    assert len(split_bundle(certificates.store.read()["ca.crt"])) == 2
    assert not signed_by(certificates.leaf.certificate, old.certificate)
    wait_until(process.shows_its_file, "a leaf of the new CA")
    traffic.goes_on()

    with closing(process.connect()) as idle:
        asked = time.monotonic()
        process.terminate()
        wait_until(lambda: process.side("/readyz").status == 503, "not ready")
        draining = time.monotonic()
        assert process.side("/livez").status == 200
        wait_until(lambda: time.monotonic() > asked + DRAIN / 2, "half the drain")
        last = idle.send(BODY)
        assert (last.status, last.closes) == (200, True)
    traffic.stop()
    answered = process.sample('volray_webhook_requests_total{code="200",webhook="/mutate"}')

    assert process.exit_status() == 0
    assert DRAIN <= time.monotonic() - asked < DRAIN + 10
    assert traffic.lost == []
    assert len(traffic.sent) == answered - 1
    after = [sent.answer for sent in traffic.sent if sent.at > draining]
    assert len(after) > 20
    assert all(answer and answer.closes for answer in after)
    assert process.errors == ""
    assert [event["event"] for event in process.events()][-1] == "stopped"


def test_an_interrupt_ends_the_drain_at_once(start: Callable[..., Process]) -> None:
    process = start("--drain-seconds", "600")
    process.wait_until_ready()
    process.terminate()
    wait_until(lambda: process.side("/readyz").status == 503, "not ready")
    process.interrupt()
    assert process.exit_status() == 0
