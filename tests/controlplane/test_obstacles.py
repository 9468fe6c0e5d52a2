"""What keeps a Service from being made: the Job's owner is told, volray tries again by itself, seldom, and counted."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import foreign_service, make_job, make_namespace, running, wait_phase
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import CONTROLLER, lone_head, service_path, sound
from tests.controlplane.life import answers, events, soon
from tests.controlplane.waiting import wait, with_others
from webhook.controller.runtime.queue import SLOW

Object = dict[str, Any]

HOLD = "tests.volray/hold"


def tries(plane: ControlPlane, since: int, namespace: str) -> list[int]:
    """Return how each try to make a Service was answered."""
    return [code for _, code in answers(plane, since, namespace)]


@pytest.fixture
def no_services(plane: ControlPlane, namespace: str) -> str:
    """A quota that leaves no room for a Service, in force; its path."""
    quotas = path("v1", "resourcequotas", namespace)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    plane.admin.create(quotas, quota | {"spec": {"hard": {"services": "0"}}})
    counted = f"{quotas}/none"
    wait(lambda: plane.admin.get(counted).get("status", {}).get("hard"), "the quota is in force")
    return counted


def test_a_quota_of_no_services_is_told_and_the_service_is_made_once_there_is_room(
    plane: ControlPlane, namespace: str, no_services: str
) -> None:
    mark = plane.audit.mark()
    job = make_job(plane, lone_head(namespace, "job"))
    began = time.monotonic()
    (event,) = soon(lambda: events(plane, job, "ServiceQuota"), "there is an Event")
    assert "Service job-head-svc" in event["message"]
    wait_phase(plane, job, "Pending")
    plane.admin.delete(no_services)
    wait(lambda: plane.admin.exists(service_path(job)), "the Service is made", with_others(SLOW.first + 1))
    seconds = time.monotonic() - began
    *refused, made = tries(plane, mark, namespace)
    print(f"made {seconds:.1f} s after the Job, at try {len(refused) + 1}")
    assert made == 201
    assert set(refused) == {403}
    assert len(refused) <= 2 + seconds / SLOW.first, "one for the new Job, one for its first phase, then by the backoff"


@pytest.fixture
def held_namespace(plane: ControlPlane, namespace: str) -> Iterator[str]:
    """A namespace that cannot go before the test ends: somebody holds a pod in it, and all else goes after the pods."""
    admin, held = plane.admin, f"{namespace}-held"
    make_namespace(plane, held)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "held", "finalizers": [HOLD]}}
    containers = [{"name": "c", "image": "c"}]
    admin.create(path("v1", "pods", held), pod | {"spec": {"containers": containers}})
    yield held
    admin.patch(path("v1", "pods", held, "held"), {"metadata": {"finalizers": None}})
    wait(lambda: not admin.exists(path("v1", "namespaces", name=held)), "the namespace is gone", with_others(30))


def test_in_a_namespace_that_is_being_deleted_a_service_is_hardly_tried(
    plane: ControlPlane, held_namespace: str
) -> None:
    namespace = held_namespace
    job = running(plane, sound(namespace))
    mark = plane.audit.mark()
    plane.admin.delete(path("v1", "namespaces", name=namespace))
    plane.admin.delete(service_path(job))
    wait(lambda: len(tries(plane, mark, namespace)) > 1, "it was tried a second time", with_others(SLOW.first + 2))
    answers = tries(plane, mark, namespace)
    print(f"tries: {answers}")
    assert set(answers) == {403}
    assert len(answers) <= 4
    writes = plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace)
    assert len(writes) <= 2 * len(answers), (
        "each try may be told, which is refused as well, and nothing else is written"
    )


def test_a_service_of_somebody_else_that_goes_is_followed_by_ours(plane: ControlPlane, namespace: str) -> None:
    """Nothing tells that it went: it has no label of ours. It is looked for after ever longer, within a minute."""
    foreign_service(plane, namespace, "default-head-svc")
    began = time.monotonic()
    job = make_job(plane, sound(namespace))
    wait(lambda: events(plane, job, "ServiceForeign"), "there is an Event")
    plane.admin.delete(service_path(job))
    stood = time.monotonic() - began
    wait(lambda: plane.admin.exists(service_path(job)), "ours is made", with_others(2 * stood + 2))
    assert tries(plane, 0, namespace) == [201]
