"""Compare two parts of a Job by what they mean to Volcano, however they are written.

Volcano's mutator writes the tasks back through Go types. It leaves out what is empty,
writes quantities and durations in its own way, and adds `resources: {}`. The user's file,
applied again, still has them as the user wrote them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from webhook.k8s import quantity

_LEFT_OUT_AT: Final[dict[str, object]] = {
    "value": "",
    "subPath": "",
    "medium": "",
    "replicas": 0,
    "maxRetry": 0,
    "initialDelaySeconds": 0,
    "hostPort": 0,
    "hostNetwork": False,
    "hostPID": False,
    "hostIPC": False,
    "readOnly": False,
    "stdin": False,
    "stdinOnce": False,
    "tty": False,
}
"""The values at which Go leaves a field out, by the field's name.

Most optional fields are pointers. Their zero means something, so it stays.
"""

_QUANTITY_MAPS: Final = frozenset({"limits", "requests", "capacity"})
_QUANTITY_FIELDS: Final = frozenset({"sizeLimit", "divisor"})
_DURATION_FIELDS: Final = frozenset({"timeout", "runningEstimate"})

_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_DURATION: Final = re.compile(f"(?:{_DURATION_PART.pattern})+")
_UNIT_SECONDS: Final = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}


def is_same(one: Any, other: Any, key: str = "") -> bool:
    """Return whether two values of a field mean the same.

    Args:
        one: The first value.
        other: The second value.
        key: The name of the field.
    """
    if one == other:
        return True
    return _canonical_fields({key: one}) == _canonical_fields({key: other})


def _canonical(value: Any, key: str) -> Any:
    """Return a value in the one form that all its spellings have."""
    if isinstance(value, dict):
        if key in _QUANTITY_MAPS:
            return {name: _read_quantity(amount) for name, amount in value.items()}
        return _canonical_fields(value)
    if isinstance(value, list):
        # An empty list is left out, as an empty map is.
        return [_canonical(item, "") for item in value] or None
    if key in _QUANTITY_FIELDS:
        return _read_quantity(value)
    if key in _DURATION_FIELDS:
        return _read_duration(value)
    return value


def _canonical_fields(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fields of an object that Go would write, or None if there are none."""
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        canonical = _canonical(value, name)
        if canonical is None or (name in _LEFT_OUT_AT and canonical == _LEFT_OUT_AT[name]):
            continue
        kept[name] = canonical
    return kept or None


def _read_quantity(value: object) -> object:
    """Return the number of a quantity, or the value itself if it cannot be read."""
    number = quantity.parse(value)
    return value if number is None else number


def _read_duration(value: object) -> object:
    """Return the seconds of a Go duration such as 1m30s, or the value if it is not one."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return value
    seconds = Decimal(0)
    for number, unit in _DURATION_PART.findall(value):
        seconds += Decimal(number) * _UNIT_SECONDS[unit]
    return seconds
