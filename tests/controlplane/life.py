"""What happens to Jobs and to their Services, as a test brings it about, and what volray's controller made of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

from tests.controlplane.client import path
from tests.controlplane.installed import CONTROLLER, JOBS, default, job_path, service_path
from tests.controlplane.waiting import wait
from webhook.controller.runtime.lease import DEFAULT_TERMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.client import Api
    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]
T = TypeVar("T")

SECONDS = 2
"""Within which the controller has to answer whatever happens."""

FINISHED = {"Completed", "Failed", "Aborted", "Terminated"}


BORNE = DEFAULT_TERMS.renew - 1.2 * (DEFAULT_TERMS.retry + DEFAULT_TERMS.hurry)
"""Seconds for which the apiserver may be away without costing the leader its lease: the last renewal may be as old as
the longest pause between two, and the next comes a short pause after the apiserver."""


def with_others(seconds: float) -> float:
    """Return how long something may take that takes so long on a machine that does nothing else."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def soon(condition: Callable[[], T], what: str) -> T:
    """Wait for what has to be so within two seconds, and print how long it took."""
    began = time.monotonic()
    found = wait(condition, what, with_others(SECONDS))
    print(f"{what}: after {time.monotonic() - began:.2f} s")
    return found


def running_job(plane: ControlPlane, namespace: str) -> Object:
    """Return a Job that runs, with its Service."""
    made = plane.admin.create(path(JOBS, "jobs", namespace), default(namespace))
    all_pods(plane, made, "Running")
    wait_phase(plane, made, "Running")
    wait(lambda: plane.admin.exists(service_path(made)), "there is the head Service")
    return made


def pods_of(plane: ControlPlane, job: Object) -> list[Object]:
    """Return the Job's pods."""
    selector = f"volcano.sh/job-name={job['metadata']['name']}"
    return plane.admin.items(path("v1", "pods", job["metadata"]["namespace"]), labelSelector=selector)


def all_pods(plane: ControlPlane, job: Object, phase: str) -> None:
    """Wait for the Job's pods, and put them into a phase."""
    namespace = job["metadata"]["namespace"]
    count = sum(task["replicas"] for task in job["spec"]["tasks"])

    def bound() -> list[str]:
        found = pods_of(plane, job)
        assert len(found) == count
        assert all(pod["spec"].get("nodeName") for pod in found)
        assert not any("deletionTimestamp" in pod["metadata"] for pod in found)
        return [pod["metadata"]["name"] for pod in found]

    for name in wait(bound, f"{count} pods are bound", with_others(30)):
        plane.set_phase(namespace, name, phase)


def wait_forgotten(plane: ControlPlane, job: Object) -> None:
    """Wait until Volcano has forgotten a deleted Job, too: nothing but its controller's log shows that.

    The controller looks at doubling intervals whether the pods are gone, and strikes the name off its list, twice
    over: when the last pod goes and at the next of those looks, a second or two later. A new Job of that name, made
    in between, is struck off as well and never gets its pods (seen with 1.14.1).
    """
    name = f"{job['metadata']['namespace']}/{job['metadata']['name']}"

    def forgotten() -> bool:
        log = (plane.logs / "vc-controllers.log").read_text()
        return 0 < log.count(f"Try to delete Job <{name}>") == log.count(f"Job <{name}> was deleted.")

    wait(forgotten, "Volcano has forgotten the Job", with_others(30))


def wait_phase(plane: ControlPlane, job: Object, phase: str) -> None:
    """Wait until Volcano has brought the Job so far."""
    wait(lambda: phase_of(plane.admin.get(job_path(job))) == phase, f"the Job is {phase}")


def phase_of(job: Object) -> str | None:
    """Return how far Volcano has brought the Job, which it does not say at once."""
    phase: str | None = job.get("status", {}).get("state", {}).get("phase")
    return phase


def service(plane: ControlPlane, job: Object) -> Object | None:
    """Return the Job's head Service, if there is one."""
    selector = f"metadata.name={job['metadata']['name']}-head-svc"
    found = plane.admin.items(path("v1", "services", job["metadata"]["namespace"]), fieldSelector=selector)
    return found[0] if found else None


def another(plane: ControlPlane, job: Object, before: Object) -> bool:
    """Tell whether the Job has a Service, and not the one that it had before."""
    found = service(plane, job)
    return found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]


def events(plane: ControlPlane, job: Object, reason: str) -> list[Object]:
    """Return the Events of that reason on the Job."""
    about = f"involvedObject.uid={job['metadata']['uid']},reason={reason}"
    return plane.admin.items(path("v1", "events", job["metadata"]["namespace"]), fieldSelector=about)


def our_writes(plane: ControlPlane, since: int, namespace: str) -> list[tuple[str, str]]:
    """Return what the controller wrote in the namespace, all of it with success."""
    writes = plane.audit.writes(since=since, user=CONTROLLER, namespace=namespace)
    assert [write for write in writes if write.code >= 400] == []
    return [(write.verb, write.resource) for write in writes]


def wait_written(
    plane: ControlPlane, since: int, namespace: str, wanted: list[tuple[str, str]], *, in_order: bool = True
) -> None:
    """Wait until the controller wrote this and nothing else: a write may be seen before its line in the audit log."""
    arranged = list if in_order else sorted
    wait(lambda: arranged(our_writes(plane, since, namespace)) == wanted, f"it wrote {wanted}", 5)


def command(plane: ControlPlane, job: Object, action: str) -> None:
    """Tell Volcano to do something with the Job, as vcctl does."""
    order(plane.admin, job, action)


def order(admin: Api, job: Object, action: str) -> None:
    """Order an action for a Job on any cluster, by a Command: `AbortJob`, `ResumeJob`, `RestartJob`."""
    metadata = admin.get(job_path(job))["metadata"]
    target = {"apiVersion": JOBS, "kind": "Job", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    body = {
        "apiVersion": "bus.volcano.sh/v1alpha1",
        "kind": "Command",
        "metadata": {"generateName": "test-", "ownerReferences": [target]},
        "action": action,
        "target": target,
    }
    admin.create(path("bus.volcano.sh/v1alpha1", "commands", metadata["namespace"]), body)


def one_service_for_each_live_job(plane: ControlPlane, namespace: str, live: set[str]) -> bool:
    """Assert that these Jobs, and no others, are not finished, and that each has one Service, and nobody else any."""
    jobs = plane.admin.items(path(JOBS, "jobs", namespace))
    services = plane.admin.items(path("v1", "services", namespace))
    unfinished = {each["metadata"]["name"]: each["metadata"]["uid"] for each in jobs if phase_of(each) not in FINISHED}
    owners = [each["metadata"]["ownerReferences"][0] for each in services]
    assert set(unfinished) == live
    assert sorted((owner["name"], owner["uid"]) for owner in owners) == sorted(unfinished.items())
    return True


def services_made(plane: ControlPlane, since: int, namespace: str, credential: str = "") -> list[str]:
    """Return the names of the Services that the controllers, or the one of that credential, made."""
    return services_created(plane, since, namespace, 201, credential)


def services_created(plane: ControlPlane, since: int, namespace: str, code: int, credential: str = "") -> list[str]:
    """Return the names of the Services that were to be made and got this answer.

    504 stands in the audit log for a client that was gone before its answer: its Service may be there or not.
    """
    writes = plane.audit.writes(since=since, user=CONTROLLER, credential=credential, namespace=namespace)
    return [write.name for write in writes if (write.verb, write.resource, write.code) == ("create", "services", code)]


def away(plane: ControlPlane, name: str) -> float:
    """Kill a component that the apiserver needs, or the apiserver, and start it again; how long nothing answered."""
    component, apiserver = plane.components[name], plane.components["apiserver"]
    began = time.monotonic()
    component.kill()
    component.start()
    for each in (component, apiserver):
        each.wait_ready(with_others(60))
    return time.monotonic() - began
