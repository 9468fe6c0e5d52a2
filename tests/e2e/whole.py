"""Whether a Ray Job is a working cluster, and the rule that holds for one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.controlplane.waiting import wait
from tests.e2e.processes import lives
from tests.e2e.ray_job import START_SECONDS

if TYPE_CHECKING:
    from tests.e2e.ray_job import RayJob

Object = dict[str, Any]

END_SECONDS: Final = 40
"""In which a dead Ray has ended its container (design: Health)."""

_ON_EVERY_NODE: Final = """
import sys, time
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Only
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
@ray.remote(num_cpus=0)
def here():
    return ray.util.get_node_ip_address()
limit = time.monotonic() + 15
while True:
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if sorted(nodes.values()) == sys.argv[1:] or time.monotonic() > limit:
        break
    time.sleep(0.5)
print("alive", *sorted(nodes.values()), flush=True)
tasks = [here.options(scheduling_strategy=Only(node, soft=False)).remote() for node in nodes]
print("ran on", *sorted(ray.get(tasks, timeout=30)))
"""
"""Asks the GCS, not the dashboard, and waits in there: each new driver costs seconds of CPU."""


def wait_whole(job: RayJob, nodes: int, seconds: float = START_SECONDS, *, head: str = "head") -> None:
    """Wait until so many Ray nodes are alive, which are the Job's pods, all of them, and a task runs on each.

    Args:
        job: The Job.
        nodes: How many.
        seconds: For how long.
        head: The name of the head's task.
    """

    def whole() -> bool:
        pods = _addresses(job)
        assert len(pods) == nodes, f"pods: {pods}"
        said = job.run(job.pod(head), "python", "-c", _ON_EVERY_NODE, *pods)
        assert f"ran on {' '.join(pods)}\n" in said, f"{said}\npods: {pods}"
        return True

    wait(whole, f"{job.name} is a cluster of {nodes} nodes", seconds)


def assert_no_pod_without_ray(job: RayJob) -> None:
    """Hold the rule: a container runs Ray, or its log says that it waits, or it ends; what starts may take its time."""

    def holds() -> bool:
        found = _without_ray(job)
        assert not found, found
        return True

    wait(holds, f"no pod of {job.name} runs without Ray", START_SECONDS)


def _addresses(job: RayJob) -> list[str]:
    pods = job.pods()
    idle = [name for name, pod in pods.items() if not _container_runs(pod)]
    assert not idle, f"not running: {idle}"
    return sorted(pod["status"]["podIP"] for pod in pods.values())


def _without_ray(job: RayJob) -> list[str]:
    return [
        name
        for name, pod in job.pods().items()
        if _container_runs(pod) and not lives(job, name, "raylet") and not _waits(job, name)
    ]


def _container_runs(pod: Object) -> bool:
    containers = pod["status"].get("containerStatuses", [])
    return "deletionTimestamp" not in pod["metadata"] and any("running" in each["state"] for each in containers)


def _waits(job: RayJob, pod: str) -> bool:
    """Tell whether the last that it said is that it waits: `ray start`, which follows, speaks too."""
    said = job.log_so_far(pod).splitlines()
    return bool(said) and said[-1].startswith("volray: waiting for ")
