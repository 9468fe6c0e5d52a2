"""How people reach a Ray cluster: through the Service, a port-forward, a pod of their own, and a browser.

What the browser shows stands in `.run/reports/dashboard.png`.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.client import path
from tests.controlplane.installed import default
from tests.e2e.cluster import Cluster
from tests.e2e.programs import browser, ray_program
from tests.e2e.ray_job import RayJob

Object = dict[str, Any]

PICTURE = Path(__file__).parents[2] / ".run" / "reports" / "dashboard.png"
NODES = 3
IMAGE = "rayproject/ray:2.60.0-py311-cpu"
COUNT = "import ray; ray.init({}); print('alive:', sum(node['Alive'] for node in ray.nodes()))"


@pytest.fixture(scope="module")
def job(cluster: Cluster) -> Iterator[RayJob]:
    """One Ray cluster for all ways."""
    with cluster.namespace() as namespace:
        job = RayJob(cluster, default(namespace, "ways"))
        job.apply()
        job.wait_nodes(NODES)
        yield job


@pytest.mark.ray_command_line
def test_ray_job_submit_through_a_port_forward(job: RayJob) -> None:
    with job.cluster.forwarded(job.namespace, f"service/{job.name}-head-svc", 8265) as port:
        where = ["--address", f"http://127.0.0.1:{port}"]
        submitted = subprocess.run(
            [ray_program(), "job", "submit", *where, "--", "python", "-c", COUNT.format("")],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert f"alive: {NODES}" in submitted.stdout


def test_a_ray_client_in_another_pod_through_the_service(cluster: Cluster, job: RayJob) -> None:
    program = COUNT.format(f"'ray://{job.name}-head-svc:10001'")
    container = {"name": "client", "image": IMAGE, "command": ["python", "-c", program]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client"},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    cluster.admin.create(path("v1", "pods", job.namespace), pod)
    job.wait_log("client", f"alive: {NODES}")


@pytest.mark.parametrize("task", ["head", "worker"])
def test_ray_init_in_any_pod_of_the_cluster(job: RayJob, task: str) -> None:
    assert f"alive: {NODES}" in job.python(job.pod(task), COUNT.format("address='auto'"))
    assert f"alive: {NODES}" in job.python(job.pod(task), COUNT.format("")), "RAY_ADDRESS serves those who name none"


def test_the_dashboard_in_a_browser(job: RayJob) -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with job.cluster.forwarded(job.namespace, f"service/{job.name}-head-svc", 8265) as port:
        shown = browser(f"http://127.0.0.1:{port}/#/cluster", PICTURE)
    missing = [pod for pod in job.pods() if pod not in shown]
    assert not missing, shown[:2000]
    assert PICTURE.stat().st_size > 10_000
