from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import promtool as prometheus
from tests.golden.files import Golden
from tests.sharing import ByCostlyFixture
from tests.tiers import TIERS, missing, tier_of

if TYPE_CHECKING:
    from pathlib import Path

    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# The same examples everywhere, so that a red run is red again; no deadline, as two cores may be busy with a cluster.
settings.register_profile("volray", max_examples=40, deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("volray")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=TIERS, help="collect this tier alone (tests/tiers.py)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of other tiers before they are imported."""
    tier = config.getoption("tier")
    if tier and collection_path.name.startswith("test_") and tier_of(collection_path) != tier:
        return True
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return ByCostlyFixture(config, log)


@pytest.fixture
def golden() -> Golden:
    return Golden(rewrite=os.environ.get("VOLRAY_GOLDEN") == "rewrite")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' tool, which judges alert rules."""
    found = prometheus.promtool()
    if found is None:
        missing("no promtool is here to judge the alert rules (make test-cluster builds it with Go)")
    return found
