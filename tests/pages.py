"""Read commands, output and tables from the documentation, so that the tests run and compare what it says."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
OPERATIONS = ROOT / "docs" / "operations.md"
REFERENCE = ROOT / "docs" / "reference.md"

_HEADING = re.compile(r"#{1,6} +(.*?) *$")
_FENCE = re.compile(r" *```(\w*)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass
class Section:
    """A heading, its own prose without code blocks, and its code blocks with their languages."""

    heading: str
    prose: list[str] = field(default_factory=list)
    blocks: list[tuple[str, list[str]]] = field(default_factory=list)


def sections(page: Path) -> list[Section]:
    """Return the sections of a Markdown page in order; what is before the first heading has an empty one."""
    found = [Section("")]
    block: list[str] | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line)
        if fence and block is None:
            block = []
            found[-1].blocks.append((fence[1], block))
        elif fence:
            block = None
        elif block is not None:
            block.append(line)
        elif heading := _HEADING.match(line):
            found.append(Section(heading[1]))
        else:
            found[-1].prose.append(line)
    assert block is None, f"{page.name}: a code block has no end"
    return found


def commands(page: Path, heading: str) -> list[str]:
    """Return the command lines of a section, which are those of its blocks marked `sh`."""
    lines = _block_lines(page, heading, "sh")
    assert lines, f"{page.name} has no commands under {heading}"
    return lines


def output(page: Path, heading: str) -> list[str]:
    """Return the lines of output that a section promises, which are those of its blocks marked `text`."""
    lines = _block_lines(page, heading, "text")
    assert lines, f"{page.name} has no output under {heading}"
    return lines


def manifest(page: Path, heading: str) -> str:
    """Return the YAML of a section."""
    return "\n".join(_block_lines(page, heading, "yaml")) + "\n"


def table(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of a section's tables, row by row, without heads."""
    rows: list[list[str]] = []
    lines = [line for line in _section(page, heading).prose if line.startswith("|")]
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if set(cells[0]) == {"-"}:
            rows.pop()
        else:
            rows.append(cells)
    assert rows, f"{page.name} has no table under {heading}"
    return rows


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    return {_anchor(section.heading) for section in sections(page) if section.heading}


def _anchor(heading: str) -> str:
    text = _LINK.sub(r"\1", heading).lower()
    kept = [character for character in text if _is_kept(character)]
    return "".join(kept).replace(" ", "-")


def _is_kept(character: str) -> bool:
    return character in " -_" or unicodedata.category(character)[0] in "LN"


def _block_lines(page: Path, heading: str, language: str) -> list[str]:
    blocks = [lines for name, lines in _section(page, heading).blocks if name == language]
    return [line for lines in blocks for line in lines if line.strip()]


def _section(page: Path, heading: str) -> Section:
    found = [section for section in sections(page) if section.heading == heading]
    assert len(found) == 1, f"{page.name} has {len(found)} sections {heading}"
    return found[0]
