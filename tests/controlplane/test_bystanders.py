"""Everybody else's work beside a Ray Job: volray is not even called for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.controlplane.applied import apply, service, settled
from tests.controlplane.build import VERSIONS
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import CONTROLLER, Volray, default, documented, job_path
from tests.controlplane.waiting import wait

Object = dict[str, Any]

_POD = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}], "restartPolicy": "Always"},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": _POD},
}
BATCH_JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "once"},
    "spec": {"template": {"spec": {"containers": [{"name": "head", "image": "python"}], "restartPolicy": "Never"}}},
}


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


def tensorflow(plane: ControlPlane, namespace: str) -> int:
    return of_volcano(plane, documented("tf", namespace))


def pytorch(plane: ControlPlane, namespace: str) -> int:
    return of_volcano(plane, documented("pt", namespace))


def of_volcano(plane: ControlPlane, job: Object) -> int:
    """Let a Job of Volcano run, and annotate it."""
    apply(plane, job)
    settled(plane, job)
    plane.admin.patch(job_path(job), {"metadata": {"annotations": {"a": "b"}}})
    return sum(task["replicas"] for task in job["spec"]["tasks"])


def deployment(plane: ControlPlane, namespace: str) -> int:
    plane.admin.create(path("apps/v1", "deployments", namespace), DEPLOYMENT)
    return 1


def batch_job(plane: ControlPlane, namespace: str) -> int:
    plane.admin.create(path("batch/v1", "jobs", namespace), BATCH_JOB)
    return 1


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("make", [tensorflow, pytorch, deployment, batch_job])
def test_beside_a_ray_job_others_are_untouched_and_volray_is_not_called_for_them(
    volray: Volray, namespace: str, make: Callable[[ControlPlane, str], int]
) -> None:
    plane, ray = volray.plane, default(namespace, "ray")
    apply(plane, ray)
    settled(plane, ray)
    service(plane, ray)
    calls, reviews, mark = volray.calls(), volray.reviews(namespace), plane.audit.mark()
    count = make(plane, namespace)
    found = wait(lambda: others(plane, namespace, count), "its pods are there")
    assert not any("ray" in json.dumps([pod["metadata"], pod["spec"]]).replace(namespace, "") for pod in found)
    assert volray.calls() == calls
    assert volray.reviews(namespace) == reviews
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []


def others(plane: ControlPlane, namespace: str, count: int) -> list[Object]:
    """The namespace's pods but for the Ray Job's."""
    found = plane.admin.items(path("v1", "pods", namespace), labelSelector="volcano.sh/job-name!=ray")
    assert len(found) == count
    return found
