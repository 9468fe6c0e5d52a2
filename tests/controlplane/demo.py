"""`make demo`: a control plane, Volcano, volray as its users install it, and the documentation's Job. Then all stops.

No kubelet runs here, so the pods are objects: what Ray would be started with is shown, not Ray.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.cache import NotBuiltError
from tests.controlplane.build import NEWEST
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import Volray
from tests.controlplane.waiting import wait

_JOB: Final = Path(__file__).parents[2] / "examples" / "job.yaml"
_PODS: Final = 3
_COMMAND: Final = 2
"""The script's place in `[/bin/sh, -c, SCRIPT, volray]`."""


def main() -> int:
    """Shows it; the exit status."""
    try:
        with ControlPlane.start(NEWEST) as plane:
            _say(f"etcd, kube-apiserver and Volcano {NEWEST} are up at {plane.url}")
            Volray.install(plane)
            _say("volray is installed from manifests/base: webhook and controller run, the CA is in every caBundle")
            _show(plane)
    except NotBuiltError as error:
        _say(str(error))
        return 1
    _say("everything was stopped")
    return 0


def _show(plane: ControlPlane) -> None:
    _kubectl(plane, "apply", "-f", str(_JOB))
    pods = path("v1", "pods", "default")
    wait(lambda: len(plane.admin.items(pods)) == _PODS, "the Job's pods are there")
    _kubectl(
        plane,
        "get",
        "jobs.batch.volcano.sh",
        "demo",
        "-o",
        "jsonpath={.spec.plugins}{.spec.tasks[0].template.metadata}",
    )
    for pod in plane.admin.items(pods):
        container = pod["spec"]["containers"][0]
        start = [
            line.strip(" \\")
            for line in container["command"][_COMMAND].splitlines()
            if line.startswith(("set -- ", "  --"))
        ]
        _say(f"pod {pod['metadata']['name']} runs: {' '.join(start)}")
    _kubectl(plane, "get", "service", "demo-head-svc", "-o", "wide")
    _kubectl(plane, "apply", "-f", str(_JOB))
    _kubectl(plane, "get", "events", "--sort-by=.lastTimestamp")


def _kubectl(plane: ControlPlane, *arguments: str) -> None:
    _say("$ kubectl " + " ".join(arguments))
    done = plane.kubectl(*arguments)
    sys.stdout.write(f"{done.stdout}{done.stderr}\n")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
