"""The cache does not grow for ever, and nothing goes that somebody may use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests import cache

if TYPE_CHECKING:
    from pathlib import Path

HOURS = 3 * 3600


@pytest.fixture
def entries(tmp_path: Path) -> list[Path]:
    file, folder = tmp_path / "a.tar", tmp_path / "b"
    file.touch()
    (folder / "below").mkdir(parents=True)
    return [file, folder]


@pytest.mark.parametrize(("later", "gone"), [(0.5 * HOURS, False), (2 * HOURS, True)])
def test_what_was_not_touched_for_hours_is_forgotten(
    entries: list[Path], later: float, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + later)
    cache.forget(entries, keep=())
    assert [not entry.exists() for entry in entries] == [gone, gone]


def test_what_is_kept_stays_however_old(entries: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 100 * HOURS)
    cache.forget(entries, keep=entries[:1])
    assert [entry.exists() for entry in entries] == [True, False]
