"""What nodes do to a machine ends with their enclosure, however that ends."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.controlplane.waiting import wait
from tests.nodes import cgroups, enclosure, requirements

pytestmark = pytest.mark.skipif(bool(requirements.missing()), reason=f"no enclosure: {requirements.missing()}")

SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")
MESS = """
ip netns add left-behind
ip link add left-behind type bridge
mount -t tmpfs tmpfs /mnt
sysctl -qw net.ipv4.ip_forward=1
mkdir /sys/fs/cgroup/pids/$VOLRAY_ENCLOSURE/node
sleep 1000 & echo $! > /sys/fs/cgroup/pids/$VOLRAY_ENCLOSURE/node/cgroup.procs
touch "$0"
sleep 1000
"""


def traces() -> dict[str, list[str]]:
    """Return all that an enclosure could leave behind."""
    return {
        "mounts": sorted(Path("/proc/self/mountinfo").read_text().splitlines()),
        "networks": names(Path("/sys/class/net"), "*"),
        "network namespaces": names(Path("/run/netns"), "*"),
        "settings": [Path("/proc/sys", name).read_text() for name in SETTINGS],
        "cgroups": names(cgroups.ROOT / "pids", "volray-e2e-*"),
        "folders": names(Path(tempfile.gettempdir()), "volray-e2e-*"),
    }


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(each.name for each in folder.glob(pattern))


def inside(name: str) -> list[int]:
    """Return the processes that run in an enclosure, as seen from here."""
    mark = f"VOLRAY_ENCLOSURE={name}".encode()
    return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/environ") if mark in _read(each)]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlasts_an_enclosure_or_at_most_until_the_next_one(number: signal.Signals, tmp_path: Path) -> None:
    before, messed = traces(), tmp_path / "messed"
    program = f"from tests.nodes import enclosure; enclosure.run(['sh', '-ec', {MESS!r}, {str(messed)!r}])"
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as supervisor:
        wait(messed.exists, "the mess is made", 20)
        (name,) = set(traces()["cgroups"]) - set(before["cgroups"])
        assert inside(name)
        supervisor.send_signal(number)
        supervisor.wait(30)
    wait(lambda: not inside(name), "its processes are gone", 20)
    if number == signal.SIGKILL:
        assert enclosure.run(["true"]) == 0
    assert traces() == before
