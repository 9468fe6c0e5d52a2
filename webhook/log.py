"""The log, which is one JSON object per line on standard output."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime

import orjson


def event(name: str, /, **fields: object) -> None:
    """Write what happened. Fields that are None are left out."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry: dict[str, object] = {"time": now, "event": name}
    for key, value in fields.items():
        if value is not None:
            entry[key] = value
    line = orjson.dumps(entry, default=str, option=orjson.OPT_APPEND_NEWLINE)
    # A log that cannot be written, for example to a full disk, must not stop pods from starting.
    with contextlib.suppress(OSError):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
