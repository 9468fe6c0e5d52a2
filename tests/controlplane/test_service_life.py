"""The head Service's life beside the real Job controller: whatever happens to the Job or to the Service, volray's
controller does what is right within two seconds, and writes no more than that takes.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.controlplane.build import VERSIONS
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import CONTROLLER, JOBS, Volray, default, job_path, service_path
from tests.controlplane.waiting import wait

Object = dict[str, Any]

SECONDS = 2
BURST = 50


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


@pytest.fixture
def job(control_plane: ControlPlane, namespace: str) -> Object:
    """A Job that runs, with its Service."""
    made = control_plane.admin.create(path(JOBS, "jobs", namespace), default(namespace))
    all_pods(control_plane, made, "Running")
    wait_phase(control_plane, made, "Running")
    wait(lambda: control_plane.admin.exists(service_path(made)), "there is the head Service")
    return made


def soon(condition: Callable[[], Any], what: str) -> Any:
    """Wait for what has to be so within two seconds; longer where other work takes the machine's time."""
    return wait(condition, what, SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


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


def another(plane: ControlPlane, job: Object, before: Object) -> bool:
    found = service(plane, job)
    return found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]


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


def test_a_deleted_service_is_made_again(control_plane: ControlPlane, job: Object, namespace: str) -> None:
    before = control_plane.admin.get(service_path(job))
    mark = control_plane.audit.mark()
    control_plane.admin.delete(service_path(job))
    soon(lambda: another(control_plane, job, before), "there is another Service")
    wait_written(control_plane, mark, namespace, [("create", "services")])


def test_an_edited_service_is_repaired_and_keeps_what_others_added(
    control_plane: ControlPlane, job: Object, namespace: str
) -> None:
    before = control_plane.admin.get(service_path(job))
    mark = control_plane.audit.mark()
    edit = {
        "metadata": {"annotations": {"theirs": "kept"}},
        "spec": {"selector": {"volcano.sh/task-spec": "worker"}, "publishNotReadyAddresses": False},
    }
    control_plane.admin.patch(service_path(job), edit)

    def repaired() -> Object:
        found = control_plane.admin.get(service_path(job))
        assert found["spec"] == before["spec"]
        return found

    found = soon(repaired, "it is as it was")
    assert found["metadata"]["annotations"] == {"theirs": "kept"}
    assert found["metadata"]["uid"] == before["metadata"]["uid"]
    wait_written(control_plane, mark, namespace, [("update", "services")])


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize(("pods", "phase"), [("Succeeded", "Completed"), ("Failed", "Failed")])
def test_a_finished_job_has_no_service(
    control_plane: ControlPlane, job: Object, namespace: str, pods: str, phase: str
) -> None:
    mark = control_plane.audit.mark()
    all_pods(control_plane, job, pods)
    wait_phase(control_plane, job, phase)
    soon(lambda: service(control_plane, job) is None, "the Service is gone")
    wait_written(control_plane, mark, namespace, [("delete", "services")])


@pytest.mark.volcano(*VERSIONS)
def test_an_aborted_job_has_no_service_and_a_resumed_one_has(
    control_plane: ControlPlane, job: Object, namespace: str
) -> None:
    mark = control_plane.audit.mark()
    command(control_plane, job, "AbortJob")
    wait_phase(control_plane, job, "Aborted")
    soon(lambda: service(control_plane, job) is None, "the Service is gone")
    command(control_plane, job, "ResumeJob")
    all_pods(control_plane, job, "Running")
    soon(lambda: service(control_plane, job) is not None, "there is a Service again")
    wait_phase(control_plane, job, "Running")
    wait_written(control_plane, mark, namespace, [("delete", "services"), ("create", "services")])


@pytest.mark.volcano(*VERSIONS)
def test_a_restarted_job_keeps_its_service(control_plane: ControlPlane, job: Object, namespace: str) -> None:
    before = control_plane.admin.get(service_path(job))
    mark = control_plane.audit.mark()
    command(control_plane, job, "RestartJob")
    wait(lambda: control_plane.admin.get(job_path(job))["status"].get("retryCount") == 1, "the Job is restarted")
    all_pods(control_plane, job, "Running")
    wait_phase(control_plane, job, "Running")
    assert control_plane.admin.get(service_path(job)) == before
    assert our_writes(control_plane, mark, namespace) == []


def test_a_service_of_somebody_else_is_left_alone_and_an_event_says_so(
    control_plane: ControlPlane, namespace: str
) -> None:
    job = default(namespace)
    spec = {"ports": [{"name": "http", "port": 80}], "selector": {"app": "theirs"}}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "default-head-svc"}, "spec": spec}
    theirs = control_plane.admin.create(path("v1", "services", namespace), body)
    mark = control_plane.audit.mark()
    made = control_plane.admin.create(path(JOBS, "jobs", namespace), job)

    def said() -> list[Object]:
        about = f"involvedObject.uid={made['metadata']['uid']},reason=ServiceForeign"
        return control_plane.admin.items(path("v1", "events", namespace), fieldSelector=about)

    (event,) = soon(said, "there is an Event")
    assert event["message"].startswith("Service default-head-svc is not this Job's but nobody's: it stays as it is")
    assert event["type"] == "Warning"
    control_plane.admin.delete(job_path(job), propagationPolicy="Foreground")
    wait(lambda: not control_plane.admin.exists(job_path(job)), "the Job is gone")
    assert control_plane.admin.get(service_path(job)) == theirs
    resources = {resource for _, resource in our_writes(control_plane, mark, namespace)}
    assert resources == {"events"}


def test_a_new_job_of_the_same_name_gets_a_service_of_its_own(
    control_plane: ControlPlane, job: Object, namespace: str
) -> None:
    before = control_plane.admin.get(service_path(job))
    control_plane.admin.delete(job_path(job), propagationPolicy="Background")
    wait(lambda: not control_plane.admin.exists(job_path(job)), "the Job is gone")
    made = control_plane.admin.create(path(JOBS, "jobs", namespace), default(namespace))
    wait(lambda: another(control_plane, job, before), "there is another Service")
    (owner,) = control_plane.admin.get(service_path(job))["metadata"]["ownerReferences"]
    assert owner["uid"] == made["metadata"]["uid"]


def test_what_happened_while_the_controller_was_down_is_made_up_for(
    volray: Volray, job: Object, namespace: str
) -> None:
    plane = volray.plane
    deleted, untouched, new = (default(namespace, name) for name in ("deleted", "untouched", "new"))
    jobs = path(JOBS, "jobs", namespace)
    for each in (deleted, untouched):
        plane.admin.create(jobs, each)
        wait(partial(plane.admin.exists, service_path(each)), "there is the head Service")
    kept = plane.admin.get(service_path(untouched))
    mark = plane.audit.mark()
    volray.controller.stop()
    try:
        plane.admin.delete(job_path(deleted), propagationPolicy="Foreground")
        wait(lambda: not plane.admin.exists(job_path(deleted)), "the Job is gone")
        command(plane, job, "AbortJob")
        wait_phase(plane, job, "Aborted")
        plane.admin.create(jobs, new)
    finally:
        volray.controller.start()
        volray.controller.wait_ready()
    volray.wait_leading()
    soon(lambda: service(plane, job) is None, "the aborted Job's Service is gone")
    soon(lambda: service(plane, new) is not None, "the new Job has a Service")
    assert service(plane, deleted) is None
    assert plane.admin.get(service_path(untouched)) == kept
    wait_written(plane, mark, namespace, [("create", "services"), ("delete", "services")], in_order=False)


def test_another_look_at_every_job_writes_nothing(volray: Volray, job: Object, namespace: str) -> None:
    """Who takes over looks at every Job, as a resync does."""
    plane = volray.plane
    before = plane.admin.get(service_path(job))
    mark = plane.audit.mark()
    volray.controller.restart()
    volray.wait_leading()
    plane.admin.create(path(JOBS, "jobs", namespace), default(namespace, "later"))
    soon(lambda: service(plane, default(namespace, "later")) is not None, "it has looked at a later Job")
    wait_written(plane, mark, namespace, [("create", "services")])
    assert plane.admin.get(service_path(job)) == before


def test_a_controller_killed_in_a_burst_leaves_one_service_for_each_live_job(volray: Volray, namespace: str) -> None:
    plane = volray.plane
    burst = [default(namespace, f"job-{number:02}") for number in range(BURST)]
    jobs, services = path(JOBS, "jobs", namespace), path("v1", "services", namespace)
    for each in burst[: BURST // 2]:
        plane.admin.create(jobs, each)
    wait(lambda: plane.admin.items(services), "some have their Service")
    volray.controller.kill()
    try:
        for each in burst[BURST // 2 :]:
            plane.admin.create(jobs, each)
        gone = burst[::5]
        for each in gone:
            plane.admin.delete(job_path(each), propagationPolicy="Background")
    finally:
        volray.controller.start()
        volray.controller.wait_ready()
    volray.wait_leading()
    live = {each["metadata"]["name"] for each in burst if each not in gone}

    def one_for_each() -> bool:
        owners = [each["metadata"]["ownerReferences"][0] for each in plane.admin.items(services)]
        uids = {each["metadata"]["name"]: each["metadata"]["uid"] for each in plane.admin.items(jobs)}
        assert set(uids) == live
        assert sorted((owner["name"], owner["uid"]) for owner in owners) == sorted(uids.items())
        return True

    wait(one_for_each, "there is one Service for each live Job, and no other")
