"""A Volcano Job: its tasks, what is wrong with it as a whole, and the pods that Volcano makes of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.jobs.volumes import mounted
from webhook.names import (
    ADOPT,
    ARGS,
    INJECTED,
    JOB_NAME,
    JOB_NAMESPACE,
    QUEUE_NAME,
    TASK_INDEX,
    TASK_SPEC,
)
from webhook.pods import flags as settings
from webhook.pods.head_service import name_mistakes
from webhook.pods.own_start import InEffect, Start, in_effect, told_flags, who_starts_ray
from webhook.pods.roles import Chosen, choose_container, is_opted_in, role_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.pods.roles import Role

API_GROUP: Final = "batch.volcano.sh"
PLUGIN: Final = "ray"
_OTHER_FRAMEWORKS: Final = ("tensorflow", "pytorch", "mpi")


@dataclass(frozen=True)
class Task:
    """A task of a Job with the flags that count for it: the plugin's and its template's."""

    name: str
    body: Object
    parsed: settings.Parsed
    role: Role | None

    @property
    def labels(self) -> dict[str, str]:
        """The template's."""
        return _labels(self.body)

    @property
    def annotations(self) -> dict[str, str]:
        """The template's."""
        return _notes(self.body)

    @property
    def replicas(self) -> int:
        """The number of pods that Volcano makes; 0 where the field is left out.

        Nothing in Volcano gives it a default: the API has a plain int32 (apis pkg/apis/batch/v1alpha1/job.go), the CRD
        only a minimum (config/crd/volcano/bases/batch.volcano.sh_jobs.yaml), and the mutating webhook fills in
        minAvailable and maxRetry beside it (pkg/webhooks/admission/jobs/mutate/mutate_job.go); 1.8.2 and 1.14.1 alike.
        """
        return self.body.get("replicas") or 0

    @property
    def where(self) -> str:
        """For messages."""
        return f"task {self.name}"


def is_volcano_job(document: Object) -> bool:
    """Whether an object is a Job of Volcano, of whatever version."""
    return document.get("kind") == "Job" and str(document.get("apiVersion", "")).startswith(f"{API_GROUP}/")


def tasks_of(job: Object) -> list[Task]:
    """The tasks; a nameless one gets the name that Volcano gives it."""
    bodies = job.get("spec", {}).get("tasks") or []
    return [_task(job, body, body.get("name") or f"default{index}") for index, body in enumerate(bodies)]


def _task(job: Object, body: Object, name: str) -> Task:
    words, unreadable = settings.split(_flags(job, body), ARGS)
    parsed = settings.parse(words, ARGS)
    parsed = settings.Parsed(parsed.settings, parsed.given, (*unreadable, *parsed.mistakes))
    return Task(name, body, parsed, role_of(name, _notes(body), parsed.settings))


def _flags(job: Object, body: Object) -> str:
    """A Job's `plugins.ray` counts for each of its templates, whose own annotation may say more."""
    plugin = shlex.join((job["spec"].get("plugins") or {}).get(PLUGIN) or [])
    return " ".join(part for part in (plugin, _notes(body).get(ARGS, "")) if part)


def _notes(body: Object) -> dict[str, str]:
    return (body.get("template", {}).get("metadata") or {}).get("annotations") or {}


def _labels(body: Object) -> dict[str, str]:
    return (body.get("template", {}).get("metadata") or {}).get("labels") or {}


def is_asked(job: Object) -> bool:
    """Whether the Job has an entry for the ray plugin; an empty list is one, and so is null."""
    return PLUGIN in (job.get("spec", {}).get("plugins") or {})


def is_labelled(job: Object) -> bool:
    """Whether a template carries the opt-in label."""
    return any(is_opted_in(task.labels) for task in tasks_of(job))


def is_declined(job: Object) -> bool:
    """Whether the user keeps the Job for the in-tree plugin."""
    return ((job.get("metadata") or {}).get("annotations") or {}).get(ADOPT) == "false"


def left_alone(job: Object) -> Finding | None:
    """Why a Job is none of ours, if it is none."""
    if is_declined(job) and not is_labelled(job):
        return finding(Code.NOT_ADOPTED)
    tasks = tasks_of(job)
    if versions := [notes[INJECTED] for task in tasks if INJECTED in (notes := task.annotations)]:
        return finding(Code.ALREADY_INJECTED, version=versions[0])
    if is_asked(job) or is_labelled(job):
        return None
    if not any(task.role == "head" for task in tasks):
        return finding(Code.NOT_A_RAY_JOB)
    plugin = other_framework(job)
    return None if plugin is None else finding(Code.OTHER_PLUGIN, plugin=plugin)


def other_framework(job: Object) -> str | None:
    """Return the plugin of Volcano that makes another framework's cluster of the Job, if it has one.

    Such Jobs name their tasks head and worker, too (DeepSpeed's with the pytorch plugin).
    """
    plugins = job["spec"].get("plugins") or {}
    return next((plugin for plugin in _OTHER_FRAMEWORKS if plugin in plugins), None)


def mistakes(job: Object) -> list[Finding]:
    """Every mistake of the Job as a whole; those of its pods are found where they are injected."""
    name, tasks = job["metadata"].get("name"), tasks_of(job)
    found = list(name_mistakes(name)) if name else [finding(Code.NO_JOB_NAME)]
    return [
        *found,
        *_adoption(job, tasks),
        *_heads(tasks),
        *_workers(tasks),
        *_awaited_nodes(tasks),
        *head_waits(tasks),
        *_disagreements(tasks),
    ]


def _adoption(job: Object, tasks: list[Task]) -> Iterable[Finding]:
    if is_declined(job):
        for task in tasks:
            if is_opted_in(task.labels):
                yield finding(Code.LABELLED_NOT_ADOPTED, task=task.name)


def _heads(tasks: list[Task]) -> Iterable[Finding]:
    heads = [task for task in tasks if task.role == "head"]
    if not heads:
        wanted = tasks[0].parsed.settings.head if tasks else settings.DEFAULTS.head
        yield finding(Code.NO_HEAD, tasks=names_of(tasks), head=wanted)
    elif len(heads) > 1:
        yield finding(Code.TWO_HEADS, tasks=names_of(heads))
    for head in heads:
        if head.replicas > 1:
            yield finding(Code.HEAD_REPLICAS, task=head.name, found=head.replicas)
        elif head.replicas < 1:
            yield finding(Code.NO_HEAD_POD, task=head.name)


def names_of(tasks: Iterable[Task]) -> str:
    """Return the names of the tasks, for messages."""
    return ", ".join(task.name for task in tasks) or "(none)"


def _workers(tasks: list[Task]) -> Iterable[Finding]:
    """Return the names given with `--worker` that no task has.

    The default name may be missing, given or not: a head alone is a cluster, and Volcano's design document writes
    `--worker=worker` for every Job.
    """
    said = {name: None for task in tasks if "worker" in task.parsed.given for name in task.parsed.settings.worker}
    for name in said:
        if name not in {*settings.DEFAULTS.worker, *(task.name for task in tasks)}:
            yield finding(Code.NO_SUCH_WORKER, worker=name, tasks=names_of(tasks))


def _awaited_nodes(tasks: list[Task]) -> Iterable[Finding]:
    """Return the mistake of a head that waits for more nodes than there can be: it would wait for ever."""
    nodes = 1 + sum(task.replicas for task in tasks if task.role == "worker")
    for head in tasks:
        wanted = head.parsed.settings.wait_nodes
        if head.role == "head" and wanted > nodes:
            yield finding(Code.TOO_FEW_NODES, task=head.name, wanted=wanted, found=nodes)


def head_waits(tasks: list[Task]) -> Iterable[Finding]:
    """Return a mistake for each worker task on which a head depends."""
    workers = {task.name for task in tasks if task.role == "worker"}
    for head in tasks:
        awaited = (head.body.get("dependsOn") or {}).get("name") or []
        if head.role == "head":
            for worker in awaited:
                if worker in workers:
                    yield finding(Code.HEAD_WAITS_FOR_WORKER, head=head.name, worker=worker)


def _disagreements(tasks: list[Task]) -> Iterable[Finding]:
    """Among the tasks that are Ray's by their own flags or by those of the first that has any."""
    told = next((task for task in tasks if task.parsed.given), None)
    if told is None:
        return
    ours = [task for task in tasks if task.role or role_of(task.name, task.annotations, told.parsed.settings)]
    for task in ours:
        for flag, first, second in settings.disagreements(told.parsed.settings, task.parsed.settings):
            names = {"first": told.name, "second": task.name}
            yield finding(Code.FLAGS_DISAGREE, **names, flag=flag, ours=_said(first), theirs=_said(second))


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def chosen_container(task: Task) -> Chosen | None:
    """Ray's container in a template that has, or will have, the opt-in label."""
    if task.role is None:
        return None
    chosen = choose_container(
        task.body["template"]["spec"]["containers"], task.name, task.role, task.parsed.settings, opted_in=True
    )
    return chosen if isinstance(chosen, Chosen) else None


def ray_container(task: Task) -> Object | None:
    """That container itself."""
    chosen = chosen_container(task)
    if chosen is None:
        return None
    found: Object = task.body["template"]["spec"]["containers"][chosen.index]
    return found


def start_of(task: Task) -> Start | None:
    """Return who starts Ray in the pods of a task; None where it is no node, or has no container for Ray."""
    container = ray_container(task)
    if task.role is None or container is None:
        return None
    return who_starts_ray(task.annotations, container, task.role)


def ports_of(task: Task) -> InEffect:
    """Return the settings of a task with the ports on which its Ray will listen."""
    start = start_of(task)
    return InEffect(task.parsed.settings) if start is None else in_effect(task.parsed, start)


def port_flags(tasks: Iterable[Task]) -> dict[str, str]:
    """Return the flags for every node's template, by the field, where the head's own command decides on the ports.

    A worker's pod does not show the head's command. A flag that the user wrote is theirs.
    """
    nodes = list(tasks)
    given = {field for task in nodes for field in task.parsed.given}
    starts = [start for task in nodes if task.role == "head" and (start := start_of(task))]
    flags = {field: flag for start in starts for field, flag in told_flags(start).items()}
    return {field: flag for field, flag in flags.items() if field not in given}


def unlabelled_heads(tasks: list[Task]) -> Iterable[Finding]:
    """Yield the mistake of a Job whose author labelled templates, but not the head's."""
    labelled = [task for task in tasks if is_opted_in(task.labels)]
    for head in tasks:
        if head.role == "head" and labelled and head not in labelled:
            yield finding(Code.HEAD_NOT_LABELLED, task=labelled[0].name, head=head.name)


def pod_of(job: Object, task: Task, namespace: str, index: int = 0) -> Object:
    """The pod that Volcano makes of a task, with the Job's volumes, without what its plugins and the apiserver add.

    Source: volcano pkg/controllers/job `createJobPod`, and pods recorded from Volcano 1.14.
    """
    name, spec = job["metadata"]["name"], job["spec"]
    pod_spec = mounted(task.body["template"]["spec"], name, spec.get("volumes") or ())
    shared = {
        JOB_NAME: name,
        TASK_SPEC: task.name,
        TASK_INDEX: str(index),
        QUEUE_NAME: spec.get("queue") or "default",
    }
    flags = _flags(job, task.body)
    stamped = {ARGS: flags} if flags else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{task.name}-{index}",
            "namespace": namespace,
            "labels": {**task.labels, **shared, JOB_NAMESPACE: namespace},
            "annotations": {**task.annotations, **stamped, **shared},
        },
        "spec": {"schedulerName": spec.get("schedulerName") or "volcano", **pod_spec},
    }
