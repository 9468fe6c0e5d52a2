"""The Dockerfile, read as text: no engine is needed to see that it fits the repository and the manifests."""

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import pytest

from tests.images.dockerfile import Arg, Copy, Entrypoint, Env, From, Instruction, Run, User, parse
from tests.manifests import Manifest

Kind = TypeVar("Kind", bound=Instruction)


@pytest.fixture(scope="module")
def instructions(root: Path) -> list[Instruction]:
    """All of the Dockerfile, in order."""
    return parse((root / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def runtime(instructions: list[Instruction]) -> list[Instruction]:
    """The instructions of the last stage."""
    last = max(number for number, each in enumerate(instructions) if isinstance(each, From))
    return instructions[last:]


@pytest.fixture(scope="module")
def sources(instructions: list[Instruction]) -> list[str]:
    """What is copied out of the repository."""
    return [source for each in every(instructions, Copy) if each.stage is None for source in each.sources]


def every(instructions: list[Instruction], kind: type[Kind]) -> list[Kind]:
    return [each for each in instructions if isinstance(each, kind)]


def only(instructions: list[Instruction], kind: type[Kind]) -> Kind:
    (found,) = every(instructions, kind)
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
    argument = only(instructions, Arg)

    assert argument.default == "python:3.11-slim"
    assert [stage.image for stage in every(instructions, From)] == [f"${{{argument.name}}}"] * 2


def test_dependencies_are_the_pinned_ones(instructions: list[Instruction]) -> None:
    commands = [run.command for run in every(instructions, Run)]
    dependencies, own = (command.split() for command in commands if " install " in command)

    assert {"--constraint=constraints.txt", "--only-binary=:all:"} <= set(dependencies)
    assert "--no-deps" in own


def test_the_user_is_the_deployment_s_and_not_root(runtime: list[Instruction], pod: Manifest) -> None:
    user, group = (int(number) for number in only(runtime, User).user.split(":"))
    context = pod["spec"]["securityContext"]

    assert user != 0
    assert (user, group) == (context["runAsUser"], context["runAsGroup"])


def test_the_entry_point_is_the_project_s_script_in_the_copied_environment(
    root: Path, runtime: list[Instruction]
) -> None:
    (script,) = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]

    assert only(runtime, Entrypoint).argv == (f"{only(runtime, Copy).target}/bin/{script}",)


def test_a_read_only_root_is_enough(root: Path, instructions: list[Instruction], runtime: list[Instruction]) -> None:
    assert ("PYTHONDONTWRITEBYTECODE", "1") in only(runtime, Env).variables
    assert any("compileall" in run.command for run in every(instructions, Run))
    assert not re.search(r"^\s*VOLUME\b", (root / "Dockerfile").read_text(), re.IGNORECASE | re.MULTILINE)
