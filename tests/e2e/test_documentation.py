"""The Jobs of Volcano's documentation, unchanged, with real Ray in them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.controlplane.client import path
from tests.controlplane.installed import default, documented
from tests.controlplane.waiting import wait
from tests.e2e.bench.contenders import CODE, DONE, JOB_PY
from tests.e2e.cluster import Cluster
from tests.e2e.ray_job import RayJob
from tests.e2e.whole import wait_whole

Object = dict[str, Any]

SQUARES = "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]"


def with_svc(namespace: str) -> Object:
    return documented("ray-cluster-job", namespace)


def with_names_and_ports(namespace: str) -> Object:
    return documented("ray-cluster-custom", namespace)


def with_own_command(namespace: str, *flags: str) -> Object:
    job = documented("ray-compute-job", namespace)
    return job | {"spec": job["spec"] | {"plugins": {"ray": list(flags)}}}


@pytest.fixture
def code(cluster: Cluster, namespace: str) -> str:
    """The namespace, with the ConfigMap that holds `job.py`."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CODE}, "data": {"job.py": JOB_PY}}
    cluster.admin.create(path("v1", "configmaps", namespace), body)
    return namespace


@pytest.mark.parametrize(
    ("make", "head", "dashboard", "nodes"),
    [
        pytest.param(default, "head", 8265, 3, id="default"),
        pytest.param(with_svc, "head", 8265, 3, id="svc"),
        pytest.param(with_names_and_ports, "ray-head", 8266, 4, id="names-and-ports"),
    ],
)
@pytest.mark.timeout(300)
def test_a_documented_job_is_a_ray_cluster_on_which_tasks_run(
    cluster: Cluster, namespace: str, make: Callable[[str], Object], head: str, dashboard: int, nodes: int
) -> None:
    job = RayJob(cluster, make(namespace))
    job.apply()
    wait_whole(job, nodes, head=head)
    job.wait_nodes(nodes, head=job.pod(head), port=dashboard)
    assert set(job.restarts().values()) == {0}
    job.delete()
    wait(lambda: not job.pods() and not job.has_service(), "pods and Service are gone", 60)


@pytest.mark.timeout(300)
def test_the_full_example_runs_its_program_and_completes(cluster: Cluster, code: str) -> None:
    job = RayJob(cluster, with_own_command(code))
    job.apply()
    job.wait_log(job.pod("head"), DONE)
    assert SQUARES in job.log_so_far(job.pod("head"))
    job.wait_phase("Completed", 30)
    wait(lambda: not job.has_service(), "the Service is gone")
    wait(lambda: set(job.pods()) == {job.pod("head")}, "the workers are gone, the head's log stays")


@pytest.mark.timeout(300)
def test_a_program_that_waits_for_nodes_finds_them(cluster: Cluster, code: str) -> None:
    job = RayJob(cluster, with_own_command(code, "--waitNodes=3"))
    job.apply()
    job.wait_log(job.pod("head"), DONE)
    assert "nodes: 3\n" in job.log_so_far(job.pod("head"))


@pytest.mark.timeout(300)
def test_the_in_tree_plugin_never_runs_the_program_of_the_same_file(cluster: Cluster, code: str) -> None:
    theirs = with_own_command(code)
    theirs["metadata"]["annotations"] = {"ray.volcano.sh/adopt": "false"}
    job = RayJob(cluster, theirs)
    job.apply()
    job.wait_nodes(3)
    head = job.pods()[job.pod("head")]
    assert "job.py" not in str(head["spec"]["containers"][0]["command"])
    assert DONE not in job.log_so_far(job.pod("head"))
