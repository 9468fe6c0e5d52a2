"""Extra options for `ray start`, from the annotation `ray.volcano.sh/start-args`."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from webhook.names import START_ARGS
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


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


def parse(annotation: str) -> tuple[StartArgs, list[Finding]]:
    """The options in an annotation such as `--num-cpus=0 --resources='{"a": 1}'`, and every mistake in it."""
    mistakes: list[Finding] = []
    try:
        words = shlex.split(annotation)
    except ValueError as error:
        return StartArgs(), [finding(Code.UNREADABLE, field=START_ARGS, found=annotation, why=error)]
    return StartArgs(tuple(_options(words, mistakes))), mistakes


def _options(words: Iterable[str], mistakes: list[Finding]) -> Iterable[tuple[str, str | None]]:
    rest = iter(words)
    for word in rest:
        name, equals, text = word.partition("=")
        if name in _OWNED:
            mistakes.append(finding(Code.OWNED_START_OPTION, found=name, instead=_OWNED[name]))
            _skip_value(name, equals, rest)
        elif name in _SWITCHES and not equals:
            yield name, None
        elif name in _VALUED:
            value = text if equals else next(rest, None)
            mistakes += _wrong(name, value)
            yield name, value
        else:
            mistakes.append(finding(Code.UNKNOWN_START_OPTION, found=word, wanted=_suggestion(name)))


def _skip_value(name: str, equals: str, rest: Iterable[str]) -> None:
    """An owned option in two words is one mistake, not two."""
    if not equals and name not in {"--head", "--block"}:
        next(iter(rest), None)


def _wrong(name: str, value: str | None) -> Iterable[Finding]:
    check, wanted, example = _VALUED[name]
    if value is None:
        yield finding(Code.MISSING_VALUE, field=START_ARGS, flag=name, example=example)
        return
    try:
        check(value)
    except (ValueError, TypeError):
        yield finding(Code.BAD_VALUE, field=START_ARGS, flag=name, found=value, wanted=wanted, example=example)


def _suggestion(name: str) -> str:
    near = get_close_matches(name, [*_VALUED, *_SWITCHES], n=1)
    return near[0] if near else "one that `ray start --help` lists"
