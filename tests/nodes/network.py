"""The nodes' network: one bridge, and behind it a network namespace for each node.

kube-proxy's rules, forwarding and pod addresses so stay each node's own. The control plane sits on the bridge, as the
machine that pods and nodes call; it reaches pods through their nodes and Services through the first node, so that the
apiserver calls a webhook by its Service.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTROL_PLANE: Final = "10.1.0.1"
SERVICES: Final = "10.0.0.0/16"
KUBERNETES_SERVICE: Final = "10.0.0.1"
PODS: Final = "10.2.0.0/16"

_BRIDGE: Final = "nodes"
_SYSCTLS: Final = (
    "net/ipv4/ip_forward",
    "net/bridge/bridge-nf-call-iptables",  # from pod to Service to pod of the same node: else nothing translates it
)


@dataclass(frozen=True)
class Node:
    """Where a node is; they count from 1."""

    number: int

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        return f"10.1.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        return f"10.2.{self.number}.0/24"

    @property
    def within(self) -> tuple[str, ...]:
        """The beginning of a command that runs in the node's network; `ip netns exec` would hide the cgroups."""
        return ("/usr/bin/nsenter", f"--net=/run/netns/{self.name}")


def lay(nodes: Sequence[Node]) -> None:
    """Make the network in the network namespace of the caller, whose end is its end."""
    _ip("", [*_bridge(), *(line for node in nodes for line in _port(node)), *_routes(nodes)])
    for node in nodes:
        _ip(node.name, _inside(node, nodes))
        writes = " && ".join(f"echo 1 > /proc/sys/{each}" for each in _SYSCTLS)
        subprocess.run([*node.within, "/bin/sh", "-c", writes], check=True, timeout=10)


def _bridge() -> list[str]:
    return [
        f"link add {_BRIDGE} type bridge",
        f"addr add {CONTROL_PLANE}/24 dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
    ]


def _port(node: Node) -> list[str]:
    return [
        f"netns add {node.name}",
        f"link add {node.name} type veth peer name eth0 netns {node.name}",
        f"link set {node.name} master {_BRIDGE} up",
    ]


def _routes(nodes: Sequence[Node]) -> list[str]:
    pods = [f"route add {node.pods} via {node.address}" for node in nodes]
    return [*pods, f"route add {SERVICES} via {nodes[0].address}"]


def _inside(node: Node, nodes: Sequence[Node]) -> list[str]:
    return [
        "link set lo up",
        f"addr add {node.address}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {CONTROL_PLANE}",
        *(f"route add {other.pods} via {other.address}" for other in nodes if other != node),
    ]


def _ip(namespace: str, lines: Iterable[str]) -> None:
    where = ["-n", namespace] if namespace else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(lines), text=True, check=True, timeout=30)
