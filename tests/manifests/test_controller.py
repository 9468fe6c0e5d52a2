"""The controller's Deployment, and what must agree with it."""

import pytest

from tests.manifests import Manifest
from tests.manifests.command_line import parsed
from webhook import __version__
from webhook.controller import run
from webhook.controller.runtime.lease import DEFAULT_TERMS

LABELS = {"app.kubernetes.io/name": "volray", "app.kubernetes.io/component": "controller"}


@pytest.fixture
def controller(objects: dict[str, Manifest]) -> Manifest:
    spec: Manifest = objects["Deployment/volray-controller"]["spec"]
    return spec


@pytest.fixture
def program(controller: Manifest) -> Manifest:
    (only,) = controller["template"]["spec"]["containers"]
    found: Manifest = only
    return found


def test_everything_selects_the_controller_s_pods(objects: dict[str, Manifest], controller: Manifest) -> None:
    pod = controller["template"]
    spreads = [each["labelSelector"]["matchLabels"] for each in pod["spec"]["topologySpreadConstraints"]]
    selectors = [
        controller["selector"]["matchLabels"],
        objects["PodDisruptionBudget/volray-controller"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy/volray-controller"]["spec"]["podSelector"]["matchLabels"],
        *spreads,
    ]

    assert selectors == [LABELS] * 5
    assert LABELS.items() <= pod["metadata"]["labels"].items()


def test_one_stands_by_and_a_node_can_be_drained(objects: dict[str, Manifest], controller: Manifest) -> None:
    budget = objects["PodDisruptionBudget/volray-controller"]["spec"]

    assert 1 <= budget["minAvailable"] < controller["replicas"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_command_line_takes_the_arguments(objects: dict[str, Manifest], program: Manifest) -> None:
    with parsed(program["args"]) as context:
        values = dict(context.params)

    assert (context.command.name, program["image"]) == ("controller", f"volray:{__version__}")
    assert program["ports"] == [{"name": "side", "containerPort": values["side_port"]}]
    assert values["namespace"] == "volray-system"
    (lease,) = {each for rule in objects["Role/volray-controller"]["rules"] for each in rule.get("resourceNames", [])}
    assert values["lease"] == lease
    assert not values["all_jobs"]


@pytest.mark.parametrize(("probe", "path"), [("readinessProbe", "/readyz"), ("livenessProbe", "/livez")])
def test_probes_ask_the_side_port(program: Manifest, probe: str, path: str) -> None:
    assert program[probe]["httpGet"] == {"path": path, "port": "side"}


def test_the_grace_period_covers_the_keys_at_work_and_the_release(controller: Manifest) -> None:
    last = run.LAST_KEY_SECONDS + 3 * (DEFAULT_TERMS.lease - DEFAULT_TERMS.renew)

    assert controller["template"]["spec"]["terminationGracePeriodSeconds"] > last + 10


def test_nothing_is_writable_and_no_secret_is_mounted_but_the_token(controller: Manifest, program: Manifest) -> None:
    assert "volumes" not in controller["template"]["spec"]
    assert program["securityContext"]["readOnlyRootFilesystem"] is True
    assert "cpu" not in program["resources"]["limits"]


def test_the_network_policy_opens_the_side_port_and_what_is_called(objects: dict[str, Manifest]) -> None:
    policy = objects["NetworkPolicy/volray-controller"]["spec"]
    webhook = objects["NetworkPolicy/volray-webhook"]["spec"]

    assert policy["ingress"] == [{"from": [{"namespaceSelector": {}}], "ports": [{"port": "side"}]}]
    assert policy["egress"] == webhook["egress"]
