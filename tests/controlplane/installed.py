"""volray on a control plane, installed as its users install it, and run as processes.

What a user applies is applied, by `kubectl apply --server-side -k manifests/base`. The Deployments in it stay objects:
nothing runs containers here. So the two programs run beside the control plane, with the Deployments' arguments but for
addresses, and with the tokens of the ServiceAccounts from the manifests: what RBAC does not give, they lack. There is
no Service network either, so the manifests are a copy, in which the configurations call a URL instead of the Service.
The CA takes its real way: into the Secret, and from there into every caBundle.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.controlplane.client import APPLY, STRATEGIC, path
from tests.controlplane.components import Component, free_ports, listens
from tests.controlplane.waiting import wait
from tests.recordings import subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.controlplane.client import Api
    from tests.controlplane.cluster import ControlPlane

Object = dict[str, Any]

JOBS: Final = "batch.volcano.sh/v1alpha1"
SYSTEM: Final = "volray-system"
CONTROLLER: Final = f"system:serviceaccount:{SYSTEM}:volray-controller"

BASE: Final = "base"
LEGACY: Final = "overlays/legacy"

_ROOT: Final = Path(__file__).parents[2]
_NAME: Final = "batch.ray.volcano.sh"
_REGISTRATION: Final = "admissionregistration.k8s.io/v1"
_CONFIGURATIONS: Final = tuple(
    path(_REGISTRATION, f"{kind}webhookconfigurations", name=_NAME) for kind in ("mutating", "validating")
)
_MUTATING_AND_VALIDATING: Final = 2
_SERVICE: Final = re.compile(
    r"service:\n +name: volray-webhook\n +namespace: volray-system\n +path: (\S+)\n +port: 443\n"
)
_CONTAINERS: Final = [{"name": "head", "image": "ray"}]
_POD: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe", "labels": {"ray.volcano.sh/cluster": "true"}},
    "spec": {"containers": _CONTAINERS},
}
_JOB: Final = {
    "apiVersion": JOBS,
    "kind": "Job",
    "metadata": {"name": "probe"},
    "spec": {
        "plugins": {"ray": []},
        "tasks": [{"name": "head", "replicas": 1, "template": {"spec": {"containers": _CONTAINERS}}}],
    },
}


class Volray:
    """volray on one control plane.

    Attributes:
        plane: The control plane.
        manifests: The folder `manifests` as it was applied.
        webhook: `volray serve`.
        controller: `volray controller`. Both are also among the plane's components, which end with the plane and whose
            logs stand with the others'.
        credentials: By a component's name, its token's id as the audit log has it.
    """

    def __init__(self, plane: ControlPlane, manifests: Path, ports: Sequence[int]) -> None:
        self.plane = plane
        self.manifests = manifests
        self.credentials: dict[str, str] = {}
        self._own: dict[str, tuple[str, list[str]]] = {}
        port, self._side, controller_side = ports
        certs = plane.logs.parent / "certs"
        self.webhook = self._component(
            "volray-webhook",
            "volray-webhook",
            f"--host=127.0.0.1 --port={port} --side-port={self._side} --cert-dir={certs} --drain-seconds=0",
            (port, self._side),
        )
        self.controller = self._controller("volray-controller", controller_side)

    @classmethod
    def install(cls, plane: ControlPlane) -> Volray:
        """Install it, start it, and wait until it does its work.

        Raises:
            ComponentError: One of the programs did not come up.
        """
        ports = free_ports(3)
        manifests = _calling(f"https://127.0.0.1:{ports[0]}", plane.logs.parent / "manifests")
        done = plane.kubectl("apply", "--server-side", "-k", manifests / BASE)
        assert done.returncode == 0, done.stderr
        volray = cls(plane, manifests, ports)
        for component in (volray.webhook, volray.controller):
            plane.components[component.name] = component
            component.start()
        for component in (volray.webhook, volray.controller):
            component.wait_ready()
        volray.wait_trusted()
        volray.wait_leading()
        volray.wait_called(_MUTATING_AND_VALIDATING)
        wait(lambda: volray._calls_for(_POD) == 1, "a labelled pod is reviewed")
        return volray

    def roll_out(self, source: Path | None = None) -> None:
        """Start both programs anew, with what the Deployments say by now.

        Args:
            source: The folder with another version's packages; without it, this one's.
        """
        for component in (self.webhook, self.controller):
            component.stop()
            component.command = self._command(component.name, source)
            component.start()
        for component in (self.webhook, self.controller):
            component.wait_ready()
        self.wait_leading()

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
        wait(lambda: leads(self.controller), "the controller leads")

    @contextmanager
    def second_controller(self) -> Iterator[Component]:
        """For a while run two replicas, as the Deployment does; afterwards the first runs again, and leads."""
        (side,) = free_ports(1)
        second = self._controller("volray-controller-2", side)
        self.plane.components[second.name] = second
        second.start()
        try:
            second.wait_ready()
            yield second
        finally:
            del self.plane.components[second.name]
            second.stop()
            if not self.controller.alive:
                self.controller.start()
            self.controller.wait_ready()
            self.wait_leading()

    def wait_trusted(self) -> None:
        """Wait until the CA is in every webhook of the configurations that are there."""
        wait(lambda: is_trusted(self.plane.admin), "the CA is in every configuration")

    def wait_called(self, times: int) -> None:
        """Wait until a Job is reviewed so often: the apiserver learns of a configuration after a moment."""
        wait(lambda: self._calls_for(_JOB) == times, f"{times} calls for each Job")

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
                self._register(at, configuration, _NAME)
            self.wait_called(_MUTATING_AND_VALIDATING)

    @contextmanager
    def registered_as(self, name: str) -> Iterator[None]:
        """For a while mutate under another name: mutating configurations are called in the order of their names."""
        usual = _CONFIGURATIONS[0]
        self._rename(usual, name)
        try:
            yield
        finally:
            self._rename(f"{usual.rpartition('/')[0]}/{name}", _NAME)

    def _rename(self, at: str, name: str) -> None:
        """Rename the mutating configuration; nothing mutates for a moment, so that no old name is still in use."""
        found = self.plane.admin.get(at)
        self.plane.admin.delete(at)
        self.wait_called(_MUTATING_AND_VALIDATING - 1)
        self._register(at, found, name)
        self.wait_called(_MUTATING_AND_VALIDATING)

    def _register(self, at: str, found: Object, name: str) -> None:
        """Put a configuration back as it came about, kubectl's fields and volray's: another's would be conflicts."""
        called = [each | {"clientConfig": {"url": each["clientConfig"]["url"]}} for each in found["webhooks"]]
        trusted = [{"name": each["name"], "clientConfig": each["clientConfig"]} for each in found["webhooks"]]
        wanted = found | {"metadata": {"name": name, "labels": found["metadata"]["labels"]}, "webhooks": called}
        there = f"{at.rpartition('/')[0]}/{name}"
        self.plane.admin.patch(there, wanted, APPLY, fieldManager="kubectl")
        self.plane.admin.patch(there, {"webhooks": trusted}, STRATEGIC, fieldManager="volray")

    def _controller(self, name: str, side: int) -> Component:
        return self._component(name, "volray-controller", f"--side-host=127.0.0.1 --side-port={side}", (side,))

    def _component(self, name: str, account: str, arguments: str, ports: tuple[int, ...]) -> Component:
        token = self.plane.token(SYSTEM, account)
        self.credentials[name] = _credential(token)
        config = self.plane.kubeconfig_for(token, SYSTEM)
        self._own[name] = account, [f"KUBECONFIG={config}", *arguments.split()]
        side = ports[-1]
        return Component(
            name,
            self._command(name),
            self.plane.logs / f"{name}.log",
            ports,
            lambda: listens(side) and httpx.get(f"http://127.0.0.1:{side}/readyz", trust_env=False).is_success,
        )

    def _command(self, name: str, source: Path | None = None) -> list[str]:
        """Return the Deployment's command line; of an option that is there twice the last one counts."""
        deployment, (config, *own) = self._own[name]
        pod = self.plane.admin.get(path("apps/v1", "deployments", SYSTEM, deployment))["spec"]["template"]["spec"]
        environment = [config, f"POD_NAMESPACE={SYSTEM}", *([f"PYTHONPATH={source}"] if source else [])]
        program = Path(sys.executable).with_name("volray")
        return [str(shutil.which("env")), *environment, str(program), *pod["containers"][0]["args"], *own]

    def _calls_for(self, probe: Object) -> int:
        """Return how often the webhook is called for one such new object; nothing is kept of it."""
        before = self.calls()
        self.plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe))
        return self.calls() - before


def _calling(url: str, folder: Path) -> Path:
    """Copy the folder `manifests`, with a URL where it names the Service, and return the copy."""
    shutil.copytree(_ROOT / "manifests", folder, dirs_exist_ok=True)
    file = folder / "base" / "webhook-configuration.yaml"
    text, count = _SERVICE.subn(rf"url: {url}\1\n", file.read_text())
    assert count == text.count("clientConfig:")
    file.write_text(text)
    return folder


def leads(controller: Component) -> bool:
    """Tell whether the process that runs now has taken the lease; one that loses it ends."""
    of_this_process = controller.log.read_text().rpartition('"event":"controller"')[2]
    return controller.alive and '"event":"leading"' in of_this_process


def _credential(token: str) -> str:
    """Return the id of a ServiceAccount's token, which is a JWT, in the apiserver's words.

    Kubernetes before 1.30 gives tokens no id (feature gate ServiceAccountTokenJTI). There nothing in the audit log has
    the credential that is returned, so tests that tell two processes of one ServiceAccount apart do not work.
    """
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return f"JTI={claims.get('jti', '')}"


def is_trusted(admin: Api) -> bool:
    """Tell whether the CA is in every webhook configuration."""
    there = filter(admin.exists, _CONFIGURATIONS)
    webhooks = [webhook for each in there for webhook in admin.get(each)["webhooks"]]
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


def sound(namespace: str, name: str = "default") -> Object:
    """Return the smallest with a little CPU for each pod, of which volray has nothing to say."""
    job = default(namespace, name)
    for task in job["spec"]["tasks"]:
        for container in task["template"]["spec"]["containers"]:
            container["resources"] = {"limits": {"cpu": "100m"}}
    return job


def lone_head(namespace: str, name: str) -> Object:
    """Return a Job of one pod, which ends the Job: the cheapest, where many are wanted."""
    job = sound(namespace, name)
    head = job["spec"]["tasks"][0] | {"policies": [{"event": "TaskCompleted", "action": "CompleteJob"}]}
    return job | {"spec": job["spec"] | {"minAvailable": 1, "tasks": [head]}}


def misspelt(namespace: str, name: str = "default") -> Object:
    """Return the smallest with a flag that there is not."""
    job = default(namespace, name)
    job["spec"]["plugins"]["ray"] = ["--prot=6380"]
    return job


MISSPELT: Final = "spec.plugins.ray[0]: --prot=6380"
"""Where and what its mistake is, as volray says it."""


def declined(job: Object) -> Object:
    """Return the Job with the annotation that leaves it to Volcano's own plugin."""
    return job | {"metadata": job["metadata"] | {"annotations": {"ray.volcano.sh/adopt": "false"}}}


def job_path(job: Object) -> str:
    """Return where the apiserver keeps a Job."""
    return path(JOBS, "jobs", job["metadata"]["namespace"], job["metadata"]["name"])


def service_path(job: Object) -> str:
    """Return where the apiserver keeps a Job's head Service."""
    return path("v1", "services", job["metadata"]["namespace"], f"{job['metadata']['name']}-head-svc")
