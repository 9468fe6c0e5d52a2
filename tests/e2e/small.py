"""Jobs that are small enough to run several of them beside each other."""

from __future__ import annotations

from typing import Any, Final

from tests.controlplane.installed import default

Object = dict[str, Any]

IDLE: Final = ("python3", "-c", "import time; time.sleep(10**6)")
"""A command that never ends by itself, and that SIGTERM ends."""

_WITHOUT_DASHBOARD: Final = {"ray.volcano.sh/start-args": "--include-dashboard=false"}
"""Its start costs half as much; a head's life is the same."""

_SMALL: Final = {"requests": {"cpu": "500m", "memory": "1Gi"}}


def small_job(
    namespace: str,
    name: str,
    *,
    workers: int = 1,
    command: tuple[str, ...] = (),
    dashboard: bool = False,
    **spec: Any,
) -> Object:
    """Return the documentation's Job without its policies, so that Kubernetes and Ray alone bring it back.

    Args:
        namespace: Where it is to run.
        name: The Job's.
        workers: How many, of one group.
        command: The head's own.
        dashboard: Whether the head has one.
        **spec: What else the Job's spec says, in place of what it would.
    """
    job = default(namespace, name)
    del job["spec"]["policies"]
    job["spec"] |= {"minAvailable": 1 + workers, **spec}
    task(job, "worker")["replicas"] = workers
    for each in ("head", "worker"):
        pod_spec(job, each)["containers"][0]["resources"] = _SMALL
    if not dashboard:
        task(job, "head")["template"]["metadata"] = {"annotations": _WITHOUT_DASHBOARD}
    if command:
        pod_spec(job, "head")["containers"][0]["command"] = list(command)
    return job


def task(job: Object, name: str) -> Object:
    """Return a task of the Job, to be changed."""
    return next(each for each in job["spec"]["tasks"] if each["name"] == name)


def pod_spec(job: Object, name: str) -> Object:
    """Return the pods' spec of a task, to be changed."""
    found: Object = task(job, name)["template"]["spec"]
    return found
