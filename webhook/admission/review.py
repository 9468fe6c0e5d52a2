"""AdmissionReview of admission.k8s.io/v1, from bytes and to bytes.

This file knows the protocol and no policy.
"""

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
"""In bytes, as in controller-runtime.

Two objects fit, each of 1.5 MiB, which is etcd's limit, and with managed fields.
"""

WARNING_LIMIT: Final = 120
"""In characters, as the Kubernetes API asks (admission/v1, AdmissionResponse.warnings)."""

_UNPROCESSABLE: Final = 422
_LONGEST_QUOTE: Final = 60


@dataclass(frozen=True)
class Review:
    """What an apiserver asks.

    Attributes:
        uid: Identifies the request.
        kind: The object's kind.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        namespace: The object's namespace.
        name: The object's name, or its generateName while the apiserver has not made a name yet.
        object: The object as it will be stored.
        old_object: The object before an UPDATE or a DELETE, and empty at a CREATE.
        group: The API group of the kind, and empty for the core group.
        resource: The resource that the request names, for example `jobs`.
        sub_resource: The part of the object that the request is about, for example `status`.
        dry_run: Whether nothing will be stored.
    """

    uid: str
    kind: str
    operation: str
    namespace: str
    name: str
    object: Object
    old_object: Object = field(default_factory=dict)
    group: str = ""
    resource: str = ""
    sub_resource: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class Verdict:
    """What volray answers.

    Attributes:
        reason: The outcome, for metrics, the log and the audit annotations.
        allowed: Whether the object may be stored.
        role: The Ray node that the pod becomes.
        operations: The JSON Patch.
        warnings: What kubectl prints beside its own result.
        message: Why the object is not allowed.
        trace: The traceback of a fault of volray, for the log only.
    """

    reason: Code
    allowed: bool = True
    role: str | None = None
    operations: tuple[Object, ...] = ()
    warnings: tuple[str, ...] = ()
    message: str = ""
    trace: str = field(default="", repr=False)


def decode(body: bytes) -> Review:
    """Return the review in the body of a request.

    Raises:
        ReviewError: The body is not an AdmissionReview. The status is 400.
    """
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ReviewError(400, finding(Code.NOT_JSON, why=error)) from error
    _expect(review, "the body", dict, "an object")
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if review.get(key) != wanted:
            raise _unexpected(key, review.get(key), wanted)
    request = _expect(review.get("request"), "request", dict, "an object")
    return _decode_request(request)


def _decode_request(request: Object) -> Review:
    uid = _expect(request.get("uid"), "request.uid", str, "a string")
    kind = _expect(request.get("kind"), "request.kind", dict, "an object")
    resource = _optional_object(request, "resource")
    subject = _optional_object(request, "object")
    return Review(
        uid=uid,
        kind=_expect(kind.get("kind"), "request.kind.kind", str, "a string"),
        operation=_optional_string(request, "operation"),
        namespace=_optional_string(request, "namespace"),
        name=_object_name(request, subject),
        object=subject,
        old_object=_optional_object(request, "oldObject"),
        group=str(kind.get("group") or ""),
        resource=str(resource.get("resource") or ""),
        sub_resource=_optional_string(request, "subResource"),
        dry_run=bool(request.get("dryRun")),
    )


def _optional_string(request: Object, key: str) -> str:
    string: str = _expect(request.get(key, ""), f"request.{key}", str, "a string")
    return string


def _optional_object(request: Object, key: str) -> Object:
    # An apiserver sends null where there is no object, for example the old one of a CREATE.
    found: Object = _expect(request.get(key) or {}, f"request.{key}", dict, "an object")
    return found


def _object_name(request: Object, subject: Object) -> str:
    name = request.get("name")
    metadata = subject.get("metadata")
    if not name and isinstance(metadata, dict):
        name = metadata.get("generateName")
    return str(name or "")


def _expect(value: Any, place: str, kind: type, wanted: str) -> Any:
    if not isinstance(value, kind):
        raise _unexpected(place, value, wanted)
    return value


def _unexpected(place: str, found: object, wanted: str) -> ReviewError:
    if found is None:
        quote = "missing"
    elif isinstance(found, str):
        quote = found[:_LONGEST_QUOTE]
    else:
        quote = reprlib.repr(found)
    return ReviewError(400, finding(Code.NOT_A_REVIEW, field=place, found=quote, wanted=wanted))


def encode(uid: str, verdict: Verdict) -> bytes:
    """Return the body of the answer.

    Raises:
        ReviewError: The object is nested too deeply to be written as JSON. The status is 400.
    """
    response: Object = {"uid": uid, "allowed": verdict.allowed}
    # An apiserver refuses a patchType without a patch, so there are both or neither.
    if verdict.operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(_encode_patch(verdict.operations)).decode()
    if not verdict.allowed:
        response["status"] = {
            "code": _UNPROCESSABLE,
            "reason": "Invalid",
            "message": verdict.message,
        }
    warnings = _wrap_warnings(verdict.warnings)
    if warnings:
        response["warnings"] = warnings
    response["auditAnnotations"] = _audit_annotations(verdict)
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _encode_patch(operations: tuple[Object, ...]) -> bytes:
    try:
        return orjson.dumps(operations)
    except orjson.JSONEncodeError as error:
        # The patch repeats lists of the object, and orjson reads deeper nesting than it writes.
        found = "nested too deeply"
        problem = finding(Code.NOT_A_REVIEW, field="request.object", found=found, wanted="a pod")
        raise ReviewError(400, problem) from error


def _wrap_warnings(warnings: Iterable[str]) -> list[str]:
    wrapped: list[str] = []
    for warning in warnings:
        wrapped.extend(textwrap.wrap(warning, WARNING_LIMIT))
    return wrapped


def _audit_annotations(verdict: Verdict) -> dict[str, str]:
    annotations: dict[str, str] = {}
    if verdict.role:
        annotations["role"] = verdict.role
    annotations["reason"] = verdict.reason
    annotations["version"] = __version__
    return annotations
