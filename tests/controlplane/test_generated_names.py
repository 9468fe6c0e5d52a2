"""Jobs that the apiserver names: one webhook adopts them while they have no name, the other judges the final one."""

from typing import Any

import pytest

from tests.controlplane.build import VERSIONS
from tests.controlplane.client import RefusedError, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import JOBS, Volray, default, lone_head, service_path
from tests.controlplane.life import all_pods, soon, wait_phase

Object = dict[str, Any]


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


def generated(job: Object, prefix: str) -> Object:
    return job | {"metadata": {"generateName": prefix, "namespace": job["metadata"]["namespace"]}}


@pytest.mark.volcano(*VERSIONS)
def test_a_job_with_a_generated_name_is_adopted_and_its_service_has_the_final_name(
    control_plane: ControlPlane, namespace: str
) -> None:
    plane = control_plane
    job = plane.admin.create(path(JOBS, "jobs", namespace), generated(default(namespace), "train-"))
    name = job["metadata"]["name"]
    assert name.startswith("train-")
    assert "ray" not in job["spec"].get("plugins", {})
    soon(lambda: plane.admin.exists(service_path(job)), "there is the head Service")
    all_pods(plane, job, "Running")
    wait_phase(plane, job, "Running")
    (address,) = {
        variable["value"]
        for pod in plane.admin.items(path("v1", "pods", namespace), labelSelector="ray.volcano.sh/node-type=worker")
        for container in pod["spec"]["containers"]
        for variable in container["env"]
        if variable["name"] == "RAY_ADDRESS"
    }
    assert address == f"{name}-head-svc.{namespace}.svc:6379"


@pytest.mark.volcano(*VERSIONS)
def test_a_generated_name_that_no_service_can_have_is_refused_by_its_final_form(
    control_plane: ControlPlane, namespace: str
) -> None:
    prefix = "a" * 50 + "-"  # with five letters more the Service's name is too long, and the head's is not
    jobs = path(JOBS, "jobs", namespace)
    with pytest.raises(RefusedError, match=rf"{prefix}\w{{5}}-head-svc"):
        control_plane.admin.create(jobs, generated(lone_head(namespace, "alone"), prefix))
    assert control_plane.admin.items(jobs) == []
