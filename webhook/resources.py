"""A container's resources → the resources that its Ray node announces.

Ray reads limits from its cgroup, rounds CPUs down to 0 below one, ignores requests, and without a limit takes the
whole node; so whatever Kubernetes was asked for is said to `ray start` (facts measured with Ray 2.60).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from webhook import quantity
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.names import Object

STORE_SHARE: Final = Decimal("0.3")
"""Ray's own default share of memory for the object store."""

STORE_MINIMUM: Final = 75 * 1024 * 1024
"""Ray refuses to start with a smaller store (OBJECT_STORE_MINIMUM_MEMORY_BYTES)."""

_GPU_NAMES: Final = ("gpu.shared", "vgpu-number", "gpu-number")
_GPU_SHARES: Final = frozenset(
    {
        "volcano.sh/vgpu-memory",
        "volcano.sh/vgpu-memory-percentage",
        "volcano.sh/vgpu-cores",
        "nvidia.com/gpumem",
        "nvidia.com/gpumem-percentage",
        "nvidia.com/gpucores",
    }
)
"""How much of each GPU, said beside a count of GPUs: no devices of their own."""

_RAY_NAMES: Final = {
    "google.com/tpu": "TPU",
    "aws.amazon.com/neuroncore": "neuron_cores",
    "habana.ai/gaudi": "HPU",
}
"""The names under which Ray's accelerator modules schedule (ray/_private/accelerators)."""


@dataclass(frozen=True)
class NodeResources:
    """What to say to `ray start`; None is an option left out, so that Ray looks for itself."""

    num_cpus: int | None = None
    num_gpus: int | None = None
    memory: int | None = None
    object_store_memory: int | None = None
    shm_size: str | None = None
    """A quantity for /dev/shm; None is no limit."""
    custom: tuple[tuple[str, int], ...] = ()


def node_resources(container: Object, pod_spec: Object, *, own_shm: bool) -> tuple[NodeResources, list[Finding]]:
    """The Ray node's resources, and each quantity that is none.

    Args:
        container: Ray's container.
        pod_spec: The pod's spec: its pod-level resources count for what the container leaves open.
        own_shm: The user mounts /dev/shm, whose size decides over the object store then.
    """
    asked = _Asked(container, pod_spec)
    cpu = asked.limit("cpu") or asked.request("cpu")
    memory_limit, memory_request = asked.limit("memory"), asked.request("memory")
    store, rest = (None, None) if memory_limit or not memory_request else _shares(memory_request[0], own_shm)
    size = memory_limit or memory_request
    devices = asked.devices()
    return NodeResources(
        num_cpus=int(cpu[0].to_integral_value(ROUND_CEILING)) if cpu else None,
        num_gpus=_gpus(devices, claims=bool((container.get("resources") or {}).get("claims"))),
        memory=rest,
        object_store_memory=store,
        shm_size=size[1] if size else None,
        custom=_custom(devices),
    ), asked.mistakes


class _Asked:
    """Limits and requests of a container, with the pod's behind them."""

    def __init__(self, container: Object, pod_spec: Object) -> None:
        self.own = container.get("resources") or {}
        self.pod = pod_spec.get("resources") or {}
        self.place = f"Container {container['name']}"
        self.mistakes: list[Finding] = []

    def limit(self, key: str) -> tuple[Decimal, str] | None:
        return self._amount(key, "limits")

    def request(self, key: str) -> tuple[Decimal, str] | None:
        return self._amount(key, "requests")

    def _amount(self, key: str, side: str) -> tuple[Decimal, str] | None:
        """The amount as a number and as it was written; zero is as good as none, as for the kubelet."""
        own = self._has(self.own, key)
        written = ((self.own if own else self.pod).get(side) or {}).get(key)
        amount = self._number(f"{self.place if own else 'The pod'}: resources.{side}.{key}", written)
        return (amount, str(written)) if amount else None

    @staticmethod
    def _has(resources: Object, key: str) -> bool:
        return any(key in (resources.get(side) or {}) for side in ("limits", "requests"))

    def _number(self, place: str, written: object) -> Decimal | None:
        amount = None if written is None else quantity.parse(written)
        if (amount is None and written is not None) or (amount is not None and amount < 0):
            self.mistakes.append(finding(Code.BAD_QUANTITY, field=place, found=written))
            return None
        return amount

    def devices(self) -> dict[str, int]:
        """Extended resources and how many; Kubernetes wants limit and request of those to be equal."""
        asked = {
            key: (side, amount)
            for side in ("requests", "limits")
            for key, amount in (self.own.get(side) or {}).items()
            if _is_device(key)
        }
        counted = {
            key: self._number(f"{self.place}: resources.{side}.{key}", amount) for key, (side, amount) in asked.items()
        }
        return {key: int(count) for key, count in counted.items() if count}


def _is_device(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    return bool(slash) and not domain.endswith("kubernetes.io")


def _shares(request: Decimal, own_shm: bool) -> tuple[int | None, int]:
    """Object store and heap of a memory request that has no limit, which Ray would not see."""
    store = int(request * STORE_SHARE)
    return (None if own_shm or store < STORE_MINIMUM else store), int(request) - store


def _is_gpu(key: str) -> bool:
    name = key.partition("/")[2]
    return name == "gpu" or name in _GPU_NAMES or name.startswith("mig-")


def _ray_name(key: str) -> str | None:
    return "NPU" if key.startswith("huawei.com/Ascend") else _RAY_NAMES.get(key)


def _gpus(devices: Mapping[str, int], *, claims: bool) -> int | None:
    """`--num-gpus`; None where a device may be a GPU that no name tells of."""
    count = sum(number for key, number in devices.items() if _is_gpu(key))
    known = {key for key in devices if _is_gpu(key) or _ray_name(key)} | (_GPU_SHARES if count else set())
    return None if claims or devices.keys() - known else count


def _custom(devices: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    named: dict[str, int] = {}
    for key, number in sorted(devices.items()):
        if (name := _ray_name(key)) is not None:
            named[name] = named.get(name, 0) + number
    return tuple(named.items())


def findings_of(container: Object, resources: NodeResources, *, told: bool) -> Iterable[Finding]:
    """The warning that Ray will count the whole node; `told` when the user says --num-cpus."""
    if resources.num_cpus is None and not told:
        yield finding(Code.NO_CPU, container=container["name"])
