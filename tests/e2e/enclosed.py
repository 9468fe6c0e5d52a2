"""Runs a command that needs a cluster where it can have one: `python -m tests.e2e.enclosed COMMAND…`.

Everything that the command needs is installed before, because an enclosure has no network but its
own. With VOLRAY_E2E_KUBECONFIG the command runs on that cluster, which has Volcano and the images
of tests/images, and needs no enclosure.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.controlplane import build as programs
from tests.e2e.cluster import KUBECONFIG
from tests.e2e.programs import RAY_COMMAND_LINE, install_ray, ray_program
from tests.images import build as images
from tests.nodes import enclosure, requirements

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(*command: str) -> int:
    """Run the command and return its exit status."""
    if not ray_program().exists() and _uses_ray_command_line(command):
        install_ray()
    if os.environ.get(KUBECONFIG):
        return subprocess.run(command, check=False).returncode
    return prepare() or enclosure.run(command)


def prepare() -> int:
    """Build what a cluster of our own needs, and return an exit status."""
    if missing := requirements.missing():
        print(
            f"No nodes can run here: {'; '.join(missing)}. {KUBECONFIG}=FILE takes a cluster that is there.",
            file=sys.stderr,
        )
        return 1
    return programs.main("nodes") or images.main()


def _uses_ray_command_line(command: Sequence[str]) -> bool:
    """Tell whether one of the tests that pytest would run is marked as using Ray's command line."""
    if Path(command[0]).name != "pytest":
        return False
    collect = [*command, "--collect-only", "--quiet", "-m", RAY_COMMAND_LINE]
    return subprocess.run(collect, stdout=subprocess.DEVNULL, check=False, timeout=100).returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
