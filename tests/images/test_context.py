from pathlib import Path

import pytest

from tests.images import context
from tests.images.context import ignored


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ([], "a", False),
        (["a"], "a", True),
        (["a"], "a/b", True),
        (["a"], "b/a", False),
        (["*"], "a/b", True),
        (["*.py"], "a.py", True),
        (["*.py"], "a/b.py", False),
        (["a?"], "ab", True),
        (["**/*.pyc"], "b.pyc", True),
        (["**/__pycache__"], "a/__pycache__/b.pyc", True),
        (["**/__pycache__"], "a/__pycache__s", False),
        (["*", "!a"], "a/b", False),
        (["*", "!a"], "b", True),
        (["*", "!a", "**/c"], "a/b/c", True),
        (["a.b"], "axb", False),
    ],
)
def test_the_last_pattern_that_matches_a_file_or_a_parent_decides(
    patterns: list[str], path: str, expected: bool
) -> None:
    assert ignored(path, patterns) is expected


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    for name in ("code/a.py", "code/b.py", "code/__pycache__/a.pyc", "README"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# why\n**/__pycache__\n")
    return tmp_path


def test_a_folder_is_its_files_without_the_ignored_ones(root: Path) -> None:
    assert context.files(root, ["code"]).paths == ("code/a.py", "code/b.py")


def test_a_source_of_which_nothing_is_left_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="code/__pycache__"):
        context.files(root, ["README", "code/__pycache__"])


@pytest.mark.parametrize(
    ("name", "changed"), [("code/a.py", True), ("README", False), ("code/__pycache__/a.pyc", False)]
)
def test_the_key_changes_with_the_files_and_with_nothing_else(root: Path, name: str, changed: bool) -> None:
    before = context.files(root, ["code"]).key
    (root / name).write_text("other")

    assert (context.files(root, ["code"]).key != before) is changed
