"""The verdicts on Jobs: what adoption, updates and the report on a Job say to an apiserver."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from webhook.admission.review import Verdict
from webhook.errors import MalformedError, RefusedError
from webhook.jobs.adopt import TOLD_AT_ADOPTION, adopt
from webhook.jobs.check import Report, check
from webhook.jobs.job import API_GROUP, VolcanoJob
from webhook.jobs.templates import Made, check_made, jobs_made_of
from webhook.jobs.update import restore
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.admission.review import Review
    from webhook.names import Object


def mutate_job(review: Review, *, ipv6: bool = False) -> Verdict:
    """Adopt a new Job, and put back into an adopted one what an update leaves out."""
    if (review.group, review.kind) != (API_GROUP, "Job"):
        return _not_a_job(review)
    if review.operation == "CREATE":
        return _guarded(review, lambda: _adopted(review, ipv6=ipv6))
    return _guarded(review, lambda: _restored(review))


def validate_job(review: Review, *, ipv6: bool = False) -> Verdict:
    """Refuse a wrong Ray Job, and warn of a doubtful one or of a template of such Jobs."""
    if (review.group, review.kind) == (API_GROUP, "Job"):
        return _guarded(review, lambda: _judged(review, ipv6=ipv6))
    made = jobs_made_of(review.object, review.group, review.kind)
    if not made:
        return _not_a_job(review)
    verdict = _guarded(review, lambda: _judged_template(review, made, ipv6=ipv6))
    # A template is never refused, not even for a fault of volray's.
    return Verdict(verdict.reason, warnings=verdict.warnings, trace=verdict.trace)


def _not_a_job(review: Review) -> Verdict:
    group = review.group or "the core"
    warnings = finding(Code.NOT_A_JOB, kind=review.kind, group=group).lines
    return Verdict(Code.NOT_A_JOB, warnings=warnings)


def _guarded(review: Review, decide: Callable[[], Verdict]) -> Verdict:
    """Return the verdict, which is a denial with a traceback for the log if volray fails."""
    passed = _passed(review)
    if passed is not None:
        return passed
    try:
        return decide()
    except RefusedError as error:
        return _denied(review, error.mistakes)
    except Exception:
        message = finding(Code.INTERNAL).text
        trace = traceback.format_exc()
        return Verdict(Code.INTERNAL, allowed=False, message=message, trace=trace)


def _passed(review: Review) -> Verdict | None:
    """Return the verdict on what is allowed without a look.

    A wrong answer here makes a Job that nobody can annotate, scale or delete.
    """
    if review.sub_resource or review.operation not in {"CREATE", "UPDATE"}:
        return Verdict(Code.OTHER_OPERATION)
    metadata = review.object.get("metadata")
    if isinstance(metadata, dict) and metadata.get("deletionTimestamp"):
        return Verdict(Code.BEING_DELETED)
    is_update = review.operation == "UPDATE"
    if is_update and review.object.get("spec") == review.old_object.get("spec"):
        return Verdict(Code.UNCHANGED)
    return None


def _denied(review: Review, mistakes: tuple[Finding, ...]) -> Verdict:
    sentences = " ".join(_lines(mistakes))
    message = f"Job {review.name}: {sentences}"
    return Verdict(mistakes[0].code, allowed=False, message=message)


def _adopted(review: Review, *, ipv6: bool) -> Verdict:
    try:
        job = VolcanoJob.read(review.object, review.namespace)
    except MalformedError:
        # The apiserver refuses it in words of its own.
        return Verdict(Code.MALFORMED)
    adoption = adopt(job, ipv6=ipv6)
    warnings = _lines(adoption.warnings)
    return Verdict(adoption.reason.code, operations=adoption.operations, warnings=warnings)


def _restored(review: Review) -> Verdict:
    """Let the old object decide whether the in-tree plugin runs the Job, nobody does, or volray."""
    try:
        job, old = _both(review)
    except MalformedError:
        return Verdict(Code.MALFORMED)
    if old.asks_for_ray:
        return Verdict(Code.IN_TREE)
    if not old.is_labelled:
        return Verdict(Code.NOT_A_RAY_JOB)
    operations = restore(job, old)
    return Verdict(Code.RESTORED if operations else Code.JOB_KEPT, operations=operations)


def _judged(review: Review, *, ipv6: bool) -> Verdict:
    try:
        job = _read(review, review.object)
    except MalformedError:
        return Verdict(Code.NOT_A_RAY_JOB)
    if not job.is_labelled:
        return Verdict(Code.NOT_A_RAY_JOB)
    report = check(job, ipv6=ipv6)
    if review.operation == "UPDATE":
        old = _read_old(review)
        if old is not None and old.asks_for_ray:
            return Verdict(Code.IN_TREE)
        if old is not None and old.is_labelled:
            report = report.beyond(check(old, ipv6=ipv6))
    return _verdict(review, report)


def _both(review: Review) -> tuple[VolcanoJob, VolcanoJob]:
    return _read(review, review.object), _read(review, review.old_object)


def _read(review: Review, body: Object) -> VolcanoJob:
    return VolcanoJob.read(body, review.namespace, review.name)


def _read_old(review: Review) -> VolcanoJob | None:
    try:
        return _read(review, review.old_object)
    except MalformedError:
        return None


def _verdict(review: Review, report: Report) -> Verdict:
    told = [found for found in report.warnings if found.code not in TOLD_AT_ADOPTION]
    warnings = _lines(told)
    if not report.mistakes:
        return Verdict(Code.JOB_JUDGED, warnings=warnings)
    denied = _denied(review, report.mistakes)
    return Verdict(denied.reason, allowed=False, message=denied.message, warnings=warnings)


def _judged_template(review: Review, made: list[Made], *, ipv6: bool) -> Verdict:
    report = check_made(made, review.namespace, ipv6=ipv6)
    if report is None:
        return Verdict(Code.NOT_A_RAY_JOB)
    heading: tuple[str, ...] = ()
    if report.mistakes:
        heading = finding(Code.WRONG_TEMPLATE).lines
    warnings = (*heading, *_lines(report.mistakes), *_lines(report.warnings))
    return Verdict(Code.JOB_JUDGED, warnings=warnings)


def _lines(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(line for found in findings for line in found.lines)
