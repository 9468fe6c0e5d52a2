"""Runs a command where it can do to the machine what a cluster's nodes do, and nothing of that outlasts it.

It gets a network, mounts and processes of its own (namespaces), and cgroups of its own. When the command ends, however
it ends, the kernel ends every process in there, and with the last one mounts and network go. What is left is a
temporary folder and cgroups: the supervisor outside removes them, or if it was killed itself, the next one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.controlplane.components import TETHER
from tests.nodes import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

_PREFIX: Final = "volray-e2e-"
_NAME: Final = "VOLRAY_ENCLOSURE"
_UNSHARE: Final = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOGS: Final = "logs"
_PROCESSES: Final = 16
"""What all pods together weigh when the processors are busy: as one, which is the kernel's choice, they starve."""


def current() -> str | None:
    """Return the name of the enclosure in which this runs, which is the name of its cgroup as well."""
    return os.environ.get(_NAME)


def run(command: Sequence[str | Path]) -> int:
    """Run the command in an enclosure, and return its exit status.

    SIGINT, SIGTERM and SIGHUP are passed on to it. TMPDIR is a folder that is removed afterwards; of a command that
    failed, folders called `logs` in there stay.
    """
    for name in cgroups.held_by_nobody(_PREFIX):
        _remove(name, Path(tempfile.gettempdir(), name))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    cgroups.make(folder.name)
    cgroups.weigh(folder.name, _PROCESSES)
    with cgroups.held(folder.name):
        status = _supervise(folder, command)
        _remove(folder.name, folder, but=_LOGS if status else "")
    return status


def _supervise(folder: Path, command: Sequence[str | Path]) -> int:
    """Start the enclosure in a session of its own: a Ctrl-C comes from here, and once."""
    python = [sys.executable, "-I", "-S"]
    init = [sys.executable, "-m", "tests.nodes.init", folder, *command]
    process = subprocess.Popen(
        [*python, TETHER, str(os.getpid()), str(shutil.which("unshare")), *_UNSHARE, *init],
        env=os.environ | {_NAME: folder.name, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    with _forwarding(process.pid):
        return process.wait()


@contextmanager
def _forwarding(group: int) -> Iterator[None]:
    def forward(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _remove(cgroup: str, folder: Path, but: str = "") -> None:
    """Remove what an enclosure left, once its processes are gone; keep `*/<but>` of the folder."""
    cgroups.remove(cgroup)
    if but and any(folder.glob(f"*/{but}")):
        for each in folder.glob("*/*"):
            if each.name != but:
                shutil.rmtree(each) if each.is_dir() else each.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
