"""The MutatingWebhookConfiguration: who is sent to volray, when, and what happens when nobody answers."""

import pytest

from tests.manifests import Manifest


@pytest.mark.parametrize("later", ["istio-sidecar-injector", "volcano-admission-service-pods-mutate"])
def test_runs_before(configuration: Manifest, later: str) -> None:
    assert configuration["metadata"]["name"] < later


def test_asks_the_service_over_its_path(objects: dict[str, Manifest], webhook: Manifest) -> None:
    service = objects["Service/volray-webhook"]

    assert webhook["clientConfig"]["service"] == {
        "name": service["metadata"]["name"],
        "namespace": service["metadata"]["namespace"],
        "path": "/mutate",
        "port": service["spec"]["ports"][0]["port"],
    }


def test_renders_no_ca_bundle_over_an_injected_one(webhook: Manifest) -> None:
    assert webhook["clientConfig"].keys() == {"service"}


def test_is_sent_new_pods_and_nothing_else(webhook: Manifest) -> None:
    assert webhook["rules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["pods"],
            "operations": ["CREATE"],
            "scope": "Namespaced",
        }
    ]
    assert webhook["matchPolicy"] == "Equivalent"


def test_is_sent_opted_in_pods_only(webhook: Manifest) -> None:
    assert webhook["objectSelector"] == {"matchLabels": {"ray.volcano.sh/cluster": "true"}}


def test_never_waits_for_itself(webhook: Manifest, objects: dict[str, Manifest], pod: Manifest) -> None:
    (expression,) = webhook["namespaceSelector"]["matchExpressions"]
    own = objects["Deployment/volray-webhook"]["metadata"]["namespace"]

    assert expression == {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", own],
    }
    assert "ray.volcano.sh/cluster" not in pod["metadata"]["labels"]


def test_behaves(webhook: Manifest) -> None:
    rest = {key: value for key, value in webhook.items() if not key.endswith("Selector")}
    del rest["clientConfig"], rest["rules"], rest["matchPolicy"]

    assert rest == {
        "name": "pods.ray.volcano.sh",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }


def test_failing_closed_takes_more_than_one_replica(webhook: Manifest, deployment: Manifest) -> None:
    assert webhook["failurePolicy"] == "Fail"
    assert deployment["spec"]["replicas"] > 1
