"""The webhook configurations: who is sent to volray, when, and what happens when nobody answers; and the overlays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.manifests.conftest import named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.manifests import Manifest

NAME = "batch.ray.volcano.sh"
MUTATING, VALIDATING = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
CHANGES = ["CREATE", "UPDATE"]

PODS, JOBS, VALIDATION = "pods.ray.volcano.sh", "jobs.ray.volcano.sh", "validation.jobs.ray.volcano.sh"
CRONJOBS, JOBTEMPLATES, HYPERJOBS = (f"{each}.ray.volcano.sh" for each in ("cronjobs", "jobtemplates", "hyperjobs"))
WEBHOOKS = {
    PODS: (MUTATING, "/mutate", "Fail", "", ["CREATE"]),
    JOBS: (MUTATING, "/mutate-jobs", "Fail", "batch.volcano.sh", CHANGES),
    VALIDATION: (VALIDATING, "/validate-jobs", "Fail", "batch.volcano.sh", CHANGES),
    CRONJOBS: (VALIDATING, "/validate-jobs", "Ignore", "batch.volcano.sh", CHANGES),
    JOBTEMPLATES: (VALIDATING, "/validate-jobs", "Ignore", "flow.volcano.sh", CHANGES),
    HYPERJOBS: (VALIDATING, "/validate-jobs", "Ignore", "training.volcano.sh", CHANGES),
}
"""Which configuration, path, failure policy, group and operations each has. Templates are warned of, never held up."""

STEP = re.compile(r"\b(?:o|t|object)(?:\.[a-zA-Z]+)+")
"""A path of fields in an expression."""


def conditions(webhook: Manifest) -> dict[str, str]:
    return {each["name"]: each["expression"] for each in webhook["matchConditions"]}


def test_there_are_no_other_webhooks(configuration: Manifest, validating: Manifest) -> None:
    assert [each["name"] for each in (*configuration["webhooks"], *validating["webhooks"])] == list(WEBHOOKS)


@pytest.mark.parametrize("later", ["istio-sidecar-injector", "volcano-admission-service-pods-mutate"])
def test_runs_before(configuration: Manifest, later: str) -> None:
    assert configuration["metadata"]["name"] < later


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_webhook_is_sent_this_to_its_path_and_behaves_like_this(objects: dict[str, Manifest], name: str) -> None:
    kind, path, policy, group, operations = WEBHOOKS[name]
    found = named(objects[f"{kind}/{NAME}"], name)
    service = objects["Service/volray-webhook"]
    (rule,) = found["rules"]
    (own,) = {each["metadata"]["namespace"] for key, each in objects.items() if key.startswith("Deployment/")}

    assert found["clientConfig"] == {
        "service": {
            "name": service["metadata"]["name"],
            "namespace": service["metadata"]["namespace"],
            "path": path,
            "port": service["spec"]["ports"][0]["port"],
        }
    }, "no caBundle that would be applied over an injected one"
    assert (rule["apiGroups"], rule["operations"], rule["scope"]) == ([group], operations, "Namespaced")
    assert rule["resources"] == [name.removesuffix(".ray.volcano.sh").rpartition(".")[2]]
    assert rule["apiVersions"] == ["v1" if name == PODS else "v1alpha1"]
    assert (found["failurePolicy"], found["sideEffects"]) == (policy, "None")
    assert found["matchPolicy"] == "Equivalent"
    assert (found["admissionReviewVersions"], found["timeoutSeconds"]) == (["v1"], 5)
    assert found.get("reinvocationPolicy", "Never") == "Never"
    (expression,) = found["namespaceSelector"]["matchExpressions"]
    assert expression == {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", own],
    }, "never waits for itself"


def test_only_opted_in_pods_are_sent_and_the_webhook_s_own_are_not(webhook: Manifest, pod: Manifest) -> None:
    assert webhook["objectSelector"] == {"matchLabels": {"ray.volcano.sh/cluster": "true"}}
    assert "ray.volcano.sh/cluster" not in pod["metadata"]["labels"]


def test_the_same_jobs_are_mutated_and_judged(configuration: Manifest, validating: Manifest) -> None:
    mutated, judged = named(configuration, JOBS), named(validating, VALIDATION)

    assert mutated["matchConditions"] == judged["matchConditions"]
    assert list(conditions(mutated)) == ["not-being-deleted", "is-ray", "is-not-declined"]
    assert all("is-ray" in conditions(named(validating, each)) for each in (CRONJOBS, JOBTEMPLATES, HYPERJOBS))


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
