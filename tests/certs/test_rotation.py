from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.authority import Pair, is_valid, issue, issued_at, new_authority, not_after, renew_at
from certs.errors import CertificateError
from certs.rotation import Authorities, Policy, leaf_is_due, next_authorities
from tests.certs.trusting import DAY, HOST, HOUR, MINUTE, NOW, SECOND, trusts

POLICY = Policy(authority_lifetime=30 * DAY, leaf_lifetime=9 * DAY, overlap=10 * MINUTE)
FRESH = next_authorities(None, NOW, POLICY)
DUE = renew_at(FRESH.current.certificate)
OVERLAPPING = next_authorities(FRESH, DUE, POLICY)
EXPIRY = not_after(FRESH.current.certificate)


def _upcoming(state: Authorities) -> Pair:
    assert state.upcoming is not None
    return state.upcoming


UPCOMING = _upcoming(OVERLAPPING)
RIPE = issued_at(UPCOMING.certificate) + POLICY.overlap


def test_out_of_nothing_comes_one_authority() -> None:
    assert FRESH.upcoming is None
    assert FRESH.bundle == (FRESH.current.certificate,)


@pytest.mark.parametrize(
    ("state", "now"), [(FRESH, NOW), (FRESH, DUE - SECOND), (OVERLAPPING, DUE), (OVERLAPPING, RIPE - SECOND)]
)
def test_with_nothing_to_do_the_state_is_equal(state: Authorities, now: datetime) -> None:
    assert next_authorities(state, now, POLICY) == state


def test_an_authority_due_gets_a_successor_that_does_not_sign_yet() -> None:
    assert OVERLAPPING.current == FRESH.current
    assert OVERLAPPING.bundle == (FRESH.current.certificate, UPCOMING.certificate)


def test_the_successor_signs_after_the_overlap_and_the_old_one_stays_in_the_bundle() -> None:
    assert next_authorities(OVERLAPPING, RIPE, POLICY) == Authorities(UPCOMING, None, OVERLAPPING.bundle)


@pytest.mark.parametrize("now", [RIPE, RIPE + DAY, EXPIRY - SECOND])
def test_an_unpublished_successor_waits_as_long_as_the_old_one_lives(now: datetime) -> None:
    assert next_authorities(OVERLAPPING, now, POLICY, published=False) == OVERLAPPING


def test_at_expiry_the_successor_signs_published_or_not() -> None:
    expected = Authorities(UPCOMING, None, (UPCOMING.certificate,))
    assert next_authorities(OVERLAPPING, EXPIRY, POLICY, published=False) == expected


def test_an_expired_authority_without_successor_is_replaced_at_once() -> None:
    state = next_authorities(FRESH, EXPIRY, POLICY, published=False)
    assert state.upcoming is None
    assert state.bundle == (state.current.certificate,) != FRESH.bundle


def test_an_authority_from_the_future_is_replaced_and_stays_trusted() -> None:
    ahead = next_authorities(None, NOW + 2 * DAY, POLICY)
    state = next_authorities(ahead, NOW, POLICY)
    assert is_valid(state.current.certificate, NOW)
    assert state.bundle == (ahead.current.certificate, state.current.certificate)


def test_a_certificate_that_somebody_added_to_the_bundle_stays_until_it_expires() -> None:
    added = new_authority(NOW, DAY).certificate
    state = replace(FRESH, bundle=(*FRESH.bundle, added))
    assert next_authorities(state, NOW + DAY - SECOND, POLICY) == state
    assert next_authorities(state, NOW + DAY, POLICY) == FRESH


FILES = OVERLAPPING.to_files()


@pytest.mark.parametrize("state", [FRESH, OVERLAPPING])
def test_files_give_back_what_was_put_into_them(state: Authorities) -> None:
    assert Authorities.from_files(state.to_files()) == state


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, None, id="empty"),
        pytest.param({"ca.crt": FILES["ca.crt"]}, None, id="no key"),
        pytest.param(FILES | {"ca.crt": b"garbage"}, None, id="no bundle"),
        pytest.param(FRESH.to_files() | {"ca.key": UPCOMING.key}, None, id="a stranger's key"),
        pytest.param(
            FRESH.to_files() | {"ca.crt": FILES["ca.crt"]},
            replace(FRESH, bundle=OVERLAPPING.bundle),
            id="died before next-ca.key was written",
        ),
        pytest.param(
            FILES | {"ca.key": UPCOMING.key},
            Authorities(UPCOMING, None, OVERLAPPING.bundle),
            id="died before next-ca.key was removed",
        ),
        pytest.param(
            FILES | {"ca.key": b"garbage"},
            Authorities(UPCOMING, None, OVERLAPPING.bundle),
            id="lost the current key",
        ),
    ],
)
def test_files_in_disorder_read_as_the_soundest_state(files: dict[str, bytes], expected: Authorities | None) -> None:
    assert Authorities.from_files(files) == expected


LEAF = issue(FRESH.current, [HOST, "::1"], NOW, POLICY.leaf_lifetime)
LEAF_DUE = renew_at(LEAF.certificate)
HOSTS = [HOST, "::1"]


@pytest.mark.parametrize(
    ("leaf", "authorities", "hosts", "now", "due"),
    [
        pytest.param(LEAF, FRESH, HOSTS, NOW, False, id="sound"),
        pytest.param(LEAF, FRESH, ["0:0::1", HOST.upper()], NOW, False, id="other spelling"),
        pytest.param(LEAF, FRESH, HOSTS, LEAF_DUE - SECOND, False, id="just before two thirds"),
        pytest.param(LEAF, FRESH, HOSTS, LEAF_DUE, True, id="at two thirds"),
        pytest.param(LEAF, FRESH, HOSTS, NOW - 2 * HOUR, True, id="from the future"),
        pytest.param(None, FRESH, HOSTS, NOW, True, id="missing"),
        pytest.param(Pair(LEAF.certificate, UPCOMING.key), FRESH, HOSTS, NOW, True, id="mismatched"),
        pytest.param(LEAF, FRESH, [HOST], NOW, True, id="a host less"),
        pytest.param(LEAF, FRESH, [*HOSTS, "a.svc"], NOW, True, id="a host more"),
        pytest.param(LEAF, OVERLAPPING, HOSTS, NOW, False, id="during the overlap"),
        pytest.param(LEAF, replace(OVERLAPPING, current=UPCOMING), HOSTS, NOW, True, id="of the former CA"),
    ],
)
def test_when_a_leaf_is_due(
    leaf: Pair | None, authorities: Authorities, hosts: list[str], now: datetime, due: bool
) -> None:
    assert leaf_is_due(leaf, authorities, hosts, now) is due


@pytest.mark.parametrize(
    "values",
    [
        {"leaf_lifetime": timedelta(seconds=9)},
        {"leaf_lifetime": 366 * DAY},
        {"overlap": -SECOND},
        {"authority_lifetime": 90 * DAY, "overlap": 30 * DAY},
    ],
)
def test_lives_that_do_not_fit_together_are_refused(values: dict[str, timedelta]) -> None:
    with pytest.raises(CertificateError):
        Policy(**values)


# Steps of minutes, of hours and of weeks, the last longer than a CA's life; each published or not.
STEPS = st.one_of(st.integers(1, 900), st.integers(12 * 3600, 60 * 3600), st.integers(1, 40 * 86400))
WALKS = st.lists(st.tuples(STEPS, st.booleans()), min_size=4, max_size=12)


@settings(max_examples=20, deadline=None)
@given(WALKS)
def test_the_laws_of_rotation_hold_on_every_walk_through_time(walk: list[tuple[int, bool]]) -> None:
    state, now = FRESH, NOW
    leaves: list[bytes] = []
    for seconds, published in islice(cycle(walk), 60):
        before, now = state, now + timedelta(seconds=seconds)
        state = next_authorities(before, now, POLICY, published)

        assert is_valid(state.current.certificate, now)
        pairs = [state.current, state.upcoming] if state.upcoming else [state.current]
        assert {pair.certificate for pair in pairs} <= set(state.bundle)
        assert all(not_after(pem) <= now for pem in set(before.bundle) - set(state.bundle))
        assert all(not_after(pem) > now for pem in state.bundle)
        assert len(state.bundle) <= 3
        assert Authorities.from_files(state.to_files()) == state

        if state.current != before.current and is_valid(before.current.certificate, now):
            assert published
            assert state.current == before.upcoming
            assert now >= issued_at(state.current.certificate) + POLICY.overlap

        leaves.append(issue(state.current, [HOST], now, POLICY.leaf_lifetime).certificate)
        leaves = [leaf for leaf in leaves if not_after(leaf) > now]
        assert all(trusts(b"".join(state.bundle), leaf, now) for leaf in leaves[-5:])
