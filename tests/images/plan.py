"""What an image consists of, before any of it is built: which steps, on what, and a key of all that goes in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from string import Template
from typing import TYPE_CHECKING, Any

from tests.images import context, dockerfile
from tests.images.context import Files
from tests.images.dockerfile import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.images.oci import Config

SOURCE = "/run/from"  # where a step finds what it copies; nothing below /run becomes part of a layer

# Like Docker's COPY: a folder stands for its contents, symbolic links stay what they are, and all becomes root's.
_COPY = """
target=$1; shift
for source; do
  if [ -d "$source" ]; then
    mkdir -p "$target"
    cp -a --no-preserve=ownership "$source/." "$target/"
  else
    mkdir -p "$(dirname "${target}x")"
    cp -a --no-preserve=ownership "$source" "$target"
  fi
done
"""


@dataclass(frozen=True)
class Bootstrap:
    """The lowest layer: a small Debian, out of its packages."""

    suite: str
    packages: tuple[str, ...]

    @property
    def key(self) -> str:
        return _hash(self)


@dataclass(frozen=True)
class Step:
    """A command in a root.

    Attributes:
        user: `user[:group]`; empty for root.
        workdir: Made where it is not there.
        source: What the command finds below `SOURCE`, if anything: files of the context, or a stage's layers.
    """

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    user: str
    workdir: str
    source: Files | tuple[Layer, ...] | None = None

    @property
    def key(self) -> str:
        return _hash((self.argv, self.environment, self.user, self.workdir, self._source_key))

    @property
    def _source_key(self) -> str:
        match self.source:
            case Files(key=key):
                return key
            case (*_, Layer(key=key)):
                return key
            case _:
                return ""


@dataclass(frozen=True)
class Layer:
    """What one step leaves behind on the layers below it; its key tells it from every other."""

    maker: Bootstrap | Step
    below: tuple[Layer, ...]

    @cached_property
    def key(self) -> str:
        return _hash((self.maker.key, *(layer.key for layer in self.below[-1:])))[:16]


@dataclass(frozen=True)
class Image:
    """Layers, the lowest first, and how containers start on them."""

    layers: tuple[Layer, ...]
    config: Config

    @property
    def key(self) -> str:
        return _hash((self.layers[-1].key, self.config))[:12]

    def with_layer(self, step: Step) -> Image:
        return replace(self, layers=(*self.layers, Layer(step, self.layers)))


def bootstrapped(suite: str, packages: tuple[str, ...], config: Config) -> Image:
    """Return an image of Debian packages alone."""
    return Image((Layer(Bootstrap(suite, packages), ()),), config)


def from_dockerfile(folder: Path, bases: Mapping[str, Image], arguments: Mapping[str, str]) -> Image:
    """Return the image that the Dockerfile in a folder says, with that folder as the context.

    Args:
        folder: Holds the Dockerfile, and a .dockerignore perhaps.
        bases: The images that its stages may start from, by the names that they use.
        arguments: Values for its ARGs.

    Raises:
        DockerfileError: It says something that cannot be built here.
    """
    plan = _Plan(folder, bases, arguments)
    for instruction in dockerfile.parse((folder / "Dockerfile").read_text()):
        plan.follow(instruction)
    if plan.image is None:
        raise DockerfileError(1, "there is no FROM")
    return plan.image


class _Plan:
    """A Dockerfile's stages up to an instruction."""

    def __init__(self, folder: Path, bases: Mapping[str, Image], given: Mapping[str, str]) -> None:
        self.image: Image | None = None
        self._folder = folder
        self._bases = bases
        self._given = given
        self._stages: dict[str, Image] = {}
        self._name: str | None = None
        self._before_stages: dict[str, str] = {}
        self._arguments: dict[str, str] = {}

    def follow(self, instruction: dockerfile.Instruction) -> None:
        match instruction:
            case dockerfile.Arg():
                self._declare(instruction)
            case dockerfile.From():
                self._start(instruction)
            case dockerfile.Copy() | dockerfile.Run():
                self.image = self._begun(instruction.line).with_layer(self._step(instruction))
            case dockerfile.Env(line, variables):
                resolved = [(name, self._resolved(line, value)) for name, value in variables]
                self._configure(line, environment=_merged(self._begun(line).config.environment, resolved))
            case dockerfile.Workdir(line, path):
                self._configure(line, workdir=self._resolved(line, path))
            case dockerfile.User(line, user):
                self._configure(line, user=self._resolved(line, user))
            case dockerfile.Entrypoint(line, argv):
                self._configure(line, entrypoint=argv, cmd=())  # a base's CMD is no argument of another program
            case dockerfile.Cmd(line, argv):
                self._configure(line, cmd=argv)

    def _declare(self, arg: dockerfile.Arg) -> None:
        default = arg.default if arg.default is not None else self._before_stages.get(arg.name)
        value = self._given.get(arg.name, default)
        if value is None:
            raise DockerfileError(arg.line, f"{arg.name} has no value")
        (self._before_stages if self.image is None else self._arguments)[arg.name] = value

    def _start(self, stage: dockerfile.From) -> None:
        self._finish()
        name = _substituted(stage.line, stage.image, self._before_stages)
        found = self._stages.get(name) or self._bases.get(name)
        if found is None:
            raise DockerfileError(stage.line, f"{name} is no image that is built here")
        self.image, self._name, self._arguments = found, stage.name, {}

    def _finish(self) -> None:
        if self.image is not None and self._name is not None:
            self._stages[self._name] = self.image

    def _step(self, instruction: dockerfile.Copy | dockerfile.Run) -> Step:
        config = self._begun(instruction.line).config
        if isinstance(instruction, dockerfile.Run):
            argv = ("/bin/sh", "-c", instruction.command)
            environment = _merged(config.environment, self._arguments.items())
            return Step(argv, environment, config.user, config.workdir)
        target = self._resolved(instruction.line, instruction.target)
        sources = [self._resolved(instruction.line, source) for source in instruction.sources]
        found = [f"{SOURCE}/{source.lstrip('/')}" for source in sources]
        command = ("/bin/sh", "-euc", _COPY, "copy", target, *found)
        return Step(command, config.environment, "", config.workdir, self._source(instruction, sources))

    def _source(self, copy: dockerfile.Copy, sources: Sequence[str]) -> Files | tuple[Layer, ...]:
        if copy.stage is not None:
            if copy.stage not in self._stages:
                raise DockerfileError(copy.line, f"there is no stage {copy.stage} before")
            return self._stages[copy.stage].layers
        try:
            return context.files(self._folder, sources)
        except FileNotFoundError as error:
            raise DockerfileError(copy.line, str(error)) from error

    def _begun(self, line: int) -> Image:
        if self.image is None:
            raise DockerfileError(line, "there is no FROM before")
        return self.image

    def _configure(self, line: int, **changes: Any) -> None:
        begun = self._begun(line)
        self.image = replace(begun, config=replace(begun.config, **changes))

    def _resolved(self, line: int, text: str) -> str:
        return _substituted(line, text, self._arguments | dict(self._begun(line).config.environment))


def _substituted(line: int, text: str, variables: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(variables)
    except (KeyError, ValueError) as error:
        raise DockerfileError(line, f"a variable of {text!r} has no value") from error


def _merged(before: Iterable[tuple[str, str]], later: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((dict(before) | dict(later)).items())


def _hash(contents: object) -> str:
    return hashlib.sha256(repr(contents).encode()).hexdigest()
