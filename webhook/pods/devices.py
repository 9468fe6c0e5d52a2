"""Tell what an extended resource that a container asks for is to Ray."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final


class Meaning(Enum):
    """What a device is to `ray start`."""

    GPU = auto()
    """Counts for `--num-gpus`."""
    CUSTOM = auto()
    """Counts for `--resources`, under the name of it in Ray's accelerator module."""
    SHARE = auto()
    """Tells how much of each device of the same domain is wanted. It is no device itself."""
    NOT_RAYS = auto()
    """A network card, or anything else that Ray does not schedule."""
    UNKNOWN = auto()
    """Possibly a GPU. Ray has to look for itself."""


@dataclass(frozen=True)
class Device:
    """A pattern of resource names and its meaning."""

    pattern: str
    """Of `domain/name`, matched as a shell matches names of files."""
    meaning: Meaning
    source: str
    """Where the name is documented, so that a row can be checked again."""
    ray_name: str = ""
    """Ray's own name of a CUSTOM device (ray/_private/accelerators)."""


_HAMI: Final = "HAMi, docs/config.md"
_NVIDIA_PLUGIN: Final = "NVIDIA k8s-device-plugin, README.md"
_GPU_SHARE: Final = "volcano, pkg/scheduler/api/devices/nvidia/gpushare/type.go"
_VGPU: Final = "volcano, pkg/scheduler/api/devices/nvidia/vgpu/type.go"
_VNPU: Final = "volcano, docs/user-guide/how_to_use_vnpu.md"
_KARPENTER: Final = "karpenter-provider-aws, pkg/apis/v1/labels.go"
_KUBEVIRT: Final = "KubeVirt, virt-handler: kvm, tun, vhost-net"
_FUSE_PLUGINS: Final = "smarter-device-manager; fuse-device-plugin (github.com/fuse)"
_NEURON: Final = "AWS Neuron device plugin"
_CCE: Final = "Huawei Cloud CCE, cce_10_0346"
_TERWAY: Final = "Alibaba Cloud terway, deviceplugin"
_RDMA_OF_CLOUDS: Final = "Alibaba Cloud terway, plugin; NVIDIA network-operator"
_GKE_NETWORKS: Final = "GKE, multi-network support for Pods"
_INTEL_PLUGINS: Final = "intel-device-plugins-for-kubernetes"
_RDMA_PLUGIN: Final = "k8s-rdma-shared-dev-plugin, README.md"
_SRIOV_PLUGIN: Final = "sriov-network-device-plugin, README.md"
_NETWORK_OPERATOR: Final = "NVIDIA network-operator, deployment/network-operator/values.yaml"

DRA_DOMAIN: Final = "deviceclass.resource.kubernetes.io"
"""The one domain below kubernetes.io that holds extended resources.

Source: KEP-5004, and pkg/apis/resource/types.go of Kubernetes.
"""

DEVICES: Final = (
    # The name after the slash is that of a DeviceClass. The cluster's administrator chooses it,
    # so it tells nothing.
    Device(f"{DRA_DOMAIN}/*", Meaning.UNKNOWN, "KEP-5004"),
    # Shares come before the devices, whose patterns would match them too.
    Device("*/gpumem", Meaning.SHARE, _HAMI),
    Device("*/gpumem-percentage", Meaning.SHARE, _HAMI),
    Device("*/gpucores", Meaning.SHARE, _HAMI),
    Device("*-memory", Meaning.SHARE, _VNPU),
    Device("*-memory-percentage", Meaning.SHARE, _VGPU),
    Device("*-core", Meaning.SHARE, _VNPU),
    Device("*-cores", Meaning.SHARE, _VGPU),
    Device("*/gpu", Meaning.GPU, "the device plugins of NVIDIA and AMD"),
    Device("*/gpu.shared", Meaning.GPU, f"{_NVIDIA_PLUGIN}, time-slicing and MPS"),
    Device("*/mig-*", Meaning.GPU, f"{_NVIDIA_PLUGIN}, MIG strategy mixed"),
    Device("*/vgpu-number", Meaning.GPU, _VGPU),
    Device("*/gpu-number", Meaning.GPU, _GPU_SHARE),
    Device("google.com/tpu", Meaning.CUSTOM, "GKE, TPUs in Standard clusters", "TPU"),
    Device("aws.amazon.com/neuroncore", Meaning.CUSTOM, _NEURON, "neuron_cores"),
    Device("habana.ai/gaudi", Meaning.CUSTOM, "Intel Gaudi device plugin", "HPU"),
    Device("huawei.com/Ascend*", Meaning.CUSTOM, _VNPU, "NPU"),
    # Huawei Cloud's CCE has names of its own: ascend-1980 and ascend-310.
    Device("huawei.com/ascend-*", Meaning.CUSTOM, _CCE, "NPU"),
    Device("rdma/*", Meaning.NOT_RAYS, _RDMA_PLUGIN),
    Device("*/hca*", Meaning.NOT_RAYS, _RDMA_PLUGIN),
    # koordinator.sh/rdma, aliyun/erdma, nvidia.com/rdma_host_dev, networking.gke.io.networks/rdma-0
    Device("*/*rdma*", Meaning.NOT_RAYS, _RDMA_OF_CLOUDS),
    Device("*/*sriov*", Meaning.NOT_RAYS, _SRIOV_PLUGIN),
    Device("*/efa", Meaning.NOT_RAYS, _KARPENTER),
    # Beside efa: pod-eni and PrivateIPv4Address.
    Device("vpc.amazonaws.com/*", Meaning.NOT_RAYS, _KARPENTER),
    Device("nvidia.com/hostdev", Meaning.NOT_RAYS, _NETWORK_OPERATOR),
    Device("*/mlnxnics", Meaning.NOT_RAYS, _NETWORK_OPERATOR),
    Device("networking.gke.io.networks/*", Meaning.NOT_RAYS, _GKE_NETWORKS),
    Device("aliyun/eni", Meaning.NOT_RAYS, _TERWAY),
    Device("aliyun/member-eni", Meaning.NOT_RAYS, _TERWAY),
    Device("devices.kubevirt.io/*", Meaning.NOT_RAYS, _KUBEVIRT),
    Device("*/fuse", Meaning.NOT_RAYS, _FUSE_PLUGINS),
    Device("sgx.intel.com/*", Meaning.NOT_RAYS, f"{_INTEL_PLUGINS}, SGX"),
    Device("qat.intel.com/*", Meaning.NOT_RAYS, f"{_INTEL_PLUGINS}, QAT"),
    Device("*", Meaning.UNKNOWN, "no source: the name of any other device"),
)
"""In the order in which they are tried. The first pattern that matches decides."""


@lru_cache(maxsize=1024)
def device_of(name: str) -> Device:
    """Return the row for the name of an extended resource. The last row matches every name."""
    return next(device for device in DEVICES if fnmatchcase(name, device.pattern))


def domain_of(name: str) -> str:
    """Return the part of a resource name before the slash."""
    return name.partition("/")[0]


def is_extended(name: str) -> bool:
    """Return whether a resource of this name comes from a device plugin or a DRA driver."""
    if "/" not in name:
        return False
    domain = domain_of(name)
    return domain == DRA_DOMAIN or not domain.endswith("kubernetes.io")
