"""A Ray Job as it will be stored → every mistake and every doubt in it; for templates of Jobs the same findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonpatch

from webhook.errors import RefusedError
from webhook.jobs.adopt import adopt
from webhook.jobs.job import API_GROUP, is_declined, is_labelled, mistakes, pod_of, tasks_of
from webhook.jobs.warnings import doubts
from webhook.k8s import schema
from webhook.pods.inject import inject
from webhook.pods.roles import is_opted_in
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.jobs.job import Task
    from webhook.names import Object

_SCHEDULED: Final = "-00000000"
"""What a CronJob appends to its name: minutes since 1970 (cronjob_controller_util.go)."""

_FLOW: Final = "f-"
"""The shortest that a JobFlow puts before a JobTemplate's name (jobflow_controller_util.go)."""


@dataclass(frozen=True)
class Found:
    """A finding and the part of the Job that it is about; empty where its sentence says that itself."""

    place: str
    finding: Finding

    @property
    def lines(self) -> tuple[str, ...]:
        """The sentence with its place, and the hint."""
        first, *rest = self.finding.lines
        return (f"{self.place}: {first}" if self.place else first, *rest)


@dataclass(frozen=True)
class Judgement:
    """Why a Job is refused, if it is, and what its owner should know."""

    mistakes: tuple[Found, ...] = ()
    warnings: tuple[Found, ...] = ()

    def beyond(self, other: Judgement) -> Judgement:
        """What the other did not have: of an update that scales a Job, what another volray let in is not the topic.

        A Job may be scaled below its --waitNodes with a warning, as a running head has counted its nodes already.
        """
        new = [one for one in self.mistakes if one not in other.mistakes]
        scaled = [one for one in new if one.finding.code is Code.TOO_FEW_NODES]
        return Judgement(
            tuple(one for one in new if one not in scaled),
            (
                *(Found(one.place, _scaled(one.finding)) for one in scaled),
                *(one for one in self.warnings if one not in other.warnings),
            ),
        )


def _scaled(mistake: Finding) -> Finding:
    return finding(Code.SCALED_BELOW_WAIT, **dict(mistake.fields))


def is_judged(job: Object) -> bool:
    """Whether a Job is ours to judge: of the API's shape and labelled. The rest is for others to refuse."""
    return not schema.job_mistakes(job) and is_labelled(job)


def judge(job: Object, namespace: str, *, ipv6: bool = False) -> Judgement:
    """Every mistake and every doubt of a Job; none of one that is not ours. The Job is not changed."""
    if not is_judged(job):
        return Judgement()
    if is_declined(job):
        return Judgement(tuple(Found("", one) for one in mistakes(job) if one.code is Code.LABELLED_NOT_ADOPTED))
    wrong: list[Found] = [Found("", mistake) for mistake in mistakes(job)]
    warnings = [Found(place, doubt) for place, doubt in doubts(job)]
    for task in tasks_of(job):
        if is_opted_in(task.labels):
            _inject(job, task, namespace, wrong, warnings, ipv6=ipv6)
    return Judgement(tuple(_once(wrong)), tuple(dict.fromkeys(warnings)))


def _inject(job: Object, task: Task, namespace: str, wrong: list[Found], warnings: list[Found], *, ipv6: bool) -> None:
    place = f"Task {task.name}"
    try:
        injection = inject(pod_of(job, task, namespace), namespace, ipv6=ipv6)
    except RefusedError as error:
        wrong += [Found(place, mistake) for mistake in error.mistakes]
    else:
        warnings += [Found(place, warning) for warning in injection.warnings]


def _once(found: Iterable[Found]) -> Iterable[Found]:
    """The flags stand in every template: a mistake in them is said of the first."""
    seen: set[Finding] = set()
    for one in found:
        if one.finding not in seen:
            seen.add(one.finding)
            yield one


def template_of(document: Object, group: str, kind: str) -> Object | None:
    """The Job that Volcano would make of a CronJob or a JobTemplate of its own; None for any other kind.

    A JobFlow gives its Jobs neither labels nor annotations of the template (jobflow_controller_action.go).
    """
    metadata, spec = _map(document.get("metadata")), _map(document.get("spec"))
    name = str(metadata.get("name") or metadata.get("generateName") or "job")
    if (group, kind) == (API_GROUP, "CronJob"):
        template = _map(spec.get("jobTemplate"))
        own = _map(template.get("metadata"))
        return _job({**own, "name": name + _SCHEDULED}, template.get("spec"))
    if (group, kind) == ("flow.volcano.sh", "JobTemplate"):
        return _job({"name": _FLOW + name}, spec)
    return None


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _job(metadata: Object, spec: Any) -> Object:
    return {"apiVersion": f"{API_GROUP}/v1alpha1", "kind": "Job", "metadata": metadata, "spec": spec}


def judge_template(job: Object, namespace: str, *, ipv6: bool = False) -> Judgement:
    """What will be said of the Jobs made from a template: they are adopted first, as any other."""
    try:
        adoption = adopt(job)
    except RefusedError as error:
        return Judgement(tuple(Found("", mistake) for mistake in error.mistakes))
    adopted = jsonpatch.apply_patch(job, adoption.operations)
    judgement = judge(adopted, namespace, ipv6=ipv6)
    settled = tuple(Found(f"Task {task}", warning) for task, warning in adoption.warnings)
    return Judgement(judgement.mistakes, (*settled, *judgement.warnings))
