"""The command lines of a node's programs, and the files that they read. Values in, values out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.nodes.network import CONTROL_PLANE, PODS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.controlplane.commands import Command, Layout
    from tests.nodes.network import Node

Object = dict[str, Any]

PAUSE: Final = "registry.k8s.io/pause:3.10"
SNAPSHOTS: Final = "io.containerd.snapshotter.v1.overlayfs"
HEALTH: Final = {"kubelet": 10248, "kube-proxy": 10256, "dns": 8181}
"""The ports on which they say that they work."""

CNI_PLUGINS: Final = "/usr/lib/cni"
_OTHER_SNAPSHOTTERS: Final = tuple(
    f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "zfs", "devmapper", "native")
)


def containerd(folder: Path) -> Command:
    return ["/usr/bin/containerd", f"--config={folder / 'containerd.toml'}"]


def containerd_toml(folder: Path, root: Path) -> str:
    """Return its configuration; images and containers are in `root`, all else it makes is in the folder.

    A negative oom_score_adj, which the kubelet asks for, takes CAP_SYS_RESOURCE: where that is missing no sandbox
    starts without `restrict_oom_score_adj`.
    """
    return f"""version = 2
root = "{root}"
state = "{folder / "containerd-state"}"
disabled_plugins = {json.dumps(_OTHER_SNAPSHOTTERS)}
[grpc]
address = "{folder / "containerd.sock"}"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder / "opt"}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{folder / "cni"}"
"""


def cni(node: Node, folder: Path) -> str:
    ipam = {
        "type": "host-local",
        "dataDir": str(folder / "ipam"),
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]})


def kubelet(at: Layout, node: Node, folder: Path) -> Command:
    return [
        at.programs["kubelet"],
        f"--config={folder / 'kubelet.json'}",
        f"--kubeconfig={at.kubeconfig(node.name)}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'kubelet-pki'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    ]


def kubelet_json(node: Node, folder: Path, cgroup: str) -> str:
    """Return its configuration.

    Whoever reaches it may do everything: only pods and the control plane do. It finds the kernel as it wants it
    (`protectKernelDefaults`), or it would change the whole machine's.
    """
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "healthzBindAddress": node.address,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "clusterDomain": "cluster.local",
        "clusterDNS": [CONTROL_PLANE],
        "resolvConf": str(folder / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{folder / 'containerd.sock'}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # a negative one takes CAP_SYS_RESOURCE
        "protectKernelDefaults": True,
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,  # an image that is collected could not be pulled again
        "eventRecordQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }
    return json.dumps(configuration)


def kube_proxy(at: Layout, folder: Path) -> Command:
    return [at.programs["kube-proxy"], f"--config={folder / 'kube-proxy.json'}"]


def kube_proxy_json(at: Layout, node: Node) -> str:
    """Return its configuration; the size of the table of connections is the whole machine's, and is left alone."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": PODS,
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": str(at.kubeconfig("kube-proxy"))},
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"syncPeriod": "10s", "minSyncPeriod": "100ms"},
    }
    return json.dumps(configuration)


def kube_scheduler(at: Layout) -> Command:
    config = at.kubeconfig("kube-scheduler")
    return [at.programs["kube-scheduler"], f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0"]


def dns(at: Layout) -> Command:
    return [at.programs["coredns"], f"-conf={at.file('Corefile')}"]


def corefile(at: Layout) -> str:
    """Return the settings of the cluster's DNS; a name from outside it is refused at once."""
    return f""".:53 {{
    bind {CONTROL_PLANE}
    errors
    ready {CONTROL_PLANE}:{HEALTH["dns"]}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {at.kubeconfig("dns")}
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""
