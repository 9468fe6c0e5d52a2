"""volray on a control plane, installed as its users install it, and run as processes.

What a user applies is applied, by `kubectl apply --server-side -k manifests/base`. The Deployments in it stay objects:
nothing runs containers here. So the two programs run beside the control plane, with the arguments of the Deployments
where those matter and with the tokens of the ServiceAccounts from the manifests: what RBAC does not give, they lack.
There is no Service network either, so the configurations call a URL instead of the Service. The CA takes its real way:
into the Secret, and from there into every caBundle.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.controlplane.client import JSON_PATCH, path
from tests.controlplane.components import Component, free_ports, listens
from tests.controlplane.waiting import wait
from tests.recordings import subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.controlplane.client import Api
    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]

JOBS: Final = "batch.volcano.sh/v1alpha1"
SYSTEM: Final = "volray-system"
CONTROLLER: Final = f"system:serviceaccount:{SYSTEM}:volray-controller"

_ROOT: Final = Path(__file__).parents[2]
_NAME: Final = "batch.ray.volcano.sh"
_REGISTRATION: Final = "admissionregistration.k8s.io/v1"
_CONFIGURATIONS: Final = tuple(
    path(_REGISTRATION, f"{kind}webhookconfigurations", name=_NAME) for kind in ("mutating", "validating")
)
_MUTATING_AND_VALIDATING: Final = 2


class Volray:
    """volray on one control plane.

    Attributes:
        plane: The control plane.
        webhook: `volray serve`.
        controller: `volray controller`. Both are also among the plane's components, which end with the plane and whose
            logs stand with the others'.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._port, self._side, controller_side = free_ports(3)
        self.webhook = self._component(
            "volray-webhook",
            f"serve --host=127.0.0.1 --port={self._port} --side-port={self._side} --cert-dir={plane.logs.parent}/certs"
            f" --ca-secret=volray-ca --webhook-configuration={_NAME} --validating-configuration={_NAME}"
            " --drain-seconds=0",
            (self._port, self._side),
        )
        self.controller = self._component(
            "volray-controller", f"controller --side-port={controller_side}", (controller_side,)
        )

    @classmethod
    def install(cls, plane: ControlPlane) -> Volray:
        """Install it, start it, and wait until it does its work.

        Raises:
            ComponentError: One of the programs did not come up.
        """
        done = plane.kubectl("apply", "--server-side", "-k", _ROOT / "manifests" / "base")
        assert done.returncode == 0, done.stderr
        volray = cls(plane)
        volray._call_url()
        for component in (volray.webhook, volray.controller):
            plane.components[component.name] = component
            component.start()
        for component in (volray.webhook, volray.controller):
            component.wait_ready()
        wait(lambda: is_trusted(plane.admin), "the CA is in every configuration")
        volray.wait_leading()
        volray.wait_called(_MUTATING_AND_VALIDATING)
        return volray

    def reviews(self, namespace: str) -> list[Object]:
        """Return what the webhook logged about each request for something in the namespace."""
        logged = [json.loads(line) for line in self.webhook.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in logged if line["event"] == "review" and line["namespace"] == namespace]

    def calls(self) -> int:
        """Return how often the webhook was called, for whatever it was."""
        metrics = httpx.get(f"http://127.0.0.1:{self._side}/metrics", trust_env=False).text
        counts = re.findall(r"^volray_webhook_requests_total\{.*\} (\S+)$", metrics, re.MULTILINE)
        return int(sum(map(float, counts)))

    def wait_leading(self) -> None:
        """Wait until the controller that runs now holds the lease; a killed one's has to run out first, in 15 s."""
        began, leads = '"event":"controller"', '"event":"leading"'
        wait(lambda: leads in self.controller.log.read_text().rpartition(began)[2], "the controller leads")

    def wait_called(self, times: int) -> None:
        """Wait until a Job is reviewed so often: the apiserver learns of a configuration after a moment."""
        wait(lambda: self._calls_for_a_job() == times, f"{times} calls for each Job")

    @contextmanager
    def unregistered(self) -> Iterator[None]:
        """For a while be what it is before volray is installed: nothing calls it."""
        admin = self.plane.admin
        found = [admin.get(each) for each in _CONFIGURATIONS]
        for each in _CONFIGURATIONS:
            admin.delete(each)
        try:
            self.wait_called(0)
            yield
        finally:
            for at, configuration in zip(_CONFIGURATIONS, found, strict=True):
                kept = {"name": _NAME, "labels": configuration["metadata"]["labels"]}
                admin.create(at.rpartition("/")[0], configuration | {"metadata": kept})
            self.wait_called(_MUTATING_AND_VALIDATING)

    def _component(self, name: str, arguments: str, ports: tuple[int, ...]) -> Component:
        config = self.plane.kubeconfig_for(self.plane.token(SYSTEM, name), SYSTEM)
        program = Path(sys.executable).with_name("volray")
        environment = [f"KUBECONFIG={config}", f"POD_NAMESPACE={SYSTEM}"]
        side = ports[-1]
        return Component(
            name,
            [str(shutil.which("env")), *environment, program, *arguments.split()],
            self.plane.logs / f"{name}.log",
            ports,
            lambda: listens(side) and httpx.get(f"http://127.0.0.1:{side}/readyz", trust_env=False).is_success,
        )

    def _call_url(self) -> None:
        for each in _CONFIGURATIONS:
            webhooks = self.plane.admin.get(each)["webhooks"]
            changes = [
                {
                    "op": "replace",
                    "path": f"/webhooks/{index}/clientConfig",
                    "value": {"url": f"https://127.0.0.1:{self._port}{webhook['clientConfig']['service']['path']}"},
                }
                for index, webhook in enumerate(webhooks)
            ]
            self.plane.admin.patch(each, changes, JSON_PATCH)

    def _calls_for_a_job(self) -> int:
        """Return how often the webhook is called for one new Ray Job that is to be adopted; nothing is kept of it."""
        before = self.calls()
        task = {"name": "head", "replicas": 1, "template": {"spec": {"containers": [{"name": "head", "image": "ray"}]}}}
        job = {
            "apiVersion": JOBS,
            "kind": "Job",
            "metadata": {"name": "probe"},
            "spec": {"plugins": {"ray": []}, "tasks": [task]},
        }
        self.plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job))
        return self.calls() - before


def is_trusted(admin: Api) -> bool:
    """Tell whether the CA is in every webhook configuration."""
    webhooks = [webhook for each in _CONFIGURATIONS for webhook in admin.get(each)["webhooks"]]
    return all(webhook["clientConfig"].get("caBundle") for webhook in webhooks)


def documented(name: str, namespace: str) -> Object:
    """Return a Job as somebody applied it, from the recording of its creation."""
    annotations = subject(f"job-create-{name}")["metadata"]["annotations"]
    job: Object = json.loads(annotations["kubectl.kubernetes.io/last-applied-configuration"])
    return job | {"metadata": {"name": name, "namespace": namespace}}


def default(namespace: str, name: str = "default") -> Object:
    """Return the smallest of them, which asks for Ray and for nothing else."""
    job = documented("ray-cluster-job", namespace)
    return job | {"metadata": {"name": name, "namespace": namespace}, "spec": job["spec"] | {"plugins": {"ray": []}}}


def job_path(job: Object) -> str:
    """Return where the apiserver keeps a Job."""
    return path(JOBS, "jobs", job["metadata"]["namespace"], job["metadata"]["name"])


def service_path(job: Object) -> str:
    """Return where the apiserver keeps a Job's head Service."""
    return path("v1", "services", job["metadata"]["namespace"], f"{job['metadata']['name']}-head-svc")
