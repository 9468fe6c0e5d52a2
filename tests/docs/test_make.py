"""The targets of make, in the documents and in the tests' own messages, and the tiers that they run."""

import re
from pathlib import Path

import pytest

from tests import tiers
from tests.docs.test_links import PAGES
from tests.pages import ROOT, table

CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
NAMED = re.compile(r"\bmake((?: [a-z][a-z0-9-]*)+)")
LISTED = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
SOURCES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "tests").rglob("*.py")}


def named(text: str) -> set[str]:
    return {target for targets in NAMED.findall(text) for target in targets.split()}


@pytest.mark.parametrize("files", [PAGES, SOURCES], ids=["pages", "messages of tests"])
def test_every_target_that_is_named_in_code_is_listed_by_make_help(files: dict[str, Path]) -> None:
    found = {name: named(" ".join(CODE.findall(path.read_text()))) for name, path in files.items()}
    assert set().union(*found.values()) & LISTED
    assert {name: targets - LISTED for name, targets in found.items() if targets - LISTED} == {}


def test_ci_runs_lint_and_every_tier_but_the_nightly_one() -> None:
    assert named((ROOT / ".ci" / "run").read_text()) == {"lint", *tiers.TIERS} - {"test-nightly"}


def test_each_tier_is_a_target_with_a_row_and_has_folders_that_exist() -> None:
    assert set(tiers.TIERS) <= LISTED
    assert {row[0].strip("`") for row in table(ROOT / "tests" / "README.md", "Tiers")} == {
        f"make {tier}" for tier in tiers.TIERS
    }
    assert [folder for folder in tiers.FOLDERS if not (ROOT / "tests" / folder).is_dir()] == []


@pytest.mark.parametrize(
    ("file", "tier"),
    [
        ("docs/test_make.py", "test"),
        ("a-new-folder/test_something.py", "test"),
        ("test_something.py", "test"),
        ("controlplane/test_upgrade.py", "test-cluster"),
        ("controlplane/nightly/test_burst.py", "test-nightly"),
        ("e2e/life/test_kubelet.py", "e2e"),
    ],
)
def test_the_innermost_folder_with_a_tier_decides_and_without_one_it_is_the_cheapest(file: str, tier: str) -> None:
    assert tiers.tier_of(ROOT / "tests" / file) == tier
