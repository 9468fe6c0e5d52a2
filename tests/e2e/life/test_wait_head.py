"""A worker whose head never comes does not wait for ever."""

from tests.controlplane.waiting import wait
from tests.e2e.jobs import pod_spec, ray_job
from tests.e2e.ray_job import START_SECONDS
from tests.e2e.running import Jobs


def test_a_worker_without_a_head_says_that_it_waits_and_gives_up_in_time(jobs: Jobs) -> None:
    spec = ray_job(jobs.namespace(), "headless", plugins={"ray": ["--waitHead=5"]}, minAvailable=1)
    pod_spec(spec, "head")["nodeSelector"] = {"kubernetes.io/hostname": "nowhere"}
    job = jobs.start(spec)
    worker = job.pod("worker")
    wait(lambda: job.restarts().get(worker), f"{worker} was started again", START_SECONDS)
    ended = job.pods()[worker]["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert ended["exitCode"] == 1
    said = job.log_so_far(worker, previous="true")
    at = f"headless-head-svc.{job.namespace}.svc:6379"
    assert f"volray: waiting for the head at {at}" in said
    assert f"volray: no head at {at} in 5 s" in said
    assert said.rstrip().endswith("giving up (--waitHead)")
