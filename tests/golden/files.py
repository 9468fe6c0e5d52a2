from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """Expectations in files that a person reads; `make golden` rewrites them, and git shows what changed."""

    rewrite: bool

    def check(self, name: str, text: str) -> None:
        path = FOLDER / name
        if self.rewrite:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.name} is missing: run `make golden` and read the difference"
        assert text == path.read_text(encoding="utf-8")


@pytest.fixture
def golden() -> Golden:
    return Golden(rewrite=os.environ.get("VOLRAY_GOLDEN") == "rewrite")
