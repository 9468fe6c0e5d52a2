"""The registry of flags: what a user can set for a Ray cluster, and what each flag becomes.

A flag is one record in FLAGS and one field of Settings. Command line, ports, head Service, refused
options and the table in the documentation all derive from the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from webhook.names import Role

RECONNECT: Final = 10
"""Seconds for which a node outlives its GCS."""

RECONNECT_STORED: Final = 600
"""The same where the head keeps its state in a store and comes back with it."""

HEAD_ALONE: Final[tuple[Role, ...]] = ("head",)
EVERY_NODE: Final[tuple[Role, ...]] = ("head", "worker")


@dataclass(frozen=True)
class Settings:
    """The values of all flags. Ports are TCP ports, waits are seconds."""

    head: str = "head"
    worker: tuple[str, ...] = ("worker",)
    head_container: str = "head"
    worker_container: str = "worker"
    port: int = 6379
    dashboard_port: int = 8265
    client_port: int = 10001
    metrics_port: int = 20080
    """Outside Ray's worker ports and the kernel's ephemeral ports."""
    agent_port: int = 52365
    wait_nodes: int = 0
    wait_head: int = 1800
    reconnect_seconds: int | None = None
    """None means RECONNECT, or RECONNECT_STORED where the head keeps its state in a store."""
    log_to_stderr: bool = False


DEFAULTS: Final = Settings()


@dataclass(frozen=True)
class Kind:
    """The type of a flag's value."""

    read: Callable[[str], object]
    """Return the value of a text, or raise ValueError or KeyError."""
    wanted: str
    """What a valid text is, for messages."""


@dataclass(frozen=True)
class RayPort:
    """What a flag for a port becomes."""

    name: str
    """Of the container's port, and of the Service's."""
    option: str
    """Of `ray start`."""
    roles: tuple[Role, ...]
    """The nodes on which Ray listens there."""
    in_service: bool = False
    """The head Service leads to it."""
    speaks_grpc: bool = False
    implied: bool = False
    """Ray's default, which is neither written on the command line nor declared.

    With `--ray-client-server-port`, a Ray without `ray[client]` does not start (seen), so the
    option is left out for the default.
    """
    declared: bool = True
    """The container declares the port even if it has its default number."""
    other_options: Mapping[str, str] = field(default_factory=dict)
    """Options that `ray start` needs before this one."""


@dataclass(frozen=True)
class Flag:
    """One flag."""

    name: str
    """As users write it, without the dashes."""
    field: str
    """Of Settings."""
    kind: Kind
    example: str
    doc: str
    """What it is, for the documentation."""
    default_text: str = ""
    """The default, where it depends on the Job."""
    cluster_wide: bool = False
    """All templates of a Job must agree on it, because each side of a connection has its own."""
    port: RayPort | None = None
    other_names: tuple[str, ...] = ()
    repeatable: bool = False


def _read_name(text: str) -> str:
    if not text or text.strip() != text or "," in text:
        raise ValueError(text)
    return text


def _read_port(text: str) -> int:
    return _read_number(text, 1, 65535)


def _read_count(text: str) -> int:
    return _read_number(text, 0, 1_000_000)


def _read_number(text: str, low: int, high: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(high))
    if not is_number or not low <= int(text) <= high:
        raise ValueError(text)
    return int(text)


def _read_switch(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


TASK_NAME: Final = Kind(_read_name, "the name of one task")
CONTAINER_NAME: Final = Kind(_read_name, "the name of a container")
PORT: Final = Kind(_read_port, "a port from 1 to 65535")
NODES: Final = Kind(_read_count, "a whole number of nodes")
SECONDS: Final = Kind(_read_count, "a whole number of seconds")
SWITCH: Final = Kind(_read_switch, "true or false")

FLAGS: Final = (
    Flag("head", "head", TASK_NAME, "head", "name of the head's task", cluster_wide=True),
    Flag(
        "worker",
        "worker",
        TASK_NAME,
        "worker",
        "name of a worker task, may be given several times",
        cluster_wide=True,
        repeatable=True,
    ),
    Flag(
        "headContainer",
        "head_container",
        CONTAINER_NAME,
        "head",
        "container in which Ray runs on the head",
    ),
    Flag(
        "workerContainer",
        "worker_container",
        CONTAINER_NAME,
        "worker",
        "container in which Ray runs on workers",
    ),
    Flag(
        "port",
        "port",
        PORT,
        "6379",
        "port of the GCS",
        cluster_wide=True,
        port=RayPort("gcs", "--port", HEAD_ALONE, in_service=True, speaks_grpc=True),
    ),
    Flag(
        "dashboardPort",
        "dashboard_port",
        PORT,
        "8265",
        "port of the dashboard and of the Jobs API",
        cluster_wide=True,
        port=RayPort(
            "dashboard",
            "--dashboard-port",
            HEAD_ALONE,
            in_service=True,
            # The Service reaches the dashboard at the pod's address.
            other_options={"--dashboard-host": "0.0.0.0"},  # noqa: S104
        ),
    ),
    # Volcano's guide writes clientServerPort, its code knows clientPort.
    Flag(
        "clientPort",
        "client_port",
        PORT,
        "10001",
        "port of the Ray client's server",
        cluster_wide=True,
        port=RayPort(
            "client-server",
            "--ray-client-server-port",
            HEAD_ALONE,
            in_service=True,
            speaks_grpc=True,
            implied=True,
        ),
        other_names=("clientServerPort",),
    ),
    Flag(
        "metricsPort",
        "metrics_port",
        PORT,
        "20080",
        "port of each node's Prometheus metrics",
        port=RayPort("metrics", "--metrics-export-port", EVERY_NODE),
    ),
    Flag(
        "agentPort",
        "agent_port",
        PORT,
        "52365",
        "port of the dashboard's agent on each node",
        port=RayPort("agent", "--dashboard-agent-listen-port", EVERY_NODE, declared=False),
    ),
    Flag(
        "waitNodes",
        "wait_nodes",
        NODES,
        "3",
        "start the head's command when so many nodes are alive, the head included",
    ),
    Flag(
        "waitHead",
        "wait_head",
        SECONDS,
        "1800",
        "seconds for which a worker waits for its head, 0 for ever",
    ),
    Flag(
        "reconnectSeconds",
        "reconnect_seconds",
        SECONDS,
        "10",
        "seconds for which a node outlives its GCS",
        default_text="10 or 600",
        cluster_wide=True,
    ),
    Flag(
        "logToStderr",
        "log_to_stderr",
        SWITCH,
        "true",
        "let Ray's daemons log to the container",
    ),
)
"""In the order in which ports are declared and options written."""

FLAG_BY_NAME: Final[Mapping[str, Flag]] = {
    name: flag for flag in FLAGS for name in (flag.name, *flag.other_names)
}
FLAG_BY_FIELD: Final[Mapping[str, Flag]] = {flag.field: flag for flag in FLAGS}

PORT_FLAGS: Final[tuple[tuple[Flag, RayPort], ...]] = tuple(
    (flag, flag.port) for flag in FLAGS if flag.port is not None
)


def flag_of(setting: str) -> str:
    """Return the flag that sets a field of Settings, as a user writes it."""
    return f"--{FLAG_BY_FIELD[setting].name}"


def disagreements(first: Settings, second: Settings) -> list[tuple[str, object, object]]:
    """Return the cluster-wide flags on which two templates differ, each with both values."""
    found: list[tuple[str, object, object]] = []
    for setting in fields(Settings):
        ours, theirs = getattr(first, setting.name), getattr(second, setting.name)
        if FLAG_BY_FIELD[setting.name].cluster_wide and ours != theirs:
            found.append((flag_of(setting.name), ours, theirs))
    return found
