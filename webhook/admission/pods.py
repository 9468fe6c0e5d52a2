"""The verdicts on pods, from the review of a pod to what an apiserver is told about it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from webhook.admission.review import Verdict
from webhook.errors import RefusedError
from webhook.pods.inject import inject
from webhook.reasons import Code, finding

if TYPE_CHECKING:
    from webhook.admission.review import Review


def mutate(review: Review, *, ipv6: bool = False) -> Verdict:
    """Return the verdict on a review of a pod.

    It never raises. A fault of volray becomes a denial with a traceback for the log.
    """
    if review.kind != "Pod":
        warnings = finding(Code.NOT_A_POD, kind=review.kind).lines
        return Verdict(Code.NOT_A_POD, warnings=warnings)
    if review.operation != "CREATE":
        return Verdict(Code.NOT_CREATE)
    try:
        return _inject_pod(review, ipv6=ipv6)
    except RefusedError as error:
        return Verdict(error.mistakes[0].code, allowed=False, message=str(error))
    except Exception:
        message = finding(Code.INTERNAL).text
        trace = traceback.format_exc()
        return Verdict(Code.INTERNAL, allowed=False, message=message, trace=trace)


def _inject_pod(review: Review, *, ipv6: bool) -> Verdict:
    injection = inject(review.object, review.namespace, ipv6=ipv6)
    warnings: list[str] = []
    for warning in injection.warnings:
        warnings.extend(warning.lines)
    return Verdict(
        injection.reason.code,
        role=injection.role,
        operations=injection.operations,
        warnings=tuple(warnings),
    )
