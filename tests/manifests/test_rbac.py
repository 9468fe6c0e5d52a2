"""What volray may do on a cluster: the webhook these verbs on three objects, the controller these and no Secret."""

import pytest

from tests.grants import Grant, grants
from tests.manifests import Manifest

EXPECTED: dict[str, set[Grant]] = {
    "Role/volray-webhook": {
        ("", "secrets", "volray-ca", "get"),
        ("", "secrets", "volray-ca", "update"),
    },
    "ClusterRole/volray-webhook": {
        ("admissionregistration.k8s.io", resource, "batch.ray.volcano.sh", verb)
        for resource in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
        for verb in ("get", "patch")
    },
    "Role/volray-controller": {
        ("coordination.k8s.io", "leases", "*", "create"),
        ("coordination.k8s.io", "leases", "volray-controller", "get"),
        ("coordination.k8s.io", "leases", "volray-controller", "update"),
    },
    "ClusterRole/volray-controller": {
        *(("batch.volcano.sh", "jobs", "*", verb) for verb in ("get", "list", "watch")),
        *(("", "services", "*", verb) for verb in ("get", "list", "watch", "create", "update", "delete")),
        *(("", "events", "*", verb) for verb in ("create", "patch")),
    },
}


def test_there_are_no_other_roles(objects: dict[str, Manifest]) -> None:
    assert {key for key in objects if key.partition("/")[0] in {"Role", "ClusterRole"}} == EXPECTED.keys()


@pytest.mark.parametrize("key", sorted(EXPECTED))
def test_a_role_grants_exactly_this(objects: dict[str, Manifest], key: str) -> None:
    role = objects[key]

    assert grants(role) == EXPECTED[key]
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


@pytest.mark.parametrize("key", sorted(EXPECTED))
def test_a_binding_gives_its_role_to_the_pod_s_account_alone(objects: dict[str, Manifest], key: str) -> None:
    kind, _, name = key.partition("/")
    binding, pod = objects[f"{kind}Binding/{name}"], objects[f"Deployment/{name}"]["spec"]["template"]
    account = objects[f"ServiceAccount/{pod['spec']['serviceAccountName']}"]["metadata"]

    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": kind,
        "name": name,
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]


def test_a_rule_without_names_would_be_seen() -> None:
    role = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}

    assert grants(role) == {("", "secrets", "*", "get")}
