"""What holds for every object of the base."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.grants import grants
from tests.manifests import Manifest

REGISTRATIONS = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding", *REGISTRATIONS}


def test_the_base_is_these_objects_and_no_others(objects: dict[str, Manifest]) -> None:
    assert set(objects) == {
        "Namespace/volray-system",
        "ResourceQuota/volray-critical-pods",
        "ServiceAccount/volray-webhook",
        "Role/volray-webhook",
        "RoleBinding/volray-webhook",
        "ClusterRole/volray-webhook",
        "ClusterRoleBinding/volray-webhook",
        "Secret/volray-ca",
        "Service/volray-webhook",
        "Deployment/volray-webhook",
        "PodDisruptionBudget/volray-webhook",
        "NetworkPolicy/volray-webhook",
        "MutatingWebhookConfiguration/batch.ray.volcano.sh",
        "ValidatingWebhookConfiguration/batch.ray.volcano.sh",
        "ServiceAccount/volray-controller",
        "Role/volray-controller",
        "RoleBinding/volray-controller",
        "ClusterRole/volray-controller",
        "ClusterRoleBinding/volray-controller",
        "Deployment/volray-controller",
        "PodDisruptionBudget/volray-controller",
        "NetworkPolicy/volray-controller",
    }


@pytest.mark.parametrize("folder", [".", "controller"])
def test_every_file_is_listed(base: Path, folder: str) -> None:
    listed = yaml.safe_load((base / folder / "kustomization.yaml").read_text())["resources"]
    files = {path.name for path in (base / folder).glob("*.yaml")} - {"kustomization.yaml"}

    assert set(listed) == files | {path.parent.name for path in (base / folder).glob("*/kustomization.yaml")}


def test_every_object_is_in_a_namespace_that_the_base_makes(objects: dict[str, Manifest]) -> None:
    made = {each["metadata"]["name"] for each in objects.values() if each["kind"] == "Namespace"}

    for key, each in objects.items():
        if each["kind"] in CLUSTER_SCOPED:
            assert "namespace" not in each["metadata"], key
        else:
            assert each["metadata"].get("namespace") in made, key


def test_the_namespace_is_applied_first_and_the_registration_last(objects: dict[str, Manifest]) -> None:
    kinds = [each["kind"] for each in objects.values()]

    assert kinds[0] == "Namespace"
    assert kinds[-2:] == REGISTRATIONS


def test_the_namespace_enforces_the_restricted_pod_security_standard(objects: dict[str, Manifest]) -> None:
    labels = objects["Namespace/volray-system"]["metadata"]["labels"]

    assert {mode: labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {
        "enforce": "restricted",
        "warn": "restricted",
        "audit": "restricted",
    }


def test_everything_carries_the_recommended_labels(objects: dict[str, Manifest]) -> None:
    templates = {f"{key} template": each["spec"]["template"] for key, each in objects.items() if "Deployment" in key}

    for key, each in {**objects, **templates}.items():
        expected = {
            "app.kubernetes.io/name": "volray",
            "app.kubernetes.io/component": "controller" if "volray-controller" in key else "webhook",
            "app.kubernetes.io/part-of": "volray",
        }
        assert expected.items() <= each["metadata"]["labels"].items(), key


def test_the_secret_has_no_key_that_an_apply_could_remove_later(objects: dict[str, Manifest]) -> None:
    secret = objects["Secret/volray-ca"]

    assert secret["type"] == "Opaque"
    assert secret.keys() == {"apiVersion", "kind", "metadata", "type"}


def test_an_overlay_moves_it_all_to_another_image_and_namespace(
    tmp_path: Path, base: Path, kustomize: Callable[[Path], list[Manifest]]
) -> None:
    """Only with the namespace written in each file does kustomize move the references along."""
    overlay = {
        "resources": [os.path.relpath(base, tmp_path.resolve())],
        "namespace": "elsewhere",
        "images": [{"name": "volray", "newName": "mirror.example/volray", "newTag": "9.9.9"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))

    everything = kustomize(tmp_path)
    rendered = {each["kind"]: each for each in everything if each["metadata"]["name"] != "volray-controller"}

    for deployment in (each for each in everything if each["kind"] == "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "mirror.example/volray:9.9.9"
    for binding in (each for each in everything if each["kind"].endswith("Binding")):
        assert binding["subjects"][0]["namespace"] == "elsewhere"
    assert rendered["Namespace"]["metadata"]["name"] == "elsewhere"
    assert rendered["Service"]["metadata"]["namespace"] == "elsewhere"
    webhooks = [webhook for kind in REGISTRATIONS for webhook in rendered[kind]["webhooks"]]
    assert {webhook["clientConfig"]["service"]["namespace"] for webhook in webhooks} == {"elsewhere"}


ROLES = [f"{kind}/volray-{name}" for kind in ("Role", "ClusterRole") for name in ("webhook", "controller")]


def test_there_are_no_other_roles_and_none_that_grows(objects: dict[str, Manifest]) -> None:
    """That each right in them is used, and that none is missing, is seen in `tests/controlplane/test_rights.py`."""
    roles = {key: each for key, each in objects.items() if key.partition("/")[0] in {"Role", "ClusterRole"}}

    assert roles.keys() == set(ROLES)
    assert [key for key, each in roles.items() if "aggregationRule" in each] == []
    assert [rule for each in roles.values() for rule in each["rules"] if "nonResourceURLs" in rule] == []
    secrets = {grant[:3] for each in roles.values() for grant in grants(each) if grant[1] == "secrets"}
    assert secrets == {("", "secrets", "volray-ca")}


@pytest.mark.parametrize("key", ROLES)
def test_a_binding_gives_its_role_to_the_pod_s_account_alone(objects: dict[str, Manifest], key: str) -> None:
    kind, _, name = key.partition("/")
    binding, pod = objects[f"{kind}Binding/{name}"], objects[f"Deployment/{name}"]["spec"]["template"]
    account = objects[f"ServiceAccount/{pod['spec']['serviceAccountName']}"]["metadata"]

    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
