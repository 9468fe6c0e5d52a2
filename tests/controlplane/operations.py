"""What an administrator does to volray and to its Jobs: the documentation's lines, restarts, deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.controlplane.applied import pods
from tests.controlplane.installed import job_path
from tests.controlplane.life import all_pods, command, wait_phase
from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from tests.controlplane.cluster import ControlPlane
    from tests.controlplane.installed import Volray

Object = dict[str, Any]


def run(volray: Volray, line: str) -> str:
    """Run a line beside the folder `manifests`, and return what it printed."""
    done = volray.plane.shell(line, volray.manifests.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def restarted(plane: ControlPlane, job: Object) -> None:
    """Restart the Job, and let its new pods run."""
    before = plane.admin.get(job_path(job))["status"].get("retryCount", 0)
    command(plane, job, "RestartJob")
    wait(lambda: plane.admin.get(job_path(job))["status"].get("retryCount") == before + 1, "the Job is restarted")
    all_pods(plane, job, "Running")
    wait_phase(plane, job, "Running")


def deleted(plane: ControlPlane, job: Object) -> None:
    """Delete the Job with all that is its own."""
    plane.admin.delete(job_path(job), propagationPolicy="Foreground")
    wait(lambda: not plane.admin.exists(job_path(job)), "the Job is gone")


def injecting_versions(plane: ControlPlane, job: Object) -> set[str]:
    """Return which versions injected the Job's pods; "" stands for pods that none did."""
    annotations = (pod["metadata"]["annotations"] for pod in pods(plane, job).values())
    return {each.get("ray.volcano.sh/injected", "") for each in annotations}
