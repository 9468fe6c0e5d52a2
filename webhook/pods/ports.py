"""The ports of a Ray node: on the command line of `ray start`, and declared in its container."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from webhook.pods.additions import Additions, Port
from webhook.pods.flags import DEFAULTS, PORT_FLAGS, flag_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from webhook.names import Object, Role
    from webhook.pods.flags import Settings
    from webhook.pods.node import RayPod
    from webhook.pods.start_args import StartArgs

WORKER_PORTS: Final = (10002, 19999)
"""Where Ray's worker processes listen by default.

`ray start` refuses a port of its own among them.
"""

_LOW: Final = "--min-worker-port"
_HIGH: Final = "--max-worker-port"
_LIST: Final = "--worker-port-list"


def additions(pod: RayPod) -> Additions:
    """Return the node's ports, with a mistake for each that something else already has."""
    ports = _declared(pod)
    if pod.starts_ray:
        return Additions(ports=ports)
    options = {**_options(pod.role, pod.settings), **_worker_ports(pod)}
    findings = [*_taken(pod), *_among_chosen_worker_ports(pod)]
    return Additions(ports=ports, options=options, findings=findings)


def fixed_ports(role: Role, settings: Settings) -> dict[str, int]:
    """Return the ports on which a node listens for others, by the field of Settings."""
    ports: dict[str, int] = {}
    for flag, port in PORT_FLAGS:
        if role in port.roles:
            ports[flag.field] = getattr(settings, flag.field)
    return ports


def _declared(pod: RayPod) -> list[Port]:
    """Return the ports to declare.

    The agent's is declared only where others must know of it. That is where the user chose it, and
    on the host's network, where the scheduler keeps two Ray nodes apart by it. A container that
    starts Ray itself has its metrics and its agent where volray cannot know.
    """
    declared: list[Port] = []
    for flag, port in PORT_FLAGS:
        if pod.role not in port.roles or flag.field in pod.unknown_ports:
            continue
        if pod.starts_ray and not port.in_service:
            continue
        number = getattr(pod.settings, flag.field)
        is_default = number == getattr(DEFAULTS, flag.field)
        if port.declared or pod.is_on_host_network or not is_default:
            declared.append(Port(port.name, number))
    return declared


def _options(role: Role, settings: Settings) -> dict[str, str | int]:
    options: dict[str, str | int] = {}
    for flag, port in PORT_FLAGS:
        number = getattr(settings, flag.field)
        is_default = number == getattr(DEFAULTS, flag.field)
        if role not in port.roles or (port.implied and is_default):
            continue
        options |= port.other_options
        options[port.option] = number
    return options


def _worker_ports(pod: RayPod) -> dict[str, int]:
    """Return worker ports around a fixed one.

    With `--clientPort=10002`, the example of Volcano's guide, Ray would not start otherwise.
    """
    if pod.start_args.names(_LOW, _HIGH, _LIST):
        return {}
    lowest, highest = WORKER_PORTS
    fixed = fixed_ports(pod.role, pod.settings).values()
    inside = sorted(port for port in fixed if lowest <= port <= highest)
    if not inside:
        return {}
    widest = (0, -1)
    for below, above in pairwise([lowest - 1, *inside, highest + 1]):
        gap = (below + 1, above - 1)
        if gap[1] - gap[0] > widest[1] - widest[0]:
            widest = gap
    return {_LOW: widest[0], _HIGH: widest[1]}


def _among_chosen_worker_ports(pod: RayPod) -> Iterator[Finding]:
    """Yield a mistake for each fixed port among worker ports that the user chose."""
    taken = _chosen_worker_ports(pod.start_args)
    for setting, port in fixed_ports(pod.role, pod.settings).items():
        if port in taken:
            yield finding(
                Code.PORT_AMONG_WORKERS,
                port=port,
                flag=flag_of(setting),
                low=min(taken),
                high=max(taken),
            )


def _chosen_worker_ports(extra: StartArgs) -> range | frozenset[int]:
    listed = extra.value(_LIST)
    if listed is not None:
        return frozenset(int(port) for port in listed.split(",") if port.strip().isdecimal())
    low, high = extra.value(_LOW), extra.value(_HIGH)
    if low is None and high is None:
        return range(0)
    try:
        return range(int(low or WORKER_PORTS[0]), int(high or WORKER_PORTS[1]) + 1)
    except ValueError:
        # The value is a mistake of its own, found where the options are read.
        return range(0)


def _taken(pod: RayPod) -> Iterator[Finding]:
    """Yield Ray's ports that another container declares. All containers share one address."""
    fixed = fixed_ports(pod.role, pod.settings)
    settings_by_port = {port: setting for setting, port in fixed.items()}
    for container in _other_containers(pod):
        for number in _tcp_ports(container, settings_by_port):
            flag = flag_of(settings_by_port[number])
            yield finding(Code.PORT_TAKEN, port=number, flag=flag, container=container["name"])


def _other_containers(pod: RayPod) -> Iterator[Object]:
    """Yield the containers that run beside Ray, native sidecars included."""
    for container in pod.spec["containers"]:
        if container is not pod.container:
            yield container
    for container in pod.spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            yield container


def _tcp_ports(container: Object, wanted: Container[int]) -> Iterator[int]:
    for port in container.get("ports") or ():
        number: int = port["containerPort"]
        if number in wanted and (port.get("protocol") or "TCP") == "TCP":
            yield number
