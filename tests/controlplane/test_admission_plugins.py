"""volray where the apiserver asks for more than it does by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import CONTROLLER, SYSTEM, Volray, job_path, service_path
from tests.controlplane.life import running_job, service, soon
from tests.controlplane.waiting import wait

Object = dict[str, Any]

WEBHOOK = f"system:serviceaccount:{SYSTEM}:volray-webhook"


@pytest.fixture(scope="module")
def volray() -> Iterator[Volray]:
    with ControlPlane.start(admission_plugins=["OwnerReferencesPermissionEnforcement"]) as plane:
        yield Volray.install(plane)


@pytest.fixture(scope="module")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


def test_its_rights_are_enough_where_owner_references_need_some(volray: Volray, namespace: str) -> None:
    plane = volray.plane
    job = running_job(plane, namespace)
    (owner,) = plane.admin.get(service_path(job))["metadata"]["ownerReferences"]
    plane.admin.patch(service_path(job), {"metadata": {"ownerReferences": [owner | {"name": "misnamed"}]}})
    soon(lambda: plane.admin.get(service_path(job))["metadata"]["ownerReferences"] == [owner], "the owner is repaired")
    plane.admin.delete(service_path(job))
    soon(lambda: service(plane, job) is not None, "there is a Service again")
    plane.admin.delete(job_path(job), propagationPolicy="Foreground")
    wait(lambda: not plane.admin.exists(job_path(job)), "the Job is gone")
    soon(lambda: plane.admin.items(path("v1", "services", namespace)) == [], "and its Service with it")
    writes = plane.audit.writes(user=CONTROLLER, namespace=namespace)
    assert [(write.verb, write.code) for write in writes] == [("create", 201), ("update", 200), ("create", 201)]
    assert [write for write in plane.audit.writes(user=WEBHOOK) if write.code == 403] == []
