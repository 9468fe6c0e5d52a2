"""The Deployment, and what must agree with it: Service, budget, quota, network policy, command line."""

from typing import Any

import pytest

from tests.manifests import Manifest
from tests.manifests.command_line import parsed
from webhook import __version__


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("Deployment/volray-webhook", ("spec", "selector", "matchLabels")),
        ("Deployment/volray-webhook", ("spec", "template", "spec", "topologySpreadConstraints", 0)),
        ("Deployment/volray-webhook", ("spec", "template", "spec", "topologySpreadConstraints", 1)),
        ("Service/volray-webhook", ("spec", "selector")),
        ("PodDisruptionBudget/volray-webhook", ("spec", "selector", "matchLabels")),
        ("NetworkPolicy/volray-webhook", ("spec", "podSelector", "matchLabels")),
    ],
    ids=["deployment", "spread over hosts", "spread over zones", "service", "budget", "network policy"],
)
def test_selects_the_webhook_s_pods_and_not_the_controller_s(
    objects: dict[str, Manifest], pod: Manifest, key: str, path: tuple[str | int, ...]
) -> None:
    selector: Any = objects[key]
    for step in path:
        selector = selector[step]
    if "topologyKey" in selector:
        selector = selector["labelSelector"]["matchLabels"]

    assert selector == {"app.kubernetes.io/name": "volray", "app.kubernetes.io/component": "webhook"}
    assert selector.items() <= pod["metadata"]["labels"].items()


def test_a_rollout_never_goes_below_two_replicas(deployment: Manifest) -> None:
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_the_budget_lets_a_node_be_drained_and_keeps_one_replica(
    objects: dict[str, Manifest], deployment: Manifest
) -> None:
    budget = objects["PodDisruptionBudget/volray-webhook"]["spec"]

    assert 1 <= budget["minAvailable"] < deployment["spec"]["replicas"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_replicas_spread_where_they_can_and_run_where_they_must(pod: Manifest) -> None:
    constraints = {each["topologyKey"]: each for each in pod["spec"]["topologySpreadConstraints"]}

    assert constraints.keys() == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert {each["whenUnsatisfiable"] for each in constraints.values()} == {"ScheduleAnyway"}


def test_the_priority_class_comes_with_the_quota_that_some_clusters_demand(
    objects: dict[str, Manifest], deployment: Manifest, pod: Manifest
) -> None:
    quota = objects["ResourceQuota/volray-critical-pods"]["spec"]

    assert quota["scopeSelector"]["matchExpressions"] == [
        {"scopeName": "PriorityClass", "operator": "In", "values": [pod["spec"]["priorityClassName"]]}
    ]
    # Every pod of a rollout may have a terminating predecessor, and those count.
    assert int(quota["hard"]["pods"]) > 2 * (deployment["spec"]["replicas"] + 1)
    assert quota["hard"].keys() == {"pods"}, "a quota on cpu or memory would refuse pods without such a limit"


def test_the_image_is_this_version_s(container: Manifest) -> None:
    assert container["image"] == f"volray:{__version__}"


def test_the_arguments_name_the_ports_that_the_container_declares(
    options: dict[str, str], ports: dict[str, int]
) -> None:
    assert ports == {"https": int(options["--port"]), "side": int(options["--side-port"])}


@pytest.mark.parametrize(("probe", "path"), [("readinessProbe", "/readyz"), ("livenessProbe", "/livez")])
def test_probes_ask_the_side_port(container: Manifest, ports: dict[str, int], probe: str, path: str) -> None:
    assert container[probe]["httpGet"] == {"path": path, "port": "side"}
    assert "side" in ports


def test_an_overloaded_replica_is_taken_out_long_before_it_is_restarted(container: Manifest) -> None:
    def patience(probe: Manifest) -> int:
        seconds: int = probe["periodSeconds"] * probe["failureThreshold"]
        return seconds

    assert patience(container["readinessProbe"]) <= 15
    assert patience(container["livenessProbe"]) >= 60


def test_the_grace_period_covers_draining_and_the_requests_in_flight(
    pod: Manifest, options: dict[str, str], webhook: Manifest
) -> None:
    drain = float(options["--drain-seconds"])

    assert pod["spec"]["terminationGracePeriodSeconds"] >= drain + webhook["timeoutSeconds"] + 10


def test_the_certificate_folder_is_the_only_writable_place(
    pod: Manifest, container: Manifest, options: dict[str, str]
) -> None:
    (volume,) = pod["spec"]["volumes"]
    (mount,) = container["volumeMounts"]

    assert volume["emptyDir"]["medium"] == "Memory"
    assert "sizeLimit" in volume["emptyDir"]
    assert mount == {"name": volume["name"], "mountPath": options["--cert-dir"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_memory_is_limited_and_cpu_is_not(container: Manifest) -> None:
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "256Mi"},
    }


def test_the_token_is_mounted_by_the_pod_and_by_no_other_of_the_account(
    objects: dict[str, Manifest], pod: Manifest
) -> None:
    account = objects[f"ServiceAccount/{pod['spec']['serviceAccountName']}"]

    assert account["automountServiceAccountToken"] is False
    assert pod["spec"]["automountServiceAccountToken"] is True
    assert pod["spec"]["enableServiceLinks"] is False


def test_the_pod_knows_its_namespace(container: Manifest) -> None:
    assert container["env"] == [
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    ]


def test_the_service_leads_from_the_registration_s_port_to_the_container_s(
    objects: dict[str, Manifest], ports: dict[str, int], webhook: Manifest
) -> None:
    (port,) = objects["Service/volray-webhook"]["spec"]["ports"]

    assert port["port"] == webhook["clientConfig"]["service"]["port"] == 443
    assert port["targetPort"] == "https"
    assert port["targetPort"] in ports


def test_the_network_policy_opens_what_is_served_and_what_is_called(
    objects: dict[str, Manifest], ports: dict[str, int]
) -> None:
    policy = objects["NetworkPolicy/volray-webhook"]["spec"]
    anywhere, pods = policy["ingress"]
    called = [(port.get("protocol", "TCP"), port["port"]) for rule in policy["egress"] for port in rule["ports"]]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert anywhere == {"ports": [{"port": "https"}]}
    assert pods == {"from": [{"namespaceSelector": {}}], "ports": [{"port": "side"}]}
    assert ports.keys() == {"https", "side"}
    assert sorted(called) == [("TCP", 53), ("TCP", 443), ("TCP", 6443), ("UDP", 53)]
    assert all("to" not in rule for rule in policy["egress"])


def test_the_image_s_own_entry_point_starts_the_command(container: Manifest) -> None:
    assert "command" not in container
    assert container["args"][0] == "serve"


def test_the_command_line_takes_the_arguments_and_understands_what_the_manifest_means(
    container: Manifest, options: dict[str, str], ports: dict[str, int], objects: dict[str, Manifest]
) -> None:
    values: dict[str, Any] = {}
    with parsed(container["args"]) as context:
        for parameter in context.command.params:
            for option in parameter.opts:
                values[option] = context.params[str(parameter.name)]

    assert context.command.name == "serve"
    assert values.keys() >= options.keys()
    assert (values["--port"], values["--side-port"]) == (ports["https"], ports["side"])
    assert str(values["--cert-dir"]) == container["volumeMounts"][0]["mountPath"]
    assert f"Secret/{values['--ca-secret']}" in objects
    assert f"MutatingWebhookConfiguration/{values['--webhook-configuration']}" in objects
    assert f"ValidatingWebhookConfiguration/{values['--validating-configuration']}" in objects
    assert float(values["--drain-seconds"]) == float(options["--drain-seconds"])
    assert values["--host"] == options["--host"] == "0.0.0.0"  # noqa: S104
