"""One JSON object a line on standard output."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from webhook.review import Review, Verdict


def event(name: str, /, **fields: object) -> None:
    """Writes what happened; a field that is None is left out."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "event": name, **{key: value for key, value in fields.items() if value is not None}}
    with contextlib.suppress(OSError):  # a full disk under the log must not turn pods away
        sys.stdout.buffer.write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


def review(webhook: str, asked: Review, verdict: Verdict, microseconds: int) -> None:
    """The line of one review, with the path that it came to; the uid is the one in the apiserver's audit log."""
    event(
        "review",
        webhook=webhook,
        uid=asked.uid,
        namespace=asked.namespace,
        name=asked.name,
        role=verdict.role,
        reason=verdict.reason,
        allowed=verdict.allowed,
        microseconds=microseconds,
        message=verdict.message or None,
        trace=verdict.trace or None,
    )
