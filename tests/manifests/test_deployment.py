"""The two Deployments, and what must agree with them: Service, budget, quota, network policy, command line."""

from typing import Any

import pytest

from tests.manifests import Manifest
from tests.manifests.command_line import parsed
from webhook import __version__
from webhook.controller import run
from webhook.controller.runtime.lease import DEFAULT_TERMS

COMPONENTS = ("webhook", "controller")
both = pytest.mark.parametrize("component", COMPONENTS)


def deployed(objects: dict[str, Manifest], component: str) -> Manifest:
    spec: Manifest = objects[f"Deployment/volray-{component}"]["spec"]
    return spec


def container_of(objects: dict[str, Manifest], component: str) -> Manifest:
    (only,) = deployed(objects, component)["template"]["spec"]["containers"]
    found: Manifest = only
    return found


def parsed_arguments(container: Manifest) -> tuple[str | None, dict[str, Any]]:
    """The subcommand's name, and the options as the command line itself understands the arguments."""
    values: dict[str, Any] = {}
    with parsed(container["args"]) as context:
        for parameter in context.command.params:
            for option in parameter.opts:
                values[option] = context.params.get(str(parameter.name))
    return context.command.name, values


@both
def test_everything_selects_the_component_s_pods_and_not_the_other_s(
    objects: dict[str, Manifest], component: str
) -> None:
    spec, name = deployed(objects, component), f"volray-{component}"
    spreads = spec["template"]["spec"]["topologySpreadConstraints"]
    services = [objects["Service/volray-webhook"]["spec"]["selector"]] if component == "webhook" else []
    selectors = [
        spec["selector"]["matchLabels"],
        objects[f"PodDisruptionBudget/{name}"]["spec"]["selector"]["matchLabels"],
        objects[f"NetworkPolicy/{name}"]["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in spreads),
        *services,
    ]
    labels = {"app.kubernetes.io/name": "volray", "app.kubernetes.io/component": component}

    assert [each for each in selectors if each != labels] == []
    assert labels.items() <= spec["template"]["metadata"]["labels"].items()
    assert {each["topologyKey"] for each in spreads} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert {each["whenUnsatisfiable"] for each in spreads} == {"ScheduleAnyway"}


@both
def test_the_budget_lets_a_node_be_drained_and_keeps_one_replica(objects: dict[str, Manifest], component: str) -> None:
    budget = objects[f"PodDisruptionBudget/volray-{component}"]["spec"]

    assert 1 <= budget["minAvailable"] < deployed(objects, component)["replicas"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@both
def test_the_image_s_own_entry_point_starts_this_version(objects: dict[str, Manifest], component: str) -> None:
    container = container_of(objects, component)

    assert container["image"] == f"volray:{__version__}"
    assert "command" not in container


@both
def test_probes_ask_the_side_port_and_patience_comes_before_a_restart(
    objects: dict[str, Manifest], component: str
) -> None:
    container = container_of(objects, component)
    ready, live = container["readinessProbe"], container["livenessProbe"]

    assert "side" in {port["name"] for port in container["ports"]}
    assert (ready["httpGet"], live["httpGet"]) == (
        {"path": "/readyz", "port": "side"},
        {"path": "/livez", "port": "side"},
    )
    if component == "webhook":
        assert ready["periodSeconds"] * ready["failureThreshold"] <= 15
        assert live["periodSeconds"] * live["failureThreshold"] >= 60


@both
def test_the_root_is_read_only_and_memory_is_limited_and_cpu_is_not(
    objects: dict[str, Manifest], component: str
) -> None:
    container = container_of(objects, component)

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"].keys() == {"memory"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_rollout_never_goes_below_two_replicas(deployment: Manifest) -> None:
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


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


def test_the_grace_period_covers_draining_and_the_requests_in_flight(
    pod: Manifest, options: dict[str, str], webhook: Manifest
) -> None:
    drain = float(options["--drain-seconds"])

    assert pod["spec"]["terminationGracePeriodSeconds"] >= drain + webhook["timeoutSeconds"] + 10


def test_the_grace_period_covers_the_keys_at_work_and_the_release(objects: dict[str, Manifest]) -> None:
    last = run.LAST_KEY_SECONDS + 3 * (DEFAULT_TERMS.lease - DEFAULT_TERMS.renew)
    pod = deployed(objects, "controller")["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] > last + 10
    assert "volumes" not in pod, "nothing is mounted but the token"


def test_the_certificate_folder_is_the_only_writable_place(
    pod: Manifest, container: Manifest, options: dict[str, str]
) -> None:
    (volume,) = pod["spec"]["volumes"]
    (mount,) = container["volumeMounts"]

    assert volume["emptyDir"]["medium"] == "Memory"
    assert "sizeLimit" in volume["emptyDir"]
    assert mount == {"name": volume["name"], "mountPath": options["--cert-dir"]}


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
    objects: dict[str, Manifest], webhook: Manifest
) -> None:
    (port,) = objects["Service/volray-webhook"]["spec"]["ports"]

    assert port["port"] == webhook["clientConfig"]["service"]["port"] == 443
    assert port["targetPort"] == "https"


def test_the_network_policies_open_what_is_served_and_what_is_called(objects: dict[str, Manifest]) -> None:
    side = {"from": [{"namespaceSelector": {}}], "ports": [{"port": "side"}]}
    webhook, controller = (objects[f"NetworkPolicy/volray-{each}"]["spec"] for each in COMPONENTS)
    called = [(port.get("protocol", "TCP"), port["port"]) for rule in webhook["egress"] for port in rule["ports"]]

    assert webhook["policyTypes"] == ["Ingress", "Egress"]
    assert webhook["ingress"] == [{"ports": [{"port": "https"}]}, side]
    assert sorted(called) == [("TCP", 53), ("TCP", 443), ("TCP", 6443), ("UDP", 53)]
    assert all("to" not in rule for rule in webhook["egress"])
    assert controller["ingress"] == [side]
    assert controller["egress"] == webhook["egress"]


def test_the_webhook_s_command_line_understands_what_the_manifest_means(
    container: Manifest, options: dict[str, str], ports: dict[str, int], objects: dict[str, Manifest]
) -> None:
    name, values = parsed_arguments(container)

    assert name == "serve"
    assert values.keys() >= options.keys()
    assert ports == {"https": values["--port"], "side": values["--side-port"]}
    assert str(values["--cert-dir"]) == container["volumeMounts"][0]["mountPath"]
    assert f"Secret/{values['--ca-secret']}" in objects
    assert f"MutatingWebhookConfiguration/{values['--webhook-configuration']}" in objects
    assert f"ValidatingWebhookConfiguration/{values['--validating-configuration']}" in objects
    assert float(values["--drain-seconds"]) == float(options["--drain-seconds"])
    assert values["--host"] == options["--host"] == "0.0.0.0"  # noqa: S104


def test_the_controller_s_command_line_understands_what_the_manifest_means(objects: dict[str, Manifest]) -> None:
    container = container_of(objects, "controller")
    name, values = parsed_arguments(container)
    (lease,) = {each for rule in objects["Role/volray-controller"]["rules"] for each in rule.get("resourceNames", [])}

    assert name == "controller"
    assert container["ports"] == [{"name": "side", "containerPort": values["--side-port"]}]
    assert (values["--namespace"], values["--lease"]) == ("volray-system", lease)
    assert not values["--all-jobs"]
