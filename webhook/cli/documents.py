"""YAML documents as kubectl reads and writes them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

import yaml

from webhook.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEPARATOR: Final = re.compile(r"^---(?=\s|\Z)[ \t]*(?:#.*)?(?:\r?\n)?", re.MULTILINE)
_UNICODE_BREAKS: Final = re.compile("[\x85\u2028\u2029]")

_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT: Final = re.compile(
    r"(?:[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_LETTER: Final = re.compile(r"[yYnN]$")
_LIKE_A_NUMBER: Final = re.compile(
    r"(?:[-+]?_*0_*[oObBxX][0-9a-fA-F_]+|[-+]?[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]+)?|[-+]?\.(?:inf|Inf|INF))$"
)
_SIGNS: Final = list("-+.0123456789")

_READ_OTHERWISE: Final = {f"tag:yaml.org,2002:{tag}" for tag in ("timestamp", "value", "int", "float")}

_UNREADABLE: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises: the later ones for a value that is not what its tag says (`!!bool maybe`), and for depth."""

_DEEPEST: Final = 200
_LARGEST: Final = 1_000_000


class _Loader(yaml.SafeLoader):
    """As kubectl (go-yaml v2) reads: `2026-11-21`, `12:30` and `=` are texts, `1e3` is a number, `y` is true."""

    bool_values: ClassVar = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


class _Dumper(yaml.SafeDumper):
    """With texts of several lines as blocks, and quotes around what any other parser would not take for a text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """No anchors: kubectl would read them, people would not."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Within quotes a break that only Unicode knows is escaped; as it stands, parsers disagree on it."""
    style = '"' if _UNICODE_BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _READ_OTHERWISE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, _SIGNS)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, _SIGNS)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _LETTER, list("yYnN"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _LIKE_A_NUMBER, _SIGNS)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", _LETTER, list("yYnN"))
_Dumper.add_representer(str, _text)


def split(text: str) -> list[str]:
    """The documents of a stream, each as it stands, without the empty ones."""
    return [part for part in _SEPARATOR.split(text) if any(_is_content(line) for line in part.splitlines())]


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def load(text: str) -> Any:
    """One document.

    Raises:
        DocumentError: Where and why it cannot be read.
    """
    try:
        document = _parsed(text)
    except _UNREADABLE as error:
        raise DocumentError(
            f"This is no YAML ({_why(error)}). Correct it, or see what `kubectl create --dry-run=client` says."
        ) from error
    if not _is_finite(document):
        raise DocumentError(
            f"It is nested more than {_DEEPEST} deep, or its aliases repeat too much. Write it out, and flatter."
        )
    return document


def _parsed(text: str) -> Any:
    """JSON as JSON: PyYAML takes neither its tabs nor a character that is escaped as two."""
    if text.lstrip().startswith("{"):
        with suppress(ValueError):
            return json.loads(text)
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _is_finite(document: Any) -> bool:
    """Whether it can be written out: aliases may make much, or no end, of little."""
    level, left = [document], _LARGEST
    for _ in range(_DEEPEST):
        level = list(islice(chain.from_iterable(map(_children, level)), left))
        left -= len(level)
        if not level or not left:
            break
    return not level


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def dump(document: Any) -> str:
    """One document, its keys in their order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)


def join(documents: Iterable[str]) -> str:
    """A stream of documents."""
    return "---\n".join(text if text.endswith("\n") else text + "\n" for text in documents)
