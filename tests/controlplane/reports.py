"""What became of a Job, as JSON that a person reads after the tests: one file for each Job and version of Volcano."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

_FOLDER: Final = Path(__file__).parents[2] / ".run" / "reports"
_PARTS: Final = ("command", "args", "ports", "env", "startupProbe", "livenessProbe", "readinessProbe")


def note(job: str, version: str, **facts: object) -> None:
    """Put facts into the report of a Job on a version of Volcano, in place of older ones of the same name."""
    file = _FOLDER / f"{job}-{version}.json"
    report = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"job": job, "volcano": version}
    _FOLDER.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report | facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pods_of(pods: Iterable[Object]) -> Object:
    """Return what volray is answerable for in the pods: by name, and in them by container."""
    return {pod["metadata"]["name"]: {each["name"]: _of(each) for each in pod["spec"]["containers"]} for pod in pods}


def _of(container: Object) -> Object:
    return {part: container[part] for part in _PARTS if part in container}


def stamps_of(job: Object) -> Object:
    """Return what adoption leaves in a stored Job: its plugins, and the metadata of each task's template."""
    tasks = {task["name"]: task["template"].get("metadata", {}) for task in job["spec"]["tasks"]}
    return {"plugins": job["spec"].get("plugins", {}), "templates": tasks}
