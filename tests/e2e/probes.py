"""The probes of a pod that runs, asked as its kubelet asks them, but at once and as often as a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.e2e.ray_job import RayJob

Object = dict[str, Any]

KINDS: Final = ("startupProbe", "readinessProbe", "livenessProbe")

_REPEATED: Final = """
times=$1 limit=$2; shift 2
while [ "$times" -gt 0 ]; do
  timeout "$limit" "$@" || { echo "exit status $? with $times tries to go"; exit 1; }
  times=$((times - 1))
done
"""
"""In the pod, so that many tries cost one `kubectl exec`."""

_CONNECT: Final = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"


def probes_of(job: RayJob, pod: str) -> dict[str, Object]:
    """Return the probes of a pod's first container as the pod's spec has them, by kind."""
    container: Object = job.pods()[pod]["spec"]["containers"][0]
    return {kind: container[kind] for kind in KINDS if kind in container}


def fails_within(probe: Object) -> int:
    """Return the seconds after a container's start in which a probe that never succeeds has failed for good.

    The kubelet tries once a period, and does not try before the initial delay is over: one period more.
    """
    tries: int = 1 + probe["failureThreshold"]
    seconds: int = probe.get("initialDelaySeconds", 0) + tries * probe["periodSeconds"] + probe["timeoutSeconds"]
    return seconds


def assert_succeeds(job: RayJob, pod: str, probe: Object, times: int) -> None:
    """Run the probe's own command in the pod so many times; each try must succeed within the probe's timeout."""
    limit = str(probe["timeoutSeconds"])
    done = job.cluster.kubectl(
        *("-n", job.namespace, "exec", pod, "--", "sh", "-c", _REPEATED, "probe", str(times), limit),
        *_command(probe, job.pods()[pod]),
        seconds=times * probe["timeoutSeconds"] + 30,
    )
    assert done.returncode == 0, f"{pod}: {done.stdout}{done.stderr}"


def _command(probe: Object, pod: Object) -> list[str]:
    if "exec" in probe:
        command: list[str] = probe["exec"]["command"]
        return command
    # A tcpSocket, the only other kind that volray makes: what the kubelet does from outside is done from inside.
    return ["python3", "-I", "-S", "-c", _CONNECT, pod["status"]["podIP"], str(probe["tcpSocket"]["port"])]
