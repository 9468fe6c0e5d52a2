"""Whether an object has the shape that the Kubernetes API gives a pod or a Job, as far as volray reads it.

An apiserver sends no other; a file that a person wrote for `volray inject` may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REQUIRED: Final = "!"
"""After a key: the value must be there; any other may be missing or null."""

_TEXTS: Final = [str]
_TEXT_MAP: Final = {"*": str}
_ANY_MAP: Final = {"*": object}
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

_OWNER: Final = {"apiVersion": str, "kind": str, "uid": str, "controller": bool}
_METADATA: Final[Mapping[str, Any]] = {
    "name": str,
    "namespace": str,
    "labels": _TEXT_MAP,
    "annotations": _TEXT_MAP,
    "ownerReferences": [_OWNER],
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

_JOB_VOLUME: Final[Mapping[str, Any]] = {"mountPath!": str, "volumeClaimName": str, "volumeClaim": _ANY_MAP}

_JOB: Final[Mapping[str, Any]] = {
    "metadata!": _METADATA,
    "spec!": {
        "plugins": {"*": _TEXTS},
        "tasks": [_TASK],
        "volumes": [_JOB_VOLUME],
        "policies": [_POLICY],
        "minAvailable": int,
        "queue": str,
        "schedulerName": str,
    },
}

_WORDS: Final = {dict: "a map", list: "a list", str: "a text", int: "a whole number", bool: "true or false"}


def pod_mistakes(pod: object) -> list[Finding]:
    """Each place where the pod is not what the API would have; empty for a pod from an apiserver."""
    return list(_mistakes(pod, _POD, "pod"))


def job_mistakes(job: object) -> list[Finding]:
    """The same of a Volcano Job."""
    return list(_mistakes(job, _JOB, "job"))


def _mistakes(value: object, wanted: Any, place: str) -> Iterable[Finding]:
    kind = type(wanted) if isinstance(wanted, dict | list) else wanted
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield finding(Code.MALFORMED, field=place, found=_word(value), wanted=_WORDS[kind])
    elif isinstance(value, list) and isinstance(wanted, list):
        for index, item in enumerate(value):
            yield from _mistakes(item, wanted[0], f"{place}[{index}]")
    elif isinstance(value, dict) and isinstance(wanted, dict):
        yield from _in_map(value, wanted, place)


def _in_map(value: dict[str, Any], wanted: Mapping[str, Any], place: str) -> Iterable[Finding]:
    if "*" in wanted:
        for key, item in value.items():
            yield from _mistakes(item, wanted["*"], f"{place}.{key}") if item is not None else ()
        return
    for key, kind in wanted.items():
        name = key.rstrip(_REQUIRED)
        if value.get(name) is not None:
            yield from _mistakes(value[name], kind, f"{place}.{name}")
        elif name != key:
            yield finding(Code.MALFORMED, field=f"{place}.{name}", found="missing", wanted=_wanted(kind))


def _wanted(kind: Any) -> str:
    return _WORDS[type(kind) if isinstance(kind, dict | list) else kind]


def _word(value: object) -> str:
    return "null" if value is None else _WORDS.get(type(value), "a number")
