"""A cluster that runs pods, ours or somebody's, with volray in it as its users install it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.controlplane.client import Api, RefusedError, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.components import Component, free_ports, listens
from tests.controlplane.installed import JOBS, SYSTEM, default, is_trusted
from tests.controlplane.waiting import wait
from tests.images import build as images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

Object = dict[str, Any]

KUBECONFIG: Final = "VOLRAY_E2E_KUBECONFIG"
NODES: Final = 4
"""One for volray, and three with two CPUs each: what the documentation's largest Job asks for."""

_BASE: Final = Path(__file__).parents[2] / "manifests" / "base"
_DEPLOYMENTS: Final = ("volray-webhook", "volray-controller")
_SECONDS: Final = 120
_DASHBOARD: Final = 8265


@contextmanager
def opened() -> Iterator[Cluster]:
    """A cluster with volray: the one that the environment names, or one of our own."""
    existing = os.environ.get(KUBECONFIG)
    with Cluster.existing(Path(existing)) if existing else Cluster.ours() as cluster:
        cluster.install()
        yield cluster


class Cluster:
    """One cluster, with Volcano and volray.

    Attributes:
        admin: Its apiserver, as an administrator.
        kubeconfig: The administrator's.
        plane: The control plane; None if it is not ours.
    """

    def __init__(self, kubectl: str | Path, kubeconfig: Path, admin: Api, plane: ControlPlane | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.admin = admin
        self.plane = plane
        self._kubectl = kubectl

    @classmethod
    @contextmanager
    def ours(cls) -> Iterator[Self]:
        """Start a cluster of our own; it ends with the enclosure in which this runs."""
        archives = list(images.built().values())
        with ControlPlane.start(nodes=NODES, images=archives) as plane:
            yield cls(plane.program("kubectl"), plane.kubeconfig, plane.admin, plane)

    @classmethod
    @contextmanager
    def existing(cls, kubeconfig: Path) -> Iterator[Self]:
        """Speak to a cluster that is there."""
        kubectl = str(shutil.which("kubectl"))
        with TemporaryDirectory() as folder:
            log = Path(folder, "proxy.log")
            proxy = Component("proxy", [kubectl, f"--kubeconfig={kubeconfig}", "proxy", "--port=0"], log)
            proxy.start()
            try:
                served = wait(lambda: re.search(r"127\.0\.0\.1:\d+", log.read_text()), "kubectl proxies")
                assert served
                admin = Api(f"http://{served.group()}", None, "")
                yield cls(kubectl, kubeconfig, admin)
                admin.close()
            finally:
                proxy.stop()

    def install(self) -> None:
        """Install volray, and wait until it does its work."""
        with self._on_one_node():
            self.succeed("apply", "--server-side", "-k", _BASE)
            for each in _DEPLOYMENTS:
                self.succeed("-n", SYSTEM, "rollout", "status", f"deployment/{each}", f"--timeout={_SECONDS}s")
        wait(lambda: is_trusted(self.admin), "the CA is in every configuration")
        wait(self._adopts, "a Job for Ray is adopted")

    def kubectl(
        self, *arguments: str | Path, stdin: str | None = None, seconds: float = _SECONDS + 5
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator; returncode, stdout and stderr are the caller's."""
        return subprocess.run(
            [self._kubectl, *arguments],
            input=stdin,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def succeed(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl where it has to succeed, and return what it wrote."""
        done = self.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def apply(self, manifest: Object) -> None:
        """Apply an object as its user would, with `kubectl apply`."""
        self.succeed("apply", "-f", "-", stdin=json.dumps(manifest))

    def exec(self, namespace: str, pod: str, *command: str, container: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in a pod."""
        where = ["--container", container] if container else []
        return self.kubectl("exec", "-n", namespace, pod, *where, "--", *command)

    def logs(self, namespace: str, pod: str, *options: str) -> str:
        """Return what a pod wrote; `--previous` and `--container=…` are options."""
        return self.succeed("logs", "-n", namespace, pod, *options)

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """Return the namespace's pods."""
        return self.admin.items(path("v1", "pods", namespace), labelSelector=selector)

    def ray_nodes(self, namespace: str, job: str) -> list[Object]:
        """Return the nodes alive in a Job's Ray cluster, as its dashboard tells them; none while that is away."""
        service = path("v1", "services", namespace, f"http:{job}-head-svc:{_DASHBOARD}")
        try:
            summary = self.admin.get(f"{service}/proxy/nodes", view="summary")["data"]["summary"]
        except RefusedError:
            return []
        return [node for node in summary if node["raylet"].get("state") == "ALIVE"]

    def wait_ray_nodes(self, namespace: str, job: str, count: int, seconds: float = _SECONDS) -> None:
        """Wait until a Job's Ray cluster has so many nodes."""

        def there() -> bool:
            found = self.ray_nodes(namespace, job)
            assert len(found) == count, f"{len(found)} nodes; {self.phases(namespace)}"
            return True

        wait(there, f"{job} has {count} Ray nodes", seconds)

    def phases(self, namespace: str) -> dict[str, str]:
        """Return the phase of each of the namespace's pods."""
        return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in self.pods(namespace)}

    @contextmanager
    def forwarded(self, namespace: str, target: str, port: int) -> Iterator[int]:
        """Forward a port of the loopback to a pod or a Service, as `kubectl port-forward` does for people."""
        (local,) = free_ports(1)
        command = [self._kubectl, f"--kubeconfig={self.kubeconfig}", "-n", namespace, "port-forward", target]
        with subprocess.Popen([*command, f"{local}:{port}"], stdout=subprocess.DEVNULL) as forward:
            try:
                wait(lambda: listens(local), f"{target} is forwarded")
                yield local
            finally:
                forward.terminate()

    def component(self, name: str) -> Component:
        """Return a program of our own cluster, as `node-1-kubelet`; on any other cluster the test is skipped."""
        if self.plane is None:
            pytest.skip(f"{name} is no program of ours on an existing cluster")
        return self.plane.components[name]

    @contextmanager
    def _on_one_node(self) -> Iterator[None]:
        """Let new pods go to one node of our own cluster, so that the others stay whole."""
        others = [f"node-{number}" for number in range(2, NODES + 1)] if self.plane else []
        for name in others:
            self.succeed("cordon", name)
        yield
        for name in others:
            self.succeed("uncordon", name)

    def _adopts(self) -> bool:
        job = default("default", "probe")
        made = self.admin.create(path(JOBS, "jobs", "default"), job, dryRun="All")
        return "ray" not in made["spec"].get("plugins", {})


def is_ready(node_or_pod: Object) -> bool:
    """Tell whether a node or a pod is Ready."""
    conditions = node_or_pod["status"].get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
