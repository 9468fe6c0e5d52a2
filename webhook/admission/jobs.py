"""Review → Verdict for Jobs: which requests are looked at, and what adoption and judgement say to an apiserver."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from webhook.admission.review import Verdict
from webhook.errors import RefusedError
from webhook.jobs.adopt import adopt
from webhook.jobs.check import Found, Judgement, is_judged, judge, judge_template, template_of
from webhook.jobs.job import API_GROUP, is_asked, is_labelled
from webhook.jobs.update import restore
from webhook.k8s import schema
from webhook.reasons import Code, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.admission.review import Review
    from webhook.names import Object


def mutate_job(review: Review, *, ipv6: bool = False) -> Verdict:  # noqa: ARG001 - the signature of every verdict
    """Adopts a new Job, and puts back into an adopted one what an update leaves out."""
    if (review.group, review.kind) != (API_GROUP, "Job"):
        return Verdict(Code.NOT_A_JOB, warnings=_not_a_job(review))
    return _passed(review) or _guarded(_adopted if review.operation == "CREATE" else _restored, review)


def validate_job(review: Review, *, ipv6: bool = False) -> Verdict:
    """Refuses a wrong Ray Job with every mistake in it, and warns of a doubtful one, or of a template of such."""
    if (review.group, review.kind) == (API_GROUP, "Job"):
        return _passed(review) or _guarded(lambda asked: _judged(asked, ipv6=ipv6), review)
    template = template_of(review.object, review.group, review.kind)
    if template is None:
        return Verdict(Code.NOT_A_JOB, warnings=_not_a_job(review))
    verdict = _passed(review) or _guarded(lambda asked: _judged_template(asked, template, ipv6=ipv6), review)
    return Verdict(verdict.reason, warnings=verdict.warnings, trace=verdict.trace)


def _not_a_job(review: Review) -> tuple[str, ...]:
    return finding(Code.NOT_A_JOB, kind=review.kind, group=review.group or "the core").lines


def _passed(review: Review) -> Verdict | None:
    """What is allowed without a look: a wrong answer here makes a Job that nobody can annotate, scale or delete."""
    if review.sub_resource or review.operation not in {"CREATE", "UPDATE"}:
        return Verdict(Code.OTHER_OPERATION)
    metadata = review.object.get("metadata")
    if isinstance(metadata, dict) and metadata.get("deletionTimestamp"):
        return Verdict(Code.BEING_DELETED)
    if review.operation == "UPDATE" and review.object.get("spec") == review.old_object.get("spec"):
        return Verdict(Code.UNCHANGED)
    return None


def _guarded(decide: Callable[[Review], Verdict], review: Review) -> Verdict:
    """Never an exception: a fault of ours is a denied review whose trace the log keeps."""
    try:
        return decide(review)
    except RefusedError as error:
        return Verdict(error.mistakes[0].code, allowed=False, message=str(error))
    except Exception:
        message = finding(Code.INTERNAL).text
        return Verdict(Code.INTERNAL, allowed=False, message=message, trace=traceback.format_exc())


def _adopted(review: Review) -> Verdict:
    adoption = adopt(review.object)
    warnings = _lines(Found(f"Task {task}", warning) for task, warning in adoption.warnings)
    return Verdict(adoption.reason.code, operations=adoption.operations, warnings=warnings)


def _restored(review: Review) -> Verdict:
    """The old object decides: whether the in-tree plugin runs the Job, nobody does, or volray."""
    if schema.job_mistakes(review.object) or schema.job_mistakes(review.old_object):
        return Verdict(Code.MALFORMED)
    if is_asked(review.old_object):
        return Verdict(Code.IN_TREE)
    if not is_labelled(review.old_object):
        return Verdict(Code.NOT_A_RAY_JOB)
    operations = restore(review.object, review.old_object)
    return Verdict(Code.RESTORED if operations else Code.JOB_KEPT, operations=operations)


def _judged(review: Review, *, ipv6: bool) -> Verdict:
    if not is_judged(review.object):
        return Verdict(Code.NOT_A_RAY_JOB)
    if review.operation == "UPDATE" and is_asked(review.old_object):
        return Verdict(Code.IN_TREE)
    judgement = judge(_named(review.object, review.name), review.namespace, ipv6=ipv6)
    if review.operation == "UPDATE":
        judgement = judgement.beyond(judge(_named(review.old_object, review.name), review.namespace, ipv6=ipv6))
    return _verdict(judgement, review.name)


def _named(job: Object, name: str) -> Object:
    metadata = job.get("metadata") or {}
    return job if metadata.get("name") else {**job, "metadata": {**metadata, "name": name}}


def _verdict(judgement: Judgement, name: str) -> Verdict:
    if not judgement.mistakes:
        return Verdict(Code.JOB_JUDGED, warnings=_lines(judgement.warnings))
    sentences = " ".join(line for mistake in judgement.mistakes for line in mistake.lines)
    code = judgement.mistakes[0].finding.code
    return Verdict(code, allowed=False, message=f"Job {name}: {sentences}", warnings=_lines(judgement.warnings))


def _judged_template(review: Review, template: Object, *, ipv6: bool) -> Verdict:
    judgement = judge_template(template, review.namespace, ipv6=ipv6)
    wrong = _lines(judgement.mistakes)
    heading = finding(Code.WRONG_TEMPLATE).lines if wrong else ()
    return Verdict(Code.JOB_JUDGED, warnings=(*heading, *wrong, *_lines(judgement.warnings)))


def _lines(found: Iterable[Found]) -> tuple[str, ...]:
    return tuple(line for one in found for line in one.lines)
