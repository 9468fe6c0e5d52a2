"""The folders that Ray writes to.

Those are shared memory for the object store, and /tmp, which a read-only image lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from webhook.k8s import quantity
from webhook.k8s.objects import mount_paths
from webhook.pods.additions import Additions, Volume
from webhook.pods.resources import SHM, mebibytes, object_store
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object
    from webhook.pods.node import RayPod

_TMP: Final = "/tmp"  # noqa: S108 - where Ray makes its session, /tmp/ray
_SESSION: Final = f"{_TMP}/ray"

_NEARLY: Final = Decimal("0.9")
"""Ray takes its share of the memory that is free when it starts, so less room is enough."""

_SLOW_STORE: Final = 10**10
"""Bytes. Where /dev/shm is small, Ray keeps a store of at most this size on disk. A larger one
that was asked for has to fit into /dev/shm, or Ray does not start (REQUIRE_SHM_SIZE_THRESHOLD)."""


def additions(pod: RayPod) -> Additions:
    """Return the volumes that Ray needs, with warnings about the user's own."""
    findings = list(_mounts_without_volume(pod))
    if pod.starts_ray:
        return Additions(findings=findings)
    findings = [*_shm_warnings(pod), *findings]
    return Additions(volumes=_needed_volumes(pod), findings=findings)


def _needed_volumes(pod: RayPod) -> list[Volume]:
    # In a pod /dev/shm has 64 MB, and Ray would keep its object store on disk.
    shared_memory: Object = {"medium": "Memory"}
    if pod.resources.shm_size is not None:
        shared_memory["sizeLimit"] = pod.resources.shm_size
    wanted = [Volume("ray-shm", SHM, shared_memory)]
    # A Ray that cannot make its session does not start (seen: Read-only file system: /tmp/ray).
    security = pod.container.get("securityContext") or {}
    if security.get("readOnlyRootFilesystem") and _SESSION not in mount_paths(pod.container):
        wanted.append(Volume("ray-tmp", _TMP, {}))
    return wanted


def _mounts_without_volume(pod: RayPod) -> Iterator[Finding]:
    """Yield a warning for each mount whose volume the pod does not have.

    The usual cause is `volumes` written inside the container, where Kubernetes does not look for
    it. It then refuses the pod for a volume that its author has in front of them.
    """
    names = {volume["name"] for volume in pod.spec.get("volumes") or ()}
    for mount in pod.container.get("volumeMounts") or ():
        volume = mount.get("name")
        if volume is not None and volume not in names:
            container = pod.container["name"]
            yield finding(Code.MOUNT_WITHOUT_VOLUME, container=container, volume=volume)


@dataclass(frozen=True)
class _ShmLimit:
    """The size limit of the user's own /dev/shm."""

    volume: str
    written: str
    size: Decimal


def _shm_warnings(pod: RayPod) -> Iterator[Finding]:
    """Yield the warning that the object store does not fit into the user's own /dev/shm.

    Ray then puts it into its session directory, on disk, or does not start if its size was asked
    for (ray/_private/services.py, determine_plasma_store_config). A store that nobody asked for is
    also made to fit a /dev/shm of 10 GB or more (ray/_private/utils.py,
    resolve_object_store_memory).
    """
    if pod.start_args.names("--plasma-directory"):
        return
    asked = pod.start_args.value("--object-store-memory")
    store = object_store(pod.requests, asked)
    limit = _shm_limit(pod.container, pod.spec)
    if store is None or limit is None:
        return
    if asked is None:
        taken = min(store, _SLOW_STORE)
        enough = min(store * _NEARLY, Decimal(_SLOW_STORE))
    else:
        taken = store
        enough = Decimal(store)
    if limit.size >= enough:
        return
    outcome = "Ray keeps it in /tmp/ray, on disk"
    if taken > _SLOW_STORE:
        outcome = "Ray does not start"
    yield finding(
        Code.SMALL_SHM,
        volume=limit.volume,
        found=limit.written,
        taken=mebibytes(taken),
        outcome=outcome,
        wanted=mebibytes(store),
    )


def _shm_limit(container: Object, spec: Object) -> _ShmLimit | None:
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        if mount["mountPath"].rstrip("/") != SHM:
            continue
        source = (volumes.get(mount.get("name")) or {}).get("emptyDir") or {}
        written = source.get("sizeLimit")
        size = quantity.parse(written)
        if source.get("medium") == "Memory" and size:
            return _ShmLimit(mount["name"], str(written), size)
    return None
