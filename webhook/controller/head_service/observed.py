"""What the controller keeps in memory of a Job and of a Service.

That is little, because 10,000 Jobs are 30 MB of JSON. What is wrong with a Job is found when
it arrives, while it is there in full.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from webhook import jobs, shape
from webhook.errors import RefusedError
from webhook.inject import inject
from webhook.names import PREFIX
from webhook.roles import Chosen, choose_container, is_opted_in
from webhook.service import name_mistakes, service_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from webhook.jobs import Task
    from webhook.names import Object
    from webhook.reasons import Finding
    from webhook.settings import Settings

OURS: Final = f"{PREFIX}/job"
"""The label by which our Services are watched. `webhook.service.head_service` writes it."""

API_VERSION: Final = f"{jobs.API_GROUP}/v1alpha1"

FINISHED: Final = frozenset({"Completed", "Failed", "Aborted", "Terminated"})
"""Phases in which no pod of the Job runs, or will run without a restart."""

ENDING: Final = frozenset({"Completing", "Aborting", "Terminating"})
"""Phases in which pods go and none comes. `Restarting` is not one, since its pods come again."""

JobReader: TypeAlias = "Callable[[Object, RayJob | None], RayJob | None]"

_SUFFIX: Final = service_name("")

_METADATA_READ: Final = frozenset(
    {"name", "namespace", "uid", "labels", "ownerReferences", "deletionTimestamp"}
)
_SPEC_READ: Final = frozenset({"type", "ports", "selector", "publishNotReadyAddresses"})


@dataclass(frozen=True, slots=True)
class Head:
    """What the head Service is made of."""

    task: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class RayJob:
    """A Job that is ours.

    The resourceVersion is left out, so that a Job that changed in nothing else counts as the
    same.

    Attributes:
        namespace: The Job's namespace.
        name: The Job's name.
        uid: The Job's uid.
        phase: The phase that Volcano reports.
        deleting: Whether the Job is being deleted.
        head: None when a mistake in the Job leaves open which Service it should have.
        mistakes: What is wrong with the Job.
        edition: What `head` and `mistakes` were found in, or None when they were not looked
            for in full.
    """

    namespace: str
    name: str
    uid: str
    phase: str = ""
    deleting: bool = False
    head: Head | None = None
    mistakes: tuple[Finding, ...] = ()
    edition: tuple[object, ...] | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The Job's key in the queue."""
        return f"{self.namespace}/{self.name}"

    @property
    def is_finished(self) -> bool:
        """Whether the Job has no use for a Service any more."""
        return self.phase in FINISHED


def job_key(service_key: str) -> str | None:
    """Return the key of the Job whose head Service has this key, or None if no Job's has."""
    if not service_key.endswith(_SUFFIX):
        return None
    return service_key.removesuffix(_SUFFIX)


def service_key(job_key: str) -> str:
    """Return the key of a Job's head Service."""
    return service_name(job_key)


def job_reader(*, all_jobs: bool) -> JobReader:
    """Return a function that makes a RayJob of a Job, or None of a Job that is not ours.

    What it made of the Job before saves it most of the work. Volcano writes a Job's status
    again and again, and hardly ever its spec.

    Args:
        all_jobs: Whether Jobs without the opt-in label count too, if they have a head task
            with a head container and are not the in-tree plugin's.
    """

    def read(job: Object, before: RayJob | None = None) -> RayJob | None:
        if before is not None and before.edition == _edition(job):
            return replace(before, phase=_phase(job), deleting=_is_deleting(job))
        if shape.job_mistakes(job):
            # Some field is what no Ray Job has. Without a template there is no label either.
            return None
        tasks = jobs.tasks_of(job)
        labelled = [task for task in tasks if is_opted_in(task.labels)]
        if not labelled and not (all_jobs and _is_ray(job, tasks)):
            return None
        return _read(job, tasks, labelled)

    return read


def _edition(job: Object) -> tuple[object, ...]:
    """Return all that decides on head and mistakes. The generation counts changes of the spec."""
    return (job["metadata"]["uid"], job["metadata"].get("generation"), jobs.is_declined(job))


def _phase(job: Object) -> str:
    return ((job.get("status") or {}).get("state") or {}).get("phase") or ""


def _is_deleting(job: Object) -> bool:
    return bool(job["metadata"].get("deletionTimestamp"))


def _is_ray(job: Object, tasks: list[Task]) -> bool:
    if jobs.is_asked(job) or jobs.is_declined(job):
        return False
    return jobs.left_alone(job) is None and any(
        _has_container(task) for task in tasks if task.role == "head"
    )


def _has_container(task: Task) -> bool:
    containers = task.body["template"]["spec"]["containers"]
    return isinstance(
        choose_container(containers, task.name, "head", task.parsed.settings, opted_in=False),
        Chosen,
    )


def _read(job: Object, tasks: list[Task], labelled: list[Task]) -> RayJob:
    metadata, phase = job["metadata"], _phase(job)
    over = _is_deleting(job) or phase in FINISHED | ENDING
    return RayJob(
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        phase,
        _is_deleting(job),
        _head(job, tasks, labelled),
        () if over else _mistakes(job, tasks),
        None if over else _edition(job),
    )


def _head(job: Object, tasks: list[Task], labelled: list[Task]) -> Head | None:
    """The head, when there is no doubt about it, its ports and the Service's name.

    Other mistakes keep no Service away: a Job with one that Ray can live with runs all the same.
    """
    heads = [task for task in tasks if task.role == "head"]
    if (
        len(heads) != 1
        or heads[0].parsed.mistakes
        or jobs.is_declined(job)
        or any(name_mistakes(job["metadata"]["name"]))
    ):
        return None
    if labelled and heads[0] not in labelled:
        return None
    return Head(heads[0].name, jobs.ports_of(heads[0]).settings)


def _mistakes(job: Object, tasks: list[Task]) -> tuple[Finding, ...]:
    """Return the mistakes of the Job and of its pods, which the pod webhook refuses one by one."""
    found = [*jobs.mistakes(job), *jobs.unlabelled_heads(tasks)]
    for task in tasks:
        found += _refusals(job, task)
    return tuple(dict.fromkeys(found))


def _refusals(job: Object, task: Task) -> tuple[Finding, ...]:
    namespace = job["metadata"]["namespace"]
    try:
        inject(jobs.pod_of(job, task, namespace), namespace)
    except RefusedError as error:
        return error.mistakes
    return ()


def read_service(service: Object, _before: Object | None = None) -> Object:
    """Return the fields of a Service that a decision can depend on."""
    return {
        "metadata": _only(service["metadata"], _METADATA_READ),
        "spec": _only(service.get("spec") or {}, _SPEC_READ),
    }


def _only(fields: Object, names: Collection[str]) -> Object:
    return {name: value for name, value in fields.items() if name in names}
