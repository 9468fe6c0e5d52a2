"""The README's commands, so that the tests run what it says."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def commands(subject: str) -> list[str]:
    """Return the command lines under the paragraph that begins with the subject in bold type, up to the next such."""
    _, found, rest = README.read_text().partition(f"\n**{subject}**")
    assert found, f"the README has no paragraph about {subject}"
    section = re.split(r"^(?:\*\*|#)", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]
