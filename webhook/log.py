"""One JSON object a line on standard output."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime

import orjson


def event(name: str, /, **fields: object) -> None:
    """Writes what happened; a field that is None is left out."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "event": name, **{key: value for key, value in fields.items() if value is not None}}
    with contextlib.suppress(OSError):  # a full disk under the log must not turn pods away
        sys.stdout.buffer.write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
