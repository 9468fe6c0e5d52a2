"""Jobs as people apply them, and what comes of them: pods, the head Service, and what stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.controlplane.client import path
from tests.controlplane.cluster import NODE
from tests.controlplane.comparison import normalised
from tests.controlplane.installed import default, documented, job_path, service_path
from tests.controlplane.waiting import wait
from webhook.version import __version__

if TYPE_CHECKING:
    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]

_INJECTED = '"ray.volcano.sh/injected": "{}"'

DOCUMENTATION = ("default", "ray-cluster-job", "ray-cluster-custom", "ray-compute-job")
"""The Jobs of Volcano's documentation: the smallest; with `svc`; with names and ports of its own; with a program."""


def documentation(name: str, namespace: str) -> Object:
    """Return one of them, as a user's file holds it."""
    return default(namespace) if name == "default" else documented(name, namespace)


def apply(plane: ControlPlane, job: Object, *arguments: str) -> str:
    """Apply a file, and return what kubectl said about it."""
    done = plane.kubectl("apply", *arguments, "-f", "-", stdin=json.dumps(job))
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refusal(plane: ControlPlane, job: Object, *arguments: str) -> str:
    """Apply a file that is to be refused, and return why it was."""
    done = plane.kubectl("apply", *arguments, "-f", "-", stdin=json.dumps(job))
    assert done.returncode != 0, done.stdout
    return done.stderr


def pods(plane: ControlPlane, job: Object) -> dict[str, Object]:
    """Wait until the Job's pods are all there and bound, and return them by name."""
    count = sum(task["replicas"] for task in job["spec"]["tasks"])
    selector = f"volcano.sh/job-name={job['metadata']['name']}"

    def bound() -> list[Object]:
        found = plane.admin.items(path("v1", "pods", job["metadata"]["namespace"]), labelSelector=selector)
        assert [pod["spec"].get("nodeName") for pod in found] == [NODE] * count
        return found

    return {pod["metadata"]["name"]: pod for pod in wait(bound, f"{count} pods are bound")}


def service(plane: ControlPlane, job: Object) -> Object:
    """Wait for the head Service, and return it."""
    wait(lambda: plane.admin.exists(service_path(job)), "there is the head Service")
    return plane.admin.get(service_path(job))


def edition(plane: ControlPlane, job: Object) -> tuple[int, str]:
    """Return the Job's generation and resourceVersion."""
    metadata = plane.admin.get(job_path(job))["metadata"]
    return metadata["generation"], metadata["resourceVersion"]


def settled(plane: ControlPlane, job: Object) -> Object:
    """Let the Job's pods run, so that Volcano has nothing more to write on it, and return it."""
    for name in pods(plane, job):
        plane.set_phase(job["metadata"]["namespace"], name, "Running")
    count = sum(task["replicas"] for task in job["spec"]["tasks"])

    def running() -> Object:
        found = plane.admin.get(job_path(job))
        status = found["status"]
        assert (status["state"]["phase"], status.get("running")) == ("Running", count)
        return found

    return wait(running, "the Job runs")


def left(plane: ControlPlane, namespace: str) -> list[str]:
    """What is in the namespace but Events and what Kubernetes puts into every namespace."""
    kinds = "jobs.batch.volcano.sh,podgroups.scheduling.volcano.sh,pods,services,configmaps,secrets,networkpolicies"
    done = plane.kubectl("get", kinds, "-n", namespace, "-o", "name")
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.split() if name != "configmap/kube-root-ca.crt"]


def cluster_of(plane: ControlPlane, job: Object) -> dict[str, Object]:
    """Apply a Job, and take it away again.

    Returns:
        A pod of each task by the task's name, the head `Service`, and the `Job` as the names of what else was made.
        What is theirs alone, as uids, is replaced, so that two clusters can be compared.
    """
    namespace = job["metadata"]["namespace"]
    apply(plane, job)
    bound, head = pods(plane, job), service(plane, job)
    uid = plane.admin.get(job_path(job))["metadata"]["uid"]
    others = [name.replace(uid, "UID") for name in left(plane, namespace) if not name.startswith(("job.", "pod/"))]
    remove(plane, job)
    tasks = {pod["metadata"]["annotations"]["volcano.sh/task-spec"]: pod for pod in reversed(bound.values())}
    objects = {**dict(sorted(tasks.items())), "Service": head, "Job": {"made": dict.fromkeys(others, "")}}
    names = {uid: "UID", namespace: "default", _INJECTED.format(__version__): _INJECTED.format("VERSION")}
    return {name: normalised(found, names) for name, found in objects.items()}


def remove(plane: ControlPlane, job: Object) -> None:
    """Delete a Job, and wait until its namespace is empty."""
    plane.admin.delete(job_path(job), propagationPolicy="Foreground")
    wait(lambda: left(plane, job["metadata"]["namespace"]) == [], "nothing is left")


def is_in_tree(pod: Object) -> bool:
    """Tell whether the pod is a head that Volcano's plugin made."""
    commands = (container.get("command", [""]) for container in pod["spec"]["containers"])
    return any(command[-1].startswith("ray start --head --block") for command in commands)
