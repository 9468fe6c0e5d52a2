"""The Job webhooks: who is sent, with what conditions, and the overlays without them or without match conditions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.manifests.conftest import named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.manifests import Manifest

JOBS = "jobs.ray.volcano.sh"
VALIDATION = f"validation.{JOBS}"
TEMPLATES = {"cronjobs.ray.volcano.sh": "batch.volcano.sh", "jobtemplates.ray.volcano.sh": "flow.volcano.sh"}

STEP = re.compile(r"\b(?:o|t|object)(?:\.[a-zA-Z]+)+")
"""A path of fields in an expression."""


@pytest.fixture(scope="session")
def jobs(configuration: Manifest, validating: Manifest) -> dict[str, Manifest]:
    return {"/mutate-jobs": named(configuration, JOBS), "/validate-jobs": named(validating, VALIDATION)}


def conditions(webhook: Manifest) -> dict[str, str]:
    return {each["name"]: each["expression"] for each in webhook["matchConditions"]}


@pytest.mark.parametrize("path", ["/mutate-jobs", "/validate-jobs"])
def test_jobs_go_to_the_route_and_fail_closed(jobs: dict[str, Manifest], webhook: Manifest, path: str) -> None:
    found = jobs[path]

    assert found["clientConfig"] == {"service": {**webhook["clientConfig"]["service"], "path": path}}
    assert found["failurePolicy"] == "Fail"
    assert found["sideEffects"] == "None"
    assert found["matchPolicy"] == "Equivalent"
    assert found["namespaceSelector"] == webhook["namespaceSelector"]
    assert found["rules"] == [
        {
            "apiGroups": ["batch.volcano.sh"],
            "apiVersions": ["v1alpha1"],
            "resources": ["jobs"],
            "operations": ["CREATE", "UPDATE"],
            "scope": "Namespaced",
        }
    ]


def test_the_same_jobs_are_mutated_and_judged(jobs: dict[str, Manifest]) -> None:
    mutated, judged = jobs.values()

    assert mutated["matchConditions"] == judged["matchConditions"]
    assert list(conditions(mutated)) == ["not-being-deleted", "is-ray", "is-not-declined"]


@pytest.mark.parametrize(("name", "group"), TEMPLATES.items())
def test_templates_of_jobs_are_warned_of_and_never_held_up(validating: Manifest, name: str, group: str) -> None:
    found = named(validating, name)

    assert found["clientConfig"]["service"]["path"] == "/validate-jobs"
    assert found["failurePolicy"] == "Ignore"
    assert [rule["apiGroups"] for rule in found["rules"]] == [[group]]
    assert [rule["resources"] for rule in found["rules"]] == [[name.partition(".")[0]]]
    assert "is-ray" in conditions(found)


def all_conditions(configuration: Manifest, validating: Manifest) -> list[str]:
    webhooks = [*configuration["webhooks"], *validating["webhooks"]]
    return [text for webhook in webhooks if "matchConditions" in webhook for text in conditions(webhook).values()]


def test_every_step_of_every_condition_is_guarded(configuration: Manifest, validating: Manifest) -> None:
    """An unguarded step answers 403 to somebody else's Job. `metadata` alone is in every object."""
    for text in all_conditions(configuration, validating):
        guarded = set(re.findall(r"has\(([^)]*)\)", text))
        found = {step for path in STEP.findall(text) for step in prefixes(path)}
        assert found - guarded - {"object.metadata"} - set(macros(found)) == set(), text


def prefixes(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(2, len(parts) + 1)]


def macros(paths: set[str]) -> list[str]:
    return [path for path in paths if path.endswith(".exists")]


def test_every_step_below_the_spec_is_guarded_by_its_type(configuration: Manifest, validating: Manifest) -> None:
    for text in all_conditions(configuration, validating):
        for parent in {path.rpartition(".")[0] for path in re.findall(r"has\(([^)]*)\)", text)}:
            if (parent not in {"object", "o"} and not parent.endswith("metadata")) or parent == "t.template.metadata":
                assert f"type({parent}) == " in text, (parent, text)


def rendered(objects: list[Manifest]) -> dict[str, Any]:
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in objects}


def test_without_job_webhooks_nothing_of_them_is_left(
    base: Path, objects: dict[str, Manifest], kustomize: Callable[[Path], list[Manifest]]
) -> None:
    found = rendered(kustomize(base.parent / "overlays" / "pods-only"))

    validating = "ValidatingWebhookConfiguration/batch.ray.volcano.sh"
    assert set(objects) - set(found) == {validating}
    webhooks = found["MutatingWebhookConfiguration/batch.ray.volcano.sh"]["webhooks"]
    assert [each["name"] for each in webhooks] == ["pods.ray.volcano.sh"]
    (container,) = found["Deployment/volray-webhook"]["spec"]["template"]["spec"]["containers"]
    (full,) = objects["Deployment/volray-webhook"]["spec"]["template"]["spec"]["containers"]
    assert set(full["args"]) - set(container["args"]) == {"--validating-configuration=batch.ray.volcano.sh"}
    (rule,) = found["ClusterRole/volray-webhook"]["rules"]
    assert rule["resources"] == ["mutatingwebhookconfigurations"]


def test_an_old_kubernetes_gets_no_field_that_it_does_not_know_and_ignores_outages(
    base: Path, objects: dict[str, Manifest], kustomize: Callable[[Path], list[Manifest]]
) -> None:
    found = rendered(kustomize(base.parent / "overlays" / "legacy"))

    assert set(found) == set(objects)
    text = str(found)
    assert all(field not in text for field in ("matchConditions", "matchLabelKeys", "unhealthyPodEvictionPolicy"))
    policies = {
        f"{key.partition('Webhook')[0]} {webhook['name']}": webhook["failurePolicy"]
        for key, each in found.items()
        if "webhooks" in each
        for webhook in each["webhooks"]
    }
    assert policies == {
        "Mutating pods.ray.volcano.sh": "Fail",
        "Mutating jobs.ray.volcano.sh": "Ignore",
        "Validating validation.jobs.ray.volcano.sh": "Ignore",
        "Validating cronjobs.ray.volcano.sh": "Ignore",
        "Validating jobtemplates.ray.volcano.sh": "Ignore",
        "Validating hyperjobs.ray.volcano.sh": "Ignore",
    }
