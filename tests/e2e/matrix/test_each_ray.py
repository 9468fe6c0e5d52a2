"""The same cluster with each Ray: it comes up, it is reached in all ways, and it comes back whatever dies in it.

`make e2e` runs this for 2.9.3 and 2.47.1 without the cases marked `in_full`, `make e2e RAY=all` all of it for every Ray
in `tests/images/rays.py`. For the newest Ray `make e2e` has no need of it, since the other tests hold the same:

- up, a task on each node: `test_documentation.py`, and without `[default]` `test_seven_minutes.py`
- `ray job submit`, Ray client: `test_ways_in.py`
- the probes, at rest and under load: `test_seven_minutes.py`
- a raylet killed: `life/test_raylet_ends.py`, and without `[default]` `test_seven_minutes.py`
- the GCS killed, a worker or the head deleted: `life/test_pods_and_jobs.py`; SIGTERM: `test_command.py`
- `--waitNodes`, a user command's status: `test_command.py`
"""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.client import path
from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.matrix import table as cases
from tests.e2e.matrix.jobs import job_of, with_grace
from tests.e2e.matrix.table import Table
from tests.e2e.probes import assert_succeeds, probes_of
from tests.e2e.processes import send
from tests.e2e.ray_job import RayJob
from tests.e2e.whole import END_SECONDS, wait_whole
from tests.images.rays import Ray

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(900)  # the first one starts the nodes, which may have to unpack the images

NODES = 3
AGAIN_SECONDS = 180
"""Until a cluster is whole again: the kubelet waits longer before each start of the same container."""

GRACE = 60
PROMPTLY = 25
"""Seconds; who ends within them has not been killed at the end of the grace period."""

COUNT = "import ray; ray.init({}); print('alive:', sum(node['Alive'] for node in ray.nodes()))"
STATUS = 7
WITH_STATUS = f"{COUNT.format('')}; import sys; sys.stdout.flush(); sys.exit({STATUS})"


@pytest.fixture(scope="module")
def job(cluster: Cluster, ray: Ray, table: Table) -> Iterator[RayJob]:
    """A head and two workers, all of them alive, on each of which a task ran."""
    with cluster.namespace() as namespace:
        spec = job_of(ray, namespace, "matrix", workers=NODES - 1, dashboard=True)
        job = RayJob(cluster, with_grace(spec, GRACE))
        with table.case(ray, cases.UP, job):
            job.apply()
            wait_whole(job, NODES, AGAIN_SECONDS)
        yield job


def wait_restarted(job: RayJob, before: dict[str, int], pod: str, seconds: float = END_SECONDS) -> None:
    """Wait until the pod's container has ended; it need not run again yet."""

    def ended() -> bool:
        (status,) = job.pods()[pod]["status"]["containerStatuses"]
        return status["restartCount"] > before[pod] or "running" not in status["state"]

    wait(ended, f"the container of {pod} has ended", seconds)


def test_a_head_and_two_workers_come_up_and_are_ready(job: RayJob) -> None:
    wait(lambda: all(map(job.is_ready, job.pods())), "all are ready")
    assert set(job.restarts().values()) == {0}


@pytest.mark.with_default
def test_ray_job_submit_through_the_service(job: RayJob, ray: Ray, table: Table) -> None:
    address = f"http://{job.name}-head-svc:8265"
    with table.case(ray, cases.SUBMIT, job):
        submit = ("ray", "job", "submit", "--address", address, "--", "python", "-c", COUNT.format(""))
        assert f"alive: {NODES}" in job.run(job.pod("head"), *submit)


@pytest.mark.with_default
def test_a_ray_client_in_another_pod_through_the_service(job: RayJob, ray: Ray, table: Table) -> None:
    program = COUNT.format(f"'ray://{job.name}-head-svc:10001'")
    container = {"name": "client", "image": ray.image, "command": ["python", "-c", program]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client"},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    with table.case(ray, cases.CLIENT, job):
        job.cluster.admin.create(path("v1", "pods", job.namespace), pod)
        job.wait_log("client", f"alive: {NODES}")


def test_the_probes_succeed_twice_as_often_as_a_container_would_need_to_fail(
    job: RayJob, ray: Ray, table: Table
) -> None:
    with table.case(ray, cases.PROBES, job):
        for pod in (job.pod("head"), job.pod("worker")):
            found = probes_of(job, pod)
            assert {"livenessProbe", "readinessProbe"} <= found.keys()
            for probe in found.values():
                assert_succeeds(job, pod, probe, times=2 * probe["failureThreshold"])


def test_a_killed_raylet_ends_its_container_and_the_cluster_is_whole_again(job: RayJob, ray: Ray, table: Table) -> None:
    with table.case(ray, cases.RAYLET, job):
        for pod in (job.pod("worker"), job.pod("head")):
            before = job.restarts()
            send(job, pod, "raylet", signal.SIGKILL)
            wait_restarted(job, before, pod)
        wait_whole(job, NODES, AGAIN_SECONDS)


@pytest.mark.in_full
def test_a_killed_gcs_ends_every_container_and_the_cluster_is_whole_again(job: RayJob, ray: Ray, table: Table) -> None:
    with table.case(ray, cases.GCS, job):
        before = job.restarts()
        send(job, job.pod("head"), "gcs_server", signal.SIGKILL)
        wait_restarted(job, before, job.pod("head"))
        for index in range(NODES - 1):
            wait_restarted(job, before, job.pod("worker", index), AGAIN_SECONDS)
        wait_whole(job, NODES, AGAIN_SECONDS)


@pytest.mark.in_full
def test_a_deleted_worker_ends_promptly_and_another_joins(job: RayJob, ray: Ray, table: Table) -> None:
    with table.case(ray, cases.SIGTERM, job):
        job.delete_pod(job.pod("worker"), PROMPTLY)
        wait_whole(job, NODES, AGAIN_SECONDS)


@pytest.mark.in_full
def test_a_deleted_head_ends_promptly_and_its_workers_join_the_next(job: RayJob, ray: Ray, table: Table) -> None:
    with table.case(ray, cases.HEAD_LOST, job):
        before = job.restarts()
        job.delete_pod(job.pod("head"), PROMPTLY)
        for index in range(NODES - 1):
            wait_restarted(job, before, job.pod("worker", index), AGAIN_SECONDS)
        wait_whole(job, NODES, AGAIN_SECONDS)


def test_a_command_begins_when_the_nodes_are_there_and_its_status_is_the_containers(
    cluster: Cluster, namespace: str, ray: Ray, table: Table
) -> None:
    flags = {"ray": [f"--waitNodes={NODES}"]}
    spec = job_of(ray, namespace, "status", workers=NODES - 1, command=("python", "-c", WITH_STATUS), plugins=flags)
    job = RayJob(cluster, spec)
    with table.case(ray, cases.STATUS, job):
        job.apply()
        assert f"alive: {NODES}\n" in job.wait_exit(job.pod("head"), STATUS, AGAIN_SECONDS)["message"]
