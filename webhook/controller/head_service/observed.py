"""What the controller keeps in memory of a Job and of a Service.

That is little, because 10,000 Jobs are 30 MB of JSON. What is wrong with a Job is found when
it arrives, while it is there in full.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from webhook.errors import MalformedError
from webhook.jobs.check import check
from webhook.jobs.job import VolcanoJob
from webhook.jobs.standalone import left_alone
from webhook.names import ADOPT, PREFIX
from webhook.pods.head_service import name_mistakes, service_name
from webhook.pods.roles import Chosen, choose_container

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from webhook.jobs.job import Task
    from webhook.names import Object
    from webhook.pods.flags import Settings
    from webhook.reasons import Finding

OURS: Final = f"{PREFIX}/job"
"""The label by which our Services are watched. `webhook.pods.head_service` writes it."""

FINISHED: Final = frozenset({"Completed", "Failed", "Aborted", "Terminated"})
"""Phases in which no pod of the Job runs, or will run without a restart."""

STARTING: Final = frozenset({"", "Pending"})
"""Phases in which no pod of the Job has run yet."""

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
        findings: The report on the Job.
        edition: What `head` and `findings` were found in, or None when they were not looked
            for in full.
    """

    namespace: str
    name: str
    uid: str
    phase: str = ""
    deleting: bool = False
    head: Head | None = None
    findings: tuple[Finding, ...] = ()
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
        try:
            read_job = VolcanoJob.read(job)
        except MalformedError:
            return None
        if not read_job.is_labelled and not (all_jobs and _is_ray(read_job)):
            return None
        return _ray_job(read_job)

    return read


def _edition(job: Object) -> tuple[object, ...]:
    """Return what decides on head and findings. The generation counts the changes of the spec."""
    metadata = job["metadata"]
    annotations = metadata.get("annotations") or {}
    return (metadata["uid"], metadata.get("generation"), annotations.get(ADOPT))


def _phase(job: Object) -> str:
    return ((job.get("status") or {}).get("state") or {}).get("phase") or ""


def _is_deleting(job: Object) -> bool:
    return bool(job["metadata"].get("deletionTimestamp"))


def _is_ray(job: VolcanoJob) -> bool:
    """Return whether a Job without the label has a task that is a Ray head by its names."""
    if job.asks_for_ray or job.is_declined or left_alone(job) is not None:
        return False
    return any(_has_head_container(head) for head in job.heads)


def _has_head_container(head: Task) -> bool:
    containers = head.template["spec"]["containers"]
    settings = head.written.settings
    chosen = choose_container(containers, head.name, "head", settings, opted_in=False)
    return isinstance(chosen, Chosen)


def _ray_job(job: VolcanoJob) -> RayJob:
    metadata, phase = job.body["metadata"], _phase(job.body)
    deleting = _is_deleting(job.body)
    over = deleting or phase in FINISHED | ENDING
    return RayJob(
        job.namespace,
        job.name,
        metadata["uid"],
        phase,
        deleting,
        _head(job),
        () if over else check(job).findings,
        None if over else _edition(job.body),
    )


def _head(job: VolcanoJob) -> Head | None:
    """Return the head if there is no doubt about it, its ports and the Service's name.

    Other mistakes keep no Service away, because a Job with one that Ray can live with runs all the
    same.
    """
    if len(job.heads) != 1 or job.is_declined or any(name_mistakes(job.name)):
        return None
    [head] = job.heads
    if head.written.mistakes:
        return None
    if job.is_labelled and not head.is_labelled:
        return None
    return Head(head.name, head.ports.settings)


def read_service(service: Object, _before: Object | None = None) -> Object:
    """Return the fields of a Service that a decision can depend on."""
    return {
        "metadata": _only(service["metadata"], _METADATA_READ),
        "spec": _only(service.get("spec") or {}, _SPEC_READ),
    }


def _only(fields: Object, names: Collection[str]) -> Object:
    return {name: value for name, value in fields.items() if name in names}
