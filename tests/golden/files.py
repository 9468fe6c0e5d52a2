"""Expectations in files that a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """Expectations in files that a person reads; `make golden` rewrites them, and git shows what changed."""

    rewrite: bool

    def check(self, name: str, text: str) -> None:
        """Expect a text in a file of this folder."""
        self.check_file(FOLDER / name, text)

    def check_file(self, path: Path, text: str) -> None:
        """Expect a text in a file that has its place elsewhere."""
        if self.rewrite:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.name} is missing: run `make golden` and read the difference"
        assert text == path.read_text(encoding="utf-8")

    def check_quoted(self, document: Path, table: str) -> None:
        """Expect a table in a document; it is found there by its first line, and ends at the first empty one."""
        text = document.read_text(encoding="utf-8")
        heading = table.partition("\n")[0]
        assert heading in text, f"{document.name} has no table that begins with {heading}"
        quoted = text[text.index(heading) :].partition("\n\n")[0] + "\n"
        if self.rewrite:
            document.write_text(text.replace(quoted, table), encoding="utf-8")
            quoted = table
        assert quoted == table
