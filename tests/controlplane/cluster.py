"""A control plane: etcd, kube-apiserver, kube-controller-manager, Volcano, one node; as a context manager.

    with ControlPlane.start("1.8.2") as plane:
        plane.kubectl("apply", "-f", "job.yaml")

Everything listens on the loopback, its data stands in a temporary folder, and it all ends with the `with`, or with the
thread that started it. With real nodes it runs in an enclosure (tests/nodes), and all ends with that at the latest.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.controlplane import commands, files, volcano
from tests.controlplane.audit import Audit
from tests.controlplane.build import NEWEST, OLDEST, built
from tests.controlplane.client import STRATEGIC, Api, RefusedError, path
from tests.controlplane.components import Component, free_ports, listens
from tests.controlplane.waiting import wait
from tests.nodes import node
from tests.nodes.network import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Self

Object = dict[str, Any]

NODE = "node-1"
_ROOM = {"cpu": "64", "memory": "512Gi", "pods": "1000", "nvidia.com/gpu": "16", "ephemeral-storage": "1Ti"}
_PORTS = ("etcd", "etcd-peer", "apiserver", "vc-webhooks")
_KUBELET = Path(__file__).with_name("kubelet.py")


class ControlPlane:
    """One control plane; made by `start`.

    Attributes:
        components: By name, in the order of their start: `etcd`, `apiserver`, `kubelet`, `kube-controllers`, and with
            Volcano `vc-webhooks`, `vc-controllers`, `vc-scheduler`; to be stopped, killed, paused, resumed, restarted.
            With real nodes, instead of `kubelet`: `kube-scheduler`, `dns`, and of each node `node-1-containerd`,
            `node-1-kubelet`, `node-1-kube-proxy`. Containers outlive their node's programs, as on a machine.
        admin: The apiserver as a cluster administrator.
        audit: Who wrote what.
        url: The apiserver.
        ca: The file with the authority of the apiserver and of Volcano's webhooks.
        kubeconfig: The administrator's.
        logs: The folder with the components' logs; gone after `close`, unless `keep_logs` was called.
    """

    def __init__(self, layout: commands.Layout, tokens: dict[str, str]) -> None:
        self._layout = layout
        self._tokens = tokens
        self._apis = ExitStack()
        self._logs_kept = False
        self.components: dict[str, Component] = {}
        self.url = layout.apiserver
        self.ca = layout.file("ca.crt")
        self.kubeconfig = layout.kubeconfig(commands.ADMIN)
        self.logs = layout.file("logs")
        self.admin = self.api(tokens[commands.ADMIN])
        self.audit = Audit(layout.file("audit.jsonl"), self.admin)

    @classmethod
    def start(
        cls,
        version: str | None = NEWEST,
        *,
        admission_plugins: Iterable[str] = (),
        webhooks: bool = True,
        nodes: int = 0,
        images: Sequence[Path] = (),
    ) -> Self:
        """Start a control plane, and wait until a Job would become pods.

        Args:
            version: Of Volcano; None for Kubernetes alone.
            admission_plugins: Of the apiserver, beyond its defaults: `OwnerReferencesPermissionEnforcement`.
            webhooks: Whether Volcano's admission is in.
            nodes: How many real nodes; without any, there is one on which pods stay objects. One such control plane
                fits into an enclosure.
            images: OCI archives, whose images every real node has.

        Raises:
            NotBuiltError: The programs are not in the cache.
            ComponentError: One did not come up. The logs are kept, and the message says where.
        """
        found = built(version, nodes=nodes > 0)
        installed = found.volcano if webhooks else volcano.without_admission(found.volcano)
        layout = _layout(found.programs, nodes)
        plane = cls(layout, files.write(layout, volcano.scheduler_conf(installed)))
        try:
            plane._lay_nodes(images)
            plane._start_all(installed, admission_plugins, gates=version != OLDEST)
        except BaseException:
            plane.keep_logs()
            plane.close()
            raise
        return plane

    def close(self) -> None:
        """End every component, the last started first, and remove everything but logs that are to be kept."""
        with ExitStack() as ending:  # one that fails to end must not spare the others
            for component in self.components.values():
                ending.callback(component.kill)
            ending.push(self._apis)
        if not self._layout.nodes:  # else containers still run in there, and the enclosure removes it
            self._remove_folder()

    def _remove_folder(self) -> None:
        for each in self._layout.folder.iterdir():
            if not (self._logs_kept and each == self.logs):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        if not self._logs_kept:
            self._layout.folder.rmdir()

    def keep_logs(self) -> Path:
        """Let the logs outlive the control plane, and return their folder."""
        self._logs_kept = True
        return self.logs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            print(f"the control plane's logs are kept in {self.keep_logs()}")
        self.close()

    def api(self, token: str, agent: str = "test") -> Api:
        """Return the apiserver as seen by whoever the token belongs to."""
        api = Api(self.url, self.ca, token, agent)
        self._apis.callback(api.close)
        return api

    def token(self, namespace: str, service_account: str) -> str:
        """Return a real token of a ServiceAccount, by a TokenRequest, as a kubelet would mount it."""
        account = path("v1", "serviceaccounts", namespace, service_account)
        wait(lambda: self.admin.exists(account), f"there is a ServiceAccount {namespace}/{service_account}")
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.admin.create(f"{account}/token", request)["status"]["token"])

    def kubeconfig_for(self, token: str, namespace: str = "default") -> Path:
        """Write a kubeconfig for a token, and return its path."""
        file = self._layout.file(f"{secrets.token_hex(4)}.kubeconfig")
        file.write_text(commands.kubeconfig(self.url, self.ca, token, namespace))
        return file

    def kubectl(
        self, *arguments: str | Path, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as the administrator unless told otherwise; returncode, stdout and stderr are the caller's."""
        return subprocess.run(
            [self._layout.programs["kubectl"], *arguments],
            input=stdin,
            env=self._environment(kubeconfig or self.kubeconfig),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def shell(self, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a line as an administrator types it, in a folder, with kubectl and volray on the PATH."""
        programs = [self._layout.programs["kubectl"].parent, Path(sys.executable).parent, os.environ["PATH"]]
        environment = self._environment(self.kubeconfig) | {"PATH": ":".join(map(str, programs))}
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def program(self, name: str) -> Path:
        """Return the path of a program, as `kubectl`."""
        return self._layout.programs[name]

    def set_phase(self, namespace: str, pod: str, phase: str) -> None:
        """Make a pod Running (and ready), Succeeded or Failed: nothing runs it, so nothing else would say so."""
        ready = _condition("Ready", "True" if phase == "Running" else "False")
        status = {"phase": phase, "conditions": [ready]}
        self.admin.patch(path("v1", "pods", namespace, pod) + "/status", {"status": status}, STRATEGIC)

    def _environment(self, kubeconfig: Path) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(self._layout.folder)}

    def _start_all(self, installed: Sequence[Object], admission_plugins: Iterable[str], *, gates: bool) -> None:
        at = self._layout
        self._run("etcd", commands.etcd(at), ("etcd", "etcd-peer"))
        self._run("apiserver", commands.apiserver(at, admission_plugins), ("apiserver",), self._apiserver_is_ready)
        self.components["apiserver"].wait_ready()
        self._install(volcano.accounts(installed))
        self._start_webhooks(volcano.registrations(installed))
        self._install(volcano.kinds(installed))
        self._start_controllers()
        if installed:
            self._run("vc-controllers", commands.vc_controllers(at, gates=gates), ready=self._queue_is_open)
            self._run("vc-scheduler", commands.vc_scheduler(at))
        for component in self.components.values():
            component.wait_ready()
        for each in at.nodes:
            wait(partial(self._is_ready, each.name), f"{each.name} is Ready")

    def _start_webhooks(self, registrations: Sequence[Object]) -> None:
        """Register Volcano's webhooks and start them; 1.8's need a second for each, so they go before the rest."""
        if registrations:
            bundle = self.ca.read_bytes()
            self._install([volcano.at_url(each, self._layout.webhooks, bundle) for each in registrations])
            self._run("vc-webhooks", commands.vc_webhooks(self._layout, volcano.paths(registrations)), ("vc-webhooks",))

    def _lay_nodes(self, images: Sequence[Path]) -> None:
        if self._layout.nodes:
            self._add(node.prepare(self._layout, images))

    def _start_controllers(self) -> None:
        """Start what follows objects, after the CRDs: the garbage collector looks for new kinds every 30 s only."""
        at = self._layout
        if at.nodes:
            self._add(node.followers(at))
        else:
            self._run("kubelet", [sys.executable, _KUBELET, self.url, self.ca, self._tokens["kubelet"], NODE])
        manager = commands.kube_controller_manager(at)
        self._run("kube-controllers", manager, ready=self._service_accounts_are_made)
        if not at.nodes:
            self._add_node()

    def _install(self, objects: Iterable[Object]) -> None:
        """Create the objects, and wait until the kinds among them are served."""
        created = [self.admin.create(volcano.list_of(each), each) for each in objects]
        for each in created:
            if each["kind"] == "CustomResourceDefinition":
                wait(partial(self._is_served, each), f"{each['metadata']['name']} is served")

    def _is_served(self, crd: Object) -> bool:
        status = self.admin.get(f"{volcano.list_of(crd)}/{crd['metadata']['name']}").get("status", {})
        return _holds(status, "Established")

    def _add_node(self) -> None:
        """Make a node that is Ready and empty, without the taint with which every node begins."""
        metadata = {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}}
        self.admin.create(path("v1", "nodes"), {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        status = {"capacity": _ROOM, "allocatable": _ROOM, "conditions": [_condition("Ready", "True")]}
        node = path("v1", "nodes", name=NODE)
        self.admin.patch(f"{node}/status", {"status": status}, STRATEGIC)
        self.admin.patch(node, {"spec": {"taints": None}})

    def _run(
        self, name: str, command: commands.Command, ports: Iterable[str] = (), ready: Callable[[], bool] | None = None
    ) -> None:
        numbers = tuple(self._layout.ports[port] for port in ports)
        self._add([Component(name, command, self.logs / f"{name}.log", numbers, ready or _listening(numbers))])

    def _add(self, components: Iterable[Component]) -> None:
        for component in components:
            self.components[component.name] = component
            component.start()

    def _apiserver_is_ready(self) -> bool:
        try:
            return self.admin.request(
                "GET", "/readyz", seconds=2
            ).is_success  # asked while it starts, it may never answer
        except (httpx.TransportError, RefusedError):
            return False

    def _is_ready(self, name: str) -> bool:
        node = path("v1", "nodes", name=name)
        return self.admin.exists(node) and _holds(self.admin.get(node)["status"], "Ready")

    def _service_accounts_are_made(self) -> bool:
        return self.admin.exists(path("v1", "serviceaccounts", "default", "default"))

    def _queue_is_open(self) -> bool:
        """Tell whether Jobs are taken: the scheduler makes the queue, the controllers open it."""
        queues = self.admin.items(path("scheduling.volcano.sh/v1beta1", "queues"))
        states = {each["metadata"]["name"]: each.get("status", {}).get("state") for each in queues}
        return states.get("default") == "Open"


def _layout(programs: commands.Programs, nodes: int) -> commands.Layout:
    folder = Path(tempfile.mkdtemp(prefix="volray-controlplane-"))
    (folder / "logs").mkdir()
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    return commands.Layout(programs, folder, ports, tuple(Node(number + 1) for number in range(nodes)))


def _listening(ports: Sequence[int]) -> Callable[[], bool]:
    return lambda: all(map(listens, ports))


def _condition(kind: str, status: str) -> Object:
    return {"type": kind, "status": status, "reason": "Test", "lastTransitionTime": None}


def _holds(status: Object, kind: str) -> bool:
    return any(each["type"] == kind and each["status"] == "True" for each in status.get("conditions") or ())
