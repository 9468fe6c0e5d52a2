"""Minutes in which nothing may be restarted: Ray at rest, without HTTP, under load, and with a dashboard that hangs.

They are more than seven, in which a liveness probe that always fails has used up its tries. All Jobs run at once, so
each has to outlast the others, too.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.probes import fails_within, probes_of
from tests.e2e.processes import send
from tests.e2e.ray_job import RayJob
from tests.e2e.running import Jobs
from tests.e2e.small import pod_spec, small_job
from tests.e2e.whole import END_SECONDS, assert_no_pod_without_ray

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(900)

WATCHED = 450
"""Seconds; what a backstop probe kills wrongly, it kills in these."""

STOPPED = 60
"""Seconds of them in which the dashboard does nothing."""

DASHBOARD = "dashboard.py"
PLAIN = "volray-e2e/ray-plain:2.60.0"

LOAD = """
import multiprocessing, time
def burn():
    while True:
        sum(range(10**6))
for _ in range(4):
    multiprocessing.Process(target=burn, daemon=True).start()
began = time.monotonic()
while True:
    print("the command has run for", int(time.monotonic() - began), "s", flush=True)
    time.sleep(10)
"""
"""Four processes that each want a CPU, in a container that has a limit of one: and the user's command beside them."""


@dataclass(frozen=True)
class Watched:
    """The Jobs of these minutes."""

    at_rest: RayJob
    plain: RayJob
    without_dashboard: RayJob
    busy: RayJob

    @property
    def all(self) -> tuple[RayJob, ...]:
        return (self.at_rest, self.plain, self.without_dashboard, self.busy)


def at_rest(namespace: str) -> Object:
    return small_job(namespace, "at-rest", dashboard=True)


def plain(namespace: str) -> Object:
    """An image with `pip install ray`, as in vLLM's images: no dashboard and no agent listens, ever."""
    job = small_job(namespace, "plain", dashboard=True)
    for task in ("head", "worker"):
        pod_spec(job, task)["containers"][0]["image"] = PLAIN
    return job


def without_dashboard(namespace: str) -> Object:
    return small_job(namespace, "no-dashboard")


def busy(namespace: str) -> Object:
    job = small_job(namespace, "busy", command=("python3", "-c", LOAD), dashboard=True)
    pod_spec(job, "head")["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "2Gi"}}
    return job


@pytest.fixture(scope="module")
def watched(cluster: Cluster) -> Iterator[Watched]:
    """These minutes, over by now; for one of them the dashboard of the busy one was stopped."""
    with closing(Jobs(cluster)) as jobs:
        namespace = jobs.namespace()
        found = Watched(*(jobs.start(make(namespace)) for make in (at_rest, plain, without_dashboard, busy)))
        for job in found.all:
            wait(lambda job=job: alive(job) == 2, f"{job.name} has two nodes", 300)  # type: ignore[misc]
        began = time.monotonic()
        send(found.busy, found.busy.pod("head"), DASHBOARD, signal.SIGSTOP)
        wait_until(began + STOPPED)
        send(found.busy, found.busy.pod("head"), DASHBOARD, signal.SIGCONT)
        wait_until(began + WATCHED)
        yield found


def alive(job: RayJob) -> int:
    """Count the Ray nodes by asking the GCS: without a dashboard nobody else knows."""
    count = "import ray; ray.init(address='auto', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
    done = job.cluster.kubectl("-n", job.namespace, "exec", job.pod("head"), "--", "python", "-c", count)
    return int(done.stdout.split()[-1]) if done.returncode == 0 else 0


def wait_until(moment: float) -> None:
    """Let time pass: that nothing happens in it is the subject."""
    wait(lambda: time.monotonic() >= moment, "the time has come", moment - time.monotonic() + 5)


@pytest.mark.parametrize("name", ["at_rest", "plain", "without_dashboard", "busy"])
@pytest.mark.parametrize("task", ["head", "worker"])
def test_the_liveness_probe_has_had_all_its_tries(watched: Watched, name: str, task: str) -> None:
    job: RayJob = getattr(watched, name)
    assert fails_within(probes_of(job, job.pod(task))["livenessProbe"]) < WATCHED


@pytest.mark.parametrize("name", ["at_rest", "plain", "without_dashboard", "busy"])
def test_nothing_was_restarted(watched: Watched, name: str) -> None:
    job: RayJob = getattr(watched, name)
    assert set(job.restarts().values()) == {0}
    assert alive(job) == 2
    assert_no_pod_without_ray(job)


def test_the_users_command_ran_on_untouched(watched: Watched) -> None:
    said = watched.busy.log_so_far(watched.busy.pod("head")).splitlines()
    ran = [int(line.split()[-2]) for line in said if line.startswith("the command has run for")]
    assert ran == sorted(ran)
    assert ran[-1] >= WATCHED


@pytest.mark.parametrize("task", ["head", "worker"])
@pytest.mark.parametrize("name", ["plain", "without_dashboard"])
def test_a_dead_raylet_ends_the_container_without_any_http(watched: Watched, name: str, task: str) -> None:
    job: RayJob = getattr(watched, name)
    pod = job.pod(task)
    before = job.restarts()[pod]
    send(job, pod, "raylet", signal.SIGTERM)
    wait(lambda: job.restarts()[pod] > before, f"{pod} was started again", END_SECONDS)
    wait(lambda: alive(job) == 2, f"{job.name} is whole again", 300)
