"""A burst of Jobs, in the middle of which each of those goes away that a Service depends on."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any

import httpx
import pytest

from tests.controlplane.applied import all_pods, make_job, pods_of
from tests.controlplane.client import RefusedError, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import JOBS, Volray, job_path, lone_head
from tests.controlplane.life import one_service_for_each_live_job, services_made
from tests.controlplane.waiting import wait, with_others
from webhook.controller.runtime.lease import DEFAULT_TERMS

Object = dict[str, Any]

BURST = 200
USERS = 4
APISERVER_GOES, ETCD_GOES, CONTROLLER_GOES = 40, 90, 140
"""After so many Jobs."""

BORNE = DEFAULT_TERMS.renew - 1.2 * (DEFAULT_TERMS.retry + DEFAULT_TERMS.hurry)
"""Seconds for which the apiserver may be away without costing the leader its lease: the last renewal may be as old as
the longest pause between two, and the next comes a short pause after the apiserver."""


def away(plane: ControlPlane, name: str) -> float:
    """Kill a component that the apiserver needs, or the apiserver, and start it again; how long nothing answered."""
    component, apiserver = plane.components[name], plane.components["apiserver"]
    began = time.monotonic()
    component.kill()
    component.start()
    for each in (component, apiserver):
        each.wait_ready(with_others(60))
    return time.monotonic() - began


@pytest.fixture
def namespace(plane: ControlPlane, namespace: str) -> Iterator[str]:
    """The test's own; whoever comes next finds the scheduler idle again."""
    yield namespace
    parameters = {"propagationPolicy": "Background"}
    plane.admin.request("DELETE", path(JOBS, "jobs", namespace), parameters=parameters, seconds=with_others(60))
    wait(lambda: not plane.admin.items(path("v1", "pods", namespace)), "the pods are gone", with_others(60))


def insist(request: Callable[[], Any]) -> None:
    """Ask until the apiserver has answered: what it answers to a repetition tells that it had done it before."""

    def answered() -> bool:
        try:
            request()
        except httpx.TransportError:
            return False
        except RefusedError as error:
            return error.code in {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}
        return True

    wait(answered, "the apiserver answers", with_others(60))


def make(plane: ControlPlane, job: Object) -> bool:
    """Make a Job, which lives on; whether it does is what every fate returns."""
    insist(lambda: make_job(plane, job))
    return True


def make_and_delete(plane: ControlPlane, job: Object) -> bool:
    make(plane, job)
    insist(lambda: plane.admin.delete(job_path(job), propagationPolicy="Background"))
    return False


def make_and_complete(plane: ControlPlane, job: Object) -> bool:
    """Make a Job and let its pod succeed, unless Volcano overlooks it.

    Seen with 1.14.1: its controller makes pods when it sees a PodGroup change, and one that was made and changed while
    no apiserver let it watch is new to it. Such a Job has no pod, waits, and lives.
    """
    make(plane, job)
    try:
        insist(lambda: all_pods(plane, job, "Succeeded"))
    except TimeoutError:
        if pods_of(plane, job):
            raise
        return True
    return False


FATES = [make, make_and_complete, make, make_and_delete, make]


@pytest.mark.timeout(300)
def test_whatever_restarts_in_a_burst_each_live_job_has_one_service_in_the_end_and_no_other_has_any(
    volray: Volray, namespace: str
) -> None:
    plane, controller = volray.plane, volray.controller
    burst = [lone_head(namespace, f"job-{number:03}") for number in range(BURST)]
    fates = list(islice(cycle(FATES), BURST))
    mark, began = plane.audit.mark(), time.monotonic()
    with ThreadPoolExecutor(USERS) as users:
        done = [users.submit(fate, plane, job) for fate, job in zip(fates, burst, strict=True)]
        wait_done(done, APISERVER_GOES)
        apiserver_away = away(plane, "apiserver")
        wait_done(done, ETCD_GOES)
        etcd_away = away(plane, "etcd")
        wait_done(done, CONTROLLER_GOES)
        gave_up = not controller.alive
        assert not gave_up or max(apiserver_away, etcd_away) > BORNE, controller.last_lines()
        controller.kill()
        controller.start()
        restarted = controller.pid
        lives = [each.result() for each in done]
    live = {job["metadata"]["name"] for job, lives_on in zip(burst, lives, strict=True) if lives_on}
    overlooked = len(live) - fates.count(make)
    print(f"{BURST} Jobs in {time.monotonic() - began:.1f} s: apiserver away for {apiserver_away:.1f} s,")
    print(f"etcd for {etcd_away:.1f} s, {BORNE:.1f} s are borne; the controller gave its lease up: {gave_up}")
    print(f"Volcano overlooked {overlooked} Jobs")
    assert overlooked <= USERS
    wait(
        lambda: one_service_for_each_live_job(plane, namespace, live), "one Service for each live Job", with_others(60)
    )
    assert (controller.alive, controller.pid) == (True, restarted), controller.last_lines()
    assert set(Counter(services_made(plane, mark, namespace)).values()) == {1}, "no Service is made twice"


def wait_done(futures: list[Future[bool]], count: int) -> None:
    wait(lambda: sum(each.done() for each in futures) >= count, f"{count} Jobs are made", with_others(90))
