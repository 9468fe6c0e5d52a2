"""The head Service's life beside the real Job controller: whatever happens to the Job or to the Service, volray's
controller does what is right within two seconds, and writes no more than that takes.
"""

from functools import partial
from typing import Any

import pytest

from tests.controlplane.build import VERSIONS
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import JOBS, Volray, default, job_path, service_path
from tests.controlplane.life import (
    all_pods,
    another,
    command,
    events,
    our_writes,
    running_job,
    service,
    soon,
    wait_forgotten,
    wait_phase,
    wait_written,
)
from tests.controlplane.waiting import wait

Object = dict[str, Any]

SLOW = "tests.volray/slow"
"""A finalizer of somebody who takes his time."""


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


@pytest.fixture
def job(control_plane: ControlPlane, namespace: str) -> Object:
    return running_job(control_plane, namespace)


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
    (event,) = soon(lambda: events(control_plane, made, "ServiceForeign"), "there is an Event")
    assert event["message"].startswith("Service default-head-svc is not this Job's but nobody's: it stays as it is")
    assert event["type"] == "Warning"
    control_plane.admin.delete(job_path(job), propagationPolicy="Foreground")
    wait(lambda: not control_plane.admin.exists(job_path(job)), "the Job is gone")
    assert control_plane.admin.get(service_path(job)) == theirs
    created, *counted = our_writes(control_plane, mark, namespace)
    assert created == ("create", "events")
    assert set(counted) <= {("patch", "events")}
    assert len(counted) <= 1, "a count is written when it has doubled"


def test_a_new_job_of_the_same_name_gets_a_service_of_its_own(
    control_plane: ControlPlane, job: Object, namespace: str
) -> None:
    before = control_plane.admin.get(service_path(job))
    mark = control_plane.audit.mark()
    control_plane.admin.delete(job_path(job), propagationPolicy="Background")
    wait(lambda: not control_plane.admin.exists(job_path(job)), "the Job is gone")
    made = control_plane.admin.create(path(JOBS, "jobs", namespace), default(namespace))
    soon(lambda: another(control_plane, job, before), "there is another Service")
    assert owner_uid(control_plane, job) == made["metadata"]["uid"]
    wait_written(control_plane, mark, namespace, [("create", "services")])


def owner_uid(plane: ControlPlane, job: Object) -> str:
    (owner,) = plane.admin.get(service_path(job))["metadata"]["ownerReferences"]
    return str(owner["uid"])


def test_the_service_of_an_older_job_of_the_same_name_is_waited_for_however_slowly_it_goes(
    control_plane: ControlPlane, job: Object, namespace: str
) -> None:
    plane, jobs = control_plane, path(JOBS, "jobs", namespace)
    before = plane.admin.patch(service_path(job), {"metadata": {"finalizers": [SLOW]}})
    mark = plane.audit.mark()
    plane.admin.delete(job_path(job), propagationPolicy="Background")
    wait(lambda: "deletionTimestamp" in plane.admin.get(service_path(job))["metadata"], "the Service is to go")
    wait_forgotten(plane, job)
    made = plane.admin.create(jobs, default(namespace))
    all_pods(plane, made, "Running")
    wait_phase(plane, made, "Running")
    assert our_writes(plane, mark, namespace) == []
    assert owner_uid(plane, job) == job["metadata"]["uid"]
    plane.admin.patch(service_path(job), {"metadata": {"finalizers": None}})
    soon(lambda: another(plane, job, before), "there is another Service")
    assert owner_uid(plane, job) == made["metadata"]["uid"]
    wait_written(plane, mark, namespace, [("create", "services")])


def test_a_job_that_goes_slowly_gets_no_service_again(control_plane: ControlPlane, job: Object, namespace: str) -> None:
    plane = control_plane
    plane.admin.patch(job_path(job), {"metadata": {"finalizers": [SLOW]}})
    mark = plane.audit.mark()
    plane.admin.delete(job_path(job), propagationPolicy="Background")
    plane.admin.delete(service_path(job))
    later = plane.admin.create(path(JOBS, "jobs", namespace), default(namespace, "later"))
    soon(lambda: service(plane, later) is not None, "the controller has looked at a later Job")
    assert service(plane, job) is None
    plane.admin.patch(job_path(job), {"metadata": {"finalizers": None}})
    wait(lambda: not plane.admin.exists(job_path(job)), "the Job is gone")
    wait_written(plane, mark, namespace, [("create", "services")])


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
