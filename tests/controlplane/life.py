"""What volray's controller made of a Job and its Service, and how long that may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from tests.controlplane.applied import phase_of
from tests.controlplane.client import path
from tests.controlplane.installed import CONTROLLER, JOBS
from tests.controlplane.waiting import wait, with_others

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]
T = TypeVar("T")

SECONDS = 2
"""Within which the controller has to answer whatever happens."""

FINISHED = {"Completed", "Failed", "Aborted", "Terminated"}


def soon(condition: Callable[[], T], what: str) -> T:
    """Wait for what has to be so within two seconds, and print how long it took."""
    began = time.monotonic()
    found = wait(condition, what, with_others(SECONDS))
    print(f"{what}: after {time.monotonic() - began:.2f} s")
    return found


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


def found_service(plane: ControlPlane, job: Object) -> Object | None:
    """Return the Job's head Service, if there is one."""
    selector = f"metadata.name={job['metadata']['name']}-head-svc"
    found = plane.admin.items(path("v1", "services", job["metadata"]["namespace"]), fieldSelector=selector)
    return found[0] if found else None


def wait_service(plane: ControlPlane, job: Object) -> Object:
    """Wait the two seconds for the Job's Service, and return it."""
    found = soon(lambda: found_service(plane, job), "there is a Service")
    assert found is not None
    return found


def wait_no_service(plane: ControlPlane, job: Object) -> None:
    soon(lambda: found_service(plane, job) is None, "the Service is gone")


def wait_another(plane: ControlPlane, job: Object, before: Object) -> Object:
    """Wait for a Service that is not the one that the Job had before, and return it."""

    def another() -> Object | None:
        found = found_service(plane, job)
        return found if found and found["metadata"]["uid"] != before["metadata"]["uid"] else None

    found = soon(another, "there is another Service")
    assert found is not None
    return found


def events(plane: ControlPlane, job: Object, reason: str) -> list[Object]:
    """Return the Events of that reason on the Job."""
    about = f"involvedObject.uid={job['metadata']['uid']},reason={reason}"
    return plane.admin.items(path("v1", "events", job["metadata"]["namespace"]), fieldSelector=about)


def our_writes(plane: ControlPlane, since: int, namespace: str) -> list[tuple[str, str]]:
    """Return what the controller wrote in the namespace, all of it with success."""
    writes = plane.audit.writes(since=since, user=CONTROLLER, namespace=namespace)
    assert [write for write in writes if write.code >= 400] == []
    return [(write.verb, write.resource) for write in writes]


def wait_written(plane: ControlPlane, since: int, namespace: str, *verbs: str, in_order: bool = True) -> None:
    """Wait until the controller wrote Services so and nothing else.

    A write may be seen before its line in the audit log.
    """
    arranged = list if in_order else sorted
    wanted = [(verb, "services") for verb in verbs]
    wait(lambda: arranged(our_writes(plane, since, namespace)) == wanted, f"it wrote {wanted}", 5)


def one_service_for_each_live_job(plane: ControlPlane, namespace: str, live: set[str]) -> bool:
    """Assert that these Jobs, and no others, are not finished, and that each has one Service, and nobody else any."""
    jobs = plane.admin.items(path(JOBS, "jobs", namespace))
    services = plane.admin.items(path("v1", "services", namespace))
    unfinished = {each["metadata"]["name"]: each["metadata"]["uid"] for each in jobs if phase_of(each) not in FINISHED}
    owners = [each["metadata"]["ownerReferences"][0] for each in services]
    assert set(unfinished) == live
    assert sorted((owner["name"], owner["uid"]) for owner in owners) == sorted(unfinished.items())
    return True


def answers(plane: ControlPlane, since: int, namespace: str, credential: str = "") -> list[tuple[str, int]]:
    """Return each Service that the controllers, or the one of that credential, tried to make, and the answer.

    504 stands in the audit log for a client that was gone before its answer: its Service may be there or not.
    """
    writes = plane.audit.writes(since=since, user=CONTROLLER, credential=credential, namespace=namespace)
    return [(write.name, write.code) for write in writes if (write.verb, write.resource) == ("create", "services")]


def services_made(plane: ControlPlane, since: int, namespace: str) -> list[str]:
    """Return the names of the Services that the controllers made."""
    return [name for name, code in answers(plane, since, namespace) if code == 201]
