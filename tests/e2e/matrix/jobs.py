"""The matrix's Jobs: small ones, of one Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.small import pod_spec, small_job

if TYPE_CHECKING:
    from tests.images.rays import Ray

Object = dict[str, Any]


def job_of(ray: Ray, namespace: str, name: str, **said: Any) -> Object:
    """Return a small Job whose pods run this Ray; what else is said is `small_job`'s."""
    job = small_job(namespace, name, **said)
    for task in ("head", "worker"):
        pod_spec(job, task)["containers"][0] |= {
            "image": ray.image,
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
    return job


def with_requests(job: Object, cpu: str, memory: str) -> Object:
    """Return the Job with other requests, for many of its kind on few nodes."""
    for task in ("head", "worker"):
        pod_spec(job, task)["containers"][0]["resources"] = {"requests": {"cpu": cpu, "memory": memory}}
    return job


def with_grace(job: Object, seconds: int) -> Object:
    """Return the Job with another grace period."""
    for task in ("head", "worker"):
        pod_spec(job, task)["terminationGracePeriodSeconds"] = seconds
    return job
