"""Two controllers, as the Deployment runs them: one acts, and when it is lost in whatever way, the other does, late
enough that the two never act at once. Who wrote what stands in the audit log, where each has a token of its own.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import make_job
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.components import Component
from tests.controlplane.installed import SYSTEM, Volray, leads, lone_head, service_path
from tests.controlplane.life import answers, one_service_for_each_live_job, services_made
from tests.controlplane.waiting import wait, with_others
from webhook.controller.runtime.lease import DEFAULT_TERMS

Object = dict[str, Any]

LEASE = path("coordination.k8s.io/v1", "leases", SYSTEM, "volray-controller")
PAUSE = 1.2 * DEFAULT_TERMS.retry
"""The longest between two looks at the lease, or two renewals."""
EARLIEST = DEFAULT_TERMS.lease - PAUSE
LATEST = DEFAULT_TERMS.lease + 2 * PAUSE
"""Seconds from a leader's end to the next: its last renewal was at most a pause ago, the other one saw that a pause
later at most, and looks again a pause later at most than it may act.
"""
BURST = 20


@pytest.fixture
def standby(volray: Volray) -> Iterator[Component]:
    """The controller that does not act; the one that does is volray's first."""
    with volray.second_controller() as second:
        yield second


def make(plane: ControlPlane, namespace: str, names: list[str]) -> set[str]:
    for name in names:
        make_job(plane, lone_head(namespace, name))
    return set(names)


def numbered(kind: str) -> list[str]:
    return [f"{kind}-{number:02}" for number in range(BURST)]


def put_to_work(plane: ControlPlane, namespace: str) -> tuple[int, set[str]]:
    """Make Jobs, and return the moment before and their names as soon as the leader is in the middle of them."""
    mark = plane.audit.mark()
    live = make(plane, namespace, numbered("before"))
    wait(lambda: services_made(plane, mark, namespace), "the leader is at work")
    return mark, live


def wait_made(plane: ControlPlane, namespace: str, live: set[str]) -> None:
    wait(lambda: one_service_for_each_live_job(plane, namespace, live), "one Service for each live Job")


def service_names(jobs: set[str]) -> list[str]:
    return sorted(f"{name}-head-svc" for name in jobs)


def test_a_leader_that_was_killed_is_followed_once_its_lease_has_run_out(
    volray: Volray, standby: Component, namespace: str
) -> None:
    plane, leader = volray.plane, volray.controller
    mark, live = put_to_work(plane, namespace)
    assert plane.audit.writes(since=mark, credential=volray.credentials[standby.name]) == []
    assert not leads(standby)
    leader.kill()
    killed = time.monotonic()
    live |= make(plane, namespace, numbered("after"))
    wait(lambda: leads(standby), "the other leads", with_others(LATEST))
    took = time.monotonic() - killed
    print(f"the other leads {took:.1f} s after the kill")
    assert took >= EARLIEST
    wait_made(plane, namespace, live)
    made = services_made(plane, mark, namespace)
    tried = answers(plane, mark, namespace, volray.credentials[leader.name])
    silently = {name for name, code in tried if code == 504} - set(made)
    assert sorted([*made, *silently]) == service_names(live), "each is made once"


def test_a_leader_that_was_stopped_past_its_lease_ends_when_it_goes_on_and_writes_nothing_more(
    volray: Volray, standby: Component, namespace: str
) -> None:
    """It wakes to a Service that is missing and to nobody else who acts, and must not make it all the same."""
    plane, late = volray.plane, volray.controller
    mark, live = put_to_work(plane, namespace)
    late.pause()
    live |= make(plane, namespace, numbered("after"))
    wait(lambda: leads(standby), "the other leads", with_others(LATEST))
    wait_made(plane, namespace, live)
    standby.stop()
    missing = lone_head(namespace, "after-00")
    plane.admin.delete(service_path(missing))
    awake = plane.audit.mark()
    late.resume()
    wait(lambda: not late.alive, "the one that was late ends")
    assert late.process
    assert late.process.returncode == 1
    assert "The lease has run out" in late.last_lines()
    assert plane.audit.writes(since=awake, credential=volray.credentials[late.name]) == []
    late.start()
    wait(lambda: plane.admin.exists(service_path(missing)), "the one after it makes what is missing")
    wait_made(plane, namespace, live)
    made = Counter(services_made(plane, mark, namespace))
    assert sorted(made) == service_names(live)
    assert {name for name, times in made.items() if times > 1} == {"after-00-head-svc"}
