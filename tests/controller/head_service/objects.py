"""Jobs and Services as an apiserver has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webhook.controller.head_service.decide import wanted
from webhook.controller.head_service.observed import RayJob, job_reader

if TYPE_CHECKING:
    from webhook.names import Object

LABEL = {"ray.volcano.sh/cluster": "true"}
LABELLED = job_reader(all_jobs=False)
ALL = job_reader(all_jobs=True)


def task(name: str = "head", *, labelled: bool = True, flags: str = "", **more: Any) -> Object:
    notes = {"annotations": {"ray.volcano.sh/args": flags}} if flags else {}
    limits = {"limits": {"cpu": "1", "memory": "1Gi"}}
    return {
        "name": name,
        "replicas": 1,
        "template": {
            "metadata": {"labels": LABEL if labelled else {}, **notes},
            "spec": {"containers": [{"name": name, "image": "ray", "resources": limits}]},
        },
        **more,
    }


def job(
    name: str = "demo",
    uid: str = "uid-1",
    phase: str = "",
    tasks: list[Object] | None = None,
    plugins: Object | None = None,
    **metadata: Any,
) -> Object:
    return {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default", "uid": uid, "generation": 1, **metadata},
        "spec": {
            "tasks": [task("head"), task("worker")] if tasks is None else tasks,
            **({"plugins": plugins} if plugins is not None else {}),
        },
        "status": {"state": {"phase": phase}} if phase else {},
    }


def ray_job(*args: Any, **kwargs: Any) -> RayJob:
    found = LABELLED(job(*args, **kwargs), None)
    assert found is not None
    return found


def service_of(ray: RayJob, **metadata: Any) -> Object:
    """Ours, with what the apiserver adds."""
    assert ray.head is not None
    body = wanted(ray, ray.head)
    body["metadata"] |= {
        "uid": "svc-1",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **metadata,
    }
    body["spec"] |= {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "sessionAffinity": "None"}
    return body


def owner(uid: str, name: str = "demo", kind: str = "Job", api: str = "batch.volcano.sh/v1alpha1") -> Object:
    return {"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}
