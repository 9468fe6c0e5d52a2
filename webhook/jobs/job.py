"""A Volcano Job, read once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from webhook.errors import MalformedError
from webhook.k8s import schema
from webhook.k8s.objects import annotations_of, labels_of, variables_by_name
from webhook.names import ADOPT, ARGS
from webhook.pods.environment import keeps_state
from webhook.pods.flag_parser import PLUGIN_PLACE, Parsed, read_flags, with_values
from webhook.pods.flags import RECONNECT_STORED
from webhook.pods.own_start import InEffect, in_effect, told_ports, who_starts_ray
from webhook.pods.roles import choose_container, is_opted_in, role_of
from webhook.reasons import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.names import Object, Role
    from webhook.pods.own_start import Start
    from webhook.pods.roles import Chosen

API_GROUP: Final = "batch.volcano.sh"
API_VERSION: Final = f"{API_GROUP}/v1alpha1"
PLUGIN: Final = "ray"


@dataclass(frozen=True)
class RayContainer:
    """The container of a template in which Ray runs."""

    chosen: Chosen
    body: Object
    start: Start


@dataclass(frozen=True)
class Task:
    """A task of a Job."""

    name: str
    """The user's, or the one that Volcano gives a nameless task."""
    body: Object
    labels: Mapping[str, str]
    """The template's."""
    annotations: Mapping[str, str]
    """The template's."""
    written: Parsed
    """The flags that the user wrote, in `plugins.ray` and in the template."""
    role: Role | None
    is_node: bool
    """The pods of this task are Ray nodes, or will be when the Job is adopted."""
    ray: RayContainer | Finding | None
    """Ray's container, or why there is none. None where the task has no role."""
    settled: Mapping[str, Any]
    """What volray settles for the user, by the field of the settings."""

    @property
    def parsed(self) -> Parsed:
        """The flags with what volray settles."""
        return with_values(self.written, self.settled)

    @property
    def template(self) -> Object:
        """The pod template."""
        template: Object = self.body["template"]
        return template

    @property
    def is_labelled(self) -> bool:
        """Whether the template has the opt-in label."""
        return is_opted_in(self.labels)

    @property
    def container(self) -> RayContainer | None:
        """Ray's container, if there is one."""
        return self.ray if isinstance(self.ray, RayContainer) else None

    @property
    def ports(self) -> InEffect:
        """The settings with the ports on which Ray will listen."""
        if self.container is None:
            return InEffect(self.parsed.settings)
        return in_effect(self.parsed, self.container.start)

    @property
    def replicas(self) -> int:
        """The number of pods that Volcano makes.

        A missing field is 0. The API has a plain int32 (apis pkg/apis/batch/v1alpha1/job.go), the
        CRD only a minimum (config/crd/volcano/bases/batch.volcano.sh_jobs.yaml), and Volcano's
        mutating webhook fills in only minAvailable and maxRetry beside it
        (pkg/webhooks/admission/jobs/mutate/mutate_job.go). 1.8.2 and 1.14.1 are alike in this.
        """
        return self.body.get("replicas") or 0

    @property
    def place(self) -> str:
        """Where the task is written, for findings."""
        return f"tasks[{self.name}]"

    def place_in_template(self, place: str) -> str:
        """Return the place in the Job of a place in the task's pods.

        A flag of `plugins.ray` keeps its place, because every task reads the same list.
        """
        if place.startswith(PLUGIN_PLACE):
            return place
        return f"{self.place}.template.{place}" if place else self.place


@dataclass(frozen=True)
class VolcanoJob:
    """A Job of the API's shape, with everything that volray reads in it."""

    body: Object
    name: str
    """Empty where the apiserver has not made one yet."""
    namespace: str
    tasks: tuple[Task, ...]

    @classmethod
    def read(cls, body: Object, namespace: str = "", name: str = "") -> Self:
        """Return the Job.

        Args:
            body: As the apiserver sends it, or as a manifest holds it.
            namespace: Of a Job that names none.
            name: Of a Job that has none yet.

        Raises:
            MalformedError: The object does not have the shape of a Job.
        """
        malformed = schema.job_mistakes(body)
        if malformed:
            raise MalformedError(malformed)
        metadata = body["metadata"]
        return cls(
            body,
            metadata.get("name") or name,
            metadata.get("namespace") or namespace,
            _read_tasks(body["spec"], is_declined=_is_declined(body)),
        )

    @property
    def spec(self) -> Object:
        """The Job's spec."""
        spec: Object = self.body["spec"]
        return spec

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The Job's plugins with their arguments."""
        return self.spec.get("plugins") or {}

    @property
    def asks_for_ray(self) -> bool:
        """Whether `plugins.ray` is there. An empty list is an entry, and so is null."""
        return PLUGIN in self.plugins

    @property
    def is_labelled(self) -> bool:
        """Whether a template has the opt-in label."""
        return any(task.is_labelled for task in self.tasks)

    @property
    def is_declined(self) -> bool:
        """Whether the user keeps the Job for the in-tree plugin."""
        return _is_declined(self.body)

    @property
    def heads(self) -> list[Task]:
        """The tasks whose role is head."""
        return [task for task in self.tasks if task.role == "head"]

    @property
    def workers(self) -> list[Task]:
        """The tasks whose role is worker."""
        return [task for task in self.tasks if task.role == "worker"]


def is_volcano_job(document: Object) -> bool:
    """Return whether an object is a Job of Volcano, of any version."""
    group = str(document.get("apiVersion", "")).partition("/")[0]
    is_group = group == API_GROUP and "/" in str(document.get("apiVersion"))
    return is_group and document.get("kind") == "Job"


def names_of(tasks: Iterable[Task]) -> str:
    """Return the names of the tasks, for messages."""
    return ", ".join(task.name for task in tasks) or "(none)"


def _is_declined(body: Object) -> bool:
    return annotations_of(body).get(ADOPT) == "false"


def _read_tasks(spec: Object, *, is_declined: bool) -> tuple[Task, ...]:
    plugins = spec.get("plugins") or {}
    will_be_adopted = PLUGIN in plugins and not is_declined
    plugin_words = tuple(plugins.get(PLUGIN) or ())
    tasks: list[Task] = []
    for index, body in enumerate(spec.get("tasks") or []):
        name = body.get("name") or f"default{index}"
        tasks.append(_read_task(name, body, plugin_words, will_be_adopted=will_be_adopted))
    shared = _settled_for_all([task for task in tasks if task.is_node])
    return tuple(_settled(task, shared) for task in tasks)


def _read_task(
    name: str, body: Object, plugin_words: tuple[str, ...], *, will_be_adopted: bool
) -> Task:
    template = body["template"]
    labels, annotations = labels_of(template), annotations_of(template)
    written = read_flags(annotations.get(ARGS, ""), plugin_words)
    role = role_of(name, annotations, written.settings)
    is_node = is_opted_in(labels) or (will_be_adopted and role is not None)
    ray: RayContainer | Finding | None = None
    if role is not None:
        containers = template["spec"]["containers"]
        # The template has the label, or gets it when the Job is adopted.
        chosen = choose_container(containers, name, role, written.settings, opted_in=True)
        if isinstance(chosen, Finding):
            ray = chosen
        else:
            container = containers[chosen.index]
            ray = RayContainer(chosen, container, who_starts_ray(annotations, container, role))
    return Task(name, body, labels, annotations, written, role, is_node, ray, {})


def _settled_for_all(nodes: list[Task]) -> dict[str, Any]:
    """Return what a head decides for every node, unless the user has set it in any template.

    A worker's pod does not show the head's environment, which decides how long each node waits for
    a head that comes back, nor the ports of a Ray that the head's own command starts.
    """
    given = {setting for task in nodes for setting in task.written.given}
    settled: dict[str, Any] = {}
    for task in nodes:
        if task.role != "head" or task.container is None:
            continue
        if keeps_state(variables_by_name(task.container.body)):
            settled["reconnect_seconds"] = RECONNECT_STORED
        settled |= told_ports(task.container.start)
    return {setting: value for setting, value in settled.items() if setting not in given}


def _settled(task: Task, shared: Mapping[str, Any]) -> Task:
    """Return the task with what volray settles for it. A list with mistakes stays as it is."""
    if not task.is_node or task.role is None or task.written.mistakes:
        return task
    settled: dict[str, Any] = {}
    # The only container is Ray's whatever its name. It is settled here, because an injector may add
    # another container before volray sees the pod.
    if task.container is not None and task.container.chosen.warnings:
        settled[f"{task.role}_container"] = task.container.body["name"]
    settled |= shared
    return replace(task, settled=settled)
