"""Read flags from the annotation `ray.volcano.sh/args` and from a Job's `plugins.ray`.

The syntax is that of Volcano's in-tree plugin (Go's `flag` package), so that a list which works
there works here. What that plugin logs and ignores is refused here.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from webhook.names import ARGS, START_ARGS, annotation_place
from webhook.pods.flags import DEFAULTS, FLAG_BY_NAME, PORT_FLAGS, SWITCH, Flag, Settings, flag_of
from webhook.pods.start_args import is_option
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PLUGIN_PLACE: Final = "spec.plugins.ray"
ANNOTATION_PLACE: Final = annotation_place(ARGS)


@dataclass(frozen=True)
class Parsed:
    """The settings that a list of flags gives, and what is wrong with the list."""

    settings: Settings
    given: Mapping[str, str]
    """The fields of the settings that a flag set, each with the place of the flag."""
    mistakes: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Word:
    """A word of a list of flags, and where it is written."""

    text: str
    place: str


@dataclass(frozen=True)
class _Given:
    """A flag with its value, as a text."""

    flag: Flag
    name: str
    text: str
    place: str


@lru_cache(maxsize=1024)
def read_flags(annotation: str, plugin: tuple[str, ...] = ()) -> Parsed:
    """Return the settings from flags such as `--port=6380`, `-port=6380` or `--port 6380`.

    The pods of a Job share their annotation, hence the cache.

    Args:
        annotation: The text of `ray.volcano.sh/args`, with words quoted as in a shell.
        plugin: The words of the Job's `plugins.ray`, each of which has a place of its own.
    """
    mistakes: list[Finding] = []
    words = _split(annotation, mistakes)
    listed = [_Word(text, f"{PLUGIN_PLACE}[{index}]") for index, text in enumerate(plugin)]
    given = [*_pairs(listed, mistakes), *_pairs(words, mistakes)]
    values = _values(given, mistakes)
    settings = replace(DEFAULTS, **values)
    places: dict[str, str] = {}
    for one in given:
        if one.flag.field in values:
            places.setdefault(one.flag.field, one.place)
    mistakes += _same_ports(settings, places)
    return Parsed(settings, places, tuple(mistakes))


def with_values(parsed: Parsed, values: Mapping[str, Any]) -> Parsed:
    """Return the flags with values that volray settled for fields that the user left open."""
    if not values:
        return parsed
    settings = replace(parsed.settings, **values)
    given = {**dict.fromkeys(values, ANNOTATION_PLACE), **parsed.given}
    known = set(parsed.mistakes)
    new = [found for found in _same_ports(settings, given) if found not in known]
    return Parsed(settings, given, (*parsed.mistakes, *new))


def _split(annotation: str, mistakes: list[Finding]) -> list[_Word]:
    try:
        texts = shlex.split(annotation)
    except ValueError as error:
        wrong = finding(Code.UNREADABLE, place=ANNOTATION_PLACE, found=annotation, why=error)
        mistakes.append(wrong)
        return []
    return [_Word(text, ANNOTATION_PLACE) for text in texts]


def _pairs(words: Iterable[_Word], mistakes: list[Finding]) -> Iterator[_Given]:
    """Yield each flag with its value, which may be the next word, as Go's `flag` allows."""
    rest = iter(words)
    for word in rest:
        name, equals, text = word.text.lstrip("-").partition("=")
        flag = FLAG_BY_NAME.get(name)
        if flag is None or not word.text.startswith("-"):
            wanted = _suggestion(name)
            mistakes.append(
                finding(Code.UNKNOWN_FLAG, place=word.place, found=word.text, wanted=wanted)
            )
            continue
        if not equals and flag.kind is SWITCH:
            text = "true"
        elif not equals:
            following = next(rest, None)
            if following is None:
                mistakes.append(
                    finding(
                        Code.MISSING_VALUE,
                        place=word.place,
                        flag=f"--{name}",
                        example=flag.example,
                    )
                )
                continue
            text = following.text
        yield _Given(flag, name, text, word.place)


def _values(given: Iterable[_Given], mistakes: list[Finding]) -> dict[str, Any]:
    """Return the value of each field that was given. A field given twice alike counts once."""
    values: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    for one in given:
        setting = one.flag.field
        before = texts.setdefault(setting, [])
        if one.text in before:
            continue
        before.append(one.text)
        # A third value of a flag that may be given once is the same mistake again.
        if len(before) == 2 and not one.flag.repeatable:  # noqa: PLR2004
            mistakes.append(
                finding(
                    Code.REPEATED_FLAG,
                    place=one.place,
                    flag=flag_of(setting),
                    first=before[0],
                    second=one.text,
                )
            )
        value = _value(one, mistakes)
        if value is None:
            continue
        if one.flag.repeatable:
            values[setting] = (*values.get(setting, ()), value)
        else:
            values.setdefault(setting, value)
    return values


def _value(given: _Given, mistakes: list[Finding]) -> object:
    """Return the value of a flag, or None after adding a mistake."""
    try:
        return given.flag.kind.read(given.text)
    except (ValueError, KeyError):
        mistakes.append(
            finding(
                Code.BAD_VALUE,
                place=given.place,
                flag=f"--{given.name}",
                found=given.text,
                wanted=given.flag.kind.wanted,
                example=given.flag.example,
            )
        )
        return None


def _suggestion(name: str) -> str:
    """Return what to write instead of a flag that does not exist."""
    if is_option(f"--{name}"):
        return f"it in the annotation {START_ARGS}, because it is an option of `ray start`"
    by_lower = {known.lower(): known for known in FLAG_BY_NAME}
    near = get_close_matches(name.lower(), by_lower, n=1)
    if near:
        return f"--{by_lower[near[0]]}"
    return "one of " + ", ".join(f"--{known}" for known in FLAG_BY_NAME)


def _same_ports(settings: Settings, places: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a mistake for each port that two flags have, where the flag was given."""
    seen: dict[int, str] = {}
    for flag, _ in PORT_FLAGS:
        port: int = getattr(settings, flag.field)
        if port not in seen:
            seen[port] = flag.field
            continue
        first = seen[port]
        place = places.get(flag.field) or places.get(first, "")
        yield finding(
            Code.SAME_PORT,
            place=place,
            port=port,
            first=flag_of(first),
            second=flag_of(flag.field),
        )
