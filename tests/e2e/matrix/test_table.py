"""The table of a run, as people read it."""

import json
from pathlib import Path

from tests.e2e.matrix.table import CASES, GCS, UP, Cell, Table
from tests.images.rays import Ray


def test_a_row_is_a_ray_and_a_column_a_case(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.note(Ray("2.9.3"), UP, Cell(passed=True, seconds=12.3, restarts=0))
    table.note(Ray("2.9.3", extra=""), UP, Cell(passed=True, seconds=9.8, restarts=0))
    table.note(Ray("2.9.3"), GCS, Cell(passed=False, seconds=40.0, restarts=2))
    header, _, *rows = (tmp_path / "rays.md").read_text().splitlines()
    assert header == f"| Ray | {' | '.join(CASES)} |"
    assert rows[0] == "| 2.9.3 | 12 s, 0 | - | - | - | - | FAILED after 40 s, 2 | - | - | - | - | - |"
    assert rows[1].startswith("| 2.9.3-plain | 10 s, 0 | - |")
    assert json.loads((tmp_path / "rays.json").read_text())["2.9.3"][GCS] == {
        "passed": False,
        "seconds": 40.0,
        "restarts": 2,
    }
