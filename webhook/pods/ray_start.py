"""What a Ray container runs: the command line of `ray start`, and whether the user's own command stays beside it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from webhook.pods.flags import DEFAULTS, PORTS, flag_of
from webhook.pods.scripts import start_script
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.pods.flags import Settings
    from webhook.pods.resources import NodeResources
    from webhook.pods.roles import Role
    from webhook.pods.start_args import StartArgs

WORKER_PORTS: Final = (10002, 19999)
"""Where Ray's worker processes listen by default; `ray start` refuses a port of its own among them."""

_WORKER_PORT_OPTIONS: Final = ("--min-worker-port", "--max-worker-port", "--worker-port-list")


@dataclass(frozen=True)
class Node:
    """All that decides over a Ray node's command line."""

    role: Role
    settings: Settings
    resources: NodeResources
    extra: StartArgs


def wrapped(node: Node, container: Object, *, keep: bool) -> tuple[list[str], list[str]]:
    """Command and args of a container in which volray starts Ray.

    The user's argv becomes the script's arguments, byte for byte; the kubelet expands `$(VAR)` in it as before.
    """
    own = [*(container.get("command") or ()), *(container.get("args") or ())] if keep else []
    return ["/bin/sh", "-c", _script(node, beside=bool(own)), "volray"], own


@lru_cache(maxsize=1024)
def _script(node: Node, *, beside: bool) -> str:
    """The pods of a task differ in nothing that a script holds."""
    settings = node.settings
    return start_script(
        node.role,
        ray_start(node, block=not beside),
        beside=beside,
        wait_head=settings.wait_head,
        wait_nodes=settings.wait_nodes,
    )


def ray_start(node: Node, *, block: bool) -> str:
    """The command line of `ray start`, quoted for a shell, an option a line."""
    words = [*_place(node), *(_shell(word) for word in _options(node)), *(["--block"] if block else [])]
    return "ray start " + " \\\n  ".join(words)


def _place(node: Node) -> list[str]:
    """The options that only the running pod can fill in."""
    address = ["--head"] if node.role == "head" else ['--address="$VOLRAY_ADDRESS"']
    return [*address, '--node-ip-address="$VOLRAY_POD_IP"']


def _shell(word: str) -> str:
    """A word that arrives as it is: past the kubelet, which expands `$(VAR)` and halves `$$`, and past the shell."""
    return shlex.quote(word.replace("$", "$$"))


def _options(node: Node) -> Iterable[str]:
    own = {**_ports(node), **_worker_ports(node), **_announced(node.resources)}
    own |= {"--resources": _resources(node)} if _resources(node) else {}
    yield from (f"{name}={value}" for name, value in own.items() if name == "--resources" or not node.extra.names(name))
    yield from replace(node.extra, options=_without(node.extra, "--resources")).words


def _without(extra: StartArgs, name: str) -> tuple[tuple[str, str | None], ...]:
    return tuple(option for option in extra.options if option[0] != name)


def _ports(node: Node) -> dict[str, int | str]:
    settings = node.settings
    everywhere = {
        "--metrics-export-port": settings.metrics_port,
        "--dashboard-agent-listen-port": settings.agent_port,
    }
    if node.role == "worker":
        return {**everywhere}
    return {
        "--port": settings.port,
        "--dashboard-host": "0.0.0.0",  # noqa: S104 - the Service reaches the dashboard at the pod's address
        "--dashboard-port": settings.dashboard_port,
        **_client_port(settings),
        **everywhere,
    }


def _client_port(settings: Settings) -> dict[str, int]:
    """Nothing for Ray's own default: named, it keeps a Ray without `ray[client]` from starting, as seen."""
    if settings.client_port == DEFAULTS.client_port:
        return {}
    return {"--ray-client-server-port": settings.client_port}


def fixed_ports(role: Role, settings: Settings) -> dict[str, int]:
    """The ports on which a node listens for others, by the field of Settings."""
    fields = PORTS if role == "head" else ("metrics_port", "agent_port")
    return {field: getattr(settings, field) for field in fields}


def _worker_ports(node: Node) -> dict[str, int | str]:
    """Worker ports around a fixed one: with `--clientPort=10002`, Volcano's own example, Ray would not start."""
    low, high = WORKER_PORTS
    inside = sorted(port for port in fixed_ports(node.role, node.settings).values() if low <= port <= high)
    if not inside or node.extra.names(*_WORKER_PORT_OPTIONS):
        return {}
    edges = [low - 1, *inside, high + 1]
    first, last = max(
        ((below + 1, above - 1) for below, above in pairwise(edges)),
        key=lambda gap: gap[1] - gap[0],
    )
    return {"--min-worker-port": first, "--max-worker-port": last}


def port_mistakes(node: Node) -> Iterable[Finding]:
    """Fixed ports among worker ports that the user chose himself."""
    taken = _chosen_worker_ports(node.extra)
    for field, port in fixed_ports(node.role, node.settings).items():
        if port in taken:
            low, high = min(taken), max(taken)
            yield finding(Code.PORT_AMONG_WORKERS, port=port, flag=flag_of(field), low=low, high=high)


def _chosen_worker_ports(extra: StartArgs) -> range | frozenset[int]:
    if (listed := extra.value("--worker-port-list")) is not None:
        return frozenset(int(port) for port in listed.split(",") if port.strip().isdecimal())
    low, high = (extra.value(name) for name in ("--min-worker-port", "--max-worker-port"))
    if low is None and high is None:
        return range(0)
    try:
        return range(int(low or WORKER_PORTS[0]), int(high or WORKER_PORTS[1]) + 1)
    except ValueError:
        return range(0)


def _announced(resources: NodeResources) -> dict[str, int | str]:
    announced = {
        "--num-cpus": resources.num_cpus,
        "--num-gpus": resources.num_gpus,
        "--memory": resources.memory,
        "--object-store-memory": resources.object_store_memory,
    }
    return {name: value for name, value in announced.items() if value is not None}


def _resources(node: Node) -> str:
    """`--resources`: what the container asks for under Ray's names, the user's own over it."""
    said = node.extra.value("--resources")
    merged = {**dict(node.resources.custom), **(json.loads(said) if said else {})}
    return json.dumps(merged) if merged else ""
