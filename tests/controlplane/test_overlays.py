"""The overlays, applied over what is there, as an administrator changes his mind; and back to the base again."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import (
    apply,
    edition,
    injecting_versions,
    is_in_tree,
    kubectl,
    pods,
    run,
    service,
    settled,
)
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import BASE, LEGACY, Volray, default, documented, job_path
from tests.pages import OPERATIONS, commands

Object = dict[str, Any]

BOTH = 2

legacy = pytest.mark.parametrize(
    "overlay",
    [([f"kubectl apply --server-side -k manifests/{LEGACY}"], BOTH)],
    indirect=True,
    ids=["legacy"],
    scope="module",
)
pods_only = pytest.mark.parametrize(
    "overlay",
    [(commands(OPERATIONS, "Back to the in-tree plugin"), 0)],
    indirect=True,
    ids=["pods-only"],
    scope="module",
)


@pytest.fixture(scope="module")
def overlay(volray: Volray, request: pytest.FixtureRequest) -> Iterator[Volray]:
    """volray as the lines of a test's overlay leave it, with so many calls for each Job; afterwards the base again."""
    lines, times = request.param
    for line in lines:
        run(volray, line)
    volray.roll_out()
    volray.wait_called(times)
    yield volray
    run(volray, f"kubectl apply --server-side -k manifests/{BASE}")
    volray.roll_out()
    volray.wait_trusted()
    volray.wait_called(BOTH)


def labelled(namespace: str, name: str) -> Object:
    """A Job written for volray: labels in its templates, no entry for a plugin."""
    job = default(namespace, name)
    del job["spec"]["plugins"]
    for task in job["spec"]["tasks"]:
        task["template"]["metadata"] = {"labels": {"ray.volcano.sh/cluster": "true"}}
    return job


@legacy
def test_without_match_conditions_a_ray_job_is_adopted_and_applied_again(overlay: Volray, namespace: str) -> None:
    plane, job = overlay.plane, default(namespace)
    assert "matchConditions" not in registrations(plane)
    apply(plane, job)
    settled(plane, job)
    assert "" not in injecting_versions(plane, job)
    service(plane, job)
    before = edition(plane, job)
    apply(plane, job)
    assert edition(plane, job) == before


def registrations(plane: ControlPlane) -> str:
    kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    found = kubectl(plane, "get", kinds, "-l", "app.kubernetes.io/name=volray", "-o", "yaml")
    assert found.count("clientConfig:") > 1
    return found


@legacy
def test_without_match_conditions_the_job_of_another_is_looked_at_and_left_alone(
    overlay: Volray, namespace: str
) -> None:
    plane, job = overlay.plane, documented("tf", namespace)
    apply(plane, job)
    settled(plane, job)
    assert {review["reason"] for review in overlay.reviews(namespace)} == {"not-a-ray-job"}
    assert "ray.volcano.sh" not in str(plane.admin.get(job_path(job)))


@legacy
def test_without_match_conditions_an_outage_lets_a_job_pass_unadopted(overlay: Volray, namespace: str) -> None:
    plane, job = overlay.plane, default(namespace)
    overlay.webhook.stop()
    try:
        apply(plane, job)
    finally:
        overlay.webhook.start()
        overlay.webhook.wait_ready()
    assert is_in_tree(pods(plane, job)["default-head-0"])
    assert plane.admin.get(job_path(job))["spec"]["plugins"]["ray"] == []


@pods_only
def test_without_job_webhooks_a_labelled_job_has_injected_pods_and_its_service(overlay: Volray, namespace: str) -> None:
    plane, job = overlay.plane, labelled(namespace, "labelled")
    apply(plane, job)
    assert "" not in injecting_versions(plane, job)
    assert {each["manager"] for each in service(plane, job)["metadata"]["managedFields"]} == {"volray"}


@pods_only
def test_without_job_webhooks_the_plugins_entry_is_the_plugins(overlay: Volray, namespace: str) -> None:
    plane, job = overlay.plane, default(namespace)
    apply(plane, job)
    assert is_in_tree(pods(plane, job)["default-head-0"])
    assert overlay.reviews(namespace) == []
