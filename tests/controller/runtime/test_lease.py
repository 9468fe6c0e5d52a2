"""Candidates that simulate hours in seconds: clocks of their own, requests that are lost on the way there or back."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.controller.runtime.lease import Election, Sighting, boottime, held, is_free, released, seen, timestamp
from webhook.errors import NotLeadingError
from webhook.k8s.client import ApiError

if TYPE_CHECKING:
    from webhook.names import Object

MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/volray-system/leases"
LEASE = f"{LEASES}/volray-controller"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """One Lease at an apiserver, true time, and what happens to the next request."""

    time: float = 1000.0
    lease: Object | None = None
    fate: str = "works"
    takes: float = 0.0
    puts: list[Object] = field(default_factory=list)

    def get(self, path: str) -> Object:
        assert path == LEASE
        self._travel()
        if self.lease is None:
            raise ApiError("not found", 404)
        return self._back(self.lease)

    def post(self, path: str, body: Object) -> Object:
        assert path == f"{LEASES}?fieldManager=volray"
        self._travel()
        if self.lease is not None:
            raise ApiError("already exists", 409)
        return self._written(body, 1)

    def put(self, path: str, body: Object) -> Object:
        assert path == f"{LEASE}?fieldManager=volray"
        self._travel()
        if self.lease is None:
            raise ApiError("not found", 404)
        version = self.lease["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != version:
            raise ApiError("the object has been modified", 409)
        return self._written(body, int(version) + 1)

    def _travel(self) -> None:
        self.time += self.takes
        if self.fate == "lost":
            raise ApiError("no answer")

    def _written(self, body: Object, version: int) -> Object:
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(version)
        self.puts.append(self.lease)
        return self._back(self.lease)

    def _back(self, body: Object) -> Object:
        self.time += self.takes
        if self.fate == "unheard":
            raise ApiError("no answer")
        return copy.deepcopy(body)

    def candidate(self, me: str, skew: float = 0.0) -> Election:
        """With clocks that agree with nobody's but run at the same speed."""
        return Election(
            self,  # type: ignore[arg-type]
            "volray-system",
            "volray-controller",
            me,
            clock=lambda: self.time + skew,
            now=lambda: NOW + timedelta(seconds=self.time + skew * 100),
        )

    @property
    def spec(self) -> Object:
        assert self.lease is not None
        spec: Object = self.lease["spec"]
        return spec


def led() -> tuple[World, Election]:
    """A world in which a leads."""
    world = World()
    a = world.candidate("a")
    a.step()
    return world, a


def test_the_first_makes_the_lease_and_keeps_it() -> None:
    world = World()
    a, b = world.candidate("a"), world.candidate("b", skew=-1e6)
    assert a.step()
    assert not b.step()
    for _ in range(50):
        world.time += 2
        assert (a.step(), b.step()) == (True, False)
    assert (world.spec["holderIdentity"], world.spec["leaseTransitions"]) == ("a", 0)
    assert world.spec["leaseDurationSeconds"] == 15
    assert MICRO_TIME.fullmatch(world.spec["renewTime"])
    assert world.spec["acquireTime"] < world.spec["renewTime"]


def test_a_dead_leader_s_lease_is_taken_once_it_was_seen_unchanged_for_its_time() -> None:
    world, a = led()
    b = world.candidate("b")
    world.time += 1000  # b was not there to see how long
    assert not b.step()
    world.time += 14
    assert not b.step()
    world.time += 1
    assert b.step()
    assert (world.spec["holderIdentity"], world.spec["leaseTransitions"]) == ("b", 1)
    with pytest.raises(NotLeadingError):
        a.check()


def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    world, a = led()
    b = world.candidate("b")
    a.release()
    assert not a.is_leader
    assert "holderIdentity" not in world.spec
    assert world.spec["leaseDurationSeconds"] == 1
    assert b.step()
    assert world.spec["leaseTransitions"] == 1


def test_nobody_gives_back_what_is_not_his() -> None:
    world, a = led()
    b = world.candidate("b")
    b.step()
    b.release()
    world.time += 11
    a.release()
    assert world.spec["holderIdentity"] == "a"
    assert len(world.puts) == 1


def test_a_lost_connection_is_borne_until_the_right_ends_and_then_it_is_over() -> None:
    world, a = led()
    world.fate = "lost"
    for _ in range(4):
        world.time += 2
        assert a.step()
        a.check()
    world.time += 2
    with pytest.raises(NotLeadingError):
        a.check()
    world.fate = "works"
    with pytest.raises(NotLeadingError):
        a.step()


def test_a_connection_that_comes_back_in_time_costs_nothing() -> None:
    world, a = led()
    world.fate = "lost"
    world.time += 8
    assert a.step()
    world.fate = "works"
    world.time += 1
    assert a.step()
    world.time += 9
    a.check()
    assert world.spec["leaseTransitions"] == 0


def test_a_failure_is_followed_by_a_quick_retry_so_that_a_restart_of_the_apiserver_is_borne() -> None:
    world, a = led()
    assert a.pause == a.terms.retry
    world.fate, began = "lost", world.time
    while world.time < began + 9:
        world.time += a.pause
        assert a.step()
    world.fate = "works"
    world.time += a.pause
    assert world.time < began + a.terms.renew
    assert a.step()
    assert a.pause == a.terms.retry


def test_a_renewal_whose_answer_was_lost_is_found_out() -> None:
    world, a = led()
    world.time += 2
    world.fate = "unheard"
    assert a.step()
    world.fate = "works"
    world.time += 2
    assert a.step()
    assert world.spec["holderIdentity"] == "a"


def test_an_acquisition_whose_answer_was_lost_gives_no_right_before_it_is_confirmed() -> None:
    world = World(fate="unheard")
    a = world.candidate("a")
    assert not a.step()
    assert world.spec["holderIdentity"] == "a"
    assert not a.is_leader
    world.fate = "works"
    assert a.step()
    assert world.spec["leaseTransitions"] == 0


def test_a_process_that_was_stopped_past_its_right_does_not_write_and_does_not_renew() -> None:
    world, a = led()
    world.time += 12
    with pytest.raises(NotLeadingError):
        a.check()
    with pytest.raises(NotLeadingError):
        a.step()
    assert len(world.puts) == 1


def test_a_lease_that_somebody_edited_is_lost() -> None:
    world, a = led()
    world.spec["holderIdentity"] = "c"
    assert world.lease is not None
    world.lease["metadata"]["resourceVersion"] = "9"
    with pytest.raises(NotLeadingError, match="taken"):
        a.step()
    assert not a.is_leader


def test_a_lease_that_was_deleted_is_made_again() -> None:
    world, a = led()
    world.lease = None
    assert a.step()
    assert world.spec["holderIdentity"] == "a"


def test_the_right_counts_from_before_the_request() -> None:
    world = World(takes=3)
    a = world.candidate("a")
    assert a.step()
    world.time = 1009.9
    a.check()
    world.time = 1010
    with pytest.raises(NotLeadingError):
        a.check()


moves = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["step", "step", "step", "step", "release"]),
        st.sampled_from(["works", "works", "works", "lost", "unheard"]),
        st.sampled_from([0.0, 0.0, 0.5, 2.0, 4.9]),
        st.sampled_from([0.0, 0.1, 1.0, 2.0, 5.0, 9.9, 15.0, 40.0]),
    ),
    max_size=60,
)


@given(moves, st.tuples(*[st.floats(-1e6, 1e6)] * 3))
@settings(max_examples=200)
def test_there_are_never_two_leaders(moves: list[Any], skews: tuple[float, float, float]) -> None:
    world = World()
    candidates = {name: world.candidate(name, skew) for name, skew in zip("abc", skews, strict=True)}
    for name, move, fate, takes, pause in moves:
        world.fate, world.takes = fate, takes
        try:
            getattr(candidates[name], move)()
        except NotLeadingError:
            candidates[name] = world.candidate(name + "'", 0.0)  # the Deployment starts it anew
        assert sum(each.is_leader for each in candidates.values()) <= 1
        world.time += pause
        assert sum(each.is_leader for each in candidates.values()) <= 1


@given(moves)
def test_transitions_count_the_changes_of_holder(moves: list[Any]) -> None:
    world = World()
    candidates = {name: world.candidate(name) for name in "abc"}
    for name, move, _, _, pause in moves:
        try:
            getattr(candidates[name], move)()
        except NotLeadingError:
            candidates[name] = world.candidate(name)
        world.time += pause
    holders = [put["spec"].get("holderIdentity") for put in world.puts]
    changes = sum(after is not None and after != before for before, after in pairwise(holders))
    assert not world.puts or world.spec["leaseTransitions"] == changes


def test_only_a_change_of_the_lease_starts_its_time_anew() -> None:
    first = seen(None, {"renewTime": "x"}, 1)
    assert seen(first, {"renewTime": "x"}, 5) == first
    assert seen(first, {"renewTime": "y"}, 5) == Sighting({"renewTime": "y"}, 5)


def test_the_time_that_counts_is_the_one_that_the_lease_says() -> None:
    sighting = Sighting({"holderIdentity": "b", "leaseDurationSeconds": 60}, 0)
    assert not is_free(sighting, "a", 59)
    assert is_free(sighting, "a", 60)
    assert is_free(Sighting({"holderIdentity": "b"}, 0), "a", 0)


def test_fields_of_others_survive_a_release() -> None:
    spec = released({**held({}, "a", 15, "now"), "strategy": "x"}, "later")
    assert spec == {
        "leaseDurationSeconds": 1,
        "acquireTime": "later",
        "renewTime": "later",
        "leaseTransitions": 0,
        "strategy": "x",
    }


def test_times_are_utc_with_six_digits_and_the_clock_runs_on() -> None:
    assert timestamp(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-01T00:00:00.000000Z"
    assert boottime() <= boottime()
