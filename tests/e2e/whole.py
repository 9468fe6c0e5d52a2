"""Whether a Ray Job is a working cluster, and the rule that holds for one that is not."""

from __future__ import annotations

import re
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
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Only
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
@ray.remote(num_cpus=0)
def here():
    return ray.util.get_node_ip_address()
nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
tasks = [here.options(scheduling_strategy=Only(node, soft=False)).remote() for node in nodes]
print("ran on", *sorted(ray.get(tasks, timeout=60)))
"""


def wait_whole(job: RayJob, nodes: int, seconds: float = START_SECONDS) -> None:
    """Wait until so many Ray nodes are alive, which are the Job's pods, all of them, and a task runs on each."""

    def whole() -> bool:
        pods = _addresses(job)
        assert len(pods) == nodes, pods
        assert sorted(node["ip"] for node in job.nodes()) == pods
        assert _ran_on(job) == pods
        return True

    wait(whole, f"{job.name} is a cluster of {nodes} nodes", seconds)


def assert_no_pod_without_ray(job: RayJob) -> None:
    """Hold the rule: a container runs Ray, or its log says that it waits, or it has ended within 40 s."""
    wait(lambda: not _without_ray(job), f"no pod of {job.name} runs without Ray", END_SECONDS)


def _addresses(job: RayJob) -> list[str]:
    pods = job.pods()
    going = [name for name, pod in pods.items() if "deletionTimestamp" in pod["metadata"]]
    assert not going, f"terminating: {going}"
    return sorted(pod["status"].get("podIP", "none yet") for pod in pods.values())


def _ran_on(job: RayJob) -> list[str]:
    said = re.search(r"^ran on (.*)$", job.python(job.pod("head"), _ON_EVERY_NODE), re.MULTILINE)
    assert said, "no task has run"
    return said.group(1).split()


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
    said = [line for line in job.log_so_far(pod).splitlines() if line.startswith("volray: ")]
    return bool(said) and said[-1].startswith("volray: waiting for ")
