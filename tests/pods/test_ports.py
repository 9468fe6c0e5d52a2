from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pods.nodes import OWN, START_ARGS, fields, made, node
from webhook.pods import ports
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

HEAD = [("gcs", 6379), ("dashboard", 8265), ("client-server", 10001)]
METRICS = ("metrics", 20080)
FIVE = "--port=1 --dashboardPort=2 --clientPort=3 --metricsPort=4 --agentPort=5"
ON_HOST = {"hostNetwork": True}


# In the container


def declared(task: str = "head", **written: Any) -> list[tuple[str | None, int]]:
    """The ports that volray adds to the user's own."""
    added = (made(task, **written).get("ports") or [])[len(written.get("ports") or ()) :]
    assert all(port["protocol"] == "TCP" and port.get("name", "none") for port in added)
    return [(port.get("name"), port["containerPort"]) for port in added]


@pytest.mark.parametrize(
    ("task", "written", "expected"),
    [
        ("head", {}, [*HEAD, METRICS]),
        ("worker", {}, [METRICS]),
        ("head", {"flags": FIVE}, [("gcs", 1), ("dashboard", 2), ("client-server", 3), ("metrics", 4), ("agent", 5)]),
        ("worker", {"flags": FIVE}, [("metrics", 4), ("agent", 5)]),
        ("head", {"spec": {"hostNetwork": False}}, [*HEAD, METRICS]),
        ("head", {"spec": ON_HOST}, [*HEAD, METRICS, ("agent", 52365)]),
        ("worker", {"spec": ON_HOST}, [METRICS, ("agent", 52365)]),
        ("worker", {"spec": ON_HOST, "flags": "--agentPort=1"}, [METRICS, ("agent", 1)]),
        ("head", {"spec": ON_HOST, "flags": "--agentPort=1", "annotations": OWN}, HEAD),
        ("worker", {"spec": ON_HOST, "flags": "--agentPort=1", "annotations": OWN}, []),
    ],
)
def test_the_ports_that_a_node_declares(task: str, written: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    assert declared(task, **written) == expected


@pytest.mark.parametrize("more", [{}, {"name": "redis"}, {"protocol": "TCP"}, {"protocol": None}])
def test_a_number_that_is_declared_is_not_declared_again(more: Object) -> None:
    assert declared(ports=[{"containerPort": 6379, **more}]) == [*HEAD[1:], METRICS]


@pytest.mark.parametrize(
    ("own", "name", "number"),
    [
        ([{"containerPort": 6379, "protocol": "UDP"}], "gcs", 6379),
        ([{"containerPort": 6379, "protocol": "UDP", "name": "gcs"}], "gcs-ray", 6379),
        ([{"containerPort": 1, "name": "gcs"}], "gcs-ray", 6379),
        ([{"containerPort": 1, "name": "dashboard"}], "dashboard-ray", 8265),
        ([{"containerPort": 1, "name": "client-server"}], "client-serv-ray", 10001),
        ([{"containerPort": 1, "name": "metrics"}], "metrics-ray", 20080),
        ([{"containerPort": 1, "name": "metrics"}, {"containerPort": 2, "name": "metrics-ray"}], None, 20080),
    ],
)
def test_a_name_on_another_number_gets_a_suffix(own: list[Object], name: str | None, number: int) -> None:
    found = declared(ports=own)
    assert (name, number) in found
    assert len(found) == 4


# Of other containers


FLAG_OF = {6379: "--port", 8265: "--dashboardPort", 10001: "--clientPort", 20080: "--metricsPort", 52365: "--agentPort"}


@pytest.mark.parametrize(
    ("task", "number"), [*[("head", number) for number in FLAG_OF], ("worker", 20080), ("worker", 52365)]
)
def test_a_port_of_ray_on_which_another_container_listens_is_a_mistake(task: str, number: int) -> None:
    cache = {"name": "cache", "ports": [{"containerPort": 1}, {"containerPort": number}]}
    sidecar = {**cache, "restartPolicy": "Always"}
    for beside in ({"others": [{"name": "logs"}, cache]}, {"spec": {"initContainers": [{"name": "x"}, sidecar]}}):
        (mistake,) = ports.additions(node(task, **beside)).findings
        assert mistake.code is Code.PORT_TAKEN
        assert fields(mistake) == {"port": str(number), "flag": FLAG_OF[number], "container": "cache"}


def gcs(**more: Any) -> Object:
    return {"name": "cache", "ports": [{"containerPort": 6379, **more}]}


@pytest.mark.parametrize(
    ("task", "written"),
    [
        ("worker", {"others": [gcs()]}),
        (
            "head",
            {"others": [gcs(protocol="UDP"), {**gcs(protocol="SCTP"), "name": "b"}, {"name": "c", "ports": None}]},
        ),
        ("head", {"others": [gcs()], "flags": "--port=6380"}),
        ("head", {"others": [gcs()], "command": ["ray", "start", "--head"]}),
        ("head", {"ports": [{"containerPort": 6379}]}),
        ("head", {"spec": {"initContainers": [gcs(), {**gcs(), "restartPolicy": "Never"}]}}),
    ],
)
def test_a_port_on_which_nothing_else_listens_beside_ray_is_not_taken(task: str, written: dict[str, Any]) -> None:
    assert not ports.additions(node(task, **written)).findings


def test_every_taken_port_is_found() -> None:
    others = [{**gcs(protocol=None), "name": "a"}, {"name": "b", "ports": [{"containerPort": 8265}]}]
    assert len(ports.additions(node(others=others)).findings) == 2


# On the command line


def options(task: str = "head", flags: str = "", start_args: str = "") -> dict[str, str | int]:
    return dict(ports.additions(node(task, flags=flags, annotations={START_ARGS: start_args})).options)


def test_a_node_is_told_the_ports_of_its_role() -> None:
    """Named its own client port, Ray does not start where `ray[client]` is not installed."""
    everywhere = {"--metrics-export-port": 20080, "--dashboard-agent-listen-port": 52365}
    head = {"--port": 6379, "--dashboard-host": "0.0.0.0", "--dashboard-port": 8265}  # noqa: S104
    assert options("head") == options("head", "--clientPort=10001") == {**head, **everywhere}
    assert options("worker") == everywhere
    moved = {"--metrics-export-port": 4, "--dashboard-agent-listen-port": 5}
    head |= {"--port": 1, "--dashboard-port": 2, "--ray-client-server-port": 3}
    assert options("head", FIVE) == {**head, **moved}
    assert options("worker", FIVE) == moved


@pytest.mark.parametrize(
    ("task", "flags", "expected"),
    [
        ("head", "--clientPort=10002", "10003-19999"),
        ("head", "--clientPort=19999", "10002-19998"),
        ("head", "--clientPort=10003", "10004-19999"),
        ("head", "--clientPort=15000", "15001-19999"),
        ("head", "--clientPort=15001", "10002-15000"),
        ("head", "--clientPort=14000", "14001-19999"),
        ("head", "--clientPort=18000 --port=11000", "11001-17999"),
        ("head", "--clientPort=10002 --port=19999", "10003-19998"),
        ("head", "--agentPort=10002", "10003-19999"),
        ("head", "--clientPort=20000", ""),
        ("head", "--clientPort=9999 --port=20001", ""),
        ("worker", "--clientPort=10002 --port=10003 --dashboardPort=10004", ""),
    ],
)
def test_worker_ports_are_the_largest_range_around_fixed_ones(task: str, flags: str, expected: str) -> None:
    """`ray start` refuses a port of its own among its worker ports, and Volcano's documented example is 10002."""
    found = options(task, flags)
    assert "-".join(str(value) for name, value in found.items() if "worker-port" in name) == expected
    for chosen in ("--min-worker-port=10003", "--max-worker-port=10001", "--worker-port-list=10003,10004"):
        assert not any("worker-port" in name for name in options(task, flags, chosen))


@pytest.mark.parametrize(
    ("start_args", "port", "flag", "low", "high"),
    [
        ("--min-worker-port=10000", 10001, "--clientPort", 10000, 19999),
        ("--min-worker-port=10001", 10001, "--clientPort", 10001, 19999),
        ("--max-worker-port=20080", 20080, "--metricsPort", 10002, 20080),
        ("--min-worker-port=8000 --max-worker-port=9000", 8265, "--dashboardPort", 8000, 9000),
        ("--worker-port-list=7000,6379", 6379, "--port", 6379, 7000),
        ("--worker-port-list='7000, 6379'", 6379, "--port", 6379, 7000),
    ],
)
def test_a_fixed_port_among_chosen_ones_is_a_mistake(
    start_args: str, port: int, flag: str, low: int, high: int
) -> None:
    (mistake,) = ports.additions(node(annotations={START_ARGS: start_args})).findings
    assert mistake.code is Code.PORT_AMONG_WORKERS
    assert fields(mistake) == {"port": str(port), "flag": flag, "low": str(low), "high": str(high)}


@pytest.mark.parametrize(
    ("task", "start_args", "count"),
    [
        ("head", "--min-worker-port=1024 --max-worker-port=65535", 5),
        ("worker", "--min-worker-port=1024 --max-worker-port=65535", 2),
        ("head", "", 0),
        ("head", "--min-worker-port=10002", 0),
        ("head", "--max-worker-port=20079", 0),
        ("head", "--min-worker-port=0 --max-worker-port=0", 0),
        ("head", "--min-worker-port=10002 --max-worker-port=10000", 0),
        ("head", "--worker-port-list=7000,7001", 0),
        ("head", "--worker-port-list=,x,\N{SUPERSCRIPT TWO}", 0),
        ("head", "--min-worker-port=x", 0),  # a mistake of its own
    ],
)
def test_every_such_port_is_found_and_one_beside_them_is_no_mistake(task: str, start_args: str, count: int) -> None:
    assert len(ports.additions(node(task, annotations={START_ARGS: start_args})).findings) == count
