"""The cgroups of one enclosure: a folder of its own in each hierarchy of cgroup v1.

Where version 2 is mounted beside them (`unified`), runc makes the same folders in there.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path("/sys/fs/cgroup")
_LOCKED: Final = "pids"
_CPUSET: Final = ("cpuset.cpus", "cpuset.mems")


def hierarchies() -> list[Path]:
    """Return the folders of cgroup v1's hierarchies."""
    return [each for each in _mounted() if (each / "cgroup.clone_children").exists()]


def weigh(name: str, processes: int) -> None:
    """Let the cgroup have as much of busy processors as so many processes outside of any cgroup."""
    (ROOT / "cpu" / name / "cpu.shares").write_text(str(1024 * processes))


def make(name: str) -> None:
    """Make the cgroup `name`, whose path may have several parts, in each hierarchy."""
    for hierarchy in hierarchies():
        folder = hierarchy / name
        folder.mkdir()
        for file in _CPUSET:  # a new cpuset has no CPU, and takes no process
            if (folder / file).exists():
                (folder / file).write_text((folder.parent / file).read_text())


@contextmanager
def held(name: str) -> Iterator[None]:
    """Lock the cgroup, at most for as long as the process lives.

    Raises:
        BlockingIOError: Another process holds it.
    """
    lock = os.open(ROOT / _LOCKED / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def held_by_nobody(prefix: str) -> list[str]:
    """Return the cgroups whose makers ended without removing them."""
    return [each.name for each in (ROOT / _LOCKED).glob(f"{prefix}*") if _is_free(each.name)]


def remove(name: str) -> None:
    """Remove the cgroup with all in it; its last processes may be still about to end.

    Raises:
        TimeoutError: They do not.
    """
    wait(lambda: _removed(name), f"the cgroups {name} are empty", 20)


def _mounted() -> list[Path]:
    """Return the folders of all hierarchies; `cpu` and `cpuacct` may be two names of one."""
    found = {each.resolve() for each in ROOT.glob("*/")}
    return sorted(each for each in found if (each / "cgroup.procs").exists())


def _is_free(name: str) -> bool:
    try:
        with held(name):
            return True
    except BlockingIOError:
        return False


def _removed(name: str) -> bool:
    tops = [hierarchy / name for hierarchy in _mounted() if (hierarchy / name).exists()]
    for top in tops:
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):  # it still holds a process that ends
                Path(folder).rmdir()
    return not any(top.exists() for top in tops)
