"""Put back into an update of an adopted Job what the request leaves out, as a JSON Patch.

Volcano lets an update change `minAvailable`, `tasks[*].replicas` and `priorityClassName`, and
compares the rest deeply. A file that is applied again has neither the stamps of volray nor the
defaults of Volcano's own webhook, which fills them in only at creation. Its list of tasks replaces
the whole of the live one, because the list is atomic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.errors import RefusedError
from webhook.jobs.equality import is_same
from webhook.jobs.job import PLUGIN
from webhook.jobs.mistakes import value_text
from webhook.jobs.svc import SVC, WITHOUT_POLICY, used_of_svc
from webhook.jobs.volcano import HOST_DNS, needs_host_dns
from webhook.k8s import patch
from webhook.names import (
    ARGS,
    COMMAND,
    OPT_IN,
    OPTED_IN,
    PREFIX,
    ROLE,
    START_ARGS,
    annotation_place,
)
from webhook.pods.flags import flag_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from webhook.jobs.job import Task, VolcanoJob
    from webhook.names import Object

_DEFAULTED: Final = ("queue", "schedulerName", "maxRetry", "minAvailable")
"""What Volcano's webhook fills in beside the tasks (mutate_job.go, 1.8 to 1.14)."""

_ADDED_PLUGINS: Final = ("svc", "ssh")
"""What that webhook adds to other frameworks' plugins, without arguments."""

_FREE: Final = ("replicas", "minAvailable")
"""What an update may change in a task."""

_SETTLED: Final = frozenset({"head_container", "worker_container", "reconnect_seconds"})
"""The flags that any release of volray may have settled without the user's writing them."""

_USERS: Final = (ROLE, START_ARGS, COMMAND)
"""The annotations that only users write. Any other with volray's prefix is a stamp."""

_MANAGERS: Final = "managedFields"
_VERSIONED: Final = frozenset({"generation", "resourceVersion"})
_MISSING: Final = object()


def restore(job: VolcanoJob, old: VolcanoJob) -> tuple[Object, ...]:
    """Return the operations on the new object. Neither object is changed.

    Args:
        job: As requested.
        old: The adopted Job as it is stored.

    Raises:
        RefusedError: The request changes settings. The error names every change.
    """
    # Volcano refuses another number of tasks in words of its own.
    if len(job.tasks) != len(old.tasks):
        return ()
    pairs = list(zip(job.tasks, old.tasks, strict=True))
    changes = list(_changes(job, pairs))
    if changes:
        raise RefusedError(changes)
    wanted = _wanted_spec(job, old.spec, pairs)
    operations = list(_operations(job.spec, wanted))
    if wanted == old.spec:
        operations += _timestamps(job.body, old.body)
    return tuple(operations)


def _timestamps(job: Object, old: Object) -> Iterator[Object]:
    """Yield the operations that undo the bookkeeping of a request that changes nothing.

    The apiserver notes the fields' managers before admission. With a new time there, or with an
    empty map of annotations, it writes an object that is otherwise the same as before (seen with
    server-side apply each time, and at the first client-side one, where the order of the managers
    changes).
    """
    new, before, path = job["metadata"], old["metadata"], patch.pointer("metadata")
    if not is_same(_stable(new), _stable(before)):
        return
    for key in {**new, **before}:
        if key in _VERSIONED or new.get(key, _MISSING) == before.get(key, _MISSING):
            continue
        if key in before:
            yield from patch.put(new, path, key, before[key])
        else:
            yield from patch.drop(new, path, key)


def _stable(metadata: Object) -> Object:
    """Return the metadata without what every request has anew, and with the managers sorted."""
    managers: list[Object] = []
    for entry in metadata.get(_MANAGERS) or ():
        managers.append({key: value for key, value in entry.items() if key != "time"})
    kept = {key: value for key, value in metadata.items() if key not in _VERSIONED}
    return {**kept, _MANAGERS: sorted(managers, key=repr)}


def _settled_fields(tasks: Iterable[Task]) -> set[str]:
    """Return the fields that adoption may have settled, with the ports of a head's own start."""
    settled = set(_SETTLED)
    for task in tasks:
        own = task.container.start.own if task.container is not None else None
        if task.role != "head" or own is None:
            continue
        for port in own.ports:
            if getattr(task.written.settings, port.field) == port.number:
                settled.add(port.field)
    return settled


def _changes(job: VolcanoJob, pairs: list[tuple[Task, Task]]) -> Iterator[Finding]:
    """Yield each change of a setting of a Ray node, once.

    A template without its label alone is no change, because the label is volray's. Without
    `plugins.ray` as well, the update does not ask for Ray any more.
    """
    settled = _settled_fields(kept for _, kept in pairs)
    seen: set[Finding] = set()
    for task, kept in pairs:
        if not kept.is_labelled:
            continue
        if not job.asks_for_ray and not task.is_labelled:
            place = kept.place_in_template(f"metadata.labels[{OPT_IN}]")
            yield finding(Code.RAY_LEFT_OUT, place=place, task=kept.name)
            continue
        for found in _task_changes(task, kept, settled):
            if found not in seen:
                seen.add(found)
                yield found


def _task_changes(task: Task, kept: Task, settled: set[str]) -> Iterator[Finding]:
    known = {(found.code, found.fields) for found in kept.written.mistakes}
    for found in task.written.mistakes:
        if (found.code, found.fields) not in known:
            yield found.at(task.place_in_template(found.place))
    given = {**kept.written.given, **task.written.given}
    for setting in sorted(given):
        then = getattr(kept.written.settings, setting)
        now = getattr(task.written.settings, setting)
        is_settled = setting in settled and setting not in task.written.given
        if then != now and not is_settled:
            place = task.place_in_template(given[setting])
            yield _changed(place, flag_of(setting), then, now)
    for annotation in _USERS:
        then, now = kept.annotations.get(annotation), task.annotations.get(annotation)
        if then != now:
            place = task.place_in_template(annotation_place(annotation))
            yield _changed(place, annotation, then, now)


def _changed(place: str, what: str, then: object, now: object) -> Finding:
    return finding(
        Code.SETTINGS_CHANGED,
        place=place,
        what=what,
        then=value_text(then),
        now=value_text(now),
    )


def _wanted_spec(job: VolcanoJob, old: Object, pairs: list[tuple[Task, Task]]) -> Object:
    """Return the spec of the request with what it leaves out."""
    spec = job.spec
    wanted = dict(spec)
    for key in _DEFAULTED:
        if key in old and not spec.get(key):
            wanted[key] = old[key]
    if not spec.get("minAvailable") and "minAvailable" in old:
        total = sum(task.replicas for task, _ in pairs)
        wanted["minAvailable"] = min(old["minAvailable"], total)
    wanted["plugins"] = _wanted_plugins(job, old.get("plugins") or {})
    wanted["volumes"] = _wanted_volumes(spec.get("volumes") or [], old.get("volumes") or [])
    wanted["tasks"] = [_wanted_task(job, task, kept) for task, kept in pairs]
    return _in_old_words(wanted, old, {**old, **wanted})


def _wanted_plugins(job: VolcanoJob, before: Object) -> Object:
    wanted: Object = {}
    for name in _ADDED_PLUGINS:
        if name in before and not before[name]:
            wanted[name] = before[name]
    # What adoption adds for templates that use the svc plugin.
    if before.get(SVC) == WITHOUT_POLICY and used_of_svc(job):
        wanted[SVC] = WITHOUT_POLICY
    for name, words in job.plugins.items():
        if name != PLUGIN:
            wanted[name] = words
    return wanted


def _wanted_volumes(volumes: list[Object], before: list[Object]) -> list[Object]:
    """Return the volumes with the claims that Volcano's controller names in the spec."""
    if len(before) != len(volumes):
        return volumes
    wanted: list[Object] = []
    for volume, old in zip(volumes, before, strict=True):
        claim = old.get("volumeClaimName")
        is_made_by_volcano = volume.get("volumeClaim") and not volume.get("volumeClaimName")
        if claim and is_made_by_volcano:
            wanted.append({**volume, "volumeClaimName": claim})
        else:
            wanted.append(volume)
    return wanted


def _wanted_task(job: VolcanoJob, task: Task, kept: Task) -> Object:
    body, old = task.body, kept.body
    wanted: Object = {**body, "template": _wanted_template(job, task, kept)}
    if not body.get("name") and old.get("name") == task.name:
        wanted["name"] = task.name
    if not body.get("maxRetry") and old.get("maxRetry"):
        wanted["maxRetry"] = old["maxRetry"]
    if body.get("minAvailable") is None and old.get("minAvailable") is not None:
        wanted["minAvailable"] = min(old["minAvailable"], task.replicas)
    if not is_same(_fixed(wanted), _fixed(old)):
        return wanted
    # Nothing that Volcano compares has changed, so the old words stay.
    free: Object = {key: wanted[key] for key in _FREE if key in wanted}
    return {**_fixed(old), **_in_old_words(free, old, _FREE)}


def _fixed(task: Object) -> Object:
    """Return what an update may not change in a task."""
    return {key: value for key, value in task.items() if key not in _FREE}


def _wanted_template(job: VolcanoJob, task: Task, kept: Task) -> Object:
    template, old = task.template, kept.template
    spec = template["spec"]
    if needs_host_dns(spec) and old["spec"].get("dnsPolicy") == HOST_DNS:
        spec = {**spec, "dnsPolicy": HOST_DNS}
    metadata = template.get("metadata") or {}
    if kept.is_labelled:
        labels = {**_other_stamps(kept.labels), **task.labels}
        if job.asks_for_ray:
            labels[OPT_IN] = OPTED_IN
        metadata = {**metadata, "labels": labels, "annotations": _wanted_annotations(task, kept)}
    return {**template, "metadata": metadata, "spec": spec}


def _wanted_annotations(task: Task, kept: Task) -> dict[str, str]:
    """Return the annotations, with the flags in the words in which they were stamped.

    That the request's flags mean the same has been seen to.
    """
    wanted = _other_stamps(kept.annotations)
    for key, value in task.annotations.items():
        if key != ARGS:
            wanted[key] = value
    if ARGS in kept.annotations:
        wanted[ARGS] = kept.annotations[ARGS]
    return wanted


def _other_stamps(kept: Mapping[str, str]) -> dict[str, str]:
    """Return what another release may have stamped beside the label and the flags."""
    known = {OPT_IN, ARGS, *_USERS}
    stamps: dict[str, str] = {}
    for key, value in kept.items():
        if key.startswith(f"{PREFIX}/") and key not in known:
            stamps[key] = value
    return stamps


def _in_old_words(wanted: Object, old: Object, keys: Iterable[str]) -> Object:
    """Return an object in which each field that means the same as before has the old value."""
    result = dict(wanted)
    for key in keys:
        if not is_same(wanted.get(key), old.get(key), key):
            continue
        result.pop(key, None)
        if key in old:
            result[key] = old[key]
    return result


def _operations(spec: Object, wanted: Object) -> Iterator[Object]:
    path = patch.pointer("spec")
    for key in {**spec, **wanted}:
        if key == "tasks":
            yield from _task_operations(spec.get(key) or [], wanted.get(key) or [])
        elif key not in wanted:
            yield from patch.drop(spec, path, key)
        elif spec.get(key, _MISSING) != wanted[key]:
            yield from patch.put(spec, path, key, wanted[key])


def _task_operations(tasks: list[Object], wanted: list[Object]) -> Iterator[Object]:
    for index, (task, restored) in enumerate(zip(tasks, wanted, strict=True)):
        if task != restored:
            path = patch.pointer("spec", "tasks", index)
            yield {"op": "replace", "path": path, "value": restored}
