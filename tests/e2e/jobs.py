"""Ray Jobs as their users write them, task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.controlplane.installed import JOBS

if TYPE_CHECKING:
    from collections.abc import Sequence

Object = dict[str, Any]

IMAGE: Final = "rayproject/ray:2.60.0-py311-cpu"
IMAGE_WITHOUT_BASH: Final = "volray-e2e/ray-without-bash:2.60.0"
"""The same without bash, wget and curl."""

RESOURCES: Final = {"requests": {"cpu": "500m", "memory": "200Mi"}, "limits": {"memory": "2Gi"}}
"""One CPU for Ray, and as much of the machine as is free: with a CPU limit Ray's start takes several times as long."""

WITHOUT_DASHBOARD: Final = {"ray.volcano.sh/start-args": "--include-dashboard=false"}
"""For a head whose dashboard nobody asks: its start costs half as much."""


def task(
    name: str,
    *,
    replicas: int = 1,
    annotations: dict[str, str] | None = None,
    spec: Object | None = None,
    policies: Sequence[Object] = (),
    **container: Any,
) -> Object:
    """One task; `container` is Ray's, and the pods' spec says what else there is in a pod.

    Where the container ends with another status than 0, the end of its log is the message of its end.
    """
    own = {
        "name": "head" if name == "head" else "worker",
        "image": IMAGE,
        "resources": RESOURCES,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **container,
    }
    return {
        "name": name,
        "replicas": replicas,
        "policies": list(policies),
        "template": {
            "metadata": {"annotations": annotations or {}},
            "spec": {"restartPolicy": "OnFailure", "containers": [own], **(spec or {})},
        },
    }


def ray_job(
    namespace: str, name: str, *tasks: Object, flags: Sequence[str] = (), min_available: int | None = None
) -> Object:
    """A Job of a head and workers, each other task a group of workers.

    Args:
        namespace: Where it is to be.
        name: Its name.
        tasks: One of them named head.
        flags: Of `plugins.ray`, beyond the names of the groups.
        min_available: Pods that must fit before any is started; all of them, unless it is said.
    """
    groups = [f"--worker={each['name']}" for each in tasks if each["name"] != "head"]
    pods = sum(each["replicas"] for each in tasks)
    return {
        "apiVersion": JOBS,
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "minAvailable": pods if min_available is None else min_available,
            "schedulerName": "volcano",
            "queue": "default",
            "plugins": {"ray": [*groups, *flags]},
            "tasks": list(tasks),
        },
    }
