"""What a container is given in Kubernetes, and what Ray says it has."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.gpus import GPU, fake_gpus
from tests.e2e.jobs import ray_job, task
from tests.e2e.ray_job import RayJob

GI = 1 << 30
MB = 1 << 20
SHM = "/dev/shm"  # noqa: S108 - where Ray's object store is to be

LITTLE = {"cpu": "300m", "memory": "100Mi"}
TASKS = [
    task(
        "head",
        resources={"requests": LITTLE, "limits": {"memory": "2Gi"}},
        annotations={"ray.volcano.sh/start-args": "--num-cpus=0 --resources='{\"a\": 1}' --include-dashboard=false"},
    ),
    task("half", resources={"limits": {"cpu": "500m"}, "requests": {"cpu": "100m", "memory": "1Gi"}}),
    task("more", resources={"limits": {"cpu": "2500m", "memory": "2Gi"}, "requests": LITTLE}),
    task("asked", resources={"limits": {GPU: "2"}, "requests": {"cpu": "300m"}}),
    task("unlimited", resources={}),
]


@pytest.fixture(scope="module")
def job(cluster: Cluster) -> Iterator[RayJob]:
    with fake_gpus(cluster, 2), cluster.namespace() as namespace:
        job = RayJob(cluster, ray_job(namespace, "resources", *TASKS))
        job.apply()
        for each in TASKS:
            job.wait_log(job.pod(each["name"]), "Ray runtime started", 300)
        yield job
        job.delete()


@pytest.fixture(scope="module")
def announced(job: RayJob) -> dict[str, dict[str, float]]:
    """What Ray says of each node, by its task, and of the cluster."""
    code = """
import json, ray
ray.init(logging_level="ERROR")
nodes = {node["NodeManagerHostname"]: node["Resources"] for node in ray.nodes()}
print("resources", json.dumps({"cluster": ray.cluster_resources(), **nodes}))
"""
    found: dict[str, Any] = json.loads(job.python(job.pod("head"), code).rpartition("resources ")[2])
    return {name.removeprefix("resources-").removesuffix("-0"): amounts for name, amounts in found.items()}


pytestmark = pytest.mark.timeout(420)


@pytest.mark.parametrize(
    ("node", "resource", "amount"),
    [
        pytest.param("half", "CPU", 1, id="limit-of-half-a-cpu"),
        pytest.param("more", "CPU", 3, id="limit-of-two-and-a-half-cpus"),
        pytest.param("asked", "CPU", 1, id="request-of-0.3-cpus"),
        pytest.param("asked", "GPU", 2, id="gpus"),
        pytest.param("half", "object_store_memory", int(0.3 * GI), id="store-of-a-memory-request"),
        pytest.param("half", "memory", GI - int(0.3 * GI), id="rest-of-a-memory-request"),
        pytest.param("head", "a", 1, id="resources-of-start-args"),
    ],
)
def test_a_node_has_what_its_container_asked_for(
    announced: dict[str, dict[str, float]], node: str, resource: str, amount: float
) -> None:
    assert announced[node][resource] == amount


def test_no_cpus_and_no_gpus_are_announced_where_none_are_to_be(announced: dict[str, dict[str, float]]) -> None:
    assert "CPU" not in announced["head"]
    assert {name for name, amounts in announced.items() if "GPU" in amounts} == {"asked", "cluster"}


def test_without_limit_and_request_ray_counts_what_it_sees(job: RayJob, announced: dict[str, dict[str, float]]) -> None:
    seen = job.python(job.pod("unlimited"), "import os; print(os.cpu_count())")
    assert announced["unlimited"]["CPU"] == int(seen)


def test_memory_and_object_store_share_the_limit(announced: dict[str, dict[str, float]]) -> None:
    amounts = announced["more"]
    assert GI < amounts["memory"] + amounts["object_store_memory"] <= 2 * GI


def test_the_cluster_has_the_sum(announced: dict[str, dict[str, float]]) -> None:
    unlimited = announced["unlimited"]["CPU"]
    total = announced["cluster"]
    assert (total["CPU"], total["GPU"], total["a"]) == (1 + 3 + 1 + unlimited, 2, 1)


def test_shared_memory_is_as_large_as_the_limit_and_takes_the_objects(job: RayJob) -> None:
    code = f"""
import os, ray
ray.init(logging_level="ERROR")
def used():
    now = os.statvfs("{SHM}")
    return (now.f_blocks - now.f_bfree) * now.f_frsize
before = used()
kept = ray.put(bytes({200 * MB}))
size = os.statvfs("{SHM}")
print("shm", size.f_blocks * size.f_frsize, used() - before)
"""
    size, grown = map(int, job.python(job.pod("more"), code).rpartition("shm ")[2].split())
    assert size == 2 * GI
    assert grown >= 200 * MB


def test_ray_does_not_warn_of_a_slow_object_store(job: RayJob) -> None:
    logs = {pod: job.log_so_far(pod) for pod in job.pods()}
    assert len(logs) == len(TASKS)
    assert [pod for pod, log in logs.items() if "harm performance" in log] == []
