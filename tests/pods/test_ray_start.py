from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from webhook.pods import ray_start, start_args
from webhook.pods.flags import Settings
from webhook.pods.ray_start import Node
from webhook.pods.resources import NodeResources

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.pods.roles import Role


def node(
    role: Role = "head",
    settings: Settings | None = None,
    resources: NodeResources | None = None,
    extra: str = "",
) -> Node:
    parsed = start_args.parse(extra, head=role == "head")
    assert not parsed.mistakes
    return Node(role, settings or Settings(), resources or NodeResources(), parsed.args)


def words(line: str) -> list[str]:
    """What `ray start` gets: past the kubelet, then past the shell, to which a variable stays its name."""
    return shlex.split(line.replace("$$", "$").replace("\\\n", ""))


def options(one: Node) -> list[str]:
    return words(ray_start.ray_start(one, block=False))


def test_the_users_argv_becomes_the_scripts_arguments() -> None:
    container = {"command": ["python", "a b.py"], "args": ["$HOME", "$(POD_IP)", ""]}
    argv, args = ray_start.wrapped(node(), container, keep=True)
    assert [*argv[:2], *argv[3:]] == ["/bin/sh", "-c", "volray"]
    assert args == ["python", "a b.py", "$HOME", "$(POD_IP)", ""]


@pytest.mark.parametrize("container", [{"command": ["python"], "args": ["a.py"]}, {}, {"command": None, "args": None}])
def test_a_command_that_is_not_kept_or_not_there_leaves_ray_alone(container: Object) -> None:
    keep = not container.get("command")
    argv, args = ray_start.wrapped(node(), container, keep=keep)
    assert args == []
    assert "set -- ray start --head" in argv[2]
    assert argv[2].count("--block") == 1


@pytest.mark.parametrize("role", ["head", "worker"])
def test_beside_a_command_ray_does_not_block(role: Role) -> None:
    argv, _ = ray_start.wrapped(node(role), {"command": ["python"]}, keep=True)
    assert re.search(r"first 'ray start' (env \S+ \S+ -c \S+ )?ray start ", argv[2])
    assert "--block" not in argv[2]


def test_the_waits_are_those_of_the_flags() -> None:
    flags = Settings(wait_nodes=41, wait_head=43)
    head, _ = ray_start.wrapped(node("head", flags), {"command": ["python"]}, keep=True)
    worker, _ = ray_start.wrapped(node("worker", flags), {"command": ["python"]}, keep=True)
    assert "' 41\n" in head[2]
    assert "' 43\n" in worker[2]
    assert "' 43\n" not in head[2]
    assert "' 41\n" not in worker[2]


def test_a_bare_head_starts_with_its_ports() -> None:
    assert options(node("head")) == [
        "ray",
        "start",
        "--head",
        "--node-ip-address=$VOLRAY_POD_IP",
        "--port=6379",
        "--dashboard-host=0.0.0.0",
        "--dashboard-port=8265",
        "--metrics-export-port=20080",
        "--dashboard-agent-listen-port=52365",
    ]


def test_rays_own_client_port_is_not_named_to_it() -> None:
    """Named, it makes `ray start` fail where `ray[client]` is not installed."""
    assert not any("client" in option for option in options(node("head", Settings(client_port=10001))))
    assert "--ray-client-server-port=10009" in options(node("head", Settings(client_port=10009)))


def test_a_bare_worker_starts_with_its_heads_address_and_the_ports_of_every_node() -> None:
    assert options(node("worker")) == [
        "ray",
        "start",
        "--address=$VOLRAY_ADDRESS",
        "--node-ip-address=$VOLRAY_POD_IP",
        "--metrics-export-port=20080",
        "--dashboard-agent-listen-port=52365",
    ]


def test_the_addresses_are_one_word_to_the_shell() -> None:
    assert '--address="$VOLRAY_ADDRESS"' in ray_start.ray_start(node("worker"), block=False)
    assert '--node-ip-address="$VOLRAY_POD_IP"' in ray_start.ray_start(node("worker"), block=False)


def test_the_ports_are_those_of_the_flags() -> None:
    flags = Settings(port=1, dashboard_port=2, client_port=3, metrics_port=4, agent_port=5)
    assert options(node("head", flags))[4:] == [
        "--port=1",
        "--dashboard-host=0.0.0.0",
        "--dashboard-port=2",
        "--ray-client-server-port=3",
        "--metrics-export-port=4",
        "--dashboard-agent-listen-port=5",
    ]


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_alone_blocks_as_its_last_option(role: Role) -> None:
    assert words(ray_start.ray_start(node(role), block=True))[-1] == "--block"
    assert "--block" not in options(node(role))


def test_each_option_has_a_line() -> None:
    lines = ray_start.ray_start(node("worker"), block=True).splitlines()
    assert lines == [
        'ray start --address="$VOLRAY_ADDRESS" \\',
        '  --node-ip-address="$VOLRAY_POD_IP" \\',
        "  --metrics-export-port=20080 \\",
        "  --dashboard-agent-listen-port=52365 \\",
        "  --block",
    ]


@pytest.mark.parametrize(
    ("resources", "announced"),
    [
        (NodeResources(), []),
        (NodeResources(num_cpus=2), ["--num-cpus=2"]),
        (NodeResources(num_gpus=0), ["--num-gpus=0"]),
        (NodeResources(num_gpus=2), ["--num-gpus=2"]),
        (
            NodeResources(memory=700, object_store_memory=300, shm_size="1000"),
            ["--memory=700", "--object-store-memory=300"],
        ),
        (NodeResources(custom=(("TPU", 4), ("HPU", 1))), ['--resources={"TPU": 4, "HPU": 1}']),
    ],
)
@pytest.mark.parametrize("role", ["head", "worker"])
def test_the_containers_resources_are_announced(role: Role, resources: NodeResources, announced: list[str]) -> None:
    assert options(node(role, resources=resources))[len(options(node(role))) :] == announced


OURS = NodeResources(num_cpus=2, num_gpus=1, memory=700, object_store_memory=300)


@pytest.mark.parametrize(
    ("extra", "announced"),
    [
        ("--num-cpus=0", ["--num-gpus=1", "--memory=700", "--object-store-memory=300", "--num-cpus=0"]),
        ("--num-gpus 4", ["--num-cpus=2", "--memory=700", "--object-store-memory=300", "--num-gpus=4"]),
        (
            "--memory=1 --object-store-memory=2",
            ["--num-cpus=2", "--num-gpus=1", "--memory=1", "--object-store-memory=2"],
        ),
        (
            "-v --node-name=a",
            ["--num-cpus=2", "--num-gpus=1", "--memory=700", "--object-store-memory=300", "-v", "--node-name=a"],
        ),
    ],
)
def test_the_users_start_options_win_over_ours(extra: str, announced: list[str]) -> None:
    assert options(node("worker", resources=OURS, extra=extra))[6:] == announced


@pytest.mark.parametrize(
    ("said", "merged"),
    [
        ('{"a": 1}', {"TPU": 4, "a": 1}),
        ('{"TPU": 1}', {"TPU": 1}),
        ("{}", {"TPU": 4}),
    ],
)
def test_the_users_resources_are_merged_over_ours_into_one_option(said: str, merged: dict[str, Any]) -> None:
    one = node("worker", resources=NodeResources(custom=(("TPU", 4),)), extra=f"-v --resources='{said}' --num-cpus=1")
    found = [word for word in options(one) if word.startswith("--resources")]
    assert [json.loads(word.partition("=")[2]) for word in found] == [merged]
    assert options(one)[-2:] == ["-v", "--num-cpus=1"]


def test_no_resources_at_all_give_no_option() -> None:
    assert "--resources" not in ray_start.ray_start(node(extra="--resources={}"), block=False)


def test_a_dollar_in_a_start_option_passes_the_kubelet_and_the_shell_as_it_is() -> None:
    extra = """--node-name='$(POD_IP) $HOME $$ `id` "x"'"""
    assert "'--node-name=$$(POD_IP) $$HOME $$$$ `id` \"x\"'" in ray_start.ray_start(node(extra=extra), block=False)


@pytest.mark.parametrize(
    ("role", "ports"),
    [
        (
            "head",
            {"port": 1, "dashboard_port": 2, "client_port": 3, "metrics_port": 4, "agent_port": 5},
        ),
        ("worker", {"metrics_port": 4, "agent_port": 5}),
    ],
)
def test_a_node_listens_on_the_ports_of_its_role(role: Role, ports: dict[str, int]) -> None:
    flags = Settings(port=1, dashboard_port=2, client_port=3, metrics_port=4, agent_port=5)
    assert ray_start.fixed_ports(role, flags) == ports


@pytest.mark.parametrize(
    ("flags", "low", "high"),
    [
        (Settings(client_port=10002), 10003, 19999),
        (Settings(client_port=19999), 10002, 19998),
        (Settings(client_port=10003), 10004, 19999),
        (Settings(client_port=15000), 15001, 19999),
        (Settings(client_port=15001), 10002, 15000),
        (Settings(client_port=14000), 14001, 19999),
        (Settings(client_port=18000, port=11000), 11001, 17999),
        (Settings(client_port=10002, port=19999), 10003, 19998),
        (Settings(agent_port=10002), 10003, 19999),
    ],
)
def test_the_worker_ports_are_the_largest_range_around_the_fixed_ones(flags: Settings, low: int, high: int) -> None:
    """`ray start` refuses a port of its own among its worker ports, and Volcano's documented example is 10002."""
    found = options(node("head", flags))
    assert [word for word in found if "worker-port" in word] == [
        f"--min-worker-port={low}",
        f"--max-worker-port={high}",
    ]


@pytest.mark.parametrize(
    ("role", "flags"),
    [
        ("head", Settings()),
        ("head", Settings(client_port=20000)),
        ("head", Settings(client_port=9999, port=20001)),
        ("worker", Settings(client_port=10002, port=10003, dashboard_port=10004)),
    ],
)
def test_ports_outside_the_worker_ports_leave_rays_own_range(role: Role, flags: Settings) -> None:
    assert "worker-port" not in ray_start.ray_start(node(role, flags), block=False)


@pytest.mark.parametrize(
    "extra",
    ["--min-worker-port=10003", "--max-worker-port=10001", "--worker-port-list=10003,10004"],
)
def test_worker_ports_that_the_user_chose_are_left_to_him(extra: str) -> None:
    found = options(node("head", Settings(client_port=10002), extra=extra))
    assert [word for word in found if "worker-port" in word] == [extra]


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("--min-worker-port=10000", "port 10001 (--clientPort) lies among the worker ports 10000-19999."),
        ("--min-worker-port=10001", "port 10001 (--clientPort) lies among the worker ports 10001-19999."),
        ("--max-worker-port=20080", "port 20080 (--metricsPort) lies among the worker ports 10002-20080."),
        (
            "--min-worker-port=8000 --max-worker-port=9000",
            "port 8265 (--dashboardPort) lies among the worker ports 8000-9000.",
        ),
        ("--worker-port-list=7000,6379", "port 6379 (--port) lies among the worker ports 6379-7000."),
        ("--worker-port-list='7000, 6379'", "port 6379 (--port) lies among the worker ports 6379-7000."),
    ],
)
def test_a_fixed_port_among_the_users_worker_ports_is_a_mistake(extra: str, sentence: str) -> None:
    (mistake,) = ray_start.port_mistakes(node("head", extra=extra))
    assert mistake.text == (
        f"ray.volcano.sh/start-args: {sentence} "
        "Choose --min-worker-port and --max-worker-port around it: Ray refuses to start otherwise."
    )


def test_every_fixed_port_among_the_users_worker_ports_is_found() -> None:
    extra = "--min-worker-port=1024 --max-worker-port=65535"
    assert len(list(ray_start.port_mistakes(node("head", extra=extra)))) == 5
    assert len(list(ray_start.port_mistakes(node("worker", extra=extra)))) == 2


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "--min-worker-port=10002",
        "--max-worker-port=20079",
        "--min-worker-port=0 --max-worker-port=0",
        "--min-worker-port=10002 --max-worker-port=10000",
        "--worker-port-list=7000,7001",
        "--worker-port-list=,x,\N{SUPERSCRIPT TWO}",
    ],
)
def test_worker_ports_beside_the_fixed_ones_are_no_mistake(extra: str) -> None:
    assert not list(ray_start.port_mistakes(node("head", extra=extra)))


def test_a_worker_port_that_is_no_number_is_not_a_second_mistake() -> None:
    extra = start_args.parse("--min-worker-port=x", head=True).args
    assert not list(ray_start.port_mistakes(Node("head", Settings(), NodeResources(), extra)))
