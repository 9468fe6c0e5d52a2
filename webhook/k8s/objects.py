"""Read parts of Kubernetes objects that several rooms ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webhook.names import Object


def mount_paths(container: Object) -> set[str]:
    """Return the paths at which a container mounts something, without trailing slashes."""
    paths: set[str] = set()
    for mount in container.get("volumeMounts") or ():
        paths.add(mount["mountPath"].rstrip("/"))
    return paths


def variables_by_name(container: Object) -> dict[str, Object]:
    """Return the environment variables of a container. The last one of a name wins."""
    variables: dict[str, Object] = {}
    for variable in container.get("env") or ():
        variables[variable["name"]] = variable
    return variables


def labels_of(pod: Object) -> dict[str, str]:
    """Return the labels of an object or of a pod template."""
    return (pod.get("metadata") or {}).get("labels") or {}


def annotations_of(pod: Object) -> dict[str, str]:
    """Return the annotations of an object or of a pod template."""
    return (pod.get("metadata") or {}).get("annotations") or {}
