"""The Jobs that are measured: one cluster of a head and two workers, thrice: in-tree plugin, volray, and by hand."""

from __future__ import annotations

import copy
from typing import Any, Final

Object = dict[str, Any]

IN_TREE: Final = "in-tree plugin"
VOLRAY: Final = "volray"
BY_HAND: Final = "by hand"

NODES: Final = 3
CODE: Final = "ray-job-code"
"""The ConfigMap with `job.py`."""

JOB_PY: Final = """\
import ray, time

ray.init(address="auto")
print("cluster resources:", ray.cluster_resources())
print("nodes:", len(ray.nodes()))


@ray.remote
def square(number):
    time.sleep(1)
    return number * number


print("squares:", ray.get([square.remote(number) for number in range(10)]))
print("Job completed successfully!")
"""
"""What the documentation's full example runs."""

DONE: Final = "Job completed successfully!"

_IMAGE: Final = "rayproject/ray:2.60.0-py311-cpu"
_ADOPT: Final = "ray.volcano.sh/adopt"
_COMMAND: Final = ["/bin/bash", "-c", "sleep 10; python /mnt/job/job.py"]


def cluster(contender: str, namespace: str, name: str) -> Object:
    """A Ray cluster that stays, restarted as a whole when a pod is lost."""
    job = _job(namespace, name, [_task("head", 1), _task("worker", NODES - 1)])
    job["spec"] |= {"plugins": {"ray": []}, "policies": [{"event": "PodEvicted", "action": "RestartJob"}]}
    return _for_in_tree(job) if contender == IN_TREE else job


def lone(contender: str, namespace: str, name: str) -> Object:
    """A Ray cluster whose pods are on their own: whoever is lost comes back alone."""
    job = cluster(contender, namespace, name)
    return job | {"spec": {key: value for key, value in job["spec"].items() if key != "policies"}}


def example(contender: str, namespace: str, name: str) -> Object:
    """The documentation's full example: a head with a command of its own, at whose end the Job is complete."""
    head = _with_code(_task("head", 1))
    job = _job(namespace, name, [head, _task("worker", NODES - 1)])
    if contender == BY_HAND:
        return _by_hand(job)
    _container(head)["command"] = _COMMAND
    job["spec"]["plugins"] = {"ray": []}
    return job


def service(job: Object) -> Object:
    """The head's Service as somebody writes it who has neither plugin nor volray."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{job['metadata']['name']}-head-svc", "namespace": job["metadata"]["namespace"]},
        "spec": {
            "selector": {"volcano.sh/job-name": job["metadata"]["name"], "volcano.sh/task-spec": "head"},
            "publishNotReadyAddresses": True,
            "ports": [{"name": "gcs", "port": 6379}, {"name": "dashboard", "port": 8265}],
        },
    }


def _job(namespace: str, name: str, tasks: list[Object]) -> Object:
    return {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"minAvailable": NODES, "schedulerName": "volcano", "queue": "default", "tasks": tasks},
    }


def _task(name: str, replicas: int) -> Object:
    container = {"name": name, "image": _IMAGE, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    spec = {"containers": [container], "restartPolicy": "OnFailure"}
    return {"name": name, "replicas": replicas, "template": {"spec": spec}}


def _container(task: Object) -> Object:
    found: Object = task["template"]["spec"]["containers"][0]
    return found


def _with_code(task: Object) -> Object:
    """The task with `job.py` mounted, whose end completes the Job."""
    _container(task)["volumeMounts"] = [{"name": "code", "mountPath": "/mnt/job"}]
    task["template"]["spec"]["volumes"] = [{"name": "code", "configMap": {"name": CODE}}]
    return task | {"policies": [{"event": "TaskCompleted", "action": "CompleteJob"}]}


def _for_in_tree(job: Object) -> Object:
    return job | {"metadata": job["metadata"] | {"annotations": {_ADOPT: "false"}}}


def _by_hand(job: Object) -> Object:
    """The job with Ray's start written into it, as its author would without any help."""
    written = copy.deepcopy(job)
    head, worker = (_container(task) for task in written["spec"]["tasks"])
    address = f"{job['metadata']['name']}-head-svc:6379"
    start = 'ray start --head --node-ip-address="$POD_IP" --dashboard-host=0.0.0.0 --num-cpus=1'
    join = f'exec ray start --block --address={address} --node-ip-address="$POD_IP" --num-cpus=1'
    wait = f"until (exec 3<>/dev/tcp/{address.replace(':', '/')}) 2>/dev/null; do sleep 0.2; done"
    head["command"] = ["/bin/bash", "-c", f"{start} && {_COMMAND[-1]}"]
    worker["command"] = ["/bin/bash", "-c", f"{wait}; {join}"]
    for container in (head, worker):
        container["env"] = [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    return written
