from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests import recordings
from webhook.k8s import schema
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

TEXT, NUMBER, SWITCH, MAP, LIST = "a text", "a whole number", "true or false", "a map", "a list"
WORDS: Final = {str: TEXT, int: NUMBER, float: "a number", bool: SWITCH, dict: MAP, list: LIST, type(None): "null"}
WRONG: Final[dict[str, list[Any]]] = {
    TEXT: [1, {}, True],
    NUMBER: ["1", True, 1.5],
    SWITCH: ["true", 1],
    MAP: [[], "x"],
    LIST: [{}, "x"],
}

RIGHT: Final = {TEXT: "a", NUMBER: 1, SWITCH: True}
MISSING: Final = object()

FIELDS: Final = {
    "metadata": {
        TEXT: """
            name namespace labels.a annotations.a ownerReferences[0].apiVersion ownerReferences[0].kind
            ownerReferences[0].uid
        """,
        SWITCH: "ownerReferences[0].controller",
        MAP: "labels annotations ownerReferences[0]",
        LIST: "ownerReferences",
    },
    "container": {
        TEXT: """
            name! command[0] args[0] env[0].name! env[0].value env[0].valueFrom.fieldRef.fieldPath ports[0].protocol
            ports[0].name volumeMounts[0].mountPath! volumeMounts[0].name restartPolicy
        """,
        NUMBER: "ports[0].containerPort!",
        SWITCH: "securityContext.readOnlyRootFilesystem",
        MAP: """
            env[0].valueFrom env[0].valueFrom.fieldRef resources resources.limits resources.requests securityContext
        """,
        LIST: "command args env ports volumeMounts resources.claims",
    },
    "pod spec": {
        TEXT: "initContainers[0].name! volumes[0].name! volumes[0].emptyDir.medium dnsPolicy",
        SWITCH: "hostNetwork",
        MAP: "containers[0] volumes[0].emptyDir resources",
        LIST: "containers! initContainers volumes",
    },
    "policies": {
        TEXT: "policies[0].event policies[0].events[0] policies[0].action",
        MAP: "policies[0]",
        LIST: "policies policies[0].events",
    },
    "task": {
        TEXT: "name dependsOn.iteration dependsOn.name[0]",
        NUMBER: "replicas minAvailable partitionPolicy.minPartitions partitionPolicy.partitionSize",
        MAP: "dependsOn partitionPolicy template! template.metadata template.spec!",
        LIST: "dependsOn.name template.spec.containers!",
    },
    "job spec": {
        TEXT: "plugins.ray[0] queue schedulerName volumes[0].mountPath! volumes[0].volumeClaimName",
        NUMBER: "minAvailable",
        MAP: "plugins tasks[0] volumes[0].volumeClaim",
        LIST: "tasks plugins.ray volumes",
    },
    "whole": {MAP: "metadata! spec!"},
}
"""The paths of the fields that volray reads, by what each has to be. The needed ones have a mark."""

PLACES: Final = {
    "pod": [("", "whole"), ("metadata.", "metadata"), ("spec.", "pod spec"), ("spec.containers[0].", "container")],
    "job": [
        ("", "whole"),
        ("metadata.", "metadata"),
        ("spec.", "job spec"),
        ("spec.", "policies"),
        ("spec.tasks[0].", "task"),
        ("spec.tasks[0].", "policies"),
        ("spec.tasks[0].template.spec.containers[0].", "container"),
    ],
}


@dataclass(frozen=True)
class Field:
    kind: str
    path: str
    wanted: str
    needed: bool


ALL_FIELDS: Final = [
    Field(kind, place + path.rstrip("!"), wanted, path.endswith("!"))
    for kind, parts in PLACES.items()
    for place, part in parts
    for wanted, paths in FIELDS[part].items()
    for path in paths.split()
]


def changed(whole: Object, path: str, value: object) -> Object:
    """Return the object with another value at a path such as `spec.tasks[0].name`, or with none."""
    copy = deepcopy(whole)
    steps = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    parent: Any = copy
    for step, following in pairwise(steps):
        if isinstance(parent, list) and not parent:
            parent.append([] if isinstance(following, int) else {})
        elif isinstance(parent, dict):
            parent.setdefault(step, [] if isinstance(following, int) else {})
        parent = parent[step]
    if isinstance(parent, list):
        parent[:] = [] if value is MISSING else [value]
    elif value is MISSING:
        parent.pop(steps[-1], None)
    else:
        parent[steps[-1]] = value
    return copy


def whole(kind: str) -> Object:
    """Return an object that has every field."""
    made: Object = {"unknown": 1}
    for field in ALL_FIELDS:
        if field.kind == kind and field.wanted in RIGHT:
            made = changed(made, field.path, RIGHT[field.wanted])
    for path in ("limits.cpu", "requests.cpu", "claims[0]"):
        containers = "spec.containers[0]" if kind == "pod" else "spec.tasks[0].template.spec.containers[0]"
        made = changed(made, f"{containers}.resources.{path}", 1.5)
    return made


WHOLE: Final = {"pod": whole("pod"), "job": whole("job")}


def mistakes(kind: str, value: object) -> list[tuple[tuple[str, str], ...]]:
    found = schema.pod_mistakes(value) if kind == "pod" else schema.job_mistakes(value)
    assert all(mistake.code is Code.MALFORMED for mistake in found)
    return [mistake.fields for mistake in found]


def mistake(place: str, found: str, wanted: str) -> tuple[tuple[str, str], ...]:
    return (("field", place), ("found", found), ("wanted", wanted))


@pytest.mark.parametrize("name", [*recordings.names("pod-*"), *recordings.names("job-create-*")])
def test_a_recorded_object_has_its_shape(name: str) -> None:
    assert not mistakes(name.partition("-")[0], recordings.subject(name))


@pytest.mark.parametrize("field", ALL_FIELDS, ids=lambda field: f"{field.kind}.{field.path}")
def test_what_the_api_would_not_have_is_a_mistake_that_says_where(field: Field) -> None:
    def found(value: object) -> list[tuple[tuple[str, str], ...]]:
        return mistakes(field.kind, changed(WHOLE[field.kind], field.path, value))

    place = f"{field.kind}.{field.path}"
    for wrong in WRONG[field.wanted]:
        assert found(wrong) == [mistake(place, WORDS[type(wrong)], field.wanted)]
    if field.path.endswith("]"):
        assert found(None) == [mistake(place, "null", field.wanted)]
    else:
        assert found(None) == found(MISSING) == field.needed * [mistake(place, "missing", field.wanted)]


def test_an_object_is_a_map() -> None:
    values: list[object] = [None, [], "x", 1.5]
    for value in values:
        assert [mistakes(kind, value) for kind in WHOLE] == [[mistake(kind, WORDS[type(value)], MAP)] for kind in WHOLE]


def test_an_object_with_or_without_all_that_it_may_have_has_its_shape() -> None:
    assert not mistakes("pod", WHOLE["pod"])
    assert not mistakes("job", WHOLE["job"])
    assert not mistakes("pod", {"metadata": {}, "spec": {"containers": []}})
    assert not mistakes("job", {"metadata": {}, "spec": {}})
    assert not mistakes("job", {"metadata": {}, "spec": {"plugins": {"svc": None}}})


def test_every_mistake_is_found_at_once() -> None:
    assert mistakes("pod", {"metadata": {"name": 1}, "spec": {"containers": [{}, {"name": 2}], "volumes": {}}}) == [
        mistake("pod.metadata.name", NUMBER, TEXT),
        mistake("pod.spec.containers[0].name", "missing", TEXT),
        mistake("pod.spec.containers[1].name", NUMBER, TEXT),
        mistake("pod.spec.volumes", MAP, LIST),
    ]
