"""Extra options for `ray start`, from the annotation `ray.volcano.sh/start-args`."""

from __future__ import annotations

import json
import re
import shlex
from collections import deque
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from webhook.names import START_ARGS
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def _whole(text: str) -> None:
    int(text)


def _fraction(text: str) -> None:
    float(text)


def _boolean(text: str) -> None:
    if text.lower() not in {"1", "true", "t", "yes", "y", "on", "0", "false", "f", "no", "n", "off"}:
        raise ValueError(text)


def _json_object(text: str) -> None:
    if not isinstance(json.loads(text), dict):
        raise TypeError(text)


def _text(_: str) -> None:
    """Anything goes."""


_WHOLE: Final = (_whole, "a whole number", "1")
_BOOLEAN: Final = (_boolean, "true or false", "false")
_JSON: Final = (_json_object, "a JSON object", "'{\"name\": 1}'")
_TEXT: Final = (_text, "a text", "TEXT")

_VALUED: Final[Mapping[str, tuple[Callable[[str], None], str, str]]] = {
    "--autoscaling-config": _TEXT,
    "--cgroup-path": _TEXT,
    "--dashboard-agent-grpc-port": _WHOLE,
    "--include-dashboard": _BOOLEAN,
    "--include-log-monitor": _BOOLEAN,
    "--labels": _TEXT,
    "--labels-file": _TEXT,
    "--log-color": _TEXT,
    "--log-style": _TEXT,
    "--max-worker-port": _WHOLE,
    "--memory": _WHOLE,
    "--min-worker-port": _WHOLE,
    "--node-manager-port": _WHOLE,
    "--node-name": _TEXT,
    "--num-cpus": _WHOLE,
    "--num-gpus": _WHOLE,
    "--object-manager-port": _WHOLE,
    "--object-spilling-directory": _TEXT,
    "--object-store-memory": _WHOLE,
    "--plasma-directory": _TEXT,
    "--proxy-server-url": _TEXT,
    "--redis-password": _TEXT,
    "--redis-shard-ports": _TEXT,
    "--redis-username": _TEXT,
    "--resources": _JSON,
    "--runtime-env-agent-port": _WHOLE,
    "--system-config": _JSON,
    "--system-reserved-cpu": (_fraction, "a number", "1.5"),
    "--system-reserved-memory": _WHOLE,
    "--temp-dir": _TEXT,
    "--tracing-startup-hook": _TEXT,
    "--worker-port-list": _TEXT,
}
"""The options of `ray start` 2.60 that take a value, the hidden ones among them (ray/scripts/scripts.py)."""

_SWITCHES: Final = frozenset(
    {
        "--disable-usage-stats",
        "--enable-object-reconstruction",
        "--enable-resource-isolation",
        "--no-monitor",
        "--no-redirect-output",
        "--ray-debugger-external",
        "--verbose",
        "-v",
    }
)

_HEAD_ONLY: Final = frozenset({"--include-dashboard", "--redis-shard-ports", "--system-config"})
"""What `ray start` refuses on a worker, in every version (`head_only_flags` in ray/scripts/scripts.py, and
ray/_private/node.py for the last). `--port` is the fourth, and volray's."""

_LONG: Final = re.compile(r"--[A-Za-z0-9]")

_OWNED: Final[Mapping[str, str]] = {
    "--address": "",
    "--block": "",
    "--dashboard-agent-listen-port": ", and write --agentPort=N in ray.volcano.sh/args",
    "--dashboard-host": "",
    "--dashboard-port": ", and write --dashboardPort=N in ray.volcano.sh/args",
    "--head": ", and write ray.volcano.sh/role: head",
    "--metrics-export-port": ", and write --metricsPort=N in ray.volcano.sh/args",
    "--node-ip-address": "",
    "--port": ", and write --port=N in ray.volcano.sh/args",
    "--ray-client-server-port": ", and write --clientPort=N in ray.volcano.sh/args",
}
"""What volray sets itself, and where to write it instead."""


@dataclass(frozen=True)
class StartArgs:
    """The options as words for `ray start`, by name; a switch has no value."""

    options: tuple[tuple[str, str | None], ...] = ()

    def value(self, name: str) -> str | None:
        """The value of an option; of one that is given twice the last, as click has it."""
        return dict(self.options).get(name)

    def names(self, *names: str) -> bool:
        """Whether any of these is given."""
        return any(name in names for name, _ in self.options)

    @property
    def words(self) -> list[str]:
        """One word an option."""
        return [name if value is None else f"{name}={value}" for name, value in self.options]


@dataclass(frozen=True)
class Parsed:
    """The options of an annotation, every mistake in it, and what its author should know."""

    args: StartArgs
    mistakes: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


def is_option(name: str) -> bool:
    """Return whether `ray start` takes an option of this name that a user may set, such as `--num-gpus`."""
    return name in _VALUED or name in _SWITCHES


def parse(annotation: str, *, head: bool) -> Parsed:
    """Return the options in an annotation such as `--num-cpus=0 --resources='{"a": 1}'`.

    An option that is not in the tables is passed on with a warning: pods run every Ray, and the tables hold the
    options of one.

    Args:
        annotation: The text.
        head: The node is the head, which takes options that a worker does not.
    """
    try:
        words = shlex.split(annotation)
    except ValueError as error:
        unreadable = finding(Code.UNREADABLE, field=START_ARGS, found=annotation, why=error)
        return Parsed(StartArgs(), (unreadable,))
    mistakes: list[Finding] = []
    warnings: list[Finding] = []
    options = tuple(_options(words, mistakes, warnings))
    if not head:
        mistakes += _on_the_head_alone(options)
    return Parsed(StartArgs(options), tuple(mistakes), tuple(warnings))


def _on_the_head_alone(options: Iterable[tuple[str, str | None]]) -> Iterable[Finding]:
    for name in dict.fromkeys(name for name, _ in options):
        if name in _HEAD_ONLY:
            yield finding(Code.HEAD_START_OPTION, found=name)


def _options(
    words: Sequence[str], mistakes: list[Finding], warnings: list[Finding]
) -> Iterable[tuple[str, str | None]]:
    rest = deque(words)
    while rest:
        word = rest.popleft()
        name, equals, text = word.partition("=")
        if name in _OWNED:
            mistakes.append(finding(Code.OWNED_START_OPTION, found=name, instead=_OWNED[name]))
            _skip_value(name, equals, rest)
        elif name in _SWITCHES and not equals:
            yield name, None
        elif name in _VALUED:
            value = text if equals else _next(rest)
            mistakes += _wrong(name, value)
            yield name, value
        elif name not in _SWITCHES and _LONG.match(name):
            warnings.append(finding(Code.OTHER_START_OPTION, found=name, near=_near(name)))
            yield name, text if equals else _next_value(rest)
        else:
            mistakes.append(finding(Code.UNKNOWN_START_OPTION, found=word, wanted=_suggestion(name)))


def _next(rest: deque[str]) -> str | None:
    return rest.popleft() if rest else None


def _next_value(rest: deque[str]) -> str | None:
    """Return the value of an option that may be a switch: the next word, unless that is an option itself."""
    return rest.popleft() if rest and not rest[0].startswith("-") else None


def _skip_value(name: str, equals: str, rest: deque[str]) -> None:
    """An owned option in two words is one mistake, not two."""
    if not equals and name not in {"--head", "--block"}:
        _next(rest)


def _wrong(name: str, value: str | None) -> Iterable[Finding]:
    check, wanted, example = _VALUED[name]
    if value is None:
        yield finding(Code.MISSING_VALUE, field=START_ARGS, flag=name, example=example)
        return
    try:
        check(value)
    except (ValueError, TypeError):
        yield finding(Code.BAD_VALUE, field=START_ARGS, flag=name, found=value, wanted=wanted, example=example)


def _near(name: str) -> str:
    near = _nearest(name)
    return f" (the nearest option of Ray 2.60 is {near})" if near else ""


def _suggestion(name: str) -> str:
    return _nearest(name) or "one that `ray start --help` lists"


def _nearest(name: str) -> str | None:
    near = get_close_matches(name, [*_VALUED, *_SWITCHES], n=1)
    return near[0] if near else None
