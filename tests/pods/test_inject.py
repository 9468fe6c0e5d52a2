"""What becomes of a pod as a whole. What each aspect adds to it has a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pods.nodes import COMMAND, CPU, OPT_IN, OWN, ROLE, START_ARGS, fields, made, mistakes, refusal, warnings
from tests.volcano_pods import container_of, env_of, injected, pod
from webhook.pods.inject import Injection, inject
from webhook.reasons import Code, finding
from webhook.version import __version__

if TYPE_CHECKING:
    from webhook.names import Object

STARTS_RAY = ["sh", "-c", "ray start --head --block"]


# Which pods


@pytest.mark.parametrize("nothing", ["labels", "annotations", ""])
@pytest.mark.parametrize("task", ["head", "worker"])
def test_a_head_and_a_worker_are_injected_and_say_so(task: str, nothing: str) -> None:
    """Job and task may be labels or annotations, and the others missing or null."""
    original = pod(task, resources=CPU)
    for null in (True, False):
        if nothing and null:
            original["metadata"][nothing] = None
        elif nothing:
            del original["metadata"][nothing]
        injection = inject(original, "team")
        assert (injection.reason.code, injection.role, injection.warnings) == (Code.INJECTED, task, ())
        metadata = injected(original)["metadata"]
        assert metadata["labels"]["ray.volcano.sh/node-type"] == task
        assert metadata["annotations"]["ray.volcano.sh/injected"] == __version__


def test_another_pod_is_left_alone() -> None:
    for labels in ({"volcano.sh/task-spec": "head"}, {"volcano.sh/job-name": "demo"}):
        lone = {"metadata": {"labels": {**OPT_IN, **labels}}, "spec": {"containers": [{"name": "head"}]}}
        assert inject(lone, "team") == Injection(finding(Code.NOT_VOLCANO))
    reason = finding(Code.OTHER_TASK, task="logger", head="c", workers="a, b")
    assert inject(pod("logger", flags="--worker=a --worker=b --head=c"), "team") == Injection(reason)
    reason = finding(Code.NO_RAY_CONTAINER, task="gpu", wanted="worker")
    assert inject(pod("gpu", flags="--worker=gpu", name="main"), "team") == Injection(reason, "worker")


def test_whoever_opts_in_may_have_another_frameworks_variables() -> None:
    assert inject(pod("worker", labels=OPT_IN, env=[{"name": "TF_CONFIG", "value": "{}"}]), "team").role == "worker"


# What a pod gets


def test_a_bare_head_gets_everything_in_one_operation_each() -> None:
    injection = inject(pod(resources=CPU), "team")
    assert [(operation["op"], operation["path"]) for operation in injection.operations] == [
        ("add", "/metadata/labels/ray.volcano.sh~1node-type"),
        ("add", "/metadata/annotations/ray.volcano.sh~1injected"),
        ("add", "/spec/containers/0/command"),
        ("add", "/spec/containers/0/env"),
        ("add", "/spec/containers/0/ports"),
        ("add", "/spec/containers/0/livenessProbe"),
        ("add", "/spec/containers/0/readinessProbe"),
        ("add", "/spec/containers/0/volumeMounts"),
        ("add", "/spec/volumes"),
    ]


def test_the_users_probe_stays_and_a_null_one_is_replaced() -> None:
    own, nothing = {"exec": {"command": ["true"]}}, None
    for one, other in (("livenessProbe", "readinessProbe"), ("readinessProbe", "livenessProbe")):
        written: dict[str, Any] = {one: own, other: nothing}
        container = made(**written)
        assert container[one] == own
        assert container[other]["failureThreshold"] in {3, 6}


# The command modes


@pytest.mark.parametrize("container", [{"command": STARTS_RAY}, {"command": ["entry.sh"]}, {"args": ["serve"]}, {}])
def test_a_container_that_starts_ray_itself_gets_env_ports_and_label_only(container: dict[str, Any]) -> None:
    injection = inject(pod(annotations=OWN, **container), "team")
    assert (injection.reason.code, injection.role, injection.warnings) == (Code.INJECTED_OWN, "head", ())
    assert [operation["path"] for operation in injection.operations] == [
        "/metadata/labels/ray.volcano.sh~1node-type",
        "/metadata/annotations/ray.volcano.sh~1injected",
        "/spec/containers/0/env",
        "/spec/containers/0/ports",
    ]


@pytest.mark.parametrize(
    "container", [{"command": ["python"], "args": ["a.py"]}, {"command": STARTS_RAY}, {"args": ["serve"]}]
)
def test_replace_drops_the_users_command(container: dict[str, Any]) -> None:
    found = made(annotations={COMMAND: "replace"}, **container)
    assert "args" not in found
    assert "set -- ray start --head" in found["command"][2]
    assert found["command"][3:] == ["volray"]


def test_the_ports_of_an_own_start_are_those_of_the_pod() -> None:
    container = made(command=["sh", "-c", "ray start --head --port 6344 --dashboard-port=8260; python train.py"])
    assert env_of(container)["RAY_ADDRESS"] == "$(POD_IP):6344"
    assert env_of(container)["RAY_API_SERVER_ADDRESS"] == "http://$(POD_IP):8260"
    declared = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert declared == {"gcs": 6344, "dashboard": 8260, "client-server": 10001}


def test_where_a_port_of_an_own_start_cannot_be_read_no_wrong_address_is_given() -> None:
    original = pod(annotations=OWN, command=["sh", "-c", "ray start --head --port=$A --dashboard-port=$B"])
    container = container_of(injected(original))
    assert env_of(container).keys().isdisjoint({"RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"})
    assert [port["name"] for port in container["ports"]] == ["client-server"]
    assert warnings(original) == [Code.OWN_PORT_UNREADABLE] * 2


def test_a_worker_that_starts_ray_itself_has_the_flags_port_and_declares_none() -> None:
    container = made("worker", flags="--port=6344", command=["ray", "start", "--address=a:1"])
    assert env_of(container)["RAY_ADDRESS"] == "demo-head-svc.team.svc:6344"
    assert "ports" not in container


# Warnings


@pytest.mark.parametrize(
    ("task", "spec", "policy"),
    [
        ("worker", {"hostNetwork": True}, "ClusterFirst"),
        ("worker", {"hostNetwork": True, "dnsPolicy": None}, "ClusterFirst"),
        ("worker", {"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, "ClusterFirst"),
        ("worker", {"hostNetwork": True, "dnsPolicy": "Default"}, "Default"),
        ("worker", {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, None),
        ("worker", {"hostNetwork": True, "dnsPolicy": "None"}, None),
        ("worker", {"hostNetwork": False, "dnsPolicy": "ClusterFirst"}, None),
        ("worker", {"dnsPolicy": "Default"}, None),
        ("head", {"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, None),
    ],
)
@pytest.mark.parametrize("annotations", [{}, OWN])
def test_a_worker_that_cannot_resolve_the_head_is_warned_of(
    task: str, spec: Object, policy: str | None, annotations: dict[str, str]
) -> None:
    found = inject(pod(task, resources=CPU, spec=spec, annotations=annotations), "team").warnings
    expected = [(Code.HOST_NETWORK_DNS, {"found": policy})] if policy else []
    assert [(one.code, fields(one)) for one in found] == expected


# Refusals


@pytest.mark.parametrize("container", [{}, {"command": STARTS_RAY}, {"name": "main"}])
@pytest.mark.parametrize("task", ["worker", "logger"])
def test_a_refusal_names_job_task_place_what_was_found_and_what_to_write(task: str, container: dict[str, Any]) -> None:
    error = refusal(pod(task, job="big", flags="--prot=6380", **container))
    assert error.where == f"Job big, task {task}"
    assert str(error) == (
        f"Job big, task {task}: metadata.annotations[ray.volcano.sh/args]: "
        "--prot=6380 is not a flag of volray. Write --port."
    )


@pytest.mark.parametrize("command", [{}, {"command": None}, {"command": []}])
def test_args_without_a_command_are_refused(command: Object) -> None:
    assert mistakes(pod(args=["serve"], **command)) == [Code.ARGS_WITHOUT_COMMAND]


@pytest.mark.parametrize("container", [{}, {"command": STARTS_RAY}])
def test_ipv6_and_unknown_roles_and_modes_are_refused_whoever_starts_ray(container: dict[str, Any]) -> None:
    assert mistakes(pod(**container), ipv6=True) == [Code.IPV6]
    assert mistakes(pod(annotations={ROLE: "boss"}, **container)) == [Code.UNKNOWN_ROLE]
    assert mistakes(pod(annotations={COMMAND: "drop"}, **container)) == [Code.UNKNOWN_COMMAND_MODE]
    assert mistakes(pod("logger", annotations={ROLE: "boss"})) == [Code.UNKNOWN_ROLE]


def test_every_mistake_is_refused_at_once() -> None:
    original = pod(
        flags="--prot=1",
        annotations={ROLE: "boss", COMMAND: "drop", START_ARGS: "--port=1 --num-cpus=x"},
        resources={"limits": {"cpu": "two"}},
        args=["serve"],
        others=[{"name": "cache", "ports": [{"containerPort": 6379}]}],
    )
    assert mistakes(original, ipv6=True) == [
        Code.UNKNOWN_FLAG,
        Code.UNKNOWN_ROLE,
        Code.IPV6,
        Code.UNKNOWN_COMMAND_MODE,
        Code.OWNED_START_OPTION,
        Code.BAD_VALUE,
        Code.BAD_QUANTITY,
        Code.ARGS_WITHOUT_COMMAND,
        Code.PORT_TAKEN,
    ]
    several = pod(labels=OPT_IN, flags="--prot=1", name="a", others=[{"name": "b"}])
    assert mistakes(several) == [Code.UNKNOWN_FLAG, Code.SEVERAL_CONTAINERS]
