"""Jobs of an odd structure, of which nobody asks for Ray: their fate is what it is without volray, to the letter.

The match conditions look at every Job of the cluster, and one that fails refuses the Job. Each Job here has a part
less, or another type, where a condition looks.
"""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from tests.controlplane.applied import make_namespace
from tests.controlplane.client import MERGE, RefusedError, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import JOBS, Volray

Object = dict[str, Any]

POD = {"containers": [{"name": "head", "image": "python"}], "restartPolicy": "Never"}
TASK = {"name": "head", "replicas": 1, "template": {"spec": POD}}
ABSENT = object()


def template(**metadata: Any) -> Object:
    return {"template": {"metadata": metadata, "spec": POD}}


def labels(labels: Any) -> Object:
    return {"tasks": [TASK | template(labels=labels)]}


SPECS: dict[str, Any] = {
    "no spec": ABSENT,
    "spec null": None,
    "spec empty": {},
    "spec a list": [],
    "no tasks": {"minAvailable": 1},
    "tasks null": {"tasks": None},
    "tasks empty": {"tasks": []},
    "tasks a map": {"tasks": {"head": TASK}},
    "a task null": {"tasks": [None]},
    "a task empty": {"tasks": [{}]},
    "a task a string": {"tasks": ["head"]},
    "a task without a name": {"tasks": [{"replicas": 1, "template": {"spec": POD}}]},
    "a task without replicas": {"tasks": [{"name": "head", "template": {"spec": POD}}]},
    "no template": {"tasks": [{"name": "head", "replicas": 1}]},
    "template null": {"tasks": [TASK | {"template": None}]},
    "template empty": {"tasks": [TASK | {"template": {}}]},
    "template a string": {"tasks": [TASK | {"template": "head"}]},
    "no template metadata": {"tasks": [TASK]},
    "template metadata null": {"tasks": [TASK | {"template": {"metadata": None, "spec": POD}}]},
    "template metadata a list": {"tasks": [TASK | {"template": {"metadata": [], "spec": POD}}]},
    "template metadata empty": {"tasks": [TASK | template()]},
    "labels null": labels(None),
    "labels empty": labels({}),
    "labels a list": labels(["ray.volcano.sh/cluster"]),
    "a label null": labels({"ray.volcano.sh/cluster": None}),
    "a label a boolean": labels({"ray.volcano.sh/cluster": True}),
    "a label that says no": labels({"ray.volcano.sh/cluster": "false"}),
    "plugins null": {"plugins": None, "tasks": [TASK]},
    "plugins empty": {"plugins": {}, "tasks": [TASK]},
    "plugins a list": {"plugins": ["ray"], "tasks": [TASK]},
    "a plugin null": {"plugins": {"env": None}, "tasks": [TASK]},
    "two tasks, one odd": {"tasks": [TASK, TASK | {"name": "worker", "template": {"spec": None}}]},
}

ANNOTATIONS: dict[str, Any] = {
    "annotations null": None,
    "annotations empty": {},
    "declined": {"ray.volcano.sh/adopt": "false"},
    "declined by a boolean": {"ray.volcano.sh/adopt": False},
    "wanted, but for no Ray": {"ray.volcano.sh/adopt": "true"},
}


def job(case: str, spec: Any, **metadata: Any) -> Object:
    name = "".join(letter for letter in case.lower().replace(" ", "-") if letter.isalpha() or letter == "-")
    body = {"apiVersion": JOBS, "kind": "Job", "metadata": {"name": name, **metadata}}
    return body if spec is ABSENT else body | {"spec": spec}


ODD = {case: job(case, spec) for case, spec in SPECS.items()} | {
    case: job(case, {"tasks": [TASK]}, annotations=annotations) for case, annotations in ANNOTATIONS.items()
}


@dataclass(frozen=True)
class Fate:
    """What the apiserver answered: status, message of a refusal, and the stored object but for uid and time."""

    code: int
    message: str
    stored: str


def fate(plane: ControlPlane, namespace: str, body: Object) -> list[Fate]:
    """Create a Job, annotate it if it was made, and delete it."""
    jobs = path(JOBS, "jobs", namespace)
    created = _answered(plane, namespace, "POST", jobs, body)
    if created.code != httpx.codes.CREATED:
        return [created]
    made = f"{jobs}/{body['metadata']['name']}"
    annotated = _answered(plane, namespace, "PATCH", made, {"metadata": {"annotations": {"noted": "afterwards"}}})
    plane.admin.delete(made, propagationPolicy="Background")
    return [created, annotated]


def _answered(plane: ControlPlane, namespace: str, method: str, at: str, body: Object) -> Fate:
    content_type = MERGE if method == "PATCH" else "application/json"
    try:
        response = plane.admin.request(method, at, body, content_type)
    except RefusedError as error:
        return Fate(error.code, str(error).replace(namespace, "NAMESPACE"), "")
    stored = response.json()
    said = {key: stored["metadata"].get(key) for key in ("labels", "annotations")}
    return Fate(response.status_code, "", json.dumps([said, stored.get("spec")]).replace(namespace, "NAMESPACE"))


def fates(plane: ControlPlane, namespace: str) -> dict[str, list[Fate]]:
    return {case: fate(plane, namespace, body) for case, body in ODD.items()}


def test_the_fate_of_an_odd_job_is_what_it_is_without_volray(volray: Volray, namespace: str) -> None:
    plane, other = volray.plane, f"{namespace}-without"
    make_namespace(plane, other)
    with volray.unregistered():
        without = fates(plane, other)
    plane.admin.delete(path("v1", "namespaces", name=other))
    calls = volray.calls()
    assert fates(plane, namespace) == without
    assert volray.calls() == calls
    made = {case for case, (first, *_) in without.items() if first.code == httpx.codes.CREATED}
    assert {"labels null", "a task without a name", "plugins empty"} <= made
    assert {"no tasks", "tasks a map", "a label a boolean"} <= ODD.keys() - made
