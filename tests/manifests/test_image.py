"""The Dockerfile, read as text: no engine is needed to see that it fits the repository and the manifests."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.manifests import Manifest

Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def instructions(root: Path) -> list[Instruction]:
    """The Dockerfile's (instruction, rest) pairs, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (root / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    words = (line.split(None, 1) for line in lines if line.strip())
    return [(word.upper(), rest) for word, rest in words]


@pytest.fixture(scope="module")
def runtime(instructions: list[Instruction]) -> list[Instruction]:
    """The instructions of the last stage."""
    last = max(number for number, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[last:]


@pytest.fixture(scope="module")
def sources(instructions: list[Instruction]) -> list[str]:
    """What is copied out of the repository."""
    copies = [rest.split() for word, rest in instructions if word in {"COPY", "ADD"} and "--from" not in rest]
    return [source for *found, _target in copies for source in found]


def only(instructions: list[Instruction], word: str) -> str:
    (found,) = (rest for each, rest in instructions if each == word)
    return found


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


def test_every_stage_starts_from_one_base_that_an_argument_names(instructions: list[Instruction]) -> None:
    argument, default = only(instructions, "ARG").split("=", 1)
    stages = [rest.split()[0] for word, rest in instructions if word == "FROM"]

    assert default == "python:3.11-slim"
    assert stages == [f"${{{argument}}}"] * 2


def test_dependencies_are_the_pinned_ones(instructions: list[Instruction]) -> None:
    dependencies, own = (rest.split() for word, rest in instructions if word == "RUN" and " install " in rest)

    assert {"--constraint=constraints.txt", "--only-binary=:all:"} <= set(dependencies)
    assert "--no-deps" in own


def test_the_user_is_the_deployment_s_and_not_root(runtime: list[Instruction], pod: Manifest) -> None:
    user, group = (int(number) for number in only(runtime, "USER").split(":"))
    context = pod["spec"]["securityContext"]

    assert user != 0
    assert (user, group) == (context["runAsUser"], context["runAsGroup"])


def test_the_entry_point_is_the_project_s_script_in_the_copied_environment(
    root: Path, runtime: list[Instruction]
) -> None:
    (script,) = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    *_, environment = only(runtime, "COPY").split()

    assert json.loads(only(runtime, "ENTRYPOINT")) == [f"{environment}/bin/{script}"]


def test_a_read_only_root_is_enough(instructions: list[Instruction], runtime: list[Instruction]) -> None:
    assert "PYTHONDONTWRITEBYTECODE=1" in only(runtime, "ENV").split()
    assert any(word == "RUN" and "compileall" in rest for word, rest in instructions)
    assert all(word != "VOLUME" for word, _ in runtime)
