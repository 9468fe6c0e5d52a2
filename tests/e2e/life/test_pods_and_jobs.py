"""What happens to the pods of a running Job, and to the Job: each time the same cluster becomes whole again."""

import signal

import pytest

from tests.controlplane.client import JSON_PATCH, path
from tests.controlplane.installed import job_path
from tests.controlplane.waiting import wait
from tests.e2e.processes import send
from tests.e2e.ray_job import RayJob
from tests.e2e.running import Jobs
from tests.e2e.small import small_job
from tests.e2e.whole import wait_whole

pytestmark = pytest.mark.timeout(400)

NODES = 3
WORKERS = 1
"""The place of the workers' task in the Job."""


@pytest.fixture(scope="module")
def running(jobs: Jobs) -> RayJob:
    return jobs.start(small_job(jobs.namespace(), "life", workers=NODES - 1))


@pytest.fixture
def job(running: RayJob) -> RayJob:
    """The Job as a whole cluster, whatever the test before left of it."""
    wait_whole(running, NODES)
    return running


def delete(job: RayJob, pod: str) -> None:
    """Delete a pod, and wait until there is another of its name."""
    before = job.pods()[pod]["metadata"]["uid"]
    job.cluster.admin.delete(path("v1", "pods", job.namespace, pod))

    def another() -> bool:
        found = job.pods().get(pod)
        return found is not None and found["metadata"]["uid"] != before

    wait(another, f"there is another {pod}", 60)


def scale(job: RayJob, workers: int) -> None:
    changes = [
        {"op": "replace", "path": "/spec/minAvailable", "value": 1 + workers},
        {"op": "replace", "path": f"/spec/tasks/{WORKERS}/replicas", "value": workers},
    ]
    job.cluster.admin.patch(job_path(job.job), changes, JSON_PATCH)


def test_a_deleted_worker_comes_back_and_nothing_else_restarts(job: RayJob) -> None:
    before = job.restarts() | {job.pod("worker"): 0}
    delete(job, job.pod("worker"))
    wait_whole(job, NODES)
    assert job.restarts() == before


def test_a_head_whose_gcs_was_killed_comes_back_and_its_workers_join_again(job: RayJob) -> None:
    before = job.restarts()
    send(job, job.pod("head"), "gcs_server", signal.SIGKILL)
    wait(lambda: all(count > before[pod] for pod, count in job.restarts().items()), "all were started again", 90)
    wait_whole(job, NODES)


def test_a_deleted_head_comes_back_and_its_workers_leave_the_old_one(job: RayJob) -> None:
    delete(job, job.pod("head"))
    wait_whole(job, NODES)


def test_a_job_grows_and_shrinks(job: RayJob) -> None:
    before = job.restarts()
    scale(job, 4)
    wait_whole(job, 5)
    scale(job, 2)
    wait_whole(job, NODES)
    assert job.restarts() == before


def test_a_suspended_job_is_gone_with_its_service_and_a_resumed_one_is_whole(job: RayJob) -> None:
    job.command("AbortJob")
    job.wait_phase("Aborted")
    wait(lambda: not job.pods() and not job.has_service(), "its pods and its Service are gone")
    job.command("ResumeJob")
    wait_whole(job, NODES)
    assert job.has_service()
