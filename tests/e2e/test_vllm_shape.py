"""A head as vLLM's: it waits until Ray has its GPUs on several nodes, and then serves HTTP beside Ray."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.client import JSON_PATCH, RefusedError, path
from tests.controlplane.installed import job_path
from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.gpus import GPU, fake_gpus
from tests.e2e.jobs import RESOURCES, ray_job, task
from tests.e2e.ray_job import RayJob

Object = dict[str, Any]

SERVE = """
import http.server, ray
from ray.util.placement_group import placement_group
ray.init(logging_level="ERROR")
print("waiting for GPUs", flush=True)
ray.get(placement_group([{"GPU": 1}] * 2, strategy="STRICT_SPREAD").ready())
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a stand-in for vLLM")
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", 8000), Server).serve_forever()
"""
PROBES: Object = {
    "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
    "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}, "initialDelaySeconds": 600},
}
SHM: Object = {
    "spec": {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]},
    "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],  # noqa: S108 - vLLM's own path
    "resources": {"requests": RESOURCES["requests"], "limits": {**RESOURCES["limits"], GPU: "1"}},
}

pytestmark = pytest.mark.timeout(300)


def vllm(namespace: str) -> Object:
    head = task(
        "head", command=["python", "-c", SERVE], ports=[{"containerPort": 8000, "name": "http"}], **PROBES, **SHM
    )
    return ray_job(namespace, "vllm", head, task("worker", replicas=0, **SHM), min_available=1)


def service(namespace: str) -> Object:
    """The user's own, for the port that Ray knows nothing of."""
    selector = {"volcano.sh/job-name": "vllm", "volcano.sh/task-spec": "head"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "vllm", "namespace": namespace},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def served(job: RayJob) -> str:
    """What the user's Service answers; "" as long as none of its pods is ready."""
    at = path("v1", "services", job.namespace, "vllm:http") + "/proxy/health"
    try:
        return job.cluster.admin.request("GET", at).text
    except RefusedError:
        return ""


@pytest.fixture(scope="module")
def job(cluster: Cluster) -> Iterator[RayJob]:
    """The head, waiting: its worker is not yet wanted."""
    with fake_gpus(cluster, 2), cluster.namespace() as namespace:
        job = RayJob(cluster, vllm(namespace))
        cluster.admin.create(path("v1", "services", namespace), service(namespace))
        job.apply()
        job.wait_log(job.pod("head"), "waiting for GPUs", 180)
        yield job
        job.delete()


def test_the_users_probes_stay(job: RayJob) -> None:
    container = job.pods()[job.pod("head")]["spec"]["containers"][0]
    assert {name: {key: container[name][key] for key in probe} for name, probe in PROBES.items()} == {
        name: {**probe, "httpGet": {**probe["httpGet"], "scheme": "HTTP"}} for name, probe in PROBES.items()
    }


def test_the_head_serves_once_ray_has_its_gpus_and_is_ready_not_before(job: RayJob) -> None:
    assert (job.is_ready(job.pod("head")), served(job)) == (False, "")
    replicas = {"op": "replace", "path": "/spec/tasks/1/replicas", "value": 1}
    job.cluster.admin.patch(job_path(job.job), [replicas], JSON_PATCH)
    assert wait(lambda: served(job), "the user's Service answers", 180) == "a stand-in for vLLM"
    assert job.is_ready(job.pod("head"))
    assert "serving" in job.log_so_far(job.pod("head"))
