"""A worker is evicted from a Job with `PodEvicted → RestartJob`: one restart, and a whole cluster after it."""

import pytest

from tests.controlplane.client import path
from tests.controlplane.installed import job_path
from tests.controlplane.waiting import wait
from tests.e2e.jobs import ray_job
from tests.e2e.ray_job import RayJob
from tests.e2e.running import Jobs
from tests.e2e.whole import wait_whole

pytestmark = pytest.mark.timeout(300)

RESTART = [{"event": "PodEvicted", "action": "RestartJob"}]
BUSY = """
import ray
ray.init(address="auto", namespace="busy", log_to_driver=False)
@ray.remote(num_cpus=1)
class Busy:
    def ready(self):
        return True
node = ray.get_runtime_context().get_node_id()
here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
actor = Busy.options(name="busy", lifetime="detached", scheduling_strategy=here).remote()
print(ray.get(actor.ready.remote(), timeout=60))
"""
"""An actor on the head, for which a head that is told to end drains for all of its five seconds."""


def evict(job: RayJob, pod: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": job.namespace}}
    job.cluster.admin.create(path("v1", "pods", job.namespace, pod) + "/eviction", eviction)


def retries(job: RayJob) -> int:
    return int(job.cluster.admin.get(job_path(job.job))["status"].get("retryCount", 0))


def uids(job: RayJob) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in job.pods().items()}


def all_new(job: RayJob, before: dict[str, str]) -> bool:
    return not set(before.values()) & set(uids(job).values())


def test_an_evicted_worker_restarts_its_job_once(jobs: Jobs) -> None:
    job = jobs.start(ray_job(jobs.namespace(), "all-or-none", policies=RESTART))
    wait_whole(job, 2)
    before = uids(job)
    evict(job, job.pod("worker"))
    wait(lambda: all_new(job, before), "every pod has gone", 90)
    wait_whole(job, 2)
    assert retries(job) == 1


def test_no_worker_stays_with_an_old_head_that_drains_while_new_pods_start(jobs: Jobs) -> None:
    """With `minAvailable` 1 Volcano makes new workers while the old head drains, and the Service still leads to it."""
    job = jobs.start(ray_job(jobs.namespace(), "one-is-enough", workers=2, policies=RESTART, minAvailable=1))
    wait_whole(job, 3)
    assert "True" in job.python(job.pod("head"), BUSY)
    before = uids(job)
    evict(job, job.pod("worker"))

    def both() -> bool:
        now = uids(job)
        assert now.get(job.pod("head")) == before[job.pod("head")], "the old head is gone"
        return now.get(job.pod("worker"), before[job.pod("worker")]) != before[job.pod("worker")]

    wait(both, "a new worker is beside the old head", 60)
    wait(lambda: all_new(job, before), "every old pod has gone", 90)
    wait_whole(job, 3)
    assert retries(job) == 1
    assert max(job.restarts().values()) <= 1
