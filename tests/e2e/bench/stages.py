"""What is timed: from an act to what a user waits for, in seconds, on Jobs that run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.bench.contenders import DONE, NODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.ray_job import RayJob

Object = dict[str, Any]

PATIENCE: Final = 240.0
"""Seconds; no stage takes half of it, on either side."""

_INTERVAL: Final = 0.2
"""Seconds between two looks: more often would cost the two cores what is measured."""

_ACTORS: Final = f"""
import ray
ray.init(address="auto", namespace="bench", log_to_driver=False)
@ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
class Actor:
    def there(self):
        return True
actors = [Actor.options(name=str(i), lifetime="detached").remote() for i in range({NODES})]
assert all(ray.get([actor.there.remote() for actor in actors]))
"""

_KILL_ALL: Final = ("sh", "-c", "kill -9 -1")
"""Everything but PID 1, which a process of its own namespace cannot kill, and the shell itself."""

_END_RAYLET: Final = """
import glob, os, signal
for stat in glob.glob("/proc/[0-9]*/stat"):
    if "(raylet)" in open(stat).read():
        os.kill(int(stat.split("/")[2]), signal.SIGTERM)
"""


def start(job: RayJob) -> float:
    """From apply until all Ray nodes are alive."""
    return _timed(job.apply, lambda: len(job.nodes()) == NODES, "all nodes are alive")


def lost_worker(job: RayJob) -> float:
    """From the loss of a worker pod, which restarts the Job, until all nodes of a new cluster are alive."""
    old = _uid(job)
    return _timed(
        lambda: job.kubectl("delete", "pod", job.pod("worker", 1), "--wait=false"),
        lambda: _uid(job) not in {old, ""} and len(job.nodes()) == NODES,
        "all nodes are alive again",
    )


def killed_head(job: RayJob) -> float:
    """From the death of everything in the head's container until the workers' containers have ended."""
    workers = [job.pod("worker", index) for index in range(NODES - 1)]
    before = {worker: _ended(job, worker) for worker in workers}

    def ended() -> bool:
        return all(_ended(job, worker) > before[worker] for worker in workers)

    return _timed(lambda: _exec(job, job.pod("head"), *_KILL_ALL), ended, "the workers have ended")


def ended_raylet(job: RayJob) -> float:
    """From SIGTERM to a worker's raylet until its container is started again."""
    worker = job.pod("worker")
    before = job.restarts()[worker]
    return _timed(
        lambda: job.python(worker, _END_RAYLET), lambda: job.restarts()[worker] > before, "the container is restarted"
    )


def occupy(job: RayJob) -> None:
    """Let an actor run on every node."""
    job.python(job.pod("head"), _ACTORS)


def delete(job: RayJob) -> float:
    """From the deletion of the Job until its last pod is gone."""
    return _timed(job.delete, lambda: not job.pods(), "the pods are gone")


def example_done(job: RayJob) -> float:
    """From apply until `job.py` has said its last word."""

    return _timed(job.apply, lambda: DONE in job.log_so_far(job.pod("head")), "job.py is done")


def completed(job: RayJob) -> float:
    """From the end of `job.py`, which is now, until the Job is Completed and its worker pods are gone."""
    return _timed(lambda: None, lambda: job.phase() == "Completed" and not _workers(job), "the Job is over")


def _timed(act: Callable[[], object], reached: Callable[[], bool], what: str) -> float:
    began = time.monotonic()
    act()
    while not reached():
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"{what}: not within {PATIENCE:.0f} s")
        time.sleep(_INTERVAL)
    return time.monotonic() - began


def _uid(job: RayJob) -> str:
    head = job.pods().get(job.pod("head"), {"metadata": {"uid": ""}})
    return str(head["metadata"]["uid"])


def _ended(job: RayJob, pod: str) -> int:
    """How often the pod's container has ended: restarts, and one that has ended and is not yet started again."""
    statuses = job.pods()[pod]["status"]["containerStatuses"]
    return sum(each["restartCount"] + ("terminated" in each["state"]) for each in statuses)


def _workers(job: RayJob) -> list[str]:
    return [name for name in job.pods() if name.startswith(f"{job.name}-worker-")]


def _exec(job: RayJob, pod: str, *argv: str) -> None:
    """Run a program that does not live to say how it ended."""
    job.cluster.kubectl("-n", job.namespace, "exec", pod, "--", *argv)
