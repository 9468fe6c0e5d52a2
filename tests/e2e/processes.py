"""The processes in a pod, by program or Python file, through /proc: not every image has ps or pkill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import signal
    from subprocess import CompletedProcess

    from tests.e2e.ray_job import RayJob

_SIGNAL: Final = """
import os, sys
name, number, found = sys.argv[1], int(sys.argv[2]), []
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as cmdline:
            state, argv = stat.read().rpartition(") ")[2][0], cmdline.read().split("\\0")
    except OSError:
        continue
    if state not in "ZX" and name in map(os.path.basename, argv[:2]):
        found.append(int(pid))
for pid in found:
    os.kill(pid, number)
print("signalled", *found)
sys.exit(not found)
"""
_NOTHING: Final = 0


def lives(job: RayJob, pod: str, name: str) -> bool:
    """Tell whether a process of this name lives in the pod."""
    return _signalled(job, pod, name, _NOTHING).returncode == 0


def send(job: RayJob, pod: str, name: str, number: signal.Signals) -> None:
    """Send a signal to the processes of this name in the pod, of which there must be one."""
    done = _signalled(job, pod, name, number)
    assert "signalled" in done.stdout, done.stderr


def _signalled(job: RayJob, pod: str, name: str, number: int) -> CompletedProcess[str]:
    arguments = ("exec", pod, "--", "python3", "-I", "-S", "-c", _SIGNAL, name, str(int(number)))
    return job.cluster.kubectl("-n", job.namespace, *arguments)
