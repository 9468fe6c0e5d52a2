"""A container's resources → the resources that its Ray node announces.

Ray reads limits from its cgroup, rounds CPUs down to 0 below one, ignores requests, and without a limit takes the
whole node; so whatever Kubernetes was asked for is said to `ray start` (facts measured with Ray 2.60).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from webhook.k8s import quantity
from webhook.pods.devices import Meaning, device_of, domain_of, is_extended
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.names import Object

STORE_SHARE: Final = Decimal("0.3")
"""Ray's own default share of memory for the object store."""

STORE_MINIMUM: Final = 75 * 1024 * 1024
"""Ray refuses to start with a smaller store (OBJECT_STORE_MINIMUM_MEMORY_BYTES)."""

LEAST_MEMORY: Final = Decimal(256 * 1024 * 1024)
"""The smallest memory whose share for the object store is STORE_MINIMUM, and a little for what runs before Ray."""

STORE_MAXIMUM: Final = 200 * 10**9
"""Ray takes no more by itself (DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES)."""

_MEBIBYTE: Final = 1024 * 1024
_FRACTIONS: Final = ("m", "u", "n")
"""Suffixes below one, which no amount of bytes can have in earnest."""
_ENOUGH: Final = "2Gi"


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
        amount = self._number(self.field(key, side), written)
        return (amount, str(written)) if amount else None

    def field(self, key: str, side: str) -> str:
        """Return the place where an amount is written, for messages."""
        return f"{self.place if self._has(self.own, key) else 'The pod'}: resources.{side}.{key}"

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
            if is_extended(key)
        }
        counted = {
            key: self._number(f"{self.place}: resources.{side}.{key}", amount) for key, (side, amount) in asked.items()
        }
        return {key: int(count) for key, count in counted.items() if count}


def _shares(request: Decimal, own_shm: bool) -> tuple[int | None, int]:
    """Object store and heap of a memory request that has no limit, which Ray would not see."""
    store = int(request * STORE_SHARE)
    return (None if own_shm or store < STORE_MINIMUM else store), int(request) - store


def _gpus(devices: Mapping[str, int], *, claims: bool) -> int | None:
    """`--num-gpus`; None where a device may be a GPU that no name tells of.

    A share tells of no GPU where a device of its domain is counted. Alone it does: with `volcano.sh/gpu-memory`,
    volcano gives the container a part of a GPU.
    """
    meanings = {name: device_of(name).meaning for name in devices}
    counted = {domain_of(name) for name, meaning in meanings.items() if meaning in {Meaning.GPU, Meaning.CUSTOM}}
    shares = {name for name, meaning in meanings.items() if meaning is Meaning.SHARE}
    unclear = any(domain_of(name) not in counted for name in shares)
    if claims or unclear or Meaning.UNKNOWN in meanings.values():
        return None
    return sum(count for name, count in devices.items() if meanings[name] is Meaning.GPU)


def _custom(devices: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    named: dict[str, int] = {}
    for key, number in sorted(devices.items()):
        if name := device_of(key).ray_name:
            named[name] = named.get(name, 0) + number
    return tuple(named.items())


def object_store(container: Object, pod_spec: Object, *, said: str | None) -> int | None:
    """Return the bytes that Ray's object store will take, or None where nothing tells.

    Ray takes its share of the memory limit, which it sees. Without a limit it would take that of the whole node,
    which is not less than the request.

    Args:
        container: Ray's container.
        pod_spec: The pod's spec, for pod-level resources.
        said: The user's own `--object-store-memory`, checked to be a whole number.
    """
    if said is not None:
        return int(said)
    asked = _Asked(container, pod_spec)
    memory = asked.limit("memory") or asked.request("memory")
    return min(int(memory[0] * STORE_SHARE), STORE_MAXIMUM) if memory else None


def memory_findings(container: Object, pod_spec: Object) -> Iterable[Finding]:
    """Return the warning that Ray will not start with this memory, for the limit or, without one, the request.

    `512m` is the usual way to get there: half a byte, where 512Mi was meant.
    """
    asked = _Asked(container, pod_spec)
    limit, request = asked.limit("memory"), asked.request("memory")
    for side, memory in (("limits", limit), ("requests", request)):
        if memory is None:
            continue
        amount, written = memory
        is_fraction = written.endswith(_FRACTIONS)
        covered = side == "requests" and limit is not None
        if is_fraction or (amount < LEAST_MEMORY and not covered):
            field = asked.field("memory", side)
            yield finding(Code.LITTLE_MEMORY, field=field, found=written, example=_enough(written))


def _enough(written: str) -> str:
    """Return the memory to write instead: the number with the suffix that was meant, where Ray can do with it."""
    meant = quantity.parse(written[:-1] + "Mi") if written.endswith("m") else None
    return written[:-1] + "Mi" if meant is not None and meant >= LEAST_MEMORY else _ENOUGH


def mebibytes(amount: int) -> str:
    """Return an amount of bytes as a quantity that can be written into a manifest, rounded up."""
    return f"{-(-amount // _MEBIBYTE)}Mi"


def findings_of(container: Object, resources: NodeResources, *, told: bool) -> Iterable[Finding]:
    """The warning that Ray will count the whole node; `told` when the user says --num-cpus."""
    if resources.num_cpus is None and not told:
        yield finding(Code.NO_CPU, container=container["name"])
