"""Review → Verdict: which requests are looked at, and what a pod's injection says to an apiserver."""

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
    """The verdict on a review; never an exception: a fault of ours is a denied review whose trace the log keeps."""
    if review.kind != "Pod":
        return Verdict(Code.NOT_A_POD, warnings=finding(Code.NOT_A_POD, kind=review.kind).lines)
    if review.operation != "CREATE":
        return Verdict(Code.NOT_CREATE)
    try:
        return _injected(review, ipv6=ipv6)
    except RefusedError as error:
        return Verdict(error.mistakes[0].code, allowed=False, message=str(error))
    except Exception:
        message = finding(Code.INTERNAL).text
        return Verdict(Code.INTERNAL, allowed=False, message=message, trace=traceback.format_exc())


def _injected(review: Review, *, ipv6: bool) -> Verdict:
    injection = inject(review.object, review.namespace, ipv6=ipv6)
    return Verdict(
        injection.reason.code,
        role=injection.role,
        operations=injection.operations,
        warnings=tuple(line for warning in injection.warnings for line in warning.lines),
    )
