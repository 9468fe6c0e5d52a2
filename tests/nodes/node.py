"""The components that real nodes add to a control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from tests.controlplane.components import Component, accepts
from tests.nodes import cgroups, config, enclosure, network, store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.controlplane.commands import Command, Layout
    from tests.nodes.network import Node


class NotEnclosedError(Exception):
    """Real nodes would change the machine: `make e2e` runs them where they change nothing of it."""


def prepare(at: Layout, images: Sequence[Path]) -> list[Component]:
    """Make the nodes' network, cgroups and files, and return their containerds, which need no apiserver.

    Raises:
        NotEnclosedError: This runs in no enclosure.
    """
    enclosed = enclosure.current()
    if enclosed is None:
        raise NotEnclosedError(NotEnclosedError.__doc__)
    network.lay(at.nodes)
    template = store.template(at.programs["pause"], images)
    for node in at.nodes:
        cgroup = f"{enclosed}/{node.name}"
        cgroups.make(cgroup)
        _write(at, node, f"/{cgroup}")
        store.share(template, _folder(at, node) / "containerd")
    at.file("Corefile").write_text(config.corefile(at))
    return [_containerd(at, node) for node in at.nodes]


def followers(at: Layout) -> list[Component]:
    """Return what follows the apiserver: kubelets, proxies, scheduler, DNS."""
    logs = at.file("logs")
    return [
        *(component for node in at.nodes for component in (_kubelet(at, node), _kube_proxy(at, node))),
        Component("kube-scheduler", config.kube_scheduler(at), logs / "kube-scheduler.log"),
        Component("dns", config.dns(at), logs / "dns.log", ready=lambda: _is_healthy(network.CONTROL_PLANE, "dns")),
    ]


def _write(at: Layout, node: Node, cgroup: str) -> None:
    folder = _folder(at, node)
    contents = {
        "containerd.toml": config.containerd_toml(folder, folder / "containerd"),
        "cni/pods.conflist": config.cni(node, folder),
        "kubelet.json": config.kubelet_json(node, folder, cgroup),
        "kube-proxy.json": config.kube_proxy_json(at, node),
        "resolv.conf": f"nameserver {network.CONTROL_PLANE}\n",
    }
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def _containerd(at: Layout, node: Node) -> Component:
    folder = _folder(at, node)
    return _component(at, node, "containerd", config.containerd(folder), lambda: accepts(folder / "containerd.sock"))


def _kubelet(at: Layout, node: Node) -> Component:
    command = config.kubelet(at, node, _folder(at, node))
    return _component(at, node, "kubelet", command, lambda: _is_healthy(node.address, "kubelet"))


def _kube_proxy(at: Layout, node: Node) -> Component:
    command = config.kube_proxy(at, _folder(at, node))
    return _component(at, node, "kube-proxy", command, lambda: _is_healthy(node.address, "kube-proxy"))


def _component(at: Layout, node: Node, program: str, command: Command, ready: Callable[[], bool]) -> Component:
    name = f"{node.name}-{program}"
    return Component(name, [*node.within, *command], at.file("logs") / f"{name}.log", ready=ready)


def _is_healthy(address: str, program: str) -> bool:
    path = "ready" if program == "dns" else "healthz"
    try:
        return httpx.get(f"http://{address}:{config.HEALTH[program]}/{path}", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _folder(at: Layout, node: Node) -> Path:
    return at.file(node.name)
