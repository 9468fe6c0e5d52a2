"""The page of reason codes, which `make golden` writes from the table in webhook/reasons.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.pages import ROOT
from webhook.reasons import REASONS, Level

if TYPE_CHECKING:
    from tests.golden.files import Golden

START: Final = """\
# Reason codes

Each thing that volray says has a code. Log lines (`reason`), metrics (`volray_reviews_total`) and audit annotations
carry the code, and Events carry it in capitals, such as `NoHead`. A word in braces stands for a value.
"""

CHAPTERS: Final = {
    Level.REFUSED: ("Refused", "The object is denied, or `volray inject` ends with status 1."),
    Level.WARNING: (
        "Warnings",
        "kubectl prints them, the controller writes them as Events, and nothing is refused.",
    ),
    Level.LEFT_ALONE: ("Left alone", "volray does not touch the object."),
    Level.DONE: ("Done", "What volray did."),
}


def cell(text: str) -> str:
    return text.replace("!r}", "}").replace("|", r"\|")


def chapter(level: Level) -> str:
    title, prose = CHAPTERS[level]
    rows = "".join(
        f"| `{code}` | {cell(reason.sentence)} | {cell(reason.hint)} |\n"
        for code, reason in REASONS.items()
        if reason.level is level
    )
    return f"\n## {title}\n\n{prose}\n\n| code | sentence | what to do |\n| --- | --- | --- |\n{rows}"


def test_the_page_holds_every_code_by_its_level(golden: Golden) -> None:
    golden.check_file(ROOT / "docs" / "codes.md", START + "".join(chapter(level) for level in CHAPTERS))
