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


def probes_of(job: RayJob, pod: str) -> dict[str, Object]:
    """Return the probes of a pod's first container as the pod's spec has them, by kind."""
    container: Object = job.pods()[pod]["spec"]["containers"][0]
    return {kind: container[kind] for kind in KINDS if kind in container}


def fails_within(probe: Object) -> int:
    """Return the seconds after a container's start in which a probe that never succeeds has used up its tries.

    The kubelet tries once a period, for the first time up to one period after the initial delay.
    """
    tries: int = probe["failureThreshold"] * probe["periodSeconds"]
    longest: int = probe.get("initialDelaySeconds", 0) + tries + probe["timeoutSeconds"]
    return longest


def assert_succeeds(job: RayJob, pod: str, probe: Object, times: int) -> None:
    """Run the probe's own command in the pod so many times; each try must succeed within the probe's timeout."""
    limit: int = probe["timeoutSeconds"]
    done = job.cluster.kubectl(
        *("-n", job.namespace, "exec", pod, "--", "sh", "-c", _REPEATED, "probe", str(times), str(limit)),
        *probe["exec"]["command"],
        seconds=times * limit + 30,
    )
    assert done.returncode == 0, f"{pod}: {done.stdout}{done.stderr}"
