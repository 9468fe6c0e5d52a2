"""Ray Jobs that nobody applies: Volcano makes them from a CronJob, or from JobTemplates by a JobFlow."""

from typing import Any

import pytest

from tests.controlplane.applied import apply, pods, service
from tests.controlplane.build import VERSIONS
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import JOBS, MISSPELT, Volray, default, misspelt
from tests.controlplane.waiting import wait

Object = dict[str, Any]

FLOW = "flow.volcano.sh/v1alpha1"
REFUSED = "Warning: The Jobs made from this will be refused."


def cron_job(job: Object) -> Object:
    """Return a CronJob that makes one Job of it, at once."""
    spec = {"schedule": "@every 1s", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job["spec"]}}
    return {"apiVersion": JOBS, "kind": "CronJob", "metadata": job["metadata"] | {"name": "cron"}, "spec": spec}


def template(job: Object) -> Object:
    metadata = job["metadata"] | {"name": "template"}
    return {"apiVersion": FLOW, "kind": "JobTemplate", "metadata": metadata, "spec": job["spec"]}


def flow(namespace: str) -> Object:
    metadata = {"name": "flow", "namespace": namespace}
    spec = {"jobRetainPolicy": "retain", "flows": [{"name": "template"}]}
    return {"apiVersion": FLOW, "kind": "JobFlow", "metadata": metadata, "spec": spec}


def check_cluster(plane: ControlPlane, namespace: str, maker: str) -> None:
    """Wait for the namespace's only Job, and assert that it is a Ray cluster."""
    (job,) = wait(lambda: plane.admin.items(path(JOBS, "jobs", namespace)), "there is a Job")
    (owner,) = job["metadata"]["ownerReferences"]
    assert owner["kind"] == maker
    assert "ray" not in job["spec"].get("plugins", {})
    roles = {pod["metadata"]["labels"]["ray.volcano.sh/node-type"] for pod in pods(plane, job).values()}
    assert roles == {"head", "worker"}
    assert service(plane, job)["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]


def test_the_job_of_a_cron_job_is_adopted(plane: ControlPlane, namespace: str) -> None:
    """Volcano has CronJobs since 1.13."""
    assert REFUSED not in apply(plane, cron_job(default(namespace)))
    check_cluster(plane, namespace, "CronJob")


@pytest.mark.volcano(*VERSIONS)
def test_the_job_of_a_job_flow_is_adopted(plane: ControlPlane, namespace: str) -> None:
    assert REFUSED not in apply(plane, template(default(namespace)))
    apply(plane, flow(namespace))
    check_cluster(plane, namespace, "JobFlow")


def test_a_wrong_template_is_taken_with_a_warning_and_its_job_is_refused(volray: Volray, namespace: str) -> None:
    plane = volray.plane
    said = apply(plane, template(misspelt(namespace)))
    assert REFUSED in said
    assert f"Warning: {MISSPELT}" in said
    apply(plane, flow(namespace))
    wait(lambda: [each for each in volray.reviews(namespace) if not each["allowed"]], "its Job is refused")
    assert plane.admin.items(path(JOBS, "jobs", namespace)) == []
