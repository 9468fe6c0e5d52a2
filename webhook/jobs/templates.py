"""Objects of Volcano from which Jobs are made: CronJob, JobTemplate and HyperJob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from webhook.errors import MalformedError
from webhook.jobs.check import Report, check
from webhook.jobs.job import API_GROUP, API_VERSION, VolcanoJob

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.reasons import Finding

FLOW_GROUP: Final = "flow.volcano.sh"
TRAINING_GROUP: Final = "training.volcano.sh"
TEMPLATE_KINDS: Final = frozenset(
    {(API_GROUP, "CronJob"), (FLOW_GROUP, "JobTemplate"), (TRAINING_GROUP, "HyperJob")}
)

_SCHEDULED: Final = "-00000000"
"""What a CronJob appends to its name: minutes since 1970 (cronjob_controller_util.go)."""

_FLOW: Final = "f-"
"""The shortest that a JobFlow puts before a JobTemplate's name (jobflow_controller_util.go)."""


@dataclass(frozen=True)
class Made:
    """A Job that Volcano will make."""

    job: Object
    place: str
    """Where its spec is written."""


def jobs_made_of(document: Object, group: str, kind: str) -> list[Made]:
    """Return the Jobs that Volcano makes of an object, empty for a kind that is no template.

    A JobFlow gives its Jobs neither labels nor annotations of the template
    (jobflow_controller_action.go). A HyperJob makes a Job of each replicated Job and index.
    """
    metadata, spec = _map(document.get("metadata")), _map(document.get("spec"))
    name = str(metadata.get("name") or metadata.get("generateName") or "job")
    if (group, kind) == (API_GROUP, "CronJob"):
        template = _map(spec.get("jobTemplate"))
        own = _map(template.get("metadata"))
        job = _job({**own, "name": name + _SCHEDULED}, template.get("spec"))
        return [Made(job, "spec.jobTemplate.spec")]
    if (group, kind) == (FLOW_GROUP, "JobTemplate"):
        return [Made(_job({"name": _FLOW + name}, spec), "spec")]
    if (group, kind) == (TRAINING_GROUP, "HyperJob"):
        parts = spec.get("replicatedJobs")
        return [_replicated(name, _map(part)) for part in _list(parts)]
    return []


def _replicated(name: str, part: Object) -> Made:
    part_name = part.get("name")
    job = _job({"name": f"{name}-{part_name}-0"}, part.get("templateSpec"))
    return Made(job, f"spec.replicatedJobs[{part_name}].templateSpec")


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _job(metadata: Object, spec: Any) -> Object:
    return {"apiVersion": API_VERSION, "kind": "Job", "metadata": metadata, "spec": spec}


def check_made(jobs: list[Made], namespace: str, *, ipv6: bool = False) -> Report | None:
    """Return the report on the Jobs that are made from an object, or None if none of them is Ray's.

    A template that is not of the API's shape is the apiserver's to refuse.
    """
    findings: list[Finding] = []
    is_ray = False
    for made in jobs:
        try:
            job = VolcanoJob.read(made.job, namespace)
        except MalformedError:
            continue
        if not job.asks_for_ray and not job.is_labelled:
            continue
        is_ray = True
        for found in check(job, ipv6=ipv6).findings:
            findings.append(found.at(_place_in(made, found.place)))
    return Report(tuple(findings)) if is_ray else None


def _place_in(made: Made, place: str) -> str:
    """Return the place in the template of a place in the Job."""
    if not place or place == "metadata.name":
        return place
    return f"{made.place}.{place.removeprefix('spec.')}"
