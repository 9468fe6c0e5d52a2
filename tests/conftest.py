from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.golden.files import Golden

# The same examples everywhere, so that a red run is red again; no deadline, as two cores may be busy with a cluster.
settings.register_profile("volray", max_examples=40, deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("volray")


@pytest.fixture
def golden() -> Golden:
    return Golden(rewrite=os.environ.get("VOLRAY_GOLDEN") == "rewrite")
