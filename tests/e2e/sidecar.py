"""An injector that puts a stand-in for Istio's sidecar into pods, as a native sidecar or as an ordinary container.

It is called after volray, as Istio's is, because its configuration's name comes after volray's. The program that the
sidecar runs is `sidecar_program.py`.
"""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.e2e import sidecar_program as program

Object = dict[str, Any]
Kind = Literal["native", "ordinary"]

IMAGE: Final = "volray-e2e/sidecar:1"
NAME: Final = "istio-proxy"
LABEL: Final = "istio-injection"
"""A namespace whose label has the kind as its value gets the sidecar."""

_MARK: Final = "sidecar.istio.io/status"
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_PROBES: Final = {"startupProbe": "startupz", "livenessProbe": "livez", "readinessProbe": "readyz"}
_REWRITTEN: Final = ("httpGet", "tcpSocket")
"""What Istio sends through the sidecar: it would accept a kubelet's connection in place of any program."""

_INIT: Final[Object] = {
    "name": "istio-init",
    "image": IMAGE,
    "command": ["python3", "-I", "-c", Path(program.__file__).read_text(), "rules"],
    "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
}
_PROXY: Final[Object] = {
    "name": NAME,
    "image": IMAGE,
    "command": ["python3", "-I", "-c", Path(program.__file__).read_text(), "proxy"],
    "securityContext": {"runAsUser": program.USER, "runAsGroup": program.USER},
    "readinessProbe": {
        "httpGet": {"path": "/healthz/ready", "port": program.HEALTH_PORT},
        "periodSeconds": 1,
    },
}


@dataclass(frozen=True)
class Injector:
    """Answers the apiserver's reviews of new pods."""

    kind: Kind

    def review(self, review: Object) -> Object:
        """Return the review with the answer in it; a pod that has its sidecar stays as it is."""
        request = review["request"]
        answer = {"uid": request["uid"], "allowed": True}
        pod = request["object"]
        if _MARK not in pod["metadata"].get("annotations", {}):
            injected = inject(pod, self.kind)
            patch = [{"op": "replace", "path": f"/{field}", "value": injected[field]} for field in ("metadata", "spec")]
            answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}


def inject(pod: Object, kind: Kind) -> Object:
    """Return the pod with the sidecar, its init step, and its containers' probes sent through the sidecar."""
    pod = copy.deepcopy(pod)
    spec = pod["spec"]
    annotations = pod["metadata"].setdefault("annotations", {})
    annotations[_MARK] = kind
    annotations.setdefault(_DEFAULT_CONTAINER, spec["containers"][0]["name"])
    probes: dict[str, Object] = {}
    for container in spec["containers"]:
        probes |= _rewrite_probes(container)
    environment = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "PROBES", "value": json.dumps(probes)},
    ]
    proxy = {**_PROXY, "env": environment}
    begin = [_INIT]
    if kind == "native":
        begin.append({**proxy, "restartPolicy": "Always"})
    else:
        spec["containers"].append(proxy)
    spec["initContainers"] = [*begin, *spec.get("initContainers", ())]
    return pod


def _rewrite_probes(container: Object) -> dict[str, Object]:
    """Send a container's probes through the sidecar, and return by path what each one asked; exec probes stay."""
    asked: dict[str, Object] = {}
    numbers = {each["name"]: each["containerPort"] for each in container.get("ports", ()) if "name" in each}
    for field, name in _PROBES.items():
        probe = container.get(field, {})
        for kind in _REWRITTEN:
            if kind in probe:
                action = probe.pop(kind)
                path = f"/app-health/{container['name']}/{name}"
                asked[path] = {kind: {**action, "port": numbers.get(action["port"], action["port"])}}
                probe["httpGet"] = {"path": path, "port": program.HEALTH_PORT, "scheme": "HTTP"}
    return asked
