"""A flag, a port or a code that is declared and reaches nothing fails here on the day it is written."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.pods.nodes import CPU, OPT_IN, OWN, ROLE, SHM, START_ARGS, codes, made, mistakes, script
from tests.pods.test_flags import GIVEN
from tests.volcano_pods import pod
from webhook import pods
from webhook.k8s import schema
from webhook.pods import head_service
from webhook.pods.flag_parser import read_flags
from webhook.pods.flags import FLAGS, PORT_FLAGS, Flag, RayPort, Settings
from webhook.pods.inject import inject
from webhook.reasons import REASONS, Code, Level

if TYPE_CHECKING:
    from webhook.names import Object

# Flags

OTHER_VALUES: Final = {name: text for name, text, _, _ in GIVEN}
TEMPLATES: Final[list[dict[str, Any]]] = [
    {"command": ["python"]},
    {"task": "worker"},
    {"task": "master", "name": "head"},
    {"task": "gpu", "name": "worker"},
    {"name": "main"},
    {"task": "worker", "name": "main"},
]
FLAG_IDS: Final = [flag.name for flag in FLAGS]
PORT_IDS: Final = [flag.name for flag, _ in PORT_FLAGS]


def test_every_flag_has_a_field_of_settings_and_every_field_a_flag() -> None:
    assert sorted(flag.field for flag in FLAGS) == sorted(field.name for field in fields(Settings))
    names = [name for flag in FLAGS for name in (flag.name, *flag.other_names)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("flag", FLAGS, ids=FLAG_IDS)
def test_every_flag_changes_what_some_pod_becomes(flag: Flag) -> None:
    text = f"--{flag.name}={OTHER_VALUES[flag.name]}"
    assert set(read_flags(text).given) == {flag.field}
    changed = 0
    for template in TEMPLATES:
        without, injection = inject(pod(**template), "team"), inject(pod(**template, flags=text), "team")
        changed += (without.operations, without.role) != (injection.operations, injection.role)
    assert changed


@pytest.mark.parametrize(("flag", "port"), PORT_FLAGS, ids=PORT_IDS)
def test_every_port_reaches_ray_start_its_container_and_the_service(flag: Flag, port: RayPort) -> None:
    text = f"--{flag.name}=4321"
    for role in ("head", "worker"):
        listens = role in port.roles
        assert (f"  {port.option}=4321 \\\n" in script(role, flags=text)) is listens
        declared = {"name": port.name, "containerPort": 4321, "protocol": "TCP"}
        assert (declared in made(role, flags=text)["ports"]) is listens
    service = head_service.head_service("demo", "team", "head", read_flags(text).settings)
    reached = [one["name"] for one in service["spec"]["ports"] if one["port"] == 4321]
    assert reached == ([port.name] if port.in_service else [])


# Codes

SERVE: Final = [{"name": "cache", "ports": [{"containerPort": 6379}]}]
SHARED: Final[Object] = {"medium": "Memory", "sizeLimit": "1Gi"}


def with_options(text: str, task: str = "head", **written: Any) -> Object:
    return pod(task, annotations={START_ARGS: text}, **written)


def memory(limit: str, **written: Any) -> Object:
    return pod(resources={"limits": {"memory": limit}}, **written)


PODS: Final[dict[Code, Object]] = {
    Code.INJECTED: pod(resources=CPU),
    Code.INJECTED_OWN: pod(annotations=OWN),
    Code.NOT_VOLCANO: {"metadata": {}, "spec": {"containers": []}},
    Code.OTHER_TASK: pod("logger"),
    Code.OTHER_FRAMEWORK: pod(env=[{"name": "TF_CONFIG", "value": "{}"}]),
    Code.ALREADY_INJECTED: pod(annotations={"ray.volcano.sh/injected": "0.3.0"}),
    Code.NO_RAY_CONTAINER: pod(name="main"),
    Code.ONLY_CONTAINER: pod(name="main", labels=OPT_IN),
    Code.LABELLED_OTHER_TASK: pod("logger", labels=OPT_IN),
    Code.OWN_START: pod(command=["ray", "start"]),
    Code.OWN_PORT_UNREADABLE: pod(command=["ray", "start", "--head", "--port=$PORT"]),
    Code.OWN_PORT_DIFFERS: pod(command=["ray", "start", "--head", "--port=7"], flags="--port=8"),
    Code.START_ARGS_UNUSED: with_options("--head", command=["ray", "start"]),
    Code.NO_CPU: pod(),
    Code.HOST_NETWORK_DNS: pod("worker", spec={"hostNetwork": True}),
    Code.ENV_NAME_LOST: pod(env=[{"name": "a.b", "value": "c"}]),
    Code.OTHER_START_OPTION: with_options("--storage=/mnt"),
    Code.LITTLE_MEMORY: memory("512m"),
    Code.SMALL_SHM: memory(
        "16Gi",
        volumeMounts=[{"name": "dshm", "mountPath": SHM}],
        spec={"volumes": [{"name": "dshm", "emptyDir": SHARED}]},
    ),
    Code.MOUNT_WITHOUT_VOLUME: pod(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
    Code.RAY_ADDRESS_HTTP: pod(env=[{"name": "RAY_ADDRESS", "value": "http://127.0.0.1:8265"}]),
    Code.PRINTS_IN_POD_LOGS: pod(flags="--logToStderr"),
    Code.MALFORMED: {"metadata": {}, "spec": {}},
    Code.UNREADABLE: pod(flags="--port='1"),
    Code.UNKNOWN_FLAG: pod(flags="--prot=1"),
    Code.MISSING_VALUE: pod(flags="--port"),
    Code.BAD_VALUE: pod(flags="--port=x"),
    Code.REPEATED_FLAG: pod(flags="--port=1 --port=2"),
    Code.SAME_PORT: pod(flags="--port=8265"),
    Code.PORT_TAKEN: pod(others=SERVE),
    Code.PORT_AMONG_WORKERS: with_options("--min-worker-port=10000"),
    Code.UNKNOWN_ROLE: pod(annotations={ROLE: "boss"}),
    Code.UNKNOWN_COMMAND_MODE: pod(annotations={"ray.volcano.sh/command": "drop"}),
    Code.SEVERAL_CONTAINERS: pod(name="a", labels=OPT_IN, others=[{"name": "b"}]),
    Code.ARGS_WITHOUT_COMMAND: pod(args=["serve"]),
    Code.UNKNOWN_START_OPTION: with_options("bogus"),
    Code.HEAD_START_OPTION: with_options("--include-dashboard=true", "worker"),
    Code.OWNED_START_OPTION: with_options("--port=1"),
    Code.BAD_QUANTITY: memory("2GB"),
    Code.IPV6: pod(),
}


def test_every_code_that_the_pods_room_knows_has_a_pod() -> None:
    files = [*Path(pods.__file__).parent.glob("*.py"), Path(schema.__file__)]
    # What is wrong with a Service's name is a Job's mistake.
    sources = [path.read_text(encoding="utf-8") for path in files if path.name != "head_service.py"]
    assert {Code[name] for source in sources for name in re.findall(r"\bCode\.([A-Z_0-9]+)", source)} == set(PODS)


@pytest.mark.parametrize(("code", "original"), PODS.items(), ids=PODS)
def test_every_code_is_given_for_its_pod(code: Code, original: Object) -> None:
    level = REASONS[code].level
    if level is Level.REFUSED:
        assert mistakes(original, ipv6=code is Code.IPV6) == [code]
        return
    injection = inject(original, "team", ipv6=level is Level.LEFT_ALONE)
    if level is Level.WARNING:
        assert code in codes(injection.warnings)
    else:
        assert (injection.reason.code, injection.warnings) == (code, ())
        assert bool(injection.operations) is (level is Level.DONE)
