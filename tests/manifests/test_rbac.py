"""What volray may do on a cluster: these six verbs on these three objects."""

import pytest

from tests.manifests import Manifest

Grant = tuple[str, str, str, str]

EXPECTED: dict[str, set[Grant]] = {
    "Role": {
        ("", "secrets", "volray-ca", "get"),
        ("", "secrets", "volray-ca", "update"),
    },
    "ClusterRole": {
        ("admissionregistration.k8s.io", resource, "batch.ray.volcano.sh", verb)
        for resource in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
        for verb in ("get", "patch")
    },
}


def grants(role: Manifest) -> set[Grant]:
    """Every (group, resource, name, verb) of a role; the name of a rule without names is `*`."""
    return {
        (group, resource, name, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or ["*"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_a_role_grants_exactly_this(objects: dict[str, Manifest], kind: str) -> None:
    role = objects[f"{kind}/volray-webhook"]

    assert grants(role) == EXPECTED[kind]
    assert "aggregationRule" not in role
    assert all("nonResourceURLs" not in rule for rule in role["rules"])


def test_the_names_are_those_of_shipped_objects(objects: dict[str, Manifest], options: dict[str, str]) -> None:
    (secret,) = {name for _, _, name, _ in grants(objects["Role/volray-webhook"])}
    (configuration,) = {name for _, _, name, _ in grants(objects["ClusterRole/volray-webhook"])}

    assert secret == options["--ca-secret"]
    assert f"Secret/{secret}" in objects
    assert configuration == options["--webhook-configuration"]
    assert configuration == options["--validating-configuration"]
    assert f"MutatingWebhookConfiguration/{configuration}" in objects
    assert f"ValidatingWebhookConfiguration/{configuration}" in objects


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_a_binding_gives_its_role_to_the_pod_s_account_alone(
    objects: dict[str, Manifest], pod: Manifest, kind: str
) -> None:
    binding = objects[f"{kind}Binding/volray-webhook"]
    account = objects[f"ServiceAccount/{pod['spec']['serviceAccountName']}"]["metadata"]

    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": kind,
        "name": "volray-webhook",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]


def test_a_rule_without_names_would_be_seen() -> None:
    role = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}

    assert grants(role) == {("", "secrets", "*", "get")}
