"""Every Ray that is tested in full, at rest and then under load, for more than the seven minutes of a liveness probe.

All of them run at once, a head and a worker each: one after the other they would take hours. For the newest Ray
`make e2e` has the same in `test_seven_minutes.py`.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.matrix import table as cases
from tests.e2e.matrix.jobs import job_of, with_requests
from tests.e2e.matrix.table import Cell, Table, restarts_by_pod
from tests.e2e.probes import fails_within, probes_of
from tests.e2e.ray_job import RayJob
from tests.e2e.running import Jobs
from tests.e2e.whole import wait_whole
from tests.images.rays import Ray, selection

IN_FULL = selection().in_full
NODES = 2
WATCHED = 450
"""Seconds at rest, and as many under load; what a backstop probe kills wrongly, it kills in these."""

START_SECONDS = 120
AFTER_SECONDS = 300
"""For the last look at a cluster, and for a load that ends late where all others bear one, too."""

pytestmark = [pytest.mark.in_full, pytest.mark.timeout(2 * WATCHED + len(IN_FULL) * START_SECONDS + 900)]

BEGIN = "/tmp/begin"  # noqa: S108 - in a pod
OVER = "the load is over"
COMMAND = f"""
import multiprocessing, pathlib, time
def burn():
    while True:
        sum(range(10**6))
while not pathlib.Path("{BEGIN}").exists():
    time.sleep(1)
began = time.monotonic()
burner = multiprocessing.get_context("fork").Process(target=burn, daemon=True)
burner.start()
import ray
ray.init(address="auto", log_to_driver=False)
@ray.remote
def task():
    return sum(range(10**6))
while time.monotonic() - began < {WATCHED}:
    ray.get([task.remote() for _ in range(4)])
    print("tasks after", int(time.monotonic() - began), "s", flush=True)
    time.sleep(0.5)
burner.kill()
print("{OVER}", flush=True)
while True:
    time.sleep(60)
"""
"""The user's command: it does nothing until it may begin, and then burns CPU beside Ray and keeps Ray's nodes busy. It
stops by itself: under the load of all clusters the apiserver could not be asked how they are."""


@dataclass(frozen=True)
class Soaked:
    """One Ray after both times.

    Attributes:
        at_rest: How often each container had been started again when the load began, by the pod's uid.
        under_load: The same at the end.
    """

    job: RayJob
    at_rest: Mapping[str, int]
    under_load: Mapping[str, int]


@pytest.fixture(scope="module")
def soaked(cluster: Cluster, table: Table) -> Iterator[dict[Ray, Soaked]]:
    """Both times are over by now. They start one after the other; one that does not come up fails in its own tests."""
    with closing(Jobs(cluster)) as jobs:
        started = {}
        for ray in IN_FULL:
            spec = job_of(ray, jobs.namespace(), "soaked", command=("python", "-c", COMMAND), dashboard=True)
            started[ray] = jobs.start(with_requests(spec, cpu="100m", memory="1Gi"))
            with suppress(TimeoutError, AssertionError):
                wait_whole(started[ray], NODES, START_SECONDS)
        wait_until(time.monotonic() + WATCHED)
        at_rest = {ray: restarts_by_pod(job) for ray, job in started.items()}
        for job in started.values():
            cluster.kubectl("-n", job.namespace, "exec", job.pod("head"), "--", "touch", BEGIN)
        wait_until(time.monotonic() + WATCHED)
        for job in started.values():
            with suppress(TimeoutError, AssertionError):
                wait(partial(is_over, job), f"the load of {job.namespace} is over", AFTER_SECONDS)
        under_load = {ray: restarts_by_pod(job) for ray, job in started.items()}
        for ray in started:
            note(table, ray, cases.AT_REST, at_rest[ray])
            note(table, ray, cases.UNDER_LOAD, under_load[ray])
        yield {ray: Soaked(job, at_rest[ray], under_load[ray]) for ray, job in started.items()}


def note(table: Table, ray: Ray, case: str, restarts: Mapping[str, int]) -> None:
    count = sum(restarts.values())
    table.note(ray, case, Cell(len(restarts) == NODES and count == 0, WATCHED, count))


def is_over(job: RayJob) -> bool:
    """Tell whether the load has ended; an apiserver that does not answer for it leaves that open."""
    try:
        return OVER in job.log_so_far(job.pod("head"))
    except httpx.TransportError:
        return False


def wait_until(moment: float) -> None:
    """Let time pass: that nothing happens in it is the subject."""
    wait(lambda: time.monotonic() >= moment, "the time has come", moment - time.monotonic() + 5)


def test_nothing_is_restarted_at_rest(soaked: dict[Ray, Soaked], ray: Ray) -> None:
    assert sorted(soaked[ray].at_rest.values()) == [0] * NODES


def test_nothing_is_restarted_under_load(soaked: dict[Ray, Soaked], ray: Ray) -> None:
    assert sorted(soaked[ray].under_load.values()) == [0] * NODES
    assert soaked[ray].under_load.keys() == soaked[ray].at_rest.keys(), "the pods are the same"


def test_tasks_run_to_the_end_of_the_load(soaked: dict[Ray, Soaked], ray: Ray) -> None:
    job = soaked[ray].job
    said = [line for line in job.log_so_far(job.pod("head")).splitlines() if line.startswith("tasks after")]
    assert int(said[-1].split()[-2]) >= WATCHED - 60


@pytest.mark.parametrize("task", ["head", "worker"])
def test_the_liveness_probe_has_had_all_its_tries(soaked: dict[Ray, Soaked], ray: Ray, task: str) -> None:
    job = soaked[ray].job
    assert fails_within(probes_of(job, job.pod(task))["livenessProbe"]) < WATCHED


def test_the_cluster_is_whole_after_all(soaked: dict[Ray, Soaked], ray: Ray) -> None:
    wait_whole(soaked[ray].job, NODES, AFTER_SECONDS)
