"""Jobs as people apply them, what an administrator does to them, and what comes of it: pods, the head Service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.controlplane.client import path
from tests.controlplane.cluster import NODE
from tests.controlplane.comparison import normalised
from tests.controlplane.installed import JOBS, default, documented, job_path, service_path
from tests.controlplane.waiting import wait, with_others
from webhook.version import __version__

if TYPE_CHECKING:
    from tests.controlplane.client import Api
    from tests.controlplane.cluster import ControlPlane
    from tests.controlplane.installed import Volray

Object = dict[str, Any]

_INJECTED = '"ray.volcano.sh/injected": "{}"'

DOCUMENTATION = ("default", "ray-cluster-job", "ray-cluster-custom", "ray-compute-job")
"""The Jobs of Volcano's documentation: the smallest; with `svc`; with names and ports of its own; with a program."""


def documentation(name: str, namespace: str) -> Object:
    """Return one of them, as a user's file holds it."""
    return default(namespace) if name == "default" else documented(name, namespace)


def run(volray: Volray, line: str) -> str:
    """Run a line of the documentation beside the folder `manifests`, and return what it printed."""
    done = volray.plane.shell(line, volray.manifests.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl, and return what it printed."""
    done = plane.kubectl(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def make_namespace(plane: ControlPlane, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    plane.admin.create(path("v1", "namespaces"), body)


def make_job(plane: ControlPlane, job: Object) -> Object:
    """Create a Job without kubectl, and return what became of it."""
    return plane.admin.create(path(JOBS, "jobs", job["metadata"]["namespace"]), job)


def foreign_service(plane: ControlPlane, namespace: str, name: str) -> Object:
    """Make a Service that somebody else has under that name."""
    spec = {"ports": [{"name": "http", "port": 80}], "selector": {"app": "theirs"}}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
    return plane.admin.create(path("v1", "services", namespace), body)


def count(job: Object) -> int:
    """Return how many pods the Job has."""
    return sum(task["replicas"] for task in job["spec"]["tasks"])


def pods_of(plane: ControlPlane, job: Object) -> list[Object]:
    """Return the Job's pods as they are now."""
    selector = f"volcano.sh/job-name={job['metadata']['name']}"
    return plane.admin.items(path("v1", "pods", job["metadata"]["namespace"]), labelSelector=selector)


def pods(plane: ControlPlane, job: Object) -> dict[str, Object]:
    """Wait until the Job's pods are all there and bound, and return them by name."""

    def bound() -> list[Object]:
        found = pods_of(plane, job)
        assert [pod["spec"].get("nodeName") for pod in found] == [NODE] * count(job)
        assert not any("deletionTimestamp" in pod["metadata"] for pod in found)
        return found

    return {pod["metadata"]["name"]: pod for pod in wait(bound, f"{count(job)} pods are bound", with_others(30))}


def all_pods(plane: ControlPlane, job: Object, phase: str) -> None:
    """Wait for the Job's pods, and put them into a phase."""
    for name in pods(plane, job):
        plane.set_phase(job["metadata"]["namespace"], name, phase)


def phase_of(job: Object) -> str | None:
    """Return how far Volcano has brought the Job, which it does not say at once."""
    phase: str | None = job.get("status", {}).get("state", {}).get("phase")
    return phase


def wait_phase(plane: ControlPlane, job: Object, phase: str) -> None:
    """Wait until Volcano has brought the Job so far."""
    wait(lambda: phase_of(plane.admin.get(job_path(job))) == phase, f"the Job is {phase}")


def settled(plane: ControlPlane, job: Object) -> Object:
    """Let the Job's pods run, so that Volcano has nothing more to write on it, and return it."""
    all_pods(plane, job, "Running")

    def running() -> Object:
        found = plane.admin.get(job_path(job))
        assert (phase_of(found), found["status"].get("running")) == ("Running", count(job))
        return found

    return wait(running, "the Job runs")


def running(plane: ControlPlane, job: Object) -> Object:
    """Create a Job, let it run, and return it as soon as it has its Service."""
    made = make_job(plane, job)
    settled(plane, made)
    service(plane, made)
    return made


def service(plane: ControlPlane, job: Object) -> Object:
    """Wait for the head Service, and return it."""
    wait(lambda: plane.admin.exists(service_path(job)), "there is the head Service")
    return plane.admin.get(service_path(job))


def edition(plane: ControlPlane, job: Object) -> tuple[int, str]:
    """Return the Job's generation and resourceVersion."""
    metadata = plane.admin.get(job_path(job))["metadata"]
    return metadata["generation"], metadata["resourceVersion"]


def left(plane: ControlPlane, namespace: str) -> list[str]:
    """What is in the namespace but Events and what Kubernetes puts into every namespace."""
    kinds = "jobs.batch.volcano.sh,podgroups.scheduling.volcano.sh,pods,services,configmaps,secrets,networkpolicies"
    found = kubectl(plane, "get", kinds, "-n", namespace, "-o", "name").split()
    return [name for name in found if name != "configmap/kube-root-ca.crt"]


def delete(plane: ControlPlane, job: Object, propagation: str = "Foreground") -> None:
    """Delete the Job, and wait until it is gone."""
    plane.admin.delete(job_path(job), propagationPolicy=propagation)
    wait(lambda: not plane.admin.exists(job_path(job)), "the Job is gone")


def delete_all(plane: ControlPlane, namespace: str, cascade: str = "foreground") -> None:
    """Delete the namespace's Jobs as people do, and wait until nothing is left of them."""
    kubectl(plane, "delete", "jobs.batch.volcano.sh", "--all", "-n", namespace, f"--cascade={cascade}")
    wait(lambda: left(plane, namespace) == [], "nothing is left")


def order(admin: Api, job: Object, action: str) -> None:
    """Order an action for a Job on any cluster, by a Command: `AbortJob`, `ResumeJob`, `RestartJob`."""
    metadata = admin.get(job_path(job))["metadata"]
    target = {"apiVersion": JOBS, "kind": "Job", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    body = {
        "apiVersion": "bus.volcano.sh/v1alpha1",
        "kind": "Command",
        "metadata": {"generateName": "test-", "ownerReferences": [target]},
        "action": action,
        "target": target,
    }
    admin.create(path("bus.volcano.sh/v1alpha1", "commands", metadata["namespace"]), body)


def restarted(plane: ControlPlane, job: Object) -> None:
    """Restart the Job, and let its new pods run."""
    before = plane.admin.get(job_path(job))["status"].get("retryCount", 0)
    order(plane.admin, job, "RestartJob")
    wait(lambda: plane.admin.get(job_path(job))["status"].get("retryCount") == before + 1, "the Job is restarted")
    settled(plane, job)


def injecting_versions(plane: ControlPlane, job: Object) -> set[str]:
    """Return which versions injected the Job's pods; "" stands for pods that none did."""
    annotations = (pod["metadata"]["annotations"] for pod in pods(plane, job).values())
    return {each.get("ray.volcano.sh/injected", "") for each in annotations}


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
    delete_all(plane, namespace)
    tasks = {pod["metadata"]["annotations"]["volcano.sh/task-spec"]: pod for pod in reversed(bound.values())}
    objects = {**dict(sorted(tasks.items())), "Service": head, "Job": {"made": dict.fromkeys(others, "")}}
    names = {uid: "UID", namespace: "default", _INJECTED.format(__version__): _INJECTED.format("VERSION")}
    return {name: normalised(found, names) for name, found in objects.items()}


def is_in_tree(pod: Object) -> bool:
    """Tell whether the pod is a head that Volcano's plugin made."""
    commands = (container.get("command", [""]) for container in pod["spec"]["containers"])
    return any(command[-1].startswith("ray start --head --block") for command in commands)
