"""Every Ray that is tested in full, at rest and under load, for more than the seven minutes of a liveness probe.

At rest all Rays run at once, and under load three of them, a head and a worker each: one after the other they would
take hours. For the newest Ray `make e2e` has the same in `test_seven_minutes.py`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.matrix import table as cases
from tests.e2e.matrix.jobs import job_of, with_requests
from tests.e2e.matrix.table import Cell, Table
from tests.e2e.probes import fails_within, probes_of
from tests.e2e.ray_job import RayJob
from tests.e2e.running import Jobs
from tests.e2e.small import IDLE
from tests.e2e.whole import wait_whole
from tests.images.rays import Ray, selection

Object = dict[str, Any]

IN_FULL = selection().in_full
NODES = 2
WATCHED = 450
"""Seconds at rest, and as many under load; what a backstop probe kills wrongly, it kills in these."""

AT_ONCE_UNDER_LOAD = 3
"""With nine on two cores the kubelet's `exec` alone took longer than the probe's 15 s, and all were killed."""

START_SECONDS = 120

pytestmark = [
    pytest.mark.in_full,
    pytest.mark.timeout(600 + len(IN_FULL) * (WATCHED + 3 * START_SECONDS)),  # the longest fixture, and generously
]

LOAD = (
    "python",
    "-c",
    """
import multiprocessing, time
def burn():
    while True:
        sum(range(10**6))
for _ in range(2):
    multiprocessing.get_context("fork").Process(target=burn, daemon=True).start()
began = time.monotonic()
import ray
ray.init(address="auto", log_to_driver=False)
@ray.remote
def task():
    return sum(range(10**6))
while True:
    ray.get([task.remote() for _ in range(4)])
    print("tasks after", int(time.monotonic() - began), "s", flush=True)
    time.sleep(0.5)
""",
)
"""The user's command: it burns CPU beside the head, and keeps both nodes busy with tasks."""


@dataclass(frozen=True)
class Watched:
    """One Ray when its time is over.

    Attributes:
        pods: The Job's pods, by name.
        log: What the head's container has said.
        broken: Why it is no whole cluster; "" where it is one.
        tries_end: Seconds after a container's start in which a failing liveness probe would have killed it.
    """

    pods: dict[str, Object]
    log: str
    broken: str
    tries_end: int

    @property
    def statuses(self) -> list[Object]:
        """The containers' statuses, which say how often each was started again, and why."""
        return [status for pod in self.pods.values() for status in pod["status"].get("containerStatuses", ())]

    @property
    def restarts(self) -> list[int]:
        return [status["restartCount"] for status in self.statuses]


def watch(cluster: Cluster, rays: Sequence[Ray], command: tuple[str, ...]) -> dict[Ray, Watched]:
    """Start all at once, or nearly, watch them, and look at what has become of them.

    One after the other, as many starts at once would starve each other. One that does not come up is seen at the end.
    """
    with closing(Jobs(cluster)) as jobs:
        started = {}
        for ray in rays:
            spec = job_of(ray, jobs.namespace(), "watched", command=command, dashboard=True)
            started[ray] = jobs.start(with_requests(spec, cpu="100m", memory="1Gi"))
            with suppress(TimeoutError, AssertionError):
                wait_whole(started[ray], NODES, START_SECONDS)
        wait_until(time.monotonic() + WATCHED)
        return {ray: look(job) for ray, job in started.items()}


def wait_until(moment: float) -> None:
    """Let time pass: that nothing happens in it is the subject."""
    wait(lambda: time.monotonic() >= moment, "the time has come", moment - time.monotonic() + 5)


def look(job: RayJob) -> Watched:
    pods, log = job.pods(), job.log_so_far(job.pod("head"))
    tries_end = [fails_within(probes_of(job, pod)["livenessProbe"]) for pod in pods]
    broken = ""
    try:
        wait_whole(job, NODES, START_SECONDS)
    except (TimeoutError, AssertionError) as error:
        broken = str(error)
    return Watched(pods, log, broken, max(tries_end, default=0))


def note(table: Table, case: str, watched: dict[Ray, Watched]) -> None:
    for ray, found in watched.items():
        passed = found.restarts == [0] * NODES and not found.broken
        table.note(ray, case, Cell(passed, WATCHED, sum(found.restarts)))


@pytest.fixture(scope="module")
def at_rest(cluster: Cluster, table: Table) -> dict[Ray, Watched]:
    """All of them, with a command that does nothing; their time is over by now."""
    found = watch(cluster, IN_FULL, IDLE)
    note(table, cases.AT_REST, found)
    return found


@pytest.fixture(scope="module")
def under_load(cluster: Cluster, table: Table) -> dict[Ray, Watched]:
    """All of them under load, some at once; their time is over by now."""
    found: dict[Ray, Watched] = {}
    for rays in batches(IN_FULL, AT_ONCE_UNDER_LOAD):
        found |= watch(cluster, rays, LOAD)
        note(table, cases.UNDER_LOAD, found)
    return found


def batches(rays: Sequence[Ray], size: int) -> Iterator[Sequence[Ray]]:
    for first in range(0, len(rays), size):
        yield rays[first : first + size]


def assert_untouched(watched: Watched) -> None:
    """Hold what both times are for: nothing was started again, though the liveness probe had all its tries."""
    assert watched.tries_end < WATCHED
    assert watched.restarts == [0] * NODES, watched.statuses
    assert watched.broken == ""


def test_nothing_is_restarted_at_rest(at_rest: dict[Ray, Watched], ray: Ray) -> None:
    assert_untouched(at_rest[ray])


def test_nothing_is_restarted_under_load(under_load: dict[Ray, Watched], ray: Ray) -> None:
    assert_untouched(under_load[ray])


def test_tasks_run_until_the_end_of_the_load(under_load: dict[Ray, Watched], ray: Ray) -> None:
    said = [line for line in under_load[ray].log.splitlines() if line.startswith("tasks after")]
    assert said
    assert int(said[-1].split()[-2]) >= WATCHED - 60  # the last task may be slow, as everything is
