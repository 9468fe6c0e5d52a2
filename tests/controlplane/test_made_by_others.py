"""Ray Jobs that nobody applies: Volcano makes them from a CronJob, or from JobTemplates by a JobFlow."""

from typing import Any

import pytest

from tests.controlplane.applied import apply, pods, service
from tests.controlplane.build import NEWEST, VERSIONS
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import JOBS, Volray, default, documented
from tests.controlplane.waiting import wait

Object = dict[str, Any]

FLOW = "flow.volcano.sh/v1alpha1"
REFUSED = "Warning: The Jobs made from this will be refused."
DOUBT = "Warning: Task head has a command, but its end does not end the Job"


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


def cron_job(job: Object) -> Object:
    """Return a CronJob that makes one Job of it, at once."""
    spec = {"schedule": "@every 1s", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job["spec"]}}
    return {"apiVersion": JOBS, "kind": "CronJob", "metadata": job["metadata"] | {"name": "cron"}, "spec": spec}


def template(job: Object) -> Object:
    return {
        "apiVersion": FLOW,
        "kind": "JobTemplate",
        "metadata": job["metadata"] | {"name": "template"},
        "spec": job["spec"],
    }


def flow(namespace: str) -> Object:
    return {
        "apiVersion": FLOW,
        "kind": "JobFlow",
        "metadata": {"name": "flow", "namespace": namespace},
        "spec": {"jobRetainPolicy": "retain", "flows": [{"name": "template"}]},
    }


def the_job(plane: ControlPlane, namespace: str) -> Object:
    """Wait for the namespace's only Job, and return it."""
    (job,) = wait(lambda: plane.admin.items(path(JOBS, "jobs", namespace)), "there is a Job")
    return job


def check_cluster(plane: ControlPlane, job: Object, maker: str) -> None:
    (owner,) = job["metadata"]["ownerReferences"]
    assert owner["kind"] == maker
    assert "ray" not in job["spec"].get("plugins", {})
    roles = {pod["metadata"]["labels"]["ray.volcano.sh/node-type"] for pod in pods(plane, job).values()}
    assert roles == {"head", "worker"}
    assert service(plane, job)["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]


@pytest.mark.volcano(NEWEST)
def test_the_job_of_a_cron_job_is_adopted(volray: Volray, namespace: str) -> None:
    assert REFUSED not in apply(volray.plane, cron_job(default(namespace)))
    check_cluster(volray.plane, the_job(volray.plane, namespace), "CronJob")


@pytest.mark.volcano(*VERSIONS)
def test_the_job_of_a_job_flow_is_adopted(volray: Volray, namespace: str) -> None:
    assert REFUSED not in apply(volray.plane, template(default(namespace)))
    apply(volray.plane, flow(namespace))
    check_cluster(volray.plane, the_job(volray.plane, namespace), "JobFlow")


@pytest.mark.volcano(*VERSIONS)
def test_a_wrong_template_is_taken_with_a_warning_and_its_job_is_refused(volray: Volray, namespace: str) -> None:
    plane, job = volray.plane, default(namespace)
    job["spec"]["plugins"]["ray"] = ["--prot=6380"]
    said = apply(plane, template(job))
    assert REFUSED in said
    assert "there is no flag --prot=6380.\nWarning: Write --port." in said
    apply(plane, flow(namespace))
    wait(lambda: [each for each in volray.reviews(namespace) if not each["allowed"]], "its Job is refused")
    assert plane.admin.items(path(JOBS, "jobs", namespace)) == []


def doubtful(namespace: str) -> Object:
    job = documented("ray-compute-job", namespace)
    del job["spec"]["tasks"][0]["policies"]
    return job


@pytest.mark.volcano(NEWEST)
def test_a_doubtful_cron_job_is_taken_with_a_warning(volray: Volray, namespace: str) -> None:
    said = apply(volray.plane, cron_job(doubtful(namespace)))
    assert DOUBT in said
    assert REFUSED not in said


@pytest.mark.volcano(*VERSIONS)
def test_a_doubtful_template_is_taken_with_a_warning(volray: Volray, namespace: str) -> None:
    said = apply(volray.plane, template(doubtful(namespace)))
    assert DOUBT in said
    assert REFUSED not in said
