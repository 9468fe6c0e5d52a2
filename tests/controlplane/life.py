"""What happens to Jobs and to their Services, as a test brings it about, and what volray's controller made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.controlplane.client import path
from tests.controlplane.installed import JOBS, job_path
from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]


def all_pods(plane: ControlPlane, job: Object, phase: str) -> None:
    """Wait for the Job's pods, and put them into a phase."""
    namespace = job["metadata"]["namespace"]
    count = sum(task["replicas"] for task in job["spec"]["tasks"])

    def bound() -> list[str]:
        selector = f"volcano.sh/job-name={job['metadata']['name']}"
        found = plane.admin.items(path("v1", "pods", namespace), labelSelector=selector)
        assert len(found) == count
        assert all(pod["spec"].get("nodeName") for pod in found)
        assert not any("deletionTimestamp" in pod["metadata"] for pod in found)
        return [pod["metadata"]["name"] for pod in found]

    for name in wait(bound, f"{count} pods are bound"):
        plane.set_phase(namespace, name, phase)


def wait_phase(plane: ControlPlane, job: Object, phase: str) -> None:
    wait(lambda: plane.admin.get(job_path(job))["status"]["state"]["phase"] == phase, f"the Job is {phase}")


def service(plane: ControlPlane, job: Object) -> Object | None:
    """Return the Job's head Service, if there is one."""
    selector = f"metadata.name={job['metadata']['name']}-head-svc"
    found = plane.admin.items(path("v1", "services", job["metadata"]["namespace"]), fieldSelector=selector)
    return found[0] if found else None


def command(plane: ControlPlane, job: Object, action: str) -> None:
    """Tell Volcano to do something with the Job, as vcctl does."""
    metadata = plane.admin.get(job_path(job))["metadata"]
    target = {"apiVersion": JOBS, "kind": "Job", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    body = {
        "apiVersion": "bus.volcano.sh/v1alpha1",
        "kind": "Command",
        "metadata": {"generateName": "test-", "ownerReferences": [target]},
        "action": action,
        "target": target,
    }
    plane.admin.create(path("bus.volcano.sh/v1alpha1", "commands", metadata["namespace"]), body)
