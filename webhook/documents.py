"""YAML documents as kubectl reads and writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from webhook.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEPARATOR: Final = re.compile(r"^---(?:[ \t].*)?$\n?", re.MULTILINE)

_NUMBER: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class _Loader(yaml.SafeLoader):
    """Without dates: `2026-11-21` is a text to Kubernetes."""


class _Dumper(yaml.SafeDumper):
    """With texts of several lines as blocks, and quotes around what another parser would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """No anchors: kubectl would read them, people would not."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"(?:{_NUMBER.pattern})$"), list("-+0123456789."))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"(?:{_NUMBER.pattern})$"), list("-+0123456789."))
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
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(
            f"This is no YAML: {error}. Correct it, or see what `kubectl create --dry-run` says."
        ) from error


def dump(document: Any) -> str:
    """One document, its keys in their order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)


def join(documents: Iterable[str]) -> str:
    """A stream of documents."""
    return "---\n".join(text if text.endswith("\n") else text + "\n" for text in documents)
