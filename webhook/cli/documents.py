"""YAML documents, as kubectl reads and writes them."""

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
    r"(?:[-+]?_*0_*[oObBxX][0-9a-fA-F_]+"
    r"|[-+]?[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]+)?"
    r"|[-+]?\.(?:inf|Inf|INF))$"
)

# The characters with which a number and a letter for true or false can begin.
_NUMBER_STARTS: Final = list("-+.0123456789")
_LETTERS: Final = list("yYnN")

_STRING_TAG: Final = "tag:yaml.org,2002:str"
_INTEGER_TAG: Final = "tag:yaml.org,2002:int"
_FLOAT_TAG: Final = "tag:yaml.org,2002:float"
_BOOLEAN_TAG: Final = "tag:yaml.org,2002:bool"

# The types that PyYAML recognises in other scalars than kubectl does. The first two get kubectl's
# patterns below. The others are strings to kubectl.
_UNLIKE_KUBECTL: Final = {
    _INTEGER_TAG,
    _FLOAT_TAG,
    "tag:yaml.org,2002:timestamp",
    "tag:yaml.org,2002:value",
}

# PyYAML raises the later ones for a value that is not what its tag says, such as `!!bool maybe`,
# and for deep nesting.
_UNREADABLE: Final = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    AttributeError,
    RecursionError,
)

_DEEPEST: Final = 200
_LARGEST: Final = 1_000_000


class _Loader(yaml.SafeLoader):
    """Reads scalars as kubectl (go-yaml v2) does.

    `2026-11-21`, `12:30` and `=` are strings, `1e3` is a number, and `y` is true.
    """

    bool_values: ClassVar = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


class _Dumper(yaml.SafeDumper):
    """Writes strings so that every other parser reads the same strings."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Return True, so that a repeated value is written again without an anchor.

        kubectl would read anchors, but they are hard to read for people.
        """
        return True


def _represent_string(dumper: yaml.SafeDumper, string: str) -> yaml.ScalarNode:
    style = None
    if _UNICODE_BREAKS.search(string):
        # Parsers disagree on line breaks that only Unicode knows. Within quotes they are escaped.
        style = '"'
    elif "\n" in string:
        style = "|"
    return dumper.represent_scalar(_STRING_TAG, string, style=style)


def _common_resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the resolvers of PyYAML, by first character, that agree with kubectl."""
    common: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        common[first] = [pair for pair in resolvers if pair[0] not in _UNLIKE_KUBECTL]
    return common


_Loader.yaml_implicit_resolvers = _common_resolvers()
_Loader.add_implicit_resolver(_INTEGER_TAG, _INTEGER, _NUMBER_STARTS)
_Loader.add_implicit_resolver(_FLOAT_TAG, _FLOAT, _NUMBER_STARTS)
_Loader.add_implicit_resolver(_BOOLEAN_TAG, _LETTER, _LETTERS)

# The writer quotes a string that any of its resolvers takes for something else. These two add what
# other parsers take for a number, or for true or false.
_Dumper.add_implicit_resolver(_FLOAT_TAG, _LIKE_A_NUMBER, _NUMBER_STARTS)
_Dumper.add_implicit_resolver(_BOOLEAN_TAG, _LETTER, _LETTERS)
_Dumper.add_representer(str, _represent_string)


def split(text: str) -> list[str]:
    """Return the documents of a stream, each unchanged, and leave out the empty ones."""
    parts: list[str] = []
    for part in _SEPARATOR.split(text):
        if any(_is_content(line) for line in part.splitlines()):
            parts.append(part)
    return parts


def _is_content(line: str) -> bool:
    stripped = line.strip()
    return stripped != "" and not stripped.startswith("#")


def load(text: str) -> Any:
    """Return what a document holds.

    Raises:
        DocumentError: The document cannot be read. The message says where and why.
    """
    try:
        document = _parse_document(text)
    except _UNREADABLE as error:
        raise DocumentError(
            f"This is not valid YAML ({_yaml_problem(error)}). Correct it. "
            "`kubectl create --dry-run=client -f FILE` checks it too."
        ) from error
    if not _is_bounded(document):
        raise DocumentError(
            f"The document is nested more than {_DEEPEST} levels deep, or its aliases repeat too "
            "much. Write it with less nesting and without aliases."
        )
    return document


def _parse_document(text: str) -> Any:
    # PyYAML reads neither tabs between JSON values nor a character that is escaped as two.
    if text.lstrip().startswith("{"):
        with suppress(ValueError):
            return json.loads(text)
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _is_bounded(document: Any) -> bool:
    """Return whether a document can be written out.

    Aliases let a short text stand for a huge document, or for one without end.
    """
    level = [document]
    left = _LARGEST
    for _ in range(_DEEPEST):
        values = chain.from_iterable(map(_values_within, level))
        level = list(islice(values, left))
        left -= len(level)
        if not level:
            return True
        if not left:
            return False
    return False


def _values_within(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list):
        return value
    return ()


def dump(document: Any) -> str:
    """Return a document as YAML, with its keys in their order."""
    # With a smaller width PyYAML would break long strings into several lines.
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)


def join(documents: Iterable[str]) -> str:
    """Return the documents as one stream."""
    ended: list[str] = []
    for document in documents:
        end = "" if document.endswith("\n") else "\n"
        ended.append(document + end)
    return "---\n".join(ended)
