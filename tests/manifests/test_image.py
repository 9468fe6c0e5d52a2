"""The Dockerfile, read as text: no engine is needed to see that it fits the repository.

What it makes is looked at in `tests/e2e/test_image.py`, once it was built.
"""

import re
import tomllib
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def instructions(root: Path) -> list[str]:
    """The Dockerfile's instructions, one in each line, without comments."""
    lines = (root / "Dockerfile").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def sources(instructions: list[str]) -> list[str]:
    """What is copied out of the repository."""
    copies = [line.split()[1:-1] for line in instructions if line.startswith("COPY ")]
    return [source for words in copies if not words[0].startswith("--from=") for source in words]


def test_everything_that_is_copied_exists(root: Path, sources: list[str]) -> None:
    assert sources
    assert [source for source in sources if not (root / source).exists()] == []


def test_the_build_context_is_what_is_copied_and_no_more(root: Path, sources: list[str]) -> None:
    lines = (root / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    assert patterns[0] == "*"
    assert sorted(line.removeprefix("!") for line in patterns if line.startswith("!")) == sorted(sources)


def test_the_build_has_every_file_that_the_project_s_metadata_names(root: Path, sources: list[str]) -> None:
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    project = pyproject["project"]
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert {"pyproject.toml", project["readme"], *project["license-files"], *packages} <= set(sources)


def test_every_stage_starts_from_one_base_that_an_argument_names(instructions: list[str]) -> None:
    assert instructions[0] == "ARG PYTHON_IMAGE=python:3.11-slim"
    assert [line.split()[1] for line in instructions if line.startswith("FROM ")] == ["${PYTHON_IMAGE}"] * 2


def test_dependencies_are_the_pinned_ones(instructions: list[str]) -> None:
    dependencies, own = (line.split() for line in instructions if re.match("RUN .* install ", line))

    assert {"--constraint=constraints.txt", "--only-binary=:all:"} <= set(dependencies)
    assert "--no-deps" in own
