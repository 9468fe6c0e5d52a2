"""A Job at its creation → the JSON Patch that makes it volray's: no `plugins.ray`, label and flags in the templates."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.errors import RefusedError
from webhook.jobs.gang import missing_replicas
from webhook.jobs.job import (
    PLUGIN,
    Task,
    chosen_container,
    is_asked,
    is_declined,
    is_labelled,
    mistakes,
    port_flags,
    ray_container,
    tasks_of,
)
from webhook.k8s import patch, schema
from webhook.names import ARGS, OPT_IN
from webhook.pods.environment import keeps_state
from webhook.pods.flags import RECONNECT_STORED, flag_of
from webhook.pods.roles import is_opted_in, wanted_container
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object

OPTED_IN: Final = "true"


@dataclass(frozen=True)
class Adoption:
    """What became of a Job: the patch (empty for one left alone), why, and what its owner should know."""

    reason: Finding
    operations: tuple[Object, ...] = ()
    warnings: tuple[tuple[str, Finding], ...] = ()
    """Each with the name of its task."""


def adopt(job: Object) -> Adoption:
    """The patch for a new Job, or why it is left alone. The Job is not changed.

    Stamped are settings alone, and only what somebody said or the template itself decides: never a version or a
    default, so that another volray stamps alike. A Job of another shape than the API's is the apiserver's to judge.

    Raises:
        RefusedError: It asks for Ray, and no task of it is head or worker: nothing would show that it ever asked.
    """
    if malformed := schema.job_mistakes(job):
        return Adoption(malformed[0])
    if is_declined(job):
        return Adoption(finding(Code.NOT_ADOPTED))
    asked = is_asked(job)
    if not asked and not is_labelled(job):
        return Adoption(finding(Code.NOT_A_RAY_JOB))
    nodes = {index: task for index, task in enumerate(tasks_of(job)) if _is_opted_in(task) or (asked and task.role)}
    if asked and not nodes:
        raise RefusedError(_mistakes(job))
    operations = (*_plugins(job), *_stamps(job, nodes))
    changed = Code.ADOPTED if asked else Code.SETTLED
    return Adoption(finding(changed if operations else Code.JOB_READY), operations, tuple(_warnings(nodes)))


def _is_opted_in(task: Task) -> bool:
    return is_opted_in(task.labels)


def _mistakes(job: Object) -> list[Finding]:
    """Those of the whole and of the flags; a name that the apiserver has yet to make is none."""
    flags = (mistake for task in tasks_of(job) for mistake in task.parsed.mistakes)
    found = (*mistakes(job), *flags)
    return [mistake for mistake in dict.fromkeys(found) if mistake.code is not Code.NO_JOB_NAME]


def _plugins(job: Object) -> list[Object]:
    """The entry goes, and with it a map that held nothing else: then the Job reads as if written for volray."""
    if not is_asked(job):
        return []
    spec, path = job["spec"], patch.pointer("spec")
    if len(spec["plugins"]) == 1:
        return patch.drop(spec, path, "plugins")
    return patch.drop(spec["plugins"], path + patch.pointer("plugins"), PLUGIN)


def _stamps(job: Object, nodes: dict[int, Task]) -> Iterable[Object]:
    """A labelled task that is no node needs the flags as well: without them its pods might be taken for nodes."""
    shared = [*_reconnect(nodes.values()), *port_flags(nodes.values()).values()]
    for index, task in nodes.items():
        flags = _flags(job, task, [*_container(task), *shared] if task.role else [])
        yield from _template(index, task, flags)


def _flags(job: Object, task: Task, settled: list[str]) -> str:
    """The plugin's flags, the template's own and what volray settled, each once; an unreadable text stays as it is."""
    own = task.annotations.get(ARGS, "")
    plugin = shlex.join(job["spec"]["plugins"][PLUGIN] or ()) if is_asked(job) else ""
    added = [] if task.parsed.mistakes else settled
    return " ".join(part for part in dict.fromkeys((plugin, own, *added)) if part)


def _template(index: int, task: Task, flags: str) -> list[Object]:
    template = task.body["template"]
    path = patch.pointer("spec", "tasks", index, "template")
    label = {} if is_opted_in(task.labels) else {OPT_IN: OPTED_IN}
    note = {} if flags == task.annotations.get(ARGS, "") else {ARGS: flags}
    metadata = template.get("metadata")
    if not metadata:
        stamps = {key: value for key, value in (("labels", label), ("annotations", note)) if value}
        return patch.put(template, path, "metadata", stamps) if stamps else []
    path += patch.pointer("metadata")
    return [
        *(patch.merge(metadata, path, "labels", label) if label else ()),
        *(patch.merge(metadata, path, "annotations", note) if note else ()),
    ]


def _container(task: Task) -> list[str]:
    """The only container is Ray's whatever its name; said here, as an injector may add another before we see a pod."""
    chosen = chosen_container(task)
    if task.role is None or chosen is None or not chosen.warnings:
        return []
    _, flag = wanted_container(task.role, task.parsed.settings)
    name = task.body["template"]["spec"]["containers"][chosen.index]["name"]
    return [shlex.quote(f"{flag}={name}")]


def _warnings(nodes: dict[int, Task]) -> Iterable[tuple[str, Finding]]:
    for task in nodes.values():
        if (chosen := chosen_container(task)) is not None:
            yield from ((task.name, warning) for warning in chosen.warnings)
        yield from ((task.name, doubt) for doubt in missing_replicas(task))


def _reconnect(nodes: Iterable[Task]) -> list[str]:
    """The head's store decides how long each node waits for it, and a worker's pod cannot see the head's variables."""
    tasks = list(nodes)
    if any("reconnect_seconds" in task.parsed.given for task in tasks):
        return []
    heads = [container for task in tasks if task.role == "head" and (container := ray_container(task))]
    stored = any(keeps_state({variable["name"]: variable for variable in head.get("env") or ()}) for head in heads)
    return [f"{flag_of('reconnect_seconds')}={RECONNECT_STORED}"] if stored else []
