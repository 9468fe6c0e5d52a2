"""Everybody else's work beside a Ray Job: volray is not even called for it."""

import json
from typing import Any

import pytest

from tests.controlplane.applied import apply, kubectl, service, settled
from tests.controlplane.client import path
from tests.controlplane.installed import CONTROLLER, Volray, default, documented, job_path
from tests.controlplane.waiting import wait

Object = dict[str, Any]

OTHERS = {
    "tensorflow": "tf",
    "pytorch": "pt",
    "deployment": "create deployment web --image=nginx",
    "batch job": "create job once --image=python",
    "plain pod": "run bare --image=nginx",
}
"""Jobs of Volcano as they were recorded, and what kubectl makes."""


@pytest.mark.parametrize("other", OTHERS)
def test_beside_a_ray_job_others_are_untouched_and_volray_is_not_called_for_them(
    volray: Volray, namespace: str, other: str
) -> None:
    plane, ray = volray.plane, default(namespace, "ray")
    apply(plane, ray)
    settled(plane, ray)
    service(plane, ray)
    calls, reviews, mark = volray.calls(), volray.reviews(namespace), plane.audit.mark()
    if " " in OTHERS[other]:
        kubectl(plane, *OTHERS[other].split(), "-n", namespace)
    else:
        job = documented(OTHERS[other], namespace)
        apply(plane, job)
        settled(plane, job)
        plane.admin.patch(job_path(job), {"metadata": {"annotations": {"a": "b"}}})
    pods, selector = path("v1", "pods", namespace), "volcano.sh/job-name!=ray"
    found = wait(lambda: plane.admin.items(pods, labelSelector=selector), "its pods are there")
    assert not any("ray" in json.dumps([pod["metadata"], pod["spec"]]).replace(namespace, "") for pod in found)
    assert volray.calls() == calls
    assert volray.reviews(namespace) == reviews
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []
