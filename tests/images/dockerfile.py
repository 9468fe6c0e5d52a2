"""Reads as much of the Dockerfile's language as this repository's Dockerfiles speak; all else is an error."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class DockerfileError(Exception):
    """A line that is not understood; the message begins with its number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")


@dataclass(frozen=True)
class Arg:
    """ARG: a variable of the build. `default` is None where only the caller can give a value."""

    line: int
    name: str
    default: str | None


@dataclass(frozen=True)
class From:
    """FROM: the image that a stage starts from, and the name under which later stages copy out of it."""

    line: int
    image: str
    name: str | None


@dataclass(frozen=True)
class Copy:
    """COPY: out of the build's context, or out of an earlier stage."""

    line: int
    sources: tuple[str, ...]
    target: str
    stage: str | None


@dataclass(frozen=True)
class Run:
    """RUN: a line for /bin/sh."""

    line: int
    command: str


@dataclass(frozen=True)
class Env:
    """ENV: variables of the build and of the containers."""

    line: int
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Workdir:
    """WORKDIR: where the next steps and the containers start."""

    line: int
    path: str


@dataclass(frozen=True)
class User:
    """USER: whose the next steps and the containers are."""

    line: int
    user: str


@dataclass(frozen=True)
class Entrypoint:
    """ENTRYPOINT, as a JSON array."""

    line: int
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Cmd:
    """CMD, as a JSON array."""

    line: int
    argv: tuple[str, ...]


Instruction = Arg | From | Copy | Run | Env | Workdir | User | Entrypoint | Cmd


def parse(text: str) -> list[Instruction]:
    """Return a Dockerfile's instructions in their order; variables stand in them unresolved.

    Raises:
        DockerfileError: A line is none that this package can build.
    """
    return [_instruction(line, statement) for line, statement in _statements(text)]


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with the number of its first line: continued lines joined, comments left out."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        begun = begun if parts else number
        parts.append(stripped.removesuffix("\\"))
        if not stripped.endswith("\\"):
            yield begun, " ".join(parts)
            parts = []
    if parts:
        raise DockerfileError(begun, "the last line is continued by none")


def _instruction(line: int, statement: str) -> Instruction:
    word, _, rest = statement.partition(" ")
    parser = _PARSERS.get(word.upper())
    if parser is None:
        raise DockerfileError(line, f"{word} is not an instruction that can be built here")
    return parser(line, rest.strip())


def _arg(line: int, rest: str) -> Arg:
    name, given, default = rest.partition("=")
    if not name.isidentifier() or " " in rest:
        raise DockerfileError(line, f"ARG takes one NAME or NAME=default, not {rest!r}")
    return Arg(line, name, default if given else None)


def _from(line: int, rest: str) -> From:
    found = re.fullmatch(r"([^\s-]\S*)(?:\s+[Aa][Ss]\s+(\S+))?", rest)
    if found is None:
        raise DockerfileError(line, f"FROM takes an image and perhaps AS a name, not {rest!r}")
    return From(line, found[1], found[2])


def _copy(line: int, rest: str) -> Copy:
    flags = [word for word in rest.split() if word.startswith("--")]
    words = rest.split()[len(flags) :]
    stages = [flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")]
    if len(stages) != len(flags) or len(stages) > 1:
        raise DockerfileError(line, f"COPY knows no option but one --from, not {' '.join(flags)}")
    if len(words) < 2 or re.search(r"[\[*?]|<<", rest):
        raise DockerfileError(line, f"COPY takes plain sources and a target, not {rest!r}")
    return Copy(line, tuple(words[:-1]), words[-1], stages[0] if stages else None)


def _run(line: int, rest: str) -> Run:
    if not rest or rest.startswith(("[", "--")) or "<<" in rest:
        raise DockerfileError(line, f"RUN takes a line for the shell, not {rest!r}")
    return Run(line, rest)


def _env(line: int, rest: str) -> Env:
    pairs = [word.partition("=") for word in shlex.split(rest)]
    if not pairs or not all(equals for _, equals, _ in pairs):
        raise DockerfileError(line, f"ENV takes NAME=value pairs, not {rest!r}")
    return Env(line, tuple((name, value) for name, _, value in pairs))


def _workdir(line: int, rest: str) -> Workdir:
    if not rest.startswith("/"):
        raise DockerfileError(line, f"WORKDIR takes an absolute path, not {rest!r}")
    return Workdir(line, rest)


def _user(line: int, rest: str) -> User:
    return User(line, rest)


def _entrypoint(line: int, rest: str) -> Entrypoint:
    return Entrypoint(line, _argv(line, rest))


def _cmd(line: int, rest: str) -> Cmd:
    return Cmd(line, _argv(line, rest))


def _argv(line: int, rest: str) -> tuple[str, ...]:
    try:
        argv = json.loads(rest)
    except ValueError:
        argv = None
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        raise DockerfileError(line, f"only a JSON array of strings can be built here, not {rest!r}")
    return tuple(argv)


_PARSERS: dict[str, Callable[[int, str], Instruction]] = {
    "ARG": _arg,
    "FROM": _from,
    "COPY": _copy,
    "RUN": _run,
    "ENV": _env,
    "WORKDIR": _workdir,
    "USER": _user,
    "ENTRYPOINT": _entrypoint,
    "CMD": _cmd,
}
