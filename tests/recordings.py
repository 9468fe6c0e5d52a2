"""AdmissionReviews recorded from kube-apiserver 1.34 with Volcano 1.14."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webhook.names import Object

FOLDER = Path(__file__).with_name("reviews")


def names(pattern: str) -> list[str]:
    """The recordings of a pattern, without their ending."""
    return sorted(path.stem for path in FOLDER.glob(f"{pattern}.json"))


@cache
def _text(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def body(name: str) -> bytes:
    """The request's body, as the apiserver sent it."""
    return _text(name)


def review(name: str) -> Any:
    """The review, a new copy each time."""
    return json.loads(_text(name))


def subject(name: str) -> Object:
    """The object under review."""
    found: Object = review(name)["request"]["object"]
    return found
