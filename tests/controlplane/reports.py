"""What became of a Job, as JSON that a person reads after the tests: one file for each Job and version of Volcano."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Object = dict[str, Any]


class Reports:
    """The reports of one run of the tests.

    Args:
        folder: Where they are written. An older run's report of the same Job is replaced whole.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._facts: dict[str, Object] = {}

    def note(self, job: str, version: str, **facts: object) -> None:
        """Add facts to the report of a Job on a version of Volcano, and write it."""
        name = f"{job}-{version}.json"
        report = self._facts.setdefault(name, {"job": job, "volcano": version})
        report |= facts
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pods_of(pods: Iterable[Object]) -> Object:
    """Return what volray is answerable for in the pods: by name, and in them by container."""
    return {
        pod["metadata"]["name"]: {each["name"]: _container(each) for each in pod["spec"]["containers"]} for pod in pods
    }


def _container(container: Object) -> Object:
    probes = {key: value for key, value in container.items() if key.endswith("Probe")}
    return {
        "command": container.get("command", []),
        "args": container.get("args", []),
        "ports": {port["name"]: port["containerPort"] for port in container.get("ports", ())},
        "env": [variable["name"] for variable in container.get("env", ())],
        "probes": probes,
    }


def stamps_of(job: Object) -> Object:
    """Return what adoption leaves in a stored Job: its plugins, and the metadata of each task's template."""
    tasks = {task["name"]: task["template"].get("metadata", {}) for task in job["spec"]["tasks"]}
    return {"plugins": job["spec"].get("plugins", {}), "templates": tasks}
