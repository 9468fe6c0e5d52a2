"""An injector of sidecars beside volray, called before it and after it: both do their work, and neither the other's."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.controlplane.applied import apply, pods
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.injector import registered, serving
from tests.controlplane.installed import Volray, default
from tests.controlplane.waiting import wait

Object = dict[str, Any]

MARK = "sidecar.istio.io/status"
SIDECAR = {
    "name": "istio-proxy",
    "image": "istio/proxyv2",
    "args": ["proxy", "sidecar"],
    "ports": [{"name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP"}],
    "readinessProbe": {
        "httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"},
        "periodSeconds": 15,
        "timeoutSeconds": 3,
        "successThreshold": 1,
        "failureThreshold": 4,
    },
}
MOUNT = {"name": "istio-envoy", "mountPath": "/etc/istio/proxy"}
VOLUME = {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}

SELECTED = {"volcano.sh/job-name": "beside"}
BEFORE, AFTER = "a-sidecars", "istio-sidecars"
"""Names of configurations, which are called in the order of their names: on either side of batch.ray.volcano.sh."""


@dataclass
class Injector:
    """A webhook that adds a container and a volume to each pod, at the beginning or at the end."""

    place: str
    seen: list[Object] = field(default_factory=list)

    def review(self, review: Object) -> Object:
        request = review["request"]
        self.seen.append(request["object"])
        answer = {"uid": request["uid"], "allowed": True, **self._patch(request["object"])}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}

    def _patch(self, pod: Object) -> Object:
        if MARK in pod["metadata"].get("annotations", {}):
            return {}
        annotations = {**pod["metadata"].get("annotations", {}), MARK: "injected"}
        operations = [
            {"op": "add", "path": f"/spec/containers/{self.place}", "value": {**SIDECAR, "volumeMounts": [MOUNT]}},
            {"op": "add", "path": f"/spec/volumes/{self.place}", "value": VOLUME},
            {"op": "add", "path": "/metadata/annotations", "value": annotations},
        ]
        return {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


@pytest.fixture(params=["0", "-"], ids=["first", "last"])
def injector(request: pytest.FixtureRequest) -> Injector:
    return Injector(request.param)


@pytest.fixture(params=[BEFORE, AFTER], ids=["before", "after"])
def order(request: pytest.FixtureRequest, plane: ControlPlane, injector: Injector) -> Iterator[str]:
    """The name under which the injector is registered; it is called by now."""
    certificates, selector = plane.ca.parent, {"objectSelector": {"matchLabels": SELECTED}}
    with (
        serving(injector.review, certificates) as url,
        registered(plane, request.param, url, selector),
    ):
        wait(lambda: is_called(plane, injector), "the injector is called")
        yield request.param


def is_called(plane: ControlPlane, injector: Injector) -> bool:
    """Tell it by a pod of which nothing is kept."""
    spec = {"containers": [{"name": "any", "image": "any"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "labels": SELECTED}, "spec": spec}
    plane.admin.create(path("v1", "pods", "default"), pod, dryRun="All")
    return bool(injector.seen)


def ray_job(namespace: str, name: str) -> Object:
    job = default(namespace, name)
    for task in job["spec"]["tasks"]:
        task["template"]["spec"]["containers"][0]["name"] = "main"
    return job


def without_sidecar(pod: Object, job: str) -> Object:
    """What the pod is apart from the sidecar and from its own name: container, volumes, labels, our annotations."""
    spec, metadata = pod["spec"], pod["metadata"]
    annotations = {key: value for key, value in metadata["annotations"].items() if key.startswith("ray.volcano.sh/")}
    own = {
        "spec": {
            **spec,
            "containers": [each for each in spec["containers"] if each["name"] != SIDECAR["name"]],
            "volumes": [each for each in spec["volumes"] if each["name"] != VOLUME["name"]],
        },
        "metadata": {"labels": metadata["labels"], "annotations": annotations},
    }
    named_alike = re.sub(r"kube-api-access-\w+", "kube-api-access", json.dumps(own)).replace(job, "JOB")
    plain: Object = json.loads(named_alike)
    return plain


def test_beside_a_sidecar_a_pod_is_what_it_is_without_one(
    volray: Volray, namespace: str, injector: Injector, order: str
) -> None:
    plane = volray.plane
    alone, beside = (ray_job(namespace, name) for name in ("alone", "beside"))
    apply(plane, alone)
    injector.seen.clear()
    apply(plane, beside)
    plain, found = pods(plane, alone), pods(plane, beside)
    came_injected = {"ray.volcano.sh/injected" in each["metadata"]["annotations"] for each in first_calls(injector)}
    assert came_injected == {order == AFTER}, "this is the order that was wanted"
    for name, pod in found.items():
        assert without_sidecar(pod, "beside") == without_sidecar(plain[name.replace("beside", "alone")], "alone")
        assert_intact(pod, injector.place)


def first_calls(injector: Injector) -> list[Object]:
    """The pods as the injector first saw them: it is called again for those that changed after it."""
    return [each for each in injector.seen if MARK not in each["metadata"]["annotations"]]


def assert_intact(pod: Object, place: str) -> None:
    """The sidecar and its volume are there once, where the injector put them and as it wrote them."""
    containers, volumes = pod["spec"]["containers"], pod["spec"]["volumes"]
    sidecar = containers[0 if place == "0" else -1]
    kept = {key: value for key, value in sidecar.items() if key in {*SIDECAR, "env", "command", "livenessProbe"}}
    assert kept == SIDECAR
    assert MOUNT in sidecar["volumeMounts"]
    assert [each["name"] for each in containers].count(SIDECAR["name"]) == 1
    assert volumes.count(VOLUME) == 1
