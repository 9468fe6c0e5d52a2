"""The names of extended resources, and what a container that asks for one means to Ray."""

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
    """Counts for `--resources`, under the name by which Ray's accelerator module schedules it."""
    SHARE = auto()
    """Says how much of each device of the same domain, and is no device itself."""
    NOT_RAYS = auto()
    """A network card, or anything else that Ray does not schedule."""
    UNKNOWN = auto()
    """Possibly a GPU. Ray has to look for itself."""


@dataclass(frozen=True)
class Device:
    """A pattern of resource names (`domain/name`, matched as a shell would match file names) and its meaning."""

    pattern: str
    meaning: Meaning
    source: str
    """Where the name is documented, so that a row can be checked again."""
    ray_name: str = ""
    """Ray's own name, of a CUSTOM device (ray/_private/accelerators)."""


_HAMI: Final = "HAMi, docs/config.md"
_VGPU: Final = "volcano, pkg/scheduler/api/devices/nvidia/vgpu/type.go"
_VNPU: Final = "volcano, docs/user-guide/how_to_use_vnpu.md"
_KARPENTER: Final = "karpenter-provider-aws, pkg/apis/v1/labels.go"
_RDMA_PLUGIN: Final = "k8s-rdma-shared-dev-plugin, README.md"
_SRIOV_PLUGIN: Final = "sriov-network-device-plugin, README.md"
_NETWORK_OPERATOR: Final = "NVIDIA network-operator, deployment/network-operator/values.yaml"

DRA_DOMAIN: Final = "deviceclass.resource.kubernetes.io"
"""The one domain below kubernetes.io that holds extended resources (KEP-5004, pkg/apis/resource/types.go)."""

DEVICES: Final = (
    # The name after the slash is that of a DeviceClass, chosen by the cluster's administrator: it tells nothing.
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
    Device("*/gpu.shared", Meaning.GPU, "NVIDIA k8s-device-plugin, README.md, time-slicing and MPS"),
    Device("*/mig-*", Meaning.GPU, "NVIDIA k8s-device-plugin, README.md, MIG strategy mixed"),
    Device("*/vgpu-number", Meaning.GPU, _VGPU),
    Device("*/gpu-number", Meaning.GPU, "volcano, pkg/scheduler/api/devices/nvidia/gpushare/type.go"),
    Device("google.com/tpu", Meaning.CUSTOM, "GKE, TPUs in Standard clusters", "TPU"),
    Device("aws.amazon.com/neuroncore", Meaning.CUSTOM, "AWS Neuron device plugin", "neuron_cores"),
    Device("habana.ai/gaudi", Meaning.CUSTOM, "Intel Gaudi device plugin", "HPU"),
    Device("huawei.com/Ascend*", Meaning.CUSTOM, _VNPU, "NPU"),
    # Huawei Cloud's CCE has names of its own: ascend-1980 and ascend-310.
    Device("huawei.com/ascend-*", Meaning.CUSTOM, "Huawei Cloud CCE, cce_10_0346", "NPU"),
    Device("rdma/*", Meaning.NOT_RAYS, _RDMA_PLUGIN),
    Device("*/hca*", Meaning.NOT_RAYS, _RDMA_PLUGIN),
    # koordinator.sh/rdma, aliyun/erdma, nvidia.com/rdma_host_dev, networking.gke.io.networks/rdma-0
    Device("*/*rdma*", Meaning.NOT_RAYS, "Alibaba Cloud terway, plugin; NVIDIA network-operator"),
    Device("*/*sriov*", Meaning.NOT_RAYS, _SRIOV_PLUGIN),
    Device("*/efa", Meaning.NOT_RAYS, _KARPENTER),
    # Beside efa: pod-eni and PrivateIPv4Address.
    Device("vpc.amazonaws.com/*", Meaning.NOT_RAYS, _KARPENTER),
    Device("nvidia.com/hostdev", Meaning.NOT_RAYS, _NETWORK_OPERATOR),
    Device("*/mlnxnics", Meaning.NOT_RAYS, _NETWORK_OPERATOR),
    Device("networking.gke.io.networks/*", Meaning.NOT_RAYS, "GKE, multi-network support for Pods"),
    Device("aliyun/eni", Meaning.NOT_RAYS, "Alibaba Cloud terway, deviceplugin"),
    Device("aliyun/member-eni", Meaning.NOT_RAYS, "Alibaba Cloud terway, deviceplugin"),
    Device("devices.kubevirt.io/*", Meaning.NOT_RAYS, "KubeVirt, virt-handler: kvm, tun, vhost-net"),
    Device("*/fuse", Meaning.NOT_RAYS, "smarter-device-manager; fuse-device-plugin (github.com/fuse)"),
    Device("sgx.intel.com/*", Meaning.NOT_RAYS, "intel-device-plugins-for-kubernetes, SGX"),
    Device("qat.intel.com/*", Meaning.NOT_RAYS, "intel-device-plugins-for-kubernetes, QAT"),
    Device("*", Meaning.UNKNOWN, "no source: the name of any other device"),
)
"""Read from the top: the first pattern that matches decides."""


@lru_cache(maxsize=1024)
def device_of(name: str) -> Device:
    """Return the row for the name of an extended resource; the last row takes every name."""
    return next(device for device in DEVICES if fnmatchcase(name, device.pattern))


def domain_of(name: str) -> str:
    """Return the part of a resource name before the slash."""
    return name.partition("/")[0]


def is_extended(name: str) -> bool:
    """Return whether a name is that of an extended resource, which a device plugin or a DRA driver provides."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and (domain == DRA_DOMAIN or not domain.endswith("kubernetes.io"))
