from __future__ import annotations

import json
import re
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

MISSING: Final = object()

METADATA: Final[Object] = {
    "name": "a",
    "namespace": "b",
    "labels": {"a": "b"},
    "annotations": {"a": "b"},
    "ownerReferences": [{"apiVersion": "a/v1", "kind": "Job", "uid": "u", "controller": True}],
}
CONTAINER: Final[Object] = {
    "name": "a",
    "command": ["a"],
    "args": ["b"],
    "env": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "c"}, "secretKeyRef": {"name": "x"}}}],
    "ports": [{"containerPort": 1, "name": "a", "protocol": "TCP"}],
    "volumeMounts": [{"name": "a", "mountPath": "/a"}],
    "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"a/b": "1"}, "claims": [{"name": "x"}]},
    "restartPolicy": "Always",
    "securityContext": {"readOnlyRootFilesystem": True, "runAsUser": 1000},
}
POD_SPEC: Final[Object] = {
    "containers": [CONTAINER],
    "initContainers": [{"name": "b"}],
    "volumes": [{"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": 1}}],
    "resources": {"limits": {"cpu": 1}},
    "hostNetwork": True,
    "dnsPolicy": "Default",
    "unknown": 1,
}
POLICY: Final[Object] = {"event": "PodFailed", "events": ["*"], "action": "RestartJob", "exitCode": 1}
TASK: Final[Object] = {
    "name": "head",
    "replicas": 1,
    "minAvailable": 1,
    "dependsOn": {"name": ["a"], "iteration": "any"},
    "partitionPolicy": {"minPartitions": 1, "partitionSize": 2},
    "policies": [POLICY],
    "template": {"metadata": METADATA, "spec": POD_SPEC},
}
POD: Final[Object] = {"metadata": METADATA, "spec": POD_SPEC}
JOB: Final[Object] = {
    "metadata": METADATA,
    "spec": {
        "plugins": {"ray": ["--port=1"], "svc": []},
        "tasks": [TASK],
        "volumes": [{"mountPath": "/a", "volumeClaimName": "b", "volumeClaim": {"resources": {}}}],
        "policies": [POLICY],
        "minAvailable": 1,
        "queue": "a",
        "schedulerName": "b",
    },
}


def changed(whole: Object, path: str, value: object) -> Object:
    """Return the object with another value at a path such as `spec.tasks[0].name`."""
    copy: Object = json.loads(json.dumps(whole))
    *parents, last = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    parent: Any = copy
    for step in parents:
        parent = parent[step]
    if value is MISSING:
        del parent[last]
    else:
        parent[last] = value
    return copy


def mistakes(kind: str, value: object) -> list[tuple[tuple[str, str], ...]]:
    found = schema.pod_mistakes(value) if kind == "pod" else schema.job_mistakes(value)
    assert all(mistake.code is Code.MALFORMED for mistake in found)
    return [mistake.fields for mistake in found]


def mistake(place: str, found: str, wanted: str) -> tuple[tuple[str, str], ...]:
    return (("field", place), ("found", found), ("wanted", wanted))


@pytest.mark.parametrize("name", [*recordings.names("pod-*"), *recordings.names("job-create-*")])
def test_a_recorded_object_has_its_shape(name: str) -> None:
    assert not mistakes(name.partition("-")[0], recordings.subject(name))


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
    "pod": {
        "": "whole",
        "metadata.": "metadata",
        "spec.": "pod spec",
        "spec.containers[0].": "container",
    },
    "job": {
        "": "whole",
        "metadata.": "metadata",
        "spec.": "job spec",
        "spec.tasks[0].": "task",
        "spec.tasks[0].template.spec.containers[0].": "container",
    },
}


def cases() -> list[tuple[str, str, str, bool]]:
    """Each field of a pod and of a Job: its kind, its path, what it has to be and whether it is needed."""
    found = []
    for kind, parts in PLACES.items():
        paths = [(place, wanted, text) for place, part in parts.items() for wanted, text in FIELDS[part].items()]
        for place in ("spec.", "spec.tasks[0].") if kind == "job" else ():
            paths += [(place, wanted, text) for wanted, text in FIELDS["policies"].items()]
        for place, wanted, text in paths:
            found += [(kind, place + path.rstrip("!"), wanted, path.endswith("!")) for path in text.split()]
    return found


@pytest.mark.parametrize(("kind", "path", "wanted", "needed"), cases())
def test_what_the_api_would_not_have_is_a_mistake_that_says_where(
    kind: str, path: str, wanted: str, needed: bool
) -> None:
    whole, place = POD if kind == "pod" else JOB, f"{kind}.{path}"
    for wrong in WRONG[wanted]:
        assert mistakes(kind, changed(whole, path, wrong)) == [mistake(place, WORDS[type(wrong)], wanted)]
    if path.endswith("]"):
        assert mistakes(kind, changed(whole, path, None)) == [mistake(place, "null", wanted)]
        return
    for nothing in (MISSING, None):
        expected = [mistake(place, "missing", wanted)] if needed else []
        assert mistakes(kind, changed(whole, path, nothing)) == expected


@pytest.mark.parametrize("value", [None, [], "x", 1.5])
def test_an_object_is_a_map(value: object) -> None:
    for kind in ("pod", "job"):
        assert mistakes(kind, value) == [mistake(kind, WORDS[type(value)], MAP)]


def test_an_object_with_or_without_all_that_it_may_have_has_its_shape() -> None:
    assert not mistakes("pod", POD)
    assert not mistakes("job", JOB)
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
