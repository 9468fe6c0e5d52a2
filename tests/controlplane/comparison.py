"""Two clusters of the same Job, compared field by field. Values in, a table out."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]
Values = dict[str, Any]
Row = tuple[str, str]

HEADING = "| field | in-tree plugin | volray |"

_NONE = "-"
_ABSENT = object()

_OF_ITS_OWN = re.compile(r"metadata\.(uid|resourceVersion|creationTimestamp|managedFields)|status|spec\.clusterIPs?\b")
"""What no two objects have in common."""

_TOKEN = re.compile(r"kube-api-access-\w+")
_RAY_START = re.compile(r"\bray start (?P<options>--(?:[^\n\\]|\\\n)*)")

_FIELDS = tuple(
    (re.compile(pattern), field)
    for pattern, field in (
        (r"metadata\.labels\.(?P<item>.+)", "labels"),
        (r"metadata\.annotations\.(?P<item>.+)", "annotations"),
        (r"metadata\.ownerReferences\[[^]]*\]\.(?P<item>.+)", "owner"),
        (r"spec\.containers\[[^]]*\]\.command\.start\.(?P<item>.+)", "`ray start`"),
        (r"spec\.containers\[[^]]*\]\.command\.(?P<item>.+)", "command"),
        (r"spec\.containers\[[^]]*\]\.env\[(?P<item>[^]]*)\].*", "environment"),
        (r"spec\.containers\[[^]]*\]\.ports\[(?P<item>[^]]*)\].*", "ports"),
        (r"spec\.containers\[[^]]*\]\.volumeMounts\[(?P<item>[^]]*)\].*", "mounts"),
        (r"spec\.containers\[[^]]*\]\.(?P<item>\w+Probe)\b.*", "probes"),
        (r"spec\.volumes\[(?P<item>[^]]*)\].*", "volumes"),
        (r"spec\.ports\[(?P<item>[^]]*)\]\.targetPort", "target ports"),
        (r"spec\.ports\[(?P<item>[^]]*)\]\.appProtocol", "application protocols"),
        (r"spec\.(?P<item>hostname|subdomain)", "name in DNS"),
        (r"spec\.(?P<item>\w+)", "spec"),
        (r"made\.(?P<item>.+)", "other objects"),
        (r"(?P<item>.+)", "others"),
    )
)
"""A path in an object to the field of the table that it belongs to, and to the item of that field; the first counts."""


def table(theirs: Mapping[str, Object], ours: Mapping[str, Object]) -> str:
    """Return the differences between two clusters as a table in Markdown.

    Args:
        theirs: Objects by what they are called in the table: `head`, `worker`, `Service`.
        ours: The same of the other cluster.
    """
    rows: defaultdict[tuple[str, Row], list[str]] = defaultdict(list)
    for name, field, row in differences(theirs, ours):
        rows[field, row].append(name)
    lines = [f"| {', '.join(names)}: {field} | {' | '.join(row)} |" for (field, row), names in rows.items()]
    return "\n".join([HEADING, "| --- | --- | --- |", *lines]) + "\n"


def differences(theirs: Mapping[str, Object], ours: Mapping[str, Object]) -> list[tuple[str, str, Row]]:
    """Return what each object of two clusters differs in: its name, the field, what either side has there."""
    return [(name, field, row) for name in theirs for field, row in _rows(theirs[name], ours[name])]


def normalised(found: Object, names: Mapping[str, str]) -> Object:
    """Return the object with texts that are its own alone (a uid, a namespace) replaced by names."""
    text = _TOKEN.sub("kube-api-access", json.dumps(found))
    for own, name in names.items():
        text = text.replace(own, name)
    changed: Object = json.loads(text)
    for container in changed.get("spec", {}).get("containers", ()):
        container["command"] = _command(container.pop("command"), container.pop("args", []))
    return changed


def _command(command: list[str], args: list[str]) -> Object:
    """Return a command of `SHELL -c SCRIPT` as what it starts Ray with, and what stands around that."""
    shell, _, script = command[:3]
    found = _RAY_START.search(script)
    assert found, script
    words = shlex.split(found["options"].replace("\\\n", " "))
    runs = "ray start" if script == found[0] else "a script with ray start"
    program = {"beside it": shlex.join(args)} if args else {}
    return {"shell": shell, "runs": runs, **program, "start": dict(map(_option, words))}


def _option(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _rows(theirs: Object, ours: Object) -> Iterator[tuple[str, Row]]:
    """Yield each field in which they differ, with both its cells."""
    left, right = dict(_leaves(theirs)), dict(_leaves(ours))
    differing = [path for path in {**left, **right} if left.get(path, _ABSENT) != right.get(path, _ABSENT)]
    for field in dict.fromkeys(name for _, name in _FIELDS):
        paths = {path: item for path in differing for name, item in [_field(path)] if name == field}
        if paths:
            yield field, (_cell(left, paths), _cell(right, paths))


def _field(path: str) -> tuple[str, str]:
    return next((field, match["item"]) for pattern, field in _FIELDS if (match := pattern.fullmatch(path)))


def _cell(values: Values, paths: Mapping[str, str]) -> str:
    """Return the items of one side; one that is a single value with its value."""
    items: defaultdict[str, list[str]] = defaultdict(list)
    for path, item in paths.items():
        if path in values:
            items[item].append(path)
    return ", ".join(_item(item, found, values) for item, found in sorted(items.items())) or _NONE


def _item(item: str, paths: list[str], values: Values) -> str:
    value = values[paths[0]] if len(paths) == 1 else ""
    return f"`{item}={_text(value)}`" if value != "" else f"`{item}`"


def _text(value: object) -> str:
    return " ".join(value.split()).replace("|", "\\|") if isinstance(value, str) else json.dumps(value)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield each scalar with its path; an item of a list stands under its mountPath or name, where it has one."""
    if _OF_ITS_OWN.match(path):
        return
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{_key(each, index)}]")
    else:
        yield path, value


def _key(item: object, index: int) -> str:
    named = item if isinstance(item, dict) else {}
    return str(named.get("mountPath") or named.get("name") or index)
