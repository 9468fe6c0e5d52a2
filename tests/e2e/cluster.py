"""A cluster that runs pods, ours or somebody's, with volray in it as its users install it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.controlplane.client import Api, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.components import Component, free_ports, listens
from tests.controlplane.installed import JOBS, default, is_trusted
from tests.controlplane.waiting import wait
from tests.images import build as images
from tests.pages import README, commands, output
from webhook.names import NODE_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

Object = dict[str, Any]

KUBECONFIG: Final = "VOLRAY_E2E_KUBECONFIG"
NODES: Final = 4
"""One for volray, and three with two CPUs each: what the documentation's largest Job asks for."""

_BASE: Final = Path(__file__).parents[2] / "manifests" / "base"
_SECONDS: Final = 120
_NAMESPACES: Final = path("v1", "namespaces")
_ERRORS: Final = ("sh", "-c", "tail -n 15 /tmp/ray/session_latest/logs/*.err")
_LOOK_SECONDS: Final = 15


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
        kubectl_path: The kubectl that fits it.
    """

    def __init__(self, kubectl: str | Path, kubeconfig: Path, admin: Api, plane: ControlPlane | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.admin = admin
        self.plane = plane
        self.kubectl_path = kubectl

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
            *_, rollout = commands(README, "Install")
            _, *arguments = rollout.split()
            printed = self.succeed(*arguments, f"--timeout={_SECONDS}s").splitlines()
            assert set(output(README, "Install")) <= set(printed)
        wait(lambda: is_trusted(self.admin), "the CA is in every configuration")
        wait(self._adopts, "a Job for Ray is adopted")

    def kubectl(
        self, *arguments: str | Path, stdin: str | None = None, seconds: float = _SECONDS + 5
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator; returncode, stdout and stderr are the caller's."""
        return subprocess.run(
            [self.kubectl_path, *arguments],
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

    def ray_logs(self) -> str:
        """Return what Ray's processes last wrote on their standard errors, in each pod that runs."""
        where = ("-A", f"--selector={NODE_TYPE}", "--field-selector=status.phase=Running", "--no-headers")
        listed = self.look("get", "pods", *where, "--output=custom-columns=N:.metadata.namespace,P:.metadata.name")
        pods = [words for line in listed.splitlines() if len(words := line.split()) == 2]
        return "".join(f"{pod}:\n{self.look('-n', within, 'exec', pod, '--', *_ERRORS)}\n" for within, pod in pods)

    def look(self, *arguments: str) -> str:
        """Return whatever a kubectl wrote, or nothing: for the report of a failure, which must not fail for it."""
        try:
            done = self.kubectl(*arguments, seconds=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout + done.stderr

    @contextmanager
    def namespace(self, labels: dict[str, str] | None = None) -> Iterator[str]:
        """Make a namespace for a while. What is in it goes away with it, and nobody waits for that."""
        name = f"e2e-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": labels or {}}
        self.admin.create(_NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        try:
            account = path("v1", "serviceaccounts", name, "default")
            wait(lambda: self.admin.exists(account), f"{name} has the ServiceAccount without which it takes no pods")
            yield name
        finally:
            self.admin.delete(f"{_NAMESPACES}/{name}")

    @contextmanager
    def forwarded(self, namespace: str, target: str, port: int) -> Iterator[int]:
        """Forward a port of the loopback to a pod or a Service, as `kubectl port-forward` does for people."""
        (local,) = free_ports(1)
        command = [self.kubectl_path, f"--kubeconfig={self.kubeconfig}", "-n", namespace, "port-forward", target]
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
