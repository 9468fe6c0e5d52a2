"""The flags of a Ray cluster, from the annotation `ray.volcano.sh/args` or a Job's `plugins.ray`.

The syntax is that of Volcano's in-tree plugin (Go's `flag` package), so that a list which works there works here;
what that plugin logs and ignores is refused with a sentence here (volcano's guide itself misspells one).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from webhook.names import START_ARGS
from webhook.pods.start_args import is_option
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DEFAULT_AGENT_PORT: Final = 52365
RECONNECT: Final = 10
RECONNECT_STORED: Final = 600


@dataclass(frozen=True)
class Settings:
    """What the flags say. Ports are TCP, waits are seconds."""

    head: str = "head"
    worker: tuple[str, ...] = ("worker",)
    head_container: str = "head"
    worker_container: str = "worker"
    port: int = 6379
    dashboard_port: int = 8265
    client_port: int = 10001
    metrics_port: int = 20080
    """Outside Ray's worker ports and the kernel's ephemeral ones."""
    agent_port: int = DEFAULT_AGENT_PORT
    wait_nodes: int = 0
    wait_head: int = 1800
    reconnect_seconds: int | None = None
    """None: 10, or 600 where the head keeps its state in a store and comes back with it."""
    log_to_stderr: bool = False


@dataclass(frozen=True)
class Parsed:
    """Settings, the fields that were given rather than defaulted, and every mistake on the way."""

    settings: Settings
    given: frozenset[str]
    mistakes: tuple[Finding, ...]


@dataclass(frozen=True)
class _Flag:
    field: str
    read: Callable[[str], object]
    wanted: str
    example: str


def _name(text: str) -> str:
    if not text or text.strip() != text or "," in text:
        raise ValueError(text)
    return text


def _port(text: str) -> int:
    return _whole(text, 1, 65535)


def _count(text: str) -> int:
    return _whole(text, 0, 1_000_000)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text[:10]) <= high and len(text) <= len(str(high))):
        raise ValueError(text)
    return int(text)


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_PORT: Final = (_port, "a port from 1 to 65535")
_SECONDS: Final = (_count, "a whole number of seconds")

_FLAGS: Final = {
    "head": _Flag("head", _name, "the name of a task", "head"),
    "worker": _Flag("worker", _name, "the name of one task", "worker"),
    "headContainer": _Flag("head_container", _name, "the name of a container", "head"),
    "workerContainer": _Flag("worker_container", _name, "the name of a container", "worker"),
    "port": _Flag("port", *_PORT, "6379"),
    "dashboardPort": _Flag("dashboard_port", *_PORT, "8265"),
    "clientPort": _Flag("client_port", *_PORT, "10001"),
    "clientServerPort": _Flag("client_port", *_PORT, "10001"),
    "metricsPort": _Flag("metrics_port", *_PORT, "20080"),
    "agentPort": _Flag("agent_port", *_PORT, str(DEFAULT_AGENT_PORT)),
    "waitNodes": _Flag("wait_nodes", _count, "a whole number of nodes", "3"),
    "waitHead": _Flag("wait_head", *_SECONDS, "1800"),
    "reconnectSeconds": _Flag("reconnect_seconds", *_SECONDS, "10"),
    "logToStderr": _Flag("log_to_stderr", _switch, "true or false", "true"),
}
"""`clientServerPort` is what Volcano's guide writes, `clientPort` what its code knows: both mean the same."""

_REPEATABLE: Final = "worker"

CLUSTER_WIDE: Final = ("head", "worker", "port", "dashboard_port", "client_port", "reconnect_seconds")
"""The fields on which the templates of one Job must agree: each side of a connection has its own template."""

PORTS: Final = ("port", "dashboard_port", "client_port", "metrics_port", "agent_port")

DEFAULTS: Final = Settings()


def flag_of(field: str) -> str:
    """The flag that sets a field of Settings, as a user writes it."""
    return "--" + next(name for name, flag in _FLAGS.items() if flag.field == field)


def split(annotation: str, field: str) -> tuple[list[str], tuple[Finding, ...]]:
    """The words of an annotation, quoted as in a shell; what cannot be split is a mistake."""
    try:
        return shlex.split(annotation), ()
    except ValueError as error:
        return [], (finding(Code.UNREADABLE, field=field, found=annotation, why=error),)


def parse(words: Sequence[str], field: str) -> Parsed:
    """Settings from flags such as `--port=6380`, `-port=6380` or `--port 6380`.

    Args:
        words: The flags.
        field: Where they stand, for messages.
    """
    mistakes: list[Finding] = []
    values: dict[str, object] = {}
    for target, texts in _by_field(_pairs(words, field, mistakes)).items():
        mistakes += _repeated(target, texts, field)
        read = [_read(flag, text, field, mistakes) for text, flag in texts.items()]
        if good := [value for value in read if value is not None]:
            values[target] = tuple(good) if target == _REPEATABLE else good[0]
    settings = replace(DEFAULTS, **values)  # type: ignore[arg-type]
    return Parsed(settings, frozenset(values), (*mistakes, *_same_ports(settings, field)))


def _pairs(words: Iterable[str], field: str, mistakes: list[Finding]) -> Iterable[tuple[str, str]]:
    """Flag and value, the value in the same word or, as Go's `flag` allows, in the next one."""
    rest = iter(words)
    for word in rest:
        name, equals, text = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in _FLAGS:
            mistakes.append(finding(Code.UNKNOWN_FLAG, field=field, found=word, wanted=_suggestion(name)))
        elif equals:
            yield name, text
        elif _FLAGS[name].read is _switch:
            yield name, "true"
        elif (following := next(rest, None)) is not None:
            yield name, following
        else:
            example = _FLAGS[name].example
            mistakes.append(finding(Code.MISSING_VALUE, field=field, flag=f"--{name}", example=example))


def _by_field(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """For each field its distinct texts, in order, with the flag under which each came."""
    grouped: dict[str, dict[str, str]] = {}
    for name, text in pairs:
        grouped.setdefault(_FLAGS[name].field, {}).setdefault(text, name)
    return grouped


def _repeated(target: str, texts: Iterable[str], field: str) -> Iterable[Finding]:
    first, *others = texts
    if others and target != _REPEATABLE:
        yield finding(Code.REPEATED_FLAG, field=field, flag=flag_of(target), first=first, second=others[0])


def _read(name: str, text: str, field: str, mistakes: list[Finding]) -> object:
    """The value, or None and a mistake."""
    flag = _FLAGS[name]
    try:
        return flag.read(text)
    except (ValueError, KeyError):
        mistakes.append(
            finding(
                Code.BAD_VALUE,
                field=field,
                flag=f"--{name}",
                found=text,
                wanted=flag.wanted,
                example=flag.example,
            )
        )
        return None


def _suggestion(name: str) -> str:
    if is_option(f"--{name}"):
        return f"it in the annotation {START_ARGS}, as it is an option of `ray start`"
    by_lower = {known.lower(): known for known in _FLAGS}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return f"--{by_lower[near[0]]}" if near else "one of " + ", ".join(f"--{known}" for known in _FLAGS)


def _same_ports(settings: Settings, field: str) -> Iterable[Finding]:
    seen: dict[int, str] = {}
    for name in PORTS:
        port = getattr(settings, name)
        if port in seen:
            yield finding(Code.SAME_PORT, field=field, port=port, first=flag_of(seen[port]), second=flag_of(name))
        seen.setdefault(port, name)


def disagreements(first: Settings, second: Settings) -> list[tuple[str, object, object]]:
    """The cluster-wide flags on which two templates differ, each with both values."""
    return [
        (flag_of(field.name), getattr(first, field.name), getattr(second, field.name))
        for field in fields(Settings)
        if field.name in CLUSTER_WIDE and getattr(first, field.name) != getattr(second, field.name)
    ]
