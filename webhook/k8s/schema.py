"""Check that an object has the shape that the Kubernetes API gives a pod or a Job.

Only what volray reads is checked. Objects from an apiserver always have that shape. A file
that a person wrote for `volray inject` may have another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REQUIRED: Final = "!"
"""Stands after the key of a value that must be there. Any other may be missing or null."""

_ANY_KEY: Final = "*"
"""Stands for every key of a map."""

_TEXTS: Final = [str]
_TEXT_MAP: Final = {_ANY_KEY: str}
_ANY_MAP: Final = {_ANY_KEY: object}
_RESOURCES: Final = {"limits": _ANY_MAP, "requests": _ANY_MAP, "claims": [object]}

_CONTAINER: Final[Mapping[str, Any]] = {
    "name!": str,
    "command": _TEXTS,
    "args": _TEXTS,
    "env": [{"name!": str, "value": str, "valueFrom": {"fieldRef": {"fieldPath": str}}}],
    "ports": [{"containerPort!": int, "name": str, "protocol": str}],
    "volumeMounts": [{"mountPath!": str, "name": str}],
    "resources": _RESOURCES,
    "restartPolicy": str,
    "securityContext": {"readOnlyRootFilesystem": bool},
}

_OWNER_REFERENCE: Final = {"apiVersion": str, "kind": str, "uid": str, "controller": bool}
_METADATA: Final[Mapping[str, Any]] = {
    "name": str,
    "namespace": str,
    "labels": _TEXT_MAP,
    "annotations": _TEXT_MAP,
    "ownerReferences": [_OWNER_REFERENCE],
}

_POD_SPEC: Final[Mapping[str, Any]] = {
    "containers!": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [{"name!": str, "emptyDir": {"medium": str, "sizeLimit": object}}],
    "resources": _RESOURCES,
    "hostNetwork": bool,
    "dnsPolicy": str,
}

_POD: Final[Mapping[str, Any]] = {"metadata!": _METADATA, "spec!": _POD_SPEC}

_POLICY: Final = {"event": str, "events": _TEXTS, "action": str}

_TASK: Final[Mapping[str, Any]] = {
    "name": str,
    "replicas": int,
    "minAvailable": int,
    "dependsOn": {"name": _TEXTS, "iteration": str},
    "partitionPolicy": {"minPartitions": int, "partitionSize": int},
    "policies": [_POLICY],
    "template!": {"metadata": _METADATA, "spec!": _POD_SPEC},
}

_JOB_VOLUME: Final[Mapping[str, Any]] = {
    "mountPath!": str,
    "volumeClaimName": str,
    "volumeClaim": _ANY_MAP,
}

_JOB: Final[Mapping[str, Any]] = {
    "metadata!": _METADATA,
    "spec!": {
        "plugins": {_ANY_KEY: _TEXTS},
        "tasks": [_TASK],
        "volumes": [_JOB_VOLUME],
        "policies": [_POLICY],
        "minAvailable": int,
        "queue": str,
        "schedulerName": str,
    },
}

_TYPE_NAMES: Final = {
    dict: "a map",
    list: "a list",
    str: "a text",
    int: "a whole number",
    bool: "true or false",
}


def pod_mistakes(pod: object) -> list[Finding]:
    """Return a mistake for each place where the pod does not have the API's shape."""
    return list(_shape_mistakes(pod, _POD, "pod"))


def job_mistakes(job: object) -> list[Finding]:
    """Return a mistake for each place where the Volcano Job does not have the API's shape."""
    return list(_shape_mistakes(job, _JOB, "job"))


def _shape_mistakes(value: object, shape: Any, place: str) -> Iterator[Finding]:
    """Yield the mistakes of a value and of all that is in it.

    A shape is a type, a list with the shape of its items, or a map with the shapes of its
    values.
    """
    kind = _type_of(shape)
    is_kind = isinstance(value, kind)
    # In Python, True is a whole number as well.
    if kind is int and isinstance(value, bool):
        is_kind = False
    if not is_kind:
        found = "null" if value is None else _TYPE_NAMES.get(type(value), "a number")
        yield finding(Code.MALFORMED, field=place, found=found, wanted=_TYPE_NAMES[kind])
    elif isinstance(value, list) and isinstance(shape, list):
        for index, item in enumerate(value):
            yield from _shape_mistakes(item, shape[0], f"{place}[{index}]")
    elif isinstance(value, dict) and isinstance(shape, dict):
        if _ANY_KEY in shape:
            yield from _values_mistakes(value, shape[_ANY_KEY], place)
        else:
            yield from _fields_mistakes(value, shape, place)


def _type_of(shape: Any) -> Any:
    """Return the Python type of the values that have a shape."""
    return type(shape) if isinstance(shape, dict | list) else shape


def _values_mistakes(value: dict[str, Any], shape: Any, place: str) -> Iterator[Finding]:
    """Yield the mistakes in a map with any keys."""
    for key, item in value.items():
        if item is not None:
            yield from _shape_mistakes(item, shape, f"{place}.{key}")


def _fields_mistakes(
    value: dict[str, Any],
    shapes: Mapping[str, Any],
    place: str,
) -> Iterator[Finding]:
    """Yield the mistakes in the fields of an object."""
    for key, shape in shapes.items():
        name = key.rstrip(_REQUIRED)
        field = value.get(name)
        if field is not None:
            yield from _shape_mistakes(field, shape, f"{place}.{name}")
        elif name != key:
            # The mark after the key was there.
            missing = f"{place}.{name}"
            wanted = _TYPE_NAMES[_type_of(shape)]
            yield finding(Code.MALFORMED, field=missing, found="missing", wanted=wanted)
