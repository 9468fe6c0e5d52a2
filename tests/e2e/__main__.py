"""`make e2e`: pods with Ray, on nodes of our own or on a cluster that is there; arguments go to pytest.

With VOLRAY_E2E_KUBECONFIG the tests run on that cluster, which has Volcano and the images of tests/images.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.controlplane import build as programs
from tests.e2e.cluster import KUBECONFIG
from tests.images import build as images
from tests.nodes import enclosure, requirements

_TESTS = Path(__file__).parent
_SECONDS = 600  # for each test; the first one starts the cluster


def main(*arguments: str) -> int:
    """Run the tests; the exit status."""
    pytest = [sys.executable, "-m", "pytest", f"--timeout={_SECONDS}", *(arguments or [_TESTS])]
    if os.environ.get(KUBECONFIG):
        return subprocess.run(pytest, check=False).returncode
    if missing := requirements.missing():
        print(
            f"No nodes can run here: {'; '.join(missing)}. {KUBECONFIG}=FILE runs the tests on a cluster.",
            file=sys.stderr,
        )
        return 1
    return programs.main("nodes") or images.main() or enclosure.run(pytest)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
