from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.pods import environment
from webhook.pods.flags import Settings

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.pods.roles import Role


def declared(
    role: Role,
    settings: Settings | None = None,
    own_ports: list[Object] | None = None,
    *,
    own: bool = False,
    host_network: bool = False,
) -> list[tuple[str | None, int]]:
    container: Object = {"name": role} if own_ports is None else {"name": role, "ports": own_ports}
    found = environment.ports(role, settings or Settings(), container, own=own, host_network=host_network)
    assert all(port["protocol"] == "TCP" for port in found)
    assert all(set(port) <= {"name", "containerPort", "protocol"} for port in found)
    assert all(port.get("name", "none") for port in found)
    return [(port.get("name"), port["containerPort"]) for port in found]


HEAD = [("gcs", 6379), ("dashboard", 8265), ("client-server", 10001)]
METRICS = ("metrics", 20080)


def test_a_head_declares_the_ports_of_its_service_and_its_metrics() -> None:
    assert declared("head") == [*HEAD, METRICS]


def test_a_worker_declares_its_metrics() -> None:
    assert declared("worker") == [METRICS]


def test_the_numbers_are_those_of_the_flags() -> None:
    flags = Settings(port=1, dashboard_port=2, client_port=3, metrics_port=4, agent_port=5)
    assert declared("head", flags) == [
        ("gcs", 1),
        ("dashboard", 2),
        ("client-server", 3),
        ("metrics", 4),
        ("agent", 5),
    ]


@pytest.mark.parametrize(
    ("agent_port", "host_network", "agent"),
    [(52365, False, []), (52365, True, [("agent", 52365)]), (1, False, [("agent", 1)]), (1, True, [("agent", 1)])],
)
@pytest.mark.parametrize(("role", "before"), [("head", [*HEAD, METRICS]), ("worker", [METRICS])])
def test_the_agents_port_is_declared_where_it_was_chosen_or_is_the_hosts(
    role: Role, before: list[tuple[str, int]], agent_port: int, host_network: bool, agent: list[tuple[str, int]]
) -> None:
    assert declared(role, Settings(agent_port=agent_port), host_network=host_network) == before + agent


@pytest.mark.parametrize(("role", "expected"), [("head", HEAD), ("worker", [])])
def test_a_container_that_starts_ray_itself_declares_only_the_services_ports(
    role: Role, expected: list[tuple[str, int]]
) -> None:
    assert declared(role, Settings(agent_port=1), own=True, host_network=True) == expected


@pytest.mark.parametrize(
    "own_port",
    [
        {"containerPort": 6379},
        {"containerPort": 6379, "name": "redis"},
        {"containerPort": 6379, "protocol": "TCP"},
        {"containerPort": 6379, "protocol": None},
    ],
)
def test_a_number_that_is_declared_is_not_declared_again(own_port: Object) -> None:
    assert declared("head", own_ports=[own_port]) == [("dashboard", 8265), ("client-server", 10001), METRICS]


def test_udp_is_another_port() -> None:
    own = [{"containerPort": 6379, "protocol": "UDP"}]
    assert declared("head", own_ports=own) == [*HEAD, METRICS]


@pytest.mark.parametrize(
    ("taken", "name"),
    [
        (["gcs"], "gcs-ray"),
        (["dashboard"], "dashboard-ray"),
        (["client-server"], "client-serv-ray"),
        (["metrics"], "metrics-ray"),
        (["metrics", "metrics-ray"], None),
    ],
)
def test_a_name_on_another_number_gets_the_suffix_ray_within_15_characters(taken: list[str], name: str | None) -> None:
    own: list[Object] = [{"containerPort": 1 + index, "name": one} for index, one in enumerate(taken)]
    number = dict(declared("head"))[taken[0]]
    found = declared("head", own_ports=own)
    assert (name, number) in found
    assert len(found) == 4


def test_a_name_of_a_udp_port_is_taken_too() -> None:
    own = [{"containerPort": 6379, "name": "gcs", "protocol": "UDP"}]
    assert declared("head", own_ports=own)[0] == ("gcs-ray", 6379)


def taken(role: Role, *others: Object, settings: Settings | None = None) -> list[str]:
    return [mistake.text for mistake in environment.taken_ports(role, settings or Settings(), others)]


@pytest.mark.parametrize(
    ("role", "number", "flag"),
    [
        ("head", 6379, "--port"),
        ("head", 8265, "--dashboardPort"),
        ("head", 10001, "--clientPort"),
        ("head", 20080, "--metricsPort"),
        ("head", 52365, "--agentPort"),
        ("worker", 20080, "--metricsPort"),
        ("worker", 52365, "--agentPort"),
    ],
)
def test_a_port_of_ray_on_which_another_container_listens_is_a_mistake(role: Role, number: int, flag: str) -> None:
    other = {"name": "cache", "ports": [{"containerPort": 1}, {"containerPort": number}]}
    assert taken(role, {"name": "logs"}, other) == [
        f"Port {number} of Ray ({flag}) is already the port of container cache. "
        f"Move Ray with {flag}=N in the annotation ray.volcano.sh/args, or move that container."
    ]


@pytest.mark.parametrize("number", [6379, 8265, 10001])
def test_the_heads_ports_are_free_beside_a_worker(number: int) -> None:
    assert not taken("worker", {"name": "cache", "ports": [{"containerPort": number}]})


@pytest.mark.parametrize(("protocol", "mistakes"), [("TCP", 1), (None, 1), ("UDP", 0), ("SCTP", 0)])
def test_only_a_tcp_port_is_taken(protocol: str | None, mistakes: int) -> None:
    other = {"name": "cache", "ports": [{"containerPort": 6379, "protocol": protocol}]}
    assert len(taken("head", other)) == mistakes


def test_every_taken_port_is_found() -> None:
    ports = [{"containerPort": 6379}, {"containerPort": 8265}]
    assert len(taken("head", {"name": "a", "ports": ports}, {"name": "b", "ports": None}, {"name": "c"})) == 2


def test_ray_moved_by_a_flag_takes_its_new_port() -> None:
    other = {"name": "cache", "ports": [{"containerPort": 6379}]}
    assert not taken("head", other, settings=Settings(port=6380))
