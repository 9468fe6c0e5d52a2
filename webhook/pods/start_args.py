"""Extra options for `ray start`, from the annotation `ray.volcano.sh/start-args`."""

from __future__ import annotations

import json
import re
import shlex
from collections import deque
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from webhook.names import ARGS, START_ARGS, annotation_place
from webhook.pods.flags import PORT_FLAGS, flag_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from webhook.names import Role


def _check_whole(text: str) -> None:
    int(text)


def _check_fraction(text: str) -> None:
    float(text)


def _check_boolean(text: str) -> None:
    if text.lower() not in {
        "1",
        "true",
        "t",
        "yes",
        "y",
        "on",
        "0",
        "false",
        "f",
        "no",
        "n",
        "off",
    }:
        raise ValueError(text)


def _check_json_object(text: str) -> None:
    if not isinstance(json.loads(text), dict):
        raise TypeError(text)


def _check_text(_: str) -> None:
    """Accept any text."""


_WHOLE: Final = (_check_whole, "a whole number", "1")
_BOOLEAN: Final = (_check_boolean, "true or false", "false")
_JSON: Final = (_check_json_object, "a JSON object", "'{\"name\": 1}'")
_TEXT: Final = (_check_text, "a text", "TEXT")

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
    "--system-reserved-cpu": (_check_fraction, "a number", "1.5"),
    "--system-reserved-memory": _WHOLE,
    "--temp-dir": _TEXT,
    "--tracing-startup-hook": _TEXT,
    "--worker-port-list": _TEXT,
}
"""The options of `ray start` 2.60 that take a value, with hidden ones (ray/scripts/scripts.py)."""

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
"""The options that `ray start` refuses on a worker, in every version.

Source: `head_only_flags` in ray/scripts/scripts.py, and ray/_private/node.py for the last.
`--port` is the fourth, and volray sets it.
"""

_LONG: Final = re.compile(r"--[A-Za-z0-9]")

_OWNED: Final[Mapping[str, str]] = {
    "--address": "",
    "--block": "",
    "--head": ", and write ray.volcano.sh/role: head",
    "--node-ip-address": "",
    **{name: "" for _, port in PORT_FLAGS for name in port.other_options},
    **{port.option: f", and write {flag_of(flag.field)}=N in {ARGS}" for flag, port in PORT_FLAGS},
}
"""The options that volray sets itself, each with what to write instead."""

_PLACE: Final = annotation_place(START_ARGS)


@dataclass(frozen=True)
class StartArgs:
    """Options of `ray start` by name. A switch has no value."""

    options: tuple[tuple[str, str | None], ...] = ()

    def value(self, name: str) -> str | None:
        """Return the value of an option. The last one wins, as in click."""
        return dict(self.options).get(name)

    def names(self, *names: str) -> bool:
        """Return whether any of these options is given."""
        return any(name in names for name, _ in self.options)

    def words_without(self, left_out: str) -> list[str]:
        """Return one word an option, without those of one name."""
        words: list[str] = []
        for name, value in self.options:
            if name != left_out:
                words.append(name if value is None else f"{name}={value}")
        return words


@dataclass(frozen=True)
class Parsed:
    """The options of an annotation, with every mistake and warning about it."""

    args: StartArgs
    findings: tuple[Finding, ...] = ()


def is_option(name: str) -> bool:
    """Return whether `ray start` has an option of this name that a user may set."""
    return name in _VALUED or name in _SWITCHES


@lru_cache(maxsize=1024)
def read_start_args(annotation: str, role: Role) -> Parsed:
    """Return the options in an annotation such as `--num-cpus=0 --resources='{"a": 1}'`.

    An option that is not in the tables is passed on with a warning, because pods run every Ray and
    the tables hold the options of one. The pods of a task share their annotation, hence the cache.

    Args:
        annotation: The text.
        role: The head takes options that a worker does not.
    """
    try:
        words = shlex.split(annotation)
    except ValueError as error:
        unreadable = finding(Code.UNREADABLE, place=_PLACE, found=annotation, why=error)
        return Parsed(StartArgs(), (unreadable,))
    findings: list[Finding] = []
    options = tuple(_read_options(words, findings))
    if role == "worker":
        findings += _options_of_the_head(options)
    return Parsed(StartArgs(options), tuple(findings))


def _options_of_the_head(options: Iterable[tuple[str, str | None]]) -> Iterator[Finding]:
    for name in dict.fromkeys(name for name, _ in options):
        if name in _HEAD_ONLY:
            yield finding(Code.HEAD_START_OPTION, place=_PLACE, found=name)


def _read_options(
    words: Sequence[str], findings: list[Finding]
) -> Iterator[tuple[str, str | None]]:
    rest = deque(words)
    while rest:
        word = rest.popleft()
        name, equals, text = word.partition("=")
        if name in _OWNED:
            owned = finding(Code.OWNED_START_OPTION, place=_PLACE, found=name, instead=_OWNED[name])
            findings.append(owned)
            # Its value in a word of its own is part of the same mistake.
            if not equals and name not in {"--head", "--block"} and rest:
                rest.popleft()
        elif name in _SWITCHES and not equals:
            yield name, None
        elif name in _VALUED:
            value = text if equals else _next_word(rest)
            findings += _value_mistakes(name, value)
            yield name, value
        elif name not in _SWITCHES and _LONG.match(name):
            near = _nearest(name)
            hint = f" (the nearest option of Ray 2.60 is {near})" if near else ""
            findings.append(finding(Code.OTHER_START_OPTION, place=_PLACE, found=name, near=hint))
            yield name, text if equals else _value_or_none(rest)
        else:
            wanted = _nearest(name) or "one that `ray start --help` lists"
            findings.append(
                finding(Code.UNKNOWN_START_OPTION, place=_PLACE, found=word, wanted=wanted)
            )


def _next_word(rest: deque[str]) -> str | None:
    return rest.popleft() if rest else None


def _value_or_none(rest: deque[str]) -> str | None:
    """Return the value of an option that may be a switch.

    That is the next word, unless the next word is an option itself.
    """
    if rest and not rest[0].startswith("-"):
        return rest.popleft()
    return None


def _value_mistakes(name: str, value: str | None) -> Iterator[Finding]:
    check, wanted, example = _VALUED[name]
    if value is None:
        yield finding(Code.MISSING_VALUE, place=_PLACE, flag=name, example=example)
        return
    try:
        check(value)
    except (ValueError, TypeError):
        yield finding(
            Code.BAD_VALUE,
            place=_PLACE,
            flag=name,
            found=value,
            wanted=wanted,
            example=example,
        )


def _nearest(name: str) -> str | None:
    near = get_close_matches(name, [*_VALUED, *_SWITCHES], n=1)
    return near[0] if near else None
