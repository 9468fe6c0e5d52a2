"""Runs a command that needs a cluster where it can have one: `python -m tests.e2e.enclosed COMMAND…`.

Everything that it takes is installed before: an enclosure has no network but its own. With VOLRAY_E2E_KUBECONFIG
the command runs on that cluster, which has Volcano and the images of tests/images, and needs no enclosure.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.controlplane import build as programs
from tests.e2e.cluster import KUBECONFIG
from tests.e2e.programs import ray_client
from tests.images import build as images
from tests.nodes import enclosure, requirements


def main(*command: str) -> int:
    """Run the command; the exit status."""
    ray_client()
    if os.environ.get(KUBECONFIG):
        return subprocess.run(command, check=False).returncode
    if missing := requirements.missing():
        print(
            f"No nodes can run here: {'; '.join(missing)}. {KUBECONFIG}=FILE takes a cluster that is there.",
            file=sys.stderr,
        )
        return 1
    return programs.main("nodes") or images.main() or enclosure.run(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
