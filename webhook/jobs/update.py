"""An update of an adopted Job → the JSON Patch that puts back what the request leaves out and nobody took away.

Volcano lets an update change `minAvailable`, `tasks[*].replicas` and `priorityClassName`, and compares the rest
deeply. A file that is applied again has neither our stamps nor the defaults of Volcano's own webhook, which fills them
in at creation alone; and its list of tasks replaces the whole of the live one, as the list is atomic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.errors import RefusedError
from webhook.jobs.adopt import OPTED_IN
from webhook.jobs.equality import is_same
from webhook.jobs.job import PLUGIN, Task, is_asked, start_of, tasks_of
from webhook.k8s import patch
from webhook.names import ARGS, COMMAND, OPT_IN, PREFIX, ROLE, START_ARGS
from webhook.pods.flags import flag_of
from webhook.pods.roles import is_opted_in
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object

_DEFAULTED: Final = ("queue", "schedulerName", "maxRetry", "minAvailable")
"""What Volcano's webhook fills in beside the tasks where it is missing, empty or 0 (mutate_job.go, 1.8 to 1.14)."""

_ADDED_PLUGINS: Final = ("svc", "ssh")
"""What it adds to other frameworks' plugins, without arguments."""

_FREE: Final = ("replicas", "minAvailable")
"""What an update may change in a task."""

_SETTLED: Final = frozenset({"head_container", "worker_container", "reconnect_seconds"})
"""The flags that a volray, this version or another, may have stamped without anybody's saying them."""

_USERS: Final = (ROLE, START_ARGS, COMMAND)
"""The annotations that only users write; any other of our prefix is a stamp."""

_HOST_DNS: Final = "ClusterFirstWithHostNet"
_MANAGERS: Final = "managedFields"
_VERSIONED: Final = frozenset({"generation", "resourceVersion"})
_MISSING: Final = object()


def restore(job: Object, old: Object) -> tuple[Object, ...]:
    """The operations on the new object; neither object is changed.

    Args:
        job: As requested.
        old: The adopted Job as it is.

    Raises:
        RefusedError: The request changes settings; with every change.
    """
    if len(job["spec"].get("tasks") or ()) != len(old["spec"].get("tasks") or ()):
        return ()  # Volcano refuses that in words of its own
    pairs = list(zip(tasks_of(job), tasks_of(old), strict=True))
    settled = _SETTLED | _own_ports(kept for _, kept in pairs)
    if changes := [change for task, kept in pairs for change in _changes(job, task, kept, settled)]:
        raise RefusedError(dict.fromkeys(changes))
    wanted = _spec(job, old["spec"], pairs)
    return (*_operations(job["spec"], wanted), *(_timestamps(job, old) if wanted == old["spec"] else ()))


def _timestamps(job: Object, old: Object) -> Iterable[Object]:
    """Of a request that in the end changes nothing, the time at which its manager asked, too.

    The apiserver notes the fields' managers before admission: with a new time there, or an empty map of annotations,
    it writes an object that says the same as before (seen with server-side apply, each time; and at the first
    client-side one, where the order of the managers changes).
    """
    new, before, path = job["metadata"], old["metadata"], patch.pointer("metadata")
    if not is_same(_stable(new), _stable(before)):
        return
    for key in {**new, **before}:
        if key in _VERSIONED or new.get(key, _MISSING) == before.get(key, _MISSING):
            continue
        yield from patch.put(new, path, key, before[key]) if key in before else patch.drop(new, path, key)


def _stable(metadata: Object) -> Object:
    """Without what every request has anew; the managers in an order of their own."""
    managers = [_timeless(entry) for entry in metadata.get(_MANAGERS) or ()]
    kept = {key: value for key, value in metadata.items() if key not in _VERSIONED}
    return {**kept, _MANAGERS: sorted(managers, key=repr)}


def _timeless(entry: Object) -> Object:
    return {key: value for key, value in entry.items() if key != "time"}


def _own_ports(tasks: Iterable[Task]) -> frozenset[str]:
    """The ports that adoption wrote into the flags because the head's own command has them."""
    found: set[str] = set()
    for task in tasks:
        start = start_of(task) if task.role == "head" else None
        ports = start.own.ports if start and start.own else ()
        found |= {port.field for port in ports if getattr(task.parsed.settings, port.field) == port.number}
    return frozenset(found)


def _changes(job: Object, task: Task, kept: Task, settled: frozenset[str]) -> Iterable[Finding]:
    """How the settings of a Ray node would change; a missing label alone does not say so, a missing wish does."""
    if not is_opted_in(kept.labels):
        return
    if not is_asked(job) and not is_opted_in(task.labels):
        yield finding(Code.RAY_LEFT_OUT, task=kept.name)
        return
    yield from (mistake for mistake in task.parsed.mistakes if mistake not in kept.parsed.mistakes)
    for field in sorted(task.parsed.given | kept.parsed.given):
        then, now = getattr(kept.parsed.settings, field), getattr(task.parsed.settings, field)
        if then != now and not (field in settled and field not in task.parsed.given):
            yield finding(Code.SETTINGS_CHANGED, task=kept.name, what=flag_of(field), then=_said(then), now=_said(now))
    for key in _USERS:
        then, now = kept.annotations.get(key), task.annotations.get(key)
        if then != now:
            yield finding(Code.SETTINGS_CHANGED, task=kept.name, what=key, then=_said(then), now=_said(now))


def _said(value: object) -> str:
    if value is None:
        return "not set"
    return " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _spec(job: Object, old: Object, pairs: list[tuple[Task, Task]]) -> Object:
    spec = job["spec"]
    filled = {key: old[key] for key in _DEFAULTED if key in old and not spec.get(key)}
    if "minAvailable" in filled:
        filled["minAvailable"] = min(filled["minAvailable"], sum(task.body.get("replicas") or 0 for task, _ in pairs))
    wanted = {
        **spec,
        **filled,
        "plugins": _plugins(spec, old),
        "volumes": [*_volumes(spec, old)],
        "tasks": [_task(job, task, kept) for task, kept in pairs],
    }
    return _as_written(wanted, old)


def _plugins(spec: Object, old: Object) -> Object:
    before = old.get("plugins") or {}
    added = {name: before[name] for name in _ADDED_PLUGINS if name in before and not before[name]}
    return {**added, **{name: words for name, words in (spec.get("plugins") or {}).items() if name != PLUGIN}}


def _volumes(spec: Object, old: Object) -> Iterable[Object]:
    """Volcano's controller writes the name of a claim that it made into the spec."""
    volumes, before = spec.get("volumes") or [], old.get("volumes") or []
    claims = [volume.get("volumeClaimName") for volume in before] if len(before) == len(volumes) else []
    for index, volume in enumerate(volumes):
        claim = claims[index] if claims and volume.get("volumeClaim") and not volume.get("volumeClaimName") else None
        yield {**volume, "volumeClaimName": claim} if claim else volume


def _task(job: Object, task: Task, kept: Task) -> Object:
    body, old = task.body, kept.body
    filled: Object = {"template": _template(job, task, kept)}
    if not body.get("name") and old.get("name") == task.name:
        filled["name"] = task.name
    if not body.get("maxRetry") and old.get("maxRetry"):
        filled["maxRetry"] = old["maxRetry"]
    if body.get("minAvailable") is None and old.get("minAvailable") is not None:
        filled["minAvailable"] = min(old["minAvailable"], body.get("replicas") or 0)
    wanted = {**body, **filled}
    fixed, before = ({key: value for key, value in one.items() if key not in _FREE} for one in (wanted, old))
    if not is_same(fixed, before):
        return wanted
    return {**before, **_as_written({key: wanted[key] for key in _FREE if key in wanted}, old, _FREE)}


def _template(job: Object, task: Task, kept: Task) -> Object:
    template, old = task.body["template"], kept.body["template"]
    spec = template["spec"]
    if spec.get("hostNetwork") and not spec.get("dnsPolicy") and old["spec"].get("dnsPolicy") == _HOST_DNS:
        spec = {**spec, "dnsPolicy": _HOST_DNS}
    metadata = template.get("metadata") or {}
    if is_opted_in(kept.labels):
        labels = {**_other_stamps(kept.labels), **task.labels, **({OPT_IN: OPTED_IN} if is_asked(job) else {})}
        metadata = {**metadata, "labels": labels, "annotations": _annotations(task, kept)}
    return {**template, "metadata": metadata, "spec": spec}


def _annotations(task: Task, kept: Task) -> dict[str, str]:
    """With the flags in the words in which they were stamped: that they mean the same has been seen to."""
    own = {key: value for key, value in task.annotations.items() if key != ARGS}
    flags = {ARGS: kept.annotations[ARGS]} if ARGS in kept.annotations else {}
    return {**_other_stamps(kept.annotations), **own, **flags}


def _other_stamps(kept: dict[str, str]) -> dict[str, str]:
    """What another version may have stamped beside the label and the flags."""
    known = {OPT_IN, ARGS, *_USERS}
    return {key: value for key, value in kept.items() if key.startswith(f"{PREFIX}/") and key not in known}


def _as_written(wanted: Object, old: Object, keys: Iterable[str] = ()) -> Object:
    """The same, but each field that says what the old one said in the words of the old one."""
    result = dict(wanted)
    for key in keys or {**old, **wanted}:
        if is_same(wanted.get(key), old.get(key), key):
            result.pop(key, None)
            result |= {key: old[key]} if key in old else {}
    return result


def _operations(spec: Object, wanted: Object) -> Iterable[Object]:
    path = patch.pointer("spec")
    for key in {**spec, **wanted}:
        if key == "tasks":
            yield from _task_operations(spec.get(key) or [], wanted.get(key) or [])
        elif key not in wanted:
            yield from patch.drop(spec, path, key)
        elif spec.get(key, _MISSING) != wanted[key]:
            yield from patch.put(spec, path, key, wanted[key])


def _task_operations(tasks: list[Object], wanted: list[Object]) -> Iterable[Object]:
    for index, (task, restored) in enumerate(zip(tasks, wanted, strict=True)):
        if task != restored:
            yield {"op": "replace", "path": patch.pointer("spec", "tasks", index), "value": restored}
