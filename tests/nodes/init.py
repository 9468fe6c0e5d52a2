"""Process 1 of an enclosure: `python -m tests.nodes.init FOLDER COMMAND…`. Its end is the end of all in there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

_KERNEL: Final = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
"""What the kubelet sets for the whole machine, if it does not find it so: in here it finds it so."""

_WRITTEN_TO: Final = ("/var/lib", "/var/log")
"""Where kubelet, containerd and CNI plugins have fixed places; whatever they write there stays in the enclosure."""


def main(folder: Path, *command: str) -> int:
    """Make the mounts, run the command, and return its exit status."""
    _mount("-t", "tmpfs", "tmpfs", "/run")
    _pretend_kernel(folder / "sys")
    for place in _WRITTEN_TO:
        _cover(place, folder / "written" / Path(place).name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the whole group gets them: the command's answer counts
    return _reap_until_ended(os.posix_spawnp(command[0], command, os.environ, setsigdef=signal.valid_signals()))


def _pretend_kernel(folder: Path) -> None:
    for setting, value in _KERNEL.items():
        file = folder / setting
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        _mount("--bind", file, f"/proc/sys/{setting}")


def _cover(place: str, folder: Path) -> None:
    upper, work = folder / "upper", folder / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    _mount("-t", "overlay", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", place)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, timeout=10)


def _reap_until_ended(command: int) -> int:
    """Wait for every child, as processes whose parents end become children of process 1."""
    while True:
        pid, status = os.wait()
        if pid == command:
            return os.waitstatus_to_exitcode(status) % 256


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
