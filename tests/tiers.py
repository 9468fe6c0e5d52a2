"""Say which make target runs a test. Its folder decides, so a test cannot forget to say it.

`pytest --tier test-cluster` collects the files of that tier alone. Without the option, pytest runs whatever
it is given.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NoReturn

import pytest

CHEAPEST: Final = "test"
"""The tier of every folder that is not named below. It has Python and nothing else."""

FOLDERS: Final = {
    "controlplane": "test-cluster",
    "manifests": "test-cluster",  # rendered with the kubectl of the control plane, judged by promtool
    "controlplane/nightly": "test-nightly",
    "images": "test-nightly",
    "nodes": "test-nightly",
    "e2e": "e2e",
}

TIERS: Final = (CHEAPEST, *dict.fromkeys(FOLDERS.values()))

_TESTS: Final = Path(__file__).parent


def tier_of(file: Path) -> str:
    """Return the tier of a file below `tests`: that of the innermost folder that has one."""
    for folder in file.relative_to(_TESTS).parents:
        if tier := FOLDERS.get(folder.as_posix()):
            return tier
    return CHEAPEST


def missing(reason: str) -> NoReturn:
    """Skip a test whose program is missing. In CI it fails, because there a tier has all that it needs."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
