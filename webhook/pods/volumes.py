"""Where a Ray container writes: shared memory for the object store, and a /tmp where the image is read-only."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from webhook.k8s import quantity
from webhook.pods.resources import mebibytes
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object

_SHM: Final = "/dev/shm"  # noqa: S108 - the mount that Ray's object store uses
_TMP: Final = "/tmp"  # noqa: S108 - where Ray makes its session, /tmp/ray
_SESSION: Final = f"{_TMP}/ray"

_NEARLY: Final = Decimal("0.9")
"""Ray takes its share of the memory that is free when it starts, so that a little less room is enough."""

_SLOW_STORE: Final = 10**10
"""Where /dev/shm is small, Ray makes its store no larger than this, to keep it on disk; a larger one that was asked for
has to fit into /dev/shm, or Ray does not start (REQUIRE_SHM_SIZE_THRESHOLD)."""


def has_shm(container: Object) -> bool:
    """Whether the user mounts something at /dev/shm."""
    return _mounts(container, _SHM)


def added_volumes(container: Object, spec: Object, shm_size: str | None) -> tuple[list[Object], list[Object]]:
    """The mounts for a container that its user left out, and their volumes.

    Args:
        container: Ray's.
        spec: The pod's, whose volumes have the names that are taken.
        shm_size: A quantity for /dev/shm; None is no limit.
    """
    taken = {volume["name"] for volume in spec.get("volumes") or ()}
    wanted = [(_free(name, taken), path, source) for name, path, source in _missing(container, shm_size)]
    mounts = [{"name": name, "mountPath": path} for name, path, _ in wanted]
    return mounts, [{"name": name, "emptyDir": source} for name, _, source in wanted]


def _missing(container: Object, shm_size: str | None) -> Iterable[tuple[str, str, Object]]:
    """Memory for the object store: in a pod /dev/shm is 64 MB, and Ray falls back to the disk beside it.

    A Ray that cannot make its session does not start (seen: OSError, Read-only file system: /tmp/ray).
    """
    if not has_shm(container):
        yield "ray-shm", _SHM, {"medium": "Memory", **({} if shm_size is None else {"sizeLimit": shm_size})}
    if _is_read_only(container) and not _mounts(container, _TMP) and not _mounts(container, _SESSION):
        yield "ray-tmp", _TMP, {}


def _is_read_only(container: Object) -> bool:
    return bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem"))


def _mounts(container: Object, path: str) -> bool:
    return any(_is_at(mount, path) for mount in container.get("volumeMounts") or ())


def _is_at(mount: Object, path: str) -> bool:
    return bool(mount["mountPath"].rstrip("/") == path)


def _free(name: str, taken: set[str]) -> str:
    names = [name, *(f"{name}-{number}" for number in range(len(taken)))]
    return next(each for each in names if each not in taken)


def volume_findings(container: Object, spec: Object) -> Iterable[Finding]:
    """Return a warning for each mount whose volume the pod does not have.

    The usual cause is `volumes` written inside the container, where Kubernetes does not look for it. It then refuses
    the pod for a volume that its author has in front of them.
    """
    names = {volume["name"] for volume in spec.get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        volume = mount.get("name")
        if volume is not None and volume not in names:
            yield finding(Code.MOUNT_WITHOUT_VOLUME, container=container["name"], volume=volume)


def shm_findings(container: Object, spec: Object, store: int | None, *, asked: bool) -> Iterable[Finding]:
    """Return the warning that the object store does not fit into the user's own /dev/shm.

    Ray then puts it into its session directory, on disk, or does not start where its size was asked for
    (ray/_private/services.py, determine_plasma_store_config). A store that nobody asked for is also made to fit a
    /dev/shm of 10 GB or more (ray/_private/utils.py, resolve_object_store_memory).

    Args:
        container: Ray's.
        spec: The pod's, for the volume behind the mount.
        store: The size that the object store should have; None where it is not known, or not for /dev/shm.
        asked: The user asked for that size.
    """
    limit = _own_shm_limit(container, spec)
    if store is None or limit is None:
        return
    volume, written, size = limit
    taken = store if asked else min(store, _SLOW_STORE)
    enough = Decimal(store) if asked else min(store * _NEARLY, Decimal(_SLOW_STORE))
    if size < enough:
        outcome = "Ray does not start" if taken > _SLOW_STORE else "Ray keeps it in /tmp/ray, on disk"
        yield finding(
            Code.SMALL_SHM,
            volume=volume,
            found=written,
            taken=mebibytes(taken),
            outcome=outcome,
            wanted=mebibytes(store),
        )


def _own_shm_limit(container: Object, spec: Object) -> tuple[str, str, Decimal] | None:
    """Return the volume of the user's /dev/shm with its size limit, as written and in bytes; None if it has none."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        if not _is_at(mount, _SHM):
            continue
        source = (volumes.get(mount.get("name")) or {}).get("emptyDir") or {}
        written = source.get("sizeLimit")
        size = quantity.parse(written)
        if source.get("medium") == "Memory" and size:
            return mount["name"], str(written), size
    return None
