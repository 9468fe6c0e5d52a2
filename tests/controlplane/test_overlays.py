"""The overlay for an old Kubernetes, applied over what is there; and back to the base again.

The overlay `pods-only` is the rollback in `test_uninstall.py`.
"""

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

Object = dict[str, Any]

BOTH = 2


@pytest.fixture(scope="module")
def legacy(volray: Volray) -> Iterator[Volray]:
    run(volray, f"kubectl apply --server-side -k manifests/{LEGACY}")
    volray.roll_out()
    volray.wait_called(BOTH)
    yield volray
    run(volray, f"kubectl apply --server-side -k manifests/{BASE}")
    volray.roll_out()
    volray.wait_trusted()
    volray.wait_called(BOTH)


def test_without_match_conditions_a_ray_job_is_adopted_and_applied_again(legacy: Volray, namespace: str) -> None:
    plane, job = legacy.plane, default(namespace)
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


def test_without_match_conditions_the_job_of_another_is_looked_at_and_left_alone(
    legacy: Volray, namespace: str
) -> None:
    plane, job = legacy.plane, documented("tf", namespace)
    apply(plane, job)
    settled(plane, job)
    assert {review["reason"] for review in legacy.reviews(namespace)} == {"not-a-ray-job"}
    assert "ray.volcano.sh" not in str(plane.admin.get(job_path(job)))


def test_without_match_conditions_an_outage_lets_a_job_pass_unadopted(legacy: Volray, namespace: str) -> None:
    plane, job = legacy.plane, default(namespace)
    legacy.webhook.stop()
    try:
        apply(plane, job)
    finally:
        legacy.webhook.start()
        legacy.webhook.wait_ready()
    assert is_in_tree(pods(plane, job)["default-head-0"])
    assert plane.admin.get(job_path(job))["spec"]["plugins"]["ray"] == []
