"""Whether two parts of a Job say the same to Volcano, however they are written.

Volcano's mutator writes the tasks back through Go types: it leaves out what is empty, writes quantities and durations
its own way, and adds `resources: {}`. The user's file, applied again, has them as the user wrote them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from webhook.k8s import quantity

_ZEROES: Final[dict[str, object]] = {
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
"""Fields that Go leaves out at this value. Most optional ones are pointers, whose zero means something, and stay."""

_QUANTITIES: Final = frozenset({"limits", "requests", "capacity"})
_QUANTITY: Final = frozenset({"sizeLimit", "divisor"})
_DURATIONS: Final = frozenset({"timeout", "runningEstimate"})

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}


def is_same(one: Any, other: Any, key: str = "") -> bool:
    """Whether two values of a field mean the same; `key` is the field's name."""
    return bool(one == other) or _canonical({key: one}, "") == _canonical({key: other}, "")


def _canonical(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        if key in _QUANTITIES:
            return {name: _number(amount) for name, amount in value.items()}
        fields = {name: _canonical(field, name) for name, field in value.items()}
        return {name: field for name, field in fields.items() if not _is_left_out(name, field)} or None
    if isinstance(value, list):
        return [_canonical(item, "") for item in value] or None
    if key in _QUANTITY:
        return _number(value)
    return _seconds(value) if key in _DURATIONS else value


def _is_left_out(key: str, value: object) -> bool:
    return value is None or (key in _ZEROES and value == _ZEROES[key])


def _number(value: object) -> object:
    number = quantity.parse(value)
    return value if number is None else number


def _seconds(value: object) -> object:
    """A Go duration such as 1m30s."""
    if not isinstance(value, str) or not re.fullmatch(f"(?:{_DURATION.pattern})+", value):
        return value
    return sum((Decimal(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value)), Decimal(0))
