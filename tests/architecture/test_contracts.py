"""A new file is under the contracts of its room on the day it is born."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]

FORBIDDEN: Final = {
    "certs.newborn": "import webhook.names",
    "webhook.k8s.newborn": "import urllib3",
    "webhook.k8s.newborn_above": "import webhook.pods.flags",
    "webhook.pods.newborn": "import os",
    "webhook.pods.newborn_above": "import webhook.jobs.job",
    "webhook.jobs.newborn": "import socket",
    "webhook.jobs.newborn_above": "import webhook.admission.review",
    "webhook.admission.newborn": "import webhook.cli.main",
    "webhook.controller.newborn": "import webhook.admission.review",
    "webhook.controller.runtime.newborn": "import webhook.jobs.job",
    "webhook.controller.head_service.newborn": "import webhook.controller.run",
}
"""A new file in each room, and an import that the room may not have."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the repository with all of these files."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("webhook", "certs"):
        shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for module, statement in FORBIDDEN.items():
        (copy / module.replace(".", "/")).with_suffix(".py").write_text(f"{statement}\n")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result: subprocess.CompletedProcess[str] = subprocess.run(
        command, cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_forbidden_import_in_a_new_file_is_found(module: str, report: str) -> None:
    assert f"{module} " in report
