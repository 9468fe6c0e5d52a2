"""The head Service's life beside the real Job controller: whatever happens to the Job or to the Service, volray's
controller does what is right within two seconds, and writes no more than that takes.
"""

from typing import Any

import pytest

from tests.controlplane.applied import (
    all_pods,
    delete,
    foreign_service,
    make_job,
    order,
    restarted,
    running,
    service,
    settled,
    wait_phase,
)
from tests.controlplane.build import VERSIONS
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import Volray, default, job_path, service_path, sound
from tests.controlplane.life import (
    events,
    found_service,
    our_writes,
    soon,
    wait_another,
    wait_forgotten,
    wait_no_service,
    wait_service,
    wait_written,
)
from tests.controlplane.waiting import wait

Object = dict[str, Any]

SLOW = {"metadata": {"finalizers": ["tests.volray/slow"]}}
"""A finalizer of somebody who takes his time."""
NO_LONGER = {"metadata": {"finalizers": None}}


@pytest.fixture
def job(plane: ControlPlane, namespace: str) -> Object:
    return running(plane, sound(namespace))


@pytest.fixture
def before(plane: ControlPlane, job: Object) -> Object:
    """The Service of the Job."""
    return plane.admin.get(service_path(job))


@pytest.fixture
def mark(plane: ControlPlane, before: Object) -> int:
    """The moment since which writes count."""
    assert before
    return plane.audit.mark()


def owner_of(service: Object) -> str:
    (owner,) = service["metadata"]["ownerReferences"]
    return str(owner["uid"])


def test_a_deleted_service_is_made_again(
    plane: ControlPlane, namespace: str, job: Object, before: Object, mark: int
) -> None:
    plane.admin.delete(service_path(job))
    wait_another(plane, job, before)
    wait_written(plane, mark, namespace, "create")


def test_an_edited_service_is_repaired_and_keeps_what_others_added(
    plane: ControlPlane, namespace: str, job: Object, before: Object, mark: int
) -> None:
    edit = {
        "metadata": {"annotations": {"theirs": "kept"}},
        "spec": {"selector": {"volcano.sh/task-spec": "worker"}, "publishNotReadyAddresses": False},
    }
    plane.admin.patch(service_path(job), edit)

    def repaired() -> Object:
        found = plane.admin.get(service_path(job))
        assert found["spec"] == before["spec"]
        return found

    found = soon(repaired, "it is as it was")
    assert found["metadata"]["annotations"] == {"theirs": "kept"}
    assert found["metadata"]["uid"] == before["metadata"]["uid"]
    wait_written(plane, mark, namespace, "update")


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize(("pods", "phase"), [("Succeeded", "Completed"), ("Failed", "Failed")])
def test_a_finished_job_has_no_service(
    plane: ControlPlane, namespace: str, job: Object, mark: int, pods: str, phase: str
) -> None:
    all_pods(plane, job, pods)
    wait_phase(plane, job, phase)
    wait_no_service(plane, job)
    wait_written(plane, mark, namespace, "delete")


@pytest.mark.volcano(*VERSIONS)
def test_an_aborted_job_has_no_service_and_a_resumed_one_has(
    plane: ControlPlane, namespace: str, job: Object, mark: int
) -> None:
    order(plane.admin, job, "AbortJob")
    wait_phase(plane, job, "Aborted")
    wait_no_service(plane, job)
    order(plane.admin, job, "ResumeJob")
    settled(plane, job)
    wait_service(plane, job)
    wait_written(plane, mark, namespace, "delete", "create")


@pytest.mark.volcano(*VERSIONS)
def test_a_restarted_job_keeps_its_service(
    plane: ControlPlane, namespace: str, job: Object, before: Object, mark: int
) -> None:
    restarted(plane, job)
    assert plane.admin.get(service_path(job)) == before
    assert our_writes(plane, mark, namespace) == []


def test_a_service_of_somebody_else_is_left_alone_and_an_event_says_so(plane: ControlPlane, namespace: str) -> None:
    theirs = foreign_service(plane, namespace, "default-head-svc")
    mark = plane.audit.mark()
    job = make_job(plane, sound(namespace))
    (event,) = soon(lambda: events(plane, job, "ServiceForeign"), "there is an Event")
    assert "Service default-head-svc" in event["message"]
    assert event["type"] == "Warning"
    delete(plane, job)
    assert plane.admin.get(service_path(job)) == theirs
    created, *counted = our_writes(plane, mark, namespace)
    assert created == ("create", "events")
    assert set(counted) <= {("patch", "events")}
    assert len(counted) <= 1, "a count is written when it has doubled"


def test_a_doubt_about_a_job_is_told_as_an_event_while_it_starts(plane: ControlPlane, namespace: str) -> None:
    job = make_job(plane, default(namespace))
    told = soon(lambda: events(plane, job, "NoCpu"), "there is an Event")
    assert {event["type"] for event in told} == {"Warning"}
    assert told[0]["message"].startswith("tasks[")


def test_a_new_job_of_the_same_name_gets_a_service_of_its_own(
    plane: ControlPlane, namespace: str, job: Object, before: Object, mark: int
) -> None:
    delete(plane, job, "Background")
    made = make_job(plane, sound(namespace))
    assert owner_of(wait_another(plane, job, before)) == made["metadata"]["uid"]
    wait_written(plane, mark, namespace, "create")


def test_the_service_of_an_older_job_of_the_same_name_is_waited_for_however_slowly_it_goes(
    plane: ControlPlane, namespace: str, job: Object
) -> None:
    before = plane.admin.patch(service_path(job), SLOW)
    mark = plane.audit.mark()
    delete(plane, job, "Background")
    wait(lambda: "deletionTimestamp" in plane.admin.get(service_path(job))["metadata"], "the Service is to go")
    wait_forgotten(plane, job)
    made = make_job(plane, sound(namespace))
    settled(plane, made)
    assert our_writes(plane, mark, namespace) == []
    assert owner_of(service(plane, job)) == job["metadata"]["uid"]
    plane.admin.patch(service_path(job), NO_LONGER)
    assert owner_of(wait_another(plane, job, before)) == made["metadata"]["uid"]
    wait_written(plane, mark, namespace, "create")


def test_a_job_that_goes_slowly_gets_no_service_again(plane: ControlPlane, namespace: str, job: Object) -> None:
    plane.admin.patch(job_path(job), SLOW)
    mark = plane.audit.mark()
    plane.admin.delete(job_path(job), propagationPolicy="Background")
    plane.admin.delete(service_path(job))
    wait_service(plane, make_job(plane, sound(namespace, "later")))
    assert found_service(plane, job) is None
    plane.admin.patch(job_path(job), NO_LONGER)
    wait(lambda: not plane.admin.exists(job_path(job)), "the Job is gone")
    wait_written(plane, mark, namespace, "create")


def test_what_happened_while_the_controller_was_down_is_made_up_for(
    volray: Volray, namespace: str, job: Object
) -> None:
    plane = volray.plane
    deleted, untouched = (make_job(plane, sound(namespace, name)) for name in ("deleted", "untouched"))
    service(plane, deleted)
    kept = service(plane, untouched)
    mark = plane.audit.mark()
    volray.controller.stop()
    try:
        delete(plane, deleted)
        order(plane.admin, job, "AbortJob")
        wait_phase(plane, job, "Aborted")
        new = make_job(plane, sound(namespace, "new"))
    finally:
        volray.controller.start()
        volray.controller.wait_ready()
    volray.wait_leading()
    wait_no_service(plane, job)
    wait_service(plane, new)
    assert found_service(plane, deleted) is None
    assert plane.admin.get(service_path(untouched)) == kept
    wait_written(plane, mark, namespace, "create", "delete", in_order=False)


def test_another_look_at_every_job_writes_nothing(
    volray: Volray, namespace: str, job: Object, before: Object, mark: int
) -> None:
    """Who takes over looks at every Job, as a resync does."""
    plane = volray.plane
    volray.controller.restart()
    volray.wait_leading()
    wait_service(plane, make_job(plane, sound(namespace, "later")))
    wait_written(plane, mark, namespace, "create")
    assert plane.admin.get(service_path(job)) == before
