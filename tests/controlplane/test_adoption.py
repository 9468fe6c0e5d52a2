"""Ray Jobs whose fate is not that of the documentation's: refused ones, older ones, and those without a name."""

import json
from typing import Any

import pytest

from tests.controlplane.applied import (
    apply,
    delete_all,
    edition,
    kubectl,
    left,
    make_job,
    pods,
    refusal,
    service,
    settled,
)
from tests.controlplane.client import RefusedError, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import (
    CONTROLLER,
    JOBS,
    MISSPELT,
    Volray,
    default,
    job_path,
    lone_head,
    misspelt,
)

Object = dict[str, Any]

OURS = 'admission webhook "jobs.ray.volcano.sh" denied'


def test_every_mistake_of_a_job_is_said_at_once_and_nothing_is_left_of_it(plane: ControlPlane, namespace: str) -> None:
    job = misspelt(namespace, "7b-vllm")
    job["spec"]["tasks"][0] |= {"replicas": 2, "dependsOn": {"name": ["worker"]}}
    said = refusal(plane, job)
    for words in (
        OURS,
        MISSPELT,
        "tasks[head].replicas: ",
        "tasks[head].dependsOn",
        "metadata.name: ",
        "7b-vllm-head-svc",
    ):
        assert words in said
    assert left(plane, namespace) == []


def test_changed_settings_of_an_adopted_job_are_refused(plane: ControlPlane, namespace: str) -> None:
    job = default(namespace)
    apply(plane, job)
    settled(plane, job)
    before = edition(plane, job)
    job["spec"]["plugins"]["ray"] = ["--port=7000"]
    assert OURS in refusal(plane, job)
    assert edition(plane, job) == before


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_a_job_from_before_the_installation_is_annotated_scaled_and_deleted(
    volray: Volray, namespace: str, cascade: str
) -> None:
    plane, job = volray.plane, default(namespace)
    mark = plane.audit.mark()
    with volray.unregistered():
        apply(plane, job)
        spec = settled(plane, job)["spec"]
        before = service(plane, job)
    kubectl(plane, "annotate", "jobs.batch.volcano.sh/default", "a=b", "-n", namespace)
    spec["tasks"][1]["replicas"] = job["spec"]["tasks"][1]["replicas"] = 3
    scale = json.dumps([{"op": "replace", "path": "/spec/tasks/1/replicas", "value": 3}])
    kubectl(plane, "patch", "jobs.batch.volcano.sh/default", "-n", namespace, "--type=json", "-p", scale)
    assert not any("ray.volcano.sh/injected" in pod["metadata"]["annotations"] for pod in pods(plane, job).values())
    assert plane.admin.get(job_path(job))["spec"] == spec
    assert service(plane, job) == before
    delete_all(plane, namespace, cascade)
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []


def generated(job: Object, prefix: str) -> Object:
    return job | {"metadata": {"generateName": prefix, "namespace": job["metadata"]["namespace"]}}


def test_a_job_with_a_generated_name_is_adopted_and_its_service_has_the_final_name(
    plane: ControlPlane, namespace: str
) -> None:
    """One webhook adopts it while it has no name, the other judges the final one."""
    job = make_job(plane, generated(default(namespace), "train-"))
    name = job["metadata"]["name"]
    assert name.startswith("train-")
    assert "ray" not in job["spec"].get("plugins", {})
    service(plane, job)
    variables = pods(plane, job)[f"{name}-worker-0"]["spec"]["containers"][0]["env"]
    address = {"name": "RAY_ADDRESS", "value": f"{name}-head-svc.{namespace}.svc:6379"}
    assert address in variables


def test_a_generated_name_that_no_service_can_have_is_refused_by_its_final_form(
    plane: ControlPlane, namespace: str
) -> None:
    prefix = "a" * 50 + "-"  # with five letters more the Service's name is too long, and the head's is not
    with pytest.raises(RefusedError, match=rf"{prefix}\w{{5}}-head-svc"):
        make_job(plane, generated(lone_head(namespace, "alone"), prefix))
    assert plane.admin.items(path(JOBS, "jobs", namespace)) == []
