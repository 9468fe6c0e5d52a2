from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.matrix.table import Table
from tests.images.rays import Ray, selection

REPORTS = Path(__file__).parents[3] / ".run" / "reports"

SELECTION = selection()
IN_FULL = "in_full"
WITH_DEFAULT = "with_default"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{IN_FULL}: only for the Rays that this run tests in full")
    config.addinivalue_line("markers", f"{WITH_DEFAULT}: only for Rays with the extras of ray[default]")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases that a Ray does not have."""
    left_out = [item for item in items if not _applies(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _applies(item: pytest.Item) -> bool:
    ray = item.callspec.params.get("ray") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    if not isinstance(ray, Ray):
        return True
    if item.get_closest_marker(IN_FULL) and ray not in SELECTION.in_full:
        return False
    return bool(ray.extra) or not item.get_closest_marker(WITH_DEFAULT)


@pytest.fixture(scope="module", params=SELECTION.rays, ids=str)
def ray(request: pytest.FixtureRequest) -> Ray:
    """Each Ray of this run, one after the other."""
    found: Ray = request.param
    return found


@pytest.fixture(scope="session")
def table() -> Table:
    """The table of this run."""
    return Table(REPORTS)
