"""The components' command lines, and the files that they read. Values in, values out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.nodes.network import CONTROL_PLANE, SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.nodes.network import Node

    Programs = Mapping[str, Path]
    Command = list[str | Path]

Object = dict[str, Any]

ADMIN = "admin"
USERS = {
    ADMIN: ("system:masters",),
    "kubelet": ("system:masters",),
    "dns": ("system:masters",),
    "system:kube-controller-manager": (),
    "system:kube-scheduler": (),
    "system:kube-proxy": (),
    "system:serviceaccount:volcano-system:volcano-controllers": ("system:serviceaccounts",),
    "system:serviceaccount:volcano-system:volcano-scheduler": ("system:serviceaccounts",),
    "system:serviceaccount:volcano-system:volcano-admission": ("system:serviceaccounts",),
}
"""Every component is a user of its own, Volcano's under the names of their ServiceAccounts: RBAC holds for them as on a
cluster, with the installer's own roles, and an audit log tells who wrote what."""

_A_NODE = ("system:nodes",)

AUDIT_POLICY: Object = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {
            "level": "Metadata",
            "userGroups": ["system:serviceaccounts:volray-system"],
            "omitStages": ["RequestReceived"],
        },
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]},
    ],
}
"""Everybody's writes; of volray's programs the reads as well, and a watch when it begins: it may outlast the test."""

_WITHOUT_KUBELET = ("node-lifecycle-controller",)  # would find the node dead: nothing renews its Lease
_IDLE_CONTROLLERS = {
    "kube-controller-manager": (
        "node-ipam-controller",
        "bootstrap-signer-controller",
        "token-cleaner-controller",
    ),
    "vc-controller-manager": (
        "hyperNode-controller",
        "colocation-configuration-controller",
        "sharding-controller",
    ),
}


@dataclass(frozen=True)
class Layout:
    """Where a control plane's programs, files, ports and nodes are."""

    programs: Programs
    folder: Path
    ports: Mapping[str, int]
    nodes: tuple[Node, ...] = ()

    @property
    def address(self) -> str:
        """Where the apiserver listens: real nodes have to reach it."""
        return CONTROL_PLANE if self.nodes else "127.0.0.1"

    @property
    def apiserver(self) -> str:
        return f"https://{self.address}:{self.ports['apiserver']}"

    @property
    def webhooks(self) -> str:
        return f"https://127.0.0.1:{self.ports['vc-webhooks']}"

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user.rpartition(':')[2]}.kubeconfig"

    def file(self, name: str) -> Path:
        return self.folder / name


_WITH_NODES = (
    f"--advertise-address={CONTROL_PLANE}",
    "--allow-privileged",
    "--kubelet-preferred-address-types=InternalIP",
)
_WITHOUT_NODES = ("--endpoint-reconciler-type=none",)  # it would complain for ever about an address on the loopback


def etcd(at: Layout) -> Command:
    client, peer = (f"http://127.0.0.1:{at.ports[name]}" for name in ("etcd", "etcd-peer"))
    return [
        at.programs["etcd"],
        f"--data-dir={at.file('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def apiserver(at: Layout, admission_plugins: Iterable[str]) -> Command:
    plugins = ",".join([*admission_plugins, *(["NodeRestriction"] if at.nodes else [])])
    return [
        at.programs["kube-apiserver"],
        f"--etcd-servers=http://127.0.0.1:{at.ports['etcd']}",
        f"--bind-address={at.address}",
        f"--secure-port={at.ports['apiserver']}",
        f"--cert-dir={at.file('apiserver')}",
        f"--tls-cert-file={at.file('tls.crt')}",
        f"--tls-private-key-file={at.file('tls.key')}",
        f"--token-auth-file={at.file('tokens.csv')}",
        "--authorization-mode=Node,RBAC",
        f"--service-cluster-ip-range={SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={at.file('service-accounts.key')}",
        f"--service-account-signing-key-file={at.file('service-accounts.key')}",
        "--shutdown-watch-termination-grace-period=1s",  # else a SIGTERM waits while a client watches
        f"--audit-policy-file={at.file('audit-policy.json')}",
        f"--audit-log-path={at.file('audit.jsonl')}",
        *([f"--enable-admission-plugins={plugins}"] if plugins else []),
        *(_WITH_NODES if at.nodes else _WITHOUT_NODES),
    ]


def kube_controller_manager(at: Layout) -> Command:
    return [
        at.programs["kube-controller-manager"],
        f"--kubeconfig={at.kubeconfig('system:kube-controller-manager')}",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={at.file('service-accounts.key')}",
        f"--root-ca-file={at.file('ca.crt')}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        _controllers("kube-controller-manager", () if at.nodes else _WITHOUT_KUBELET),
    ]


def vc_controllers(at: Layout, *, gates: bool) -> Command:
    """Volcano's controllers; `gates`: whether this version can leave controllers out."""
    return [
        at.programs["vc-controller-manager"],
        f"--kubeconfig={at.kubeconfig('volcano-controllers')}",
        "--leader-elect=false",
        "-v=3",
        *([_controllers("vc-controller-manager")] if gates else []),
    ]


def vc_scheduler(at: Layout) -> Command:
    return [
        at.programs["vc-scheduler"],
        f"--kubeconfig={at.kubeconfig('volcano-scheduler')}",
        f"--scheduler-conf={at.file('volcano-scheduler.conf')}",
        "--leader-elect=false",
        "--schedule-period=300ms",
        "-v=2",
    ]


def vc_webhooks(at: Layout, paths: Iterable[str]) -> Command:
    """Volcano's webhooks; on every path it waits for the configuration that its installer would have made."""
    return [
        at.programs["vc-webhook-manager"],
        f"--kubeconfig={at.kubeconfig('volcano-admission')}",
        f"--enabled-admission={','.join(paths)}",
        "--listen-address=127.0.0.1",
        f"--port={at.ports['vc-webhooks']}",
        f"--webhook-url={at.webhooks}",
        f"--tls-cert-file={at.file('tls.crt')}",
        f"--tls-private-key-file={at.file('tls.key')}",
        f"--ca-cert-file={at.file('ca.crt')}",
        "-v=3",
    ]


def kubeconfig(server: str, ca: Path, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig of one user on one cluster, in JSON, which is YAML."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": str(ca)}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
            "current-context": "it",
        }
    )


def tokens(by_user: Mapping[str, str]) -> str:
    """Return the apiserver's file of static tokens."""
    return "".join(f'{token},{user},{user},"{",".join(USERS.get(user, _A_NODE))}"\n' for user, token in by_user.items())


def users(at: Layout) -> list[str]:
    """Return everybody who has a token and a kubeconfig."""
    return [*USERS, *(f"system:node:{node.name}" for node in at.nodes)]


def _controllers(program: str, more: Iterable[str] = ()) -> str:
    return "--controllers=*," + ",".join(f"-{name}" for name in (*_IDLE_CONTROLLERS[program], *more))
