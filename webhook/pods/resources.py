"""Turn a container's resources into those that its Ray node announces.

Ray reads limits from its cgroup, rounds a CPU count below one down to 0, and ignores requests.
Without a limit it takes the whole node. So `ray start` is told what Kubernetes was asked for (seen
with Ray 2.60).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from webhook.k8s import quantity
from webhook.k8s.objects import mount_paths
from webhook.pods.devices import Meaning, device_of, domain_of, is_extended
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.names import Object

STORE_SHARE: Final = Decimal("0.3")
"""Ray's own default share of memory for the object store."""

STORE_MINIMUM: Final = 75 * 1024 * 1024
"""Ray refuses to start with a smaller store (OBJECT_STORE_MINIMUM_MEMORY_BYTES)."""

LEAST_MEMORY: Final = Decimal(256 * 1024 * 1024)
"""Bytes. Its share for the object store is STORE_MINIMUM, with room for what runs before Ray."""

STORE_MAXIMUM: Final = 200 * 10**9
"""Ray takes no larger store by itself (DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES)."""

SHM: Final = "/dev/shm"  # noqa: S108 - the mount that Ray's object store uses

_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class Amount:
    """A quantity that the user wrote."""

    number: Decimal
    written: str
    place: str
    """Where it is written, for messages."""


@dataclass(frozen=True)
class Requests:
    """What a container asks Kubernetes for. None where it asks for nothing, or for zero."""

    cpu: Amount | None
    """The limit, or else the request."""
    memory_limit: Amount | None
    memory_request: Amount | None
    devices: Mapping[str, int]
    """Extended resources by name."""
    has_claims: bool
    """The container has resource claims, whose devices no name tells."""
    mistakes: tuple[Finding, ...]


@dataclass(frozen=True)
class NodeResources:
    """What `ray start` is told. Without an option (None), Ray looks for itself."""

    num_cpus: int | None = None
    num_gpus: int | None = None
    memory: int | None = None
    """Bytes."""
    object_store_memory: int | None = None
    """Bytes."""
    shm_size: str | None = None
    """A quantity for /dev/shm. None is no limit."""
    custom: tuple[tuple[str, int], ...] = ()


class _Reader:
    """Reads the resources of a container, with the pod's own resources behind them."""

    def __init__(self, container: Object, pod_spec: Object) -> None:
        self._own = container.get("resources") or {}
        self._pod = pod_spec.get("resources") or {}
        self._place = f"Container {container['name']}"
        self.mistakes: list[Finding] = []

    def amount(self, key: str, side: str) -> Amount | None:
        """Return the limit or the request. Zero is as good as none, as for the kubelet.

        The container's resources count for a key if it has a limit or a request of that key, and
        the pod's count otherwise.
        """
        in_own = any(key in (self._own.get(each) or {}) for each in ("limits", "requests"))
        resources = self._own if in_own else self._pod
        place = self._place if in_own else "The pod"
        written = (resources.get(side) or {}).get(key)
        return self._parse(f"{place}: resources.{side}.{key}", written)

    def devices(self) -> dict[str, int]:
        """Return the extended resources. Kubernetes wants their limits and requests to be equal."""
        written: dict[str, tuple[str, object]] = {}
        for side in ("requests", "limits"):
            for key, amount in (self._own.get(side) or {}).items():
                if is_extended(key):
                    written[key] = (side, amount)
        counted: dict[str, int] = {}
        for key, (side, amount) in written.items():
            parsed = self._parse(f"{self._place}: resources.{side}.{key}", amount)
            if parsed is not None:
                counted[key] = int(parsed.number)
        return counted

    def _parse(self, place: str, written: object) -> Amount | None:
        if written is None:
            return None
        number = quantity.parse(written)
        if number is None or number < 0:
            self.mistakes.append(finding(Code.BAD_QUANTITY, field=place, found=written))
            return None
        return Amount(number, str(written), place) if number else None


def read_requests(container: Object, pod_spec: Object) -> Requests:
    """Return what a container asks Kubernetes for.

    Args:
        container: Ray's container.
        pod_spec: The pod's spec, whose own resources count for what the container leaves open.
    """
    reader = _Reader(container, pod_spec)
    cpu = reader.amount("cpu", "limits") or reader.amount("cpu", "requests")
    memory_limit = reader.amount("memory", "limits")
    memory_request = reader.amount("memory", "requests")
    devices = reader.devices()
    has_claims = bool((container.get("resources") or {}).get("claims"))
    mistakes = tuple(reader.mistakes)
    return Requests(cpu, memory_limit, memory_request, devices, has_claims, mistakes)


def has_shm(container: Object) -> bool:
    """Return whether the user mounts something at /dev/shm."""
    return SHM in mount_paths(container)


def node_resources(requests: Requests, *, own_shm: bool) -> NodeResources:
    """Return the resources of the Ray node.

    Args:
        requests: What Ray's container asks for.
        own_shm: The user mounts /dev/shm, whose size then decides about the object store.
    """
    num_cpus = store = heap = None
    if requests.cpu is not None:
        num_cpus = int(requests.cpu.number.to_integral_value(ROUND_CEILING))
    # Ray sees a limit by itself, but not a request.
    if requests.memory_request is not None and requests.memory_limit is None:
        store, heap = _shares(requests.memory_request.number, own_shm=own_shm)
    size = requests.memory_limit or requests.memory_request
    return NodeResources(
        num_cpus=num_cpus,
        num_gpus=_gpus(requests.devices, claims=requests.has_claims),
        memory=heap,
        object_store_memory=store,
        shm_size=size.written if size is not None else None,
        custom=_custom(requests.devices),
    )


def _shares(request: Decimal, *, own_shm: bool) -> tuple[int | None, int]:
    """Return the bytes of object store and heap for a memory request without a limit."""
    store = int(request * STORE_SHARE)
    heap = int(request) - store
    if own_shm or store < STORE_MINIMUM:
        return None, heap
    return store, heap


def _gpus(devices: Mapping[str, int], *, claims: bool) -> int | None:
    """Return the number for `--num-gpus`, or None where a device may be an unknown GPU.

    A share tells of no GPU where a device of its domain is counted. Alone it does. With
    `volcano.sh/gpu-memory`, Volcano gives the container a part of a GPU.
    """
    if claims:
        return None
    count = 0
    counted_domains: set[str] = set()
    shared_domains: set[str] = set()
    for name, number in devices.items():
        meaning = device_of(name).meaning
        if meaning is Meaning.UNKNOWN:
            return None
        if meaning is Meaning.SHARE:
            shared_domains.add(domain_of(name))
        elif meaning in {Meaning.GPU, Meaning.CUSTOM}:
            counted_domains.add(domain_of(name))
        if meaning is Meaning.GPU:
            count += number
    if shared_domains - counted_domains:
        return None
    return count


def _custom(devices: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Return the devices that Ray schedules by a name of its own."""
    named: dict[str, int] = {}
    for key, number in sorted(devices.items()):
        name = device_of(key).ray_name
        if name:
            named[name] = named.get(name, 0) + number
    return tuple(named.items())


def object_store(requests: Requests, wanted: str | None) -> int | None:
    """Return the bytes that Ray's object store will take, or None where nothing tells.

    Ray takes its share of the memory limit, which it sees. Without a limit it takes that of the
    whole node, which is not less than the request.

    Args:
        requests: What Ray's container asks for.
        wanted: The user's own `--object-store-memory`, checked to be a whole number.
    """
    if wanted is not None:
        return int(wanted)
    memory = requests.memory_limit or requests.memory_request
    if memory is None:
        return None
    return min(int(memory.number * STORE_SHARE), STORE_MAXIMUM)


def mebibytes(amount: int) -> str:
    """Return bytes as a quantity for a manifest, rounded up."""
    rounded_up = -(-amount // _MEBIBYTE)
    return f"{rounded_up}Mi"
