"""Volcano's other plugins beside Ray: each does in Ray's pods what it does elsewhere."""

from tests.e2e.jobs import ray_job
from tests.e2e.running import Jobs
from tests.e2e.whole import wait_whole

KEYS = "/home/ray/.ssh"
NAME_OF_HEAD = """
import os, socket
print("found", socket.gethostbyname(os.environ["VC_HEAD_HOSTS"]))
"""


def test_env_ssh_and_svc_do_their_work_beside_ray(jobs: Jobs) -> None:
    plugins = {"ray": [], "env": [], "ssh": [f"--ssh-key-file-path={KEYS}"], "svc": []}
    job = jobs.start(ray_job(jobs.namespace(), "beside", plugins=plugins))
    wait_whole(job, 2)
    head, worker = job.pod("head"), job.pod("worker")
    assert job.run(worker, "printenv", "VC_TASK_INDEX") == "0\n", "env"
    assert f"found {job.pods()[head]['status']['podIP']}\n" in job.python(worker, NAME_OF_HEAD), "svc"
    assert "authorized_keys" in job.run(worker, "ls", KEYS), "ssh"
