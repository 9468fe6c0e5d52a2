"""Jobs and Services as an apiserver has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.jobs import jobs
from webhook.controller.head_service.decide import wanted
from webhook.controller.head_service.observed import RayJob, job_reader

if TYPE_CHECKING:
    from webhook.names import Object

LABELLED = job_reader(all_jobs=False)
ALL = job_reader(all_jobs=True)
LIMITS = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}


def task(name: str = "head", *, labelled: bool = True, **fields: Any) -> Object:
    return jobs.task(name, labels=jobs.OPT_IN if labelled else None, container=LIMITS, **fields)


def job(
    name: str = "demo",
    uid: str = "uid-1",
    phase: str = "",
    tasks: list[Object] | None = None,
    plugins: Object | None = None,
    **metadata: Any,
) -> Object:
    found = jobs.job(*([task("head"), task("worker")] if tasks is None else tasks), plugins=plugins)
    found["metadata"] = {"name": name, "namespace": "default", "uid": uid, "generation": 1, **metadata}
    found["status"] = {"state": {"phase": phase}} if phase else {}
    return found


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
