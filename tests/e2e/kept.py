"""`make cluster`: the cluster of these tests, kept until Ctrl-C, for people who want to try something on it.

The cluster has a network of its own. Its apiserver is reached from outside through a Unix socket,
which does not belong to any network: one socat in the enclosure and one outside pass on each
connection between that socket and a port.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.controlplane.components import Component, accepts, free_ports, listens
from tests.e2e import enclosed
from tests.e2e.cluster import NODES, Cluster
from tests.nodes import enclosure

if TYPE_CHECKING:
    from types import FrameType

_FOLDER: Final = Path(".run/cluster")
"""Relative to the repository, because the path of a Unix socket has at most 107 characters."""

_SOCKET: Final = _FOLDER / "apiserver.sock"
_KUBECONFIG: Final = _FOLDER / "kubeconfig"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_USAGE: Final = """
The cluster is up, with {nodes} nodes, Volcano and volray. In another terminal:

    export KUBECONFIG={kubeconfig}
    {kubectl} apply -f examples/job.yaml
    {kubectl} get pods --watch
    {kubectl} exec demo-head-0 -- ray status

Ctrl-C ends the cluster and everything in it.
"""


def main() -> int:
    """Start the cluster in an enclosure, make it reachable, and return the exit status."""
    if status := enclosed.prepare():
        return status
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    (port,) = free_ports(1)
    listener = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"
    command = [_socat(), listener, f"UNIX-CONNECT:{_SOCKET}"]
    outside = Component("outside", command, _FOLDER / "outside.log", ready=lambda: listens(port))
    outside.start()
    try:
        outside.wait_ready()
        return enclosure.run([sys.executable, "-m", "tests.e2e.kept", str(port)])
    finally:
        outside.stop()
        shutil.rmtree(_FOLDER)


def keep(port: int) -> int:
    """Run the cluster until a signal ends it, which is no failure at any time.

    Args:
        port: Where the apiserver is reached from outside.
    """
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with Cluster.ours() as cluster:
            cluster.install()
            _share(cluster, port)
            _wait_for_signal()
    except KeyboardInterrupt:
        print("The cluster was interrupted before it was up.")
    return 0


def _share(cluster: Cluster, port: int) -> None:
    """Make the apiserver reachable from outside, and say how."""
    contents = json.loads(cluster.kubeconfig.read_text())
    (entry,) = contents["clusters"]
    address = entry["cluster"]["server"].removeprefix("https://")
    command = [_socat(), f"UNIX-LISTEN:{_SOCKET},fork", f"TCP:{address}"]
    inside = Component("inside", command, _FOLDER / "inside.log", ready=lambda: accepts(_SOCKET))
    inside.start()
    inside.wait_ready()

    authority = Path(entry["cluster"].pop("certificate-authority")).read_bytes()
    entry["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
    entry["cluster"]["server"] = f"https://127.0.0.1:{port}"
    _KUBECONFIG.touch(mode=0o600)
    _KUBECONFIG.write_text(json.dumps(contents))
    kubectl = "kubectl" if shutil.which("kubectl") else cluster.kubectl_path
    print(_USAGE.format(nodes=NODES, kubeconfig=_KUBECONFIG.resolve(), kubectl=kubectl), flush=True)


def _wait_for_signal() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("The cluster is ending.", flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _socat() -> str:
    found = shutil.which("socat")
    assert found, "tests.nodes.requirements looked for it"
    return found


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1])) if len(sys.argv) > 1 else main())
