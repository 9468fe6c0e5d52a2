"""The documentation's own consistency: links, lengths and code blocks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import README, ROOT, anchors, sections

NOT_OURS = {".git", ".venv", ".run", "dist", "mutants", "node_modules"}
MOST_WORDS = 1000

_CODE_SPAN = re.compile(r"`[^`]*`")
_TARGET = re.compile(r"\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def pages() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for folder in sorted(ROOT.iterdir()):
        if folder.is_dir() and folder.name not in NOT_OURS:
            yield from sorted(folder.rglob("*.md"))


PAGES = {str(page.relative_to(ROOT)): page for page in pages()}


def targets(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures; what is in code is none."""
    prose = "\n".join(line for section in sections(page) for line in section.prose)
    headings = "\n".join(section.heading for section in sections(page))
    return _TARGET.findall(_CODE_SPAN.sub("", f"{headings}\n{prose}"))


def problem(page: Path, target: str) -> str | None:
    """Return what is wrong with a target; None when it resolves or leads to another site."""
    if _ELSEWHERE.match(target):
        return None
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT):
        return f"{target} leads out of the repository"
    if not file.exists():
        return f"there is no {target}"
    if anchor and anchor not in anchors(file):
        return f"{file.name} has no heading #{anchor}"
    return None


@pytest.mark.parametrize("name", PAGES)
def test_every_relative_link_and_anchor_resolves(name: str) -> None:
    page = PAGES[name]
    problems = [problem(page, target) for target in targets(page)]
    assert [each for each in problems if each] == []


def test_the_links_of_a_page_are_found() -> None:
    assert {"docs/operations.md", "docs/reference.md#limits", "https://volcano.sh"} <= set(targets(README))


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("docs/nowhere.md", "there is no docs/nowhere.md"),
        ("docs/reference.md#nowhere", "reference.md has no heading #nowhere"),
        ("../elsewhere", "../elsewhere leads out of the repository"),
        ("#nowhere", "README.md has no heading #nowhere"),
        ("#why", None),
        ("docs/bench.svg", None),
        ("https://volcano.sh/nowhere", None),
    ],
)
def test_a_wrong_target_is_told(target: str, wanted: str | None) -> None:
    assert problem(README, target) == wanted


def test_the_readme_is_short() -> None:
    """Counted as `wc -w README.md` counts, with code, tables and the picture."""
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in targets(README)}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
