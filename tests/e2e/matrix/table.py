"""What became of each Ray in each case: `.run/reports/rays.json`, and the same as a table in `rays.md`."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.ray_job import RayJob
    from tests.images.rays import Ray

UP: Final = "up, a task on each node"
SUBMIT: Final = "ray job submit"
CLIENT: Final = "Ray client"
PROBES: Final = "probes' commands"
RAYLET: Final = "raylets killed"
GCS: Final = "GCS killed"
SIGTERM: Final = "worker deleted"
HEAD_LOST: Final = "head deleted"
STATUS: Final = "waitNodes, status 7"
AT_REST: Final = "at rest"
UNDER_LOAD: Final = "under load"

CASES: Final = (
    *(UP, SUBMIT, CLIENT, PROBES, RAYLET, GCS, SIGTERM, HEAD_LOST, STATUS),
    *(AT_REST, UNDER_LOAD),
)

_NOT_RUN: Final = "-"


@dataclass
class Cell:
    """One Ray in one case.

    Attributes:
        passed: Whether it did what it should.
        seconds: How long that took.
        restarts: How many containers were started again meanwhile.
    """

    passed: bool
    seconds: float
    restarts: int

    def __str__(self) -> str:
        seconds = f"{self.seconds:.0f} s" if self.passed else f"FAILED after {self.seconds:.0f} s"
        return f"{seconds}, {self.restarts}"


class Table:
    """The cells of one run of the tests.

    Args:
        folder: Where both files are written, anew after each case. They replace those of an older run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cells: dict[str, dict[str, Cell]] = {}

    def note(self, ray: Ray, case: str, cell: Cell) -> None:
        """Add a cell, and write the files."""
        self._cells.setdefault(str(ray), {})[case] = cell
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "rays.json").write_text(self._json())
        (self._folder / "rays.md").write_text(self._markdown())

    @contextmanager
    def case(self, ray: Ray, case: str, job: RayJob) -> Iterator[None]:
        """Time a case, count the containers of the Job that are started again in it, and note whether it passed."""
        before = restarts_by_pod(job)
        started = time.monotonic()
        passed = False
        try:
            yield
            passed = True
        finally:
            seconds = time.monotonic() - started
            restarts = sum(count - before.get(uid, 0) for uid, count in restarts_by_pod(job).items())
            self.note(ray, case, Cell(passed, round(seconds, 1), restarts))

    def _json(self) -> str:
        cells = {ray: {case: asdict(cell) for case, cell in row.items()} for ray, row in self._cells.items()}
        return json.dumps(cells, indent=2) + "\n"

    def _markdown(self) -> str:
        lines = ["| Ray | " + " | ".join(CASES) + " |", "|---" * (1 + len(CASES)) + "|"]
        for ray, row in self._cells.items():
            cells = [str(row.get(case, _NOT_RUN)) for case in CASES]
            lines.append(f"| {ray} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n\nSeconds, and containers that were started again.\n"


def restarts_by_pod(job: RayJob) -> dict[str, int]:
    """Return how often the containers of each pod were started again, by the pod's uid: names come back."""
    counts = {}
    for pod in job.pods().values():
        statuses = pod["status"].get("containerStatuses", ())
        counts[pod["metadata"]["uid"]] = sum(status["restartCount"] for status in statuses)
    return counts
