"""AdmissionReview: bytes in, bytes out. The protocol of admission.k8s.io/v1, and no policy."""

from __future__ import annotations

import reprlib
import textwrap
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from webhook.errors import ReviewError
from webhook.reasons import Code, finding
from webhook.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
CONTENT_TYPE: Final = "application/json"

BODY_LIMIT: Final = 7 * 1024 * 1024
"""Bytes; controller-runtime's limit: an object of etcd's 1.5 MiB, twice, and its managed fields."""

WARNING_LIMIT: Final = 120
"""Characters; what the Kubernetes API asks of a warning (admission/v1, AdmissionResponse.warnings)."""

_UNPROCESSABLE: Final = 422


@dataclass(frozen=True)
class Review:
    """What an apiserver asks."""

    uid: str
    kind: str
    operation: str
    namespace: str
    name: str
    """The object's; its generateName where the apiserver has not made a name yet."""
    object: Object
    old_object: Object = field(default_factory=dict)
    """Before an UPDATE or a DELETE; empty at a CREATE."""
    group: str = ""
    """The API group of the kind; empty for the core's."""
    resource: str = ""
    sub_resource: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class Verdict:
    """What it is answered. `message` is why an object is not allowed."""

    reason: Code
    allowed: bool = True
    role: str | None = None
    operations: tuple[Object, ...] = ()
    warnings: tuple[str, ...] = ()
    message: str = ""
    trace: str = field(default="", repr=False)
    """Of a fault of volray, for the log alone."""


def decode(body: bytes) -> Review:
    """The review in a request's body.

    Raises:
        ReviewError: Status 400, for a body that is none.
    """
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ReviewError(400, finding(Code.NOT_JSON, why=error)) from error
    _expect(review, "the body", dict, "an object")
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if review.get(key) != wanted:
            raise _unlike(key, review.get(key), wanted)
    return _request(_expect(review.get("request"), "request", dict, "an object"))


def _request(request: Object) -> Review:
    uid = _expect(request.get("uid"), "request.uid", str, "a text")
    kind = _expect(request.get("kind"), "request.kind", dict, "an object")
    resource = _expect(request.get("resource") or {}, "request.resource", dict, "an object")
    subject = _expect(request.get("object") or {}, "request.object", dict, "an object")
    return Review(
        uid=uid,
        kind=_expect(kind.get("kind"), "request.kind.kind", str, "a text"),
        operation=_text(request, "operation"),
        namespace=_text(request, "namespace"),
        name=_name(request, subject),
        object=subject,
        old_object=_expect(request.get("oldObject") or {}, "request.oldObject", dict, "an object"),
        group=str(kind.get("group") or ""),
        resource=str(resource.get("resource") or ""),
        sub_resource=_text(request, "subResource"),
        dry_run=bool(request.get("dryRun")),
    )


def _text(request: Object, key: str) -> str:
    text: str = _expect(request.get(key, ""), f"request.{key}", str, "a text")
    return text


def _name(request: Object, subject: Object) -> str:
    metadata = subject.get("metadata")
    generated = metadata.get("generateName") if isinstance(metadata, dict) else None
    return str(request.get("name") or generated or "")


def _expect(value: Any, place: str, kind: type, wanted: str) -> Any:
    if not isinstance(value, kind):
        raise _unlike(place, value, wanted)
    return value


def _unlike(place: str, found: object, wanted: str) -> ReviewError:
    text = "missing" if found is None else found[:60] if isinstance(found, str) else reprlib.repr(found)
    return ReviewError(400, finding(Code.NOT_A_REVIEW, field=place, found=text, wanted=wanted))


def encode(uid: str, verdict: Verdict) -> bytes:
    """The body of the answer. No patch, no patchType: an apiserver refuses the one without the other.

    Raises:
        ReviewError: Status 400, for an object that JSON cannot be made of again.
    """
    response: Object = {"uid": uid, "allowed": verdict.allowed}
    if verdict.operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(_patch(verdict.operations)).decode()
    if not verdict.allowed:
        response["status"] = {"code": _UNPROCESSABLE, "reason": "Invalid", "message": verdict.message}
    if warnings := list(_lines(verdict.warnings)):
        response["warnings"] = warnings
    response["auditAnnotations"] = _audit(verdict)
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _patch(operations: tuple[Object, ...]) -> bytes:
    """The patch repeats lists of the object, and orjson reads what is nested deeper than it writes."""
    try:
        return orjson.dumps(operations)
    except orjson.JSONEncodeError as error:
        wrong = finding(Code.NOT_A_REVIEW, field="request.object", found="nested too deeply", wanted="a pod")
        raise ReviewError(400, wrong) from error


def _lines(warnings: Iterable[str]) -> Iterable[str]:
    """Each warning in as many lines as the limit makes of it."""
    for warning in warnings:
        yield from textwrap.wrap(warning, WARNING_LIMIT)


def _audit(verdict: Verdict) -> dict[str, str]:
    role = {"role": verdict.role} if verdict.role else {}
    return {**role, "reason": verdict.reason, "version": __version__}
