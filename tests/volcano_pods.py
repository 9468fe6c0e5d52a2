"""Pods as Volcano makes them of a task, and what volray makes of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonpatch

from webhook.pods.inject import inject

if TYPE_CHECKING:
    from webhook.names import Object


def pod(  # noqa: PLR0913 - each is a thing that a user may write on a template
    task: str = "head",
    *,
    job: str = "demo",
    flags: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    spec: Object | None = None,
    others: list[Object] | None = None,
    **container: Any,
) -> Object:
    """The first pod of a task; `container` is Ray's, named as the task unless it says otherwise."""
    own = {"name": task, "image": "rayproject/ray:2.60.0", **container}
    notes = {
        "volcano.sh/job-name": job,
        "volcano.sh/task-spec": task,
        **({"ray.volcano.sh/args": flags} if flags else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{job}-{task}-0",
            "namespace": "default",
            "labels": {"volcano.sh/job-name": job, "volcano.sh/task-spec": task, **(labels or {})},
            "annotations": {**notes, **(annotations or {})},
        },
        "spec": {"containers": [own, *(others or [])], "restartPolicy": "OnFailure", **(spec or {})},
    }


def injected(original: Object, namespace: str = "default") -> Object:
    """The pod with volray's patch applied by a library that is not volray."""
    patched: Object = jsonpatch.apply_patch(original, inject(original, namespace).operations)
    return patched


def container_of(pod: Object, name: str | None = None) -> Object:
    """Ray's container: the first one, or the one of that name."""
    containers: list[Object] = pod["spec"]["containers"]
    return next(one for one in containers if name in {None, one["name"]})


def env_of(container: Object) -> dict[str, Any]:
    """Values (or sources) of a container's variables."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env") or ()}
