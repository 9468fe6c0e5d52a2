"""Where a Ray container writes: shared memory for the object store, and a /tmp where the image is read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object

_SHM: Final = "/dev/shm"  # noqa: S108 - the mount that Ray's object store uses
_TMP: Final = "/tmp"  # noqa: S108 - where Ray makes its session, /tmp/ray
_SESSION: Final = f"{_TMP}/ray"


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
    return any(mount["mountPath"].rstrip("/") == path for mount in container.get("volumeMounts") or ())


def _free(name: str, taken: set[str]) -> str:
    names = [name, *(f"{name}-{number}" for number in range(len(taken)))]
    return next(each for each in names if each not in taken)
