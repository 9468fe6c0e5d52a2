from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import promtool as prometheus
from tests.golden.files import Golden

if TYPE_CHECKING:
    from pathlib import Path

# The same examples everywhere, so that a red run is red again; no deadline, as two cores may be busy with a cluster.
settings.register_profile("volray", max_examples=40, deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("volray")


@pytest.fixture
def golden() -> Golden:
    return Golden(rewrite=os.environ.get("VOLRAY_GOLDEN") == "rewrite")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' tool, which judges alert rules."""
    found = prometheus.promtool()
    if found is None:
        reason = "no promtool is here to judge the alert rules (make test builds it with Go)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found
