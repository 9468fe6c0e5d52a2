"""Write Ray into a Volcano Job, for a cluster that has no volray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jsonpatch

from webhook.jobs.check import Report, check
from webhook.jobs.job import PLUGIN, VolcanoJob
from webhook.jobs.svc import adopted_plugins
from webhook.jobs.volcano import pod_of, unmounted
from webhook.names import INJECTED, OPT_IN
from webhook.pods.head_service import head_service
from webhook.pods.inject import Injection, inject
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.jobs.job import Task
    from webhook.names import Object

_OTHER_FRAMEWORKS: Final = ("tensorflow", "pytorch", "mpi")
"""Volcano's plugins that make another framework's cluster of a Job."""


@dataclass(frozen=True)
class InjectedJob:
    """What became of a Job."""

    report: Report
    reason: Finding | None = None
    """Why the Job was left alone."""
    job: Object | None = None
    """With Ray in its templates. None for a Job that is wrong or left alone."""
    service: Object | None = None
    pods: tuple[Object, ...] = ()
    """Every pod that Volcano makes of the Job."""
    injections: tuple[tuple[str, Injection], ...] = ()
    """What each task got, with the task's name."""


def left_alone(job: VolcanoJob) -> Finding | None:
    """Return why volray leaves a Job alone that is given to it, if it does."""
    if job.is_declined and not job.is_labelled:
        return finding(Code.NOT_ADOPTED)
    for task in job.tasks:
        if INJECTED in task.annotations:
            return finding(Code.ALREADY_INJECTED, version=task.annotations[INJECTED])
    if job.asks_for_ray or job.is_labelled:
        return None
    if not job.heads:
        return finding(Code.NOT_A_RAY_JOB)
    # Jobs of other frameworks name their tasks head and worker, too.
    for plugin in _OTHER_FRAMEWORKS:
        if plugin in job.plugins:
            return finding(Code.OTHER_PLUGIN, plugin=plugin)
    return None


def inject_job(body: Object, namespace: str, *, with_pods: bool = False) -> InjectedJob:
    """Return the Job for a cluster that has no volray, with its head Service.

    The templates are those of a cluster that has volray. The opt-in label and `plugins.ray` go, so
    that an installed volray and the in-tree plugin both leave such a Job alone. The Job given is
    not changed.

    A Job without `plugins.ray` and without a label has a task that is named as a head, and was
    given to `volray inject` for that. It is treated as if it asked for Ray.

    Args:
        body: The Job.
        namespace: Of a Job that names none.
        with_pods: Make the pods as well.

    Raises:
        MalformedError: The object does not have the shape of a Job.
    """
    job = VolcanoJob.read(body, namespace)
    reason = left_alone(job)
    if reason is not None:
        return InjectedJob(Report(), reason)
    if not job.asks_for_ray and not job.is_labelled:
        plugins = {**job.plugins, PLUGIN: []}
        job = VolcanoJob.read({**body, "spec": {**job.spec, "plugins": plugins}}, namespace)
    report = check(job)
    if not job.name:
        report = Report((finding(Code.NO_JOB_NAME), *report.findings))
    if report.mistakes:
        return InjectedJob(report)
    return _written(job, report, with_pods=with_pods)


def _written(job: VolcanoJob, report: Report, *, with_pods: bool) -> InjectedJob:
    tasks: list[Object] = []
    pods: list[Object] = []
    injections: list[tuple[str, Injection]] = []
    for task in job.tasks:
        pod = pod_of(job, task)
        operations: tuple[Object, ...] = ()
        # A worker without the label does not reach the webhook of a cluster that has volray. The
        # report has a warning about it.
        if task.is_node or task.role is None:
            injection = inject(pod, job.namespace)
            injections.append((task.name, injection))
            operations = injection.operations
        tasks.append({**task.body, "template": _template(job, task, pod, operations)})
        if with_pods:
            pods += _pods(job, task, operations)
    [head] = job.heads
    service = head_service(job.name, job.namespace, head.name, head.ports.settings)
    spec = {key: value for key, value in job.spec.items() if key != "plugins"}
    plugins = adopted_plugins(job)
    if plugins:
        spec = {"plugins": plugins, **spec}
    written = {**job.body, "spec": {**spec, "tasks": tasks}}
    return InjectedJob(report, None, written, service, tuple(pods), tuple(injections))


def _pods(job: VolcanoJob, task: Task, operations: tuple[Object, ...]) -> list[Object]:
    pods: list[Object] = []
    for index in range(task.replicas):
        pods.append(jsonpatch.apply_patch(pod_of(job, task, index), operations))
    return pods


def _template(job: VolcanoJob, task: Task, pod: Object, operations: tuple[Object, ...]) -> Object:
    """Return a task's template with Ray, without what Volcano will add to its pods."""
    template = task.template
    if not operations:
        return {**template}
    patched = jsonpatch.apply_patch(pod, operations)
    metadata = dict(template.get("metadata") or {})
    for key, own in (("labels", task.labels), ("annotations", task.annotations)):
        metadata[key] = _new_entries(patched["metadata"][key], pod["metadata"][key], own)
    volumes = job.spec.get("volumes") or ()
    spec = unmounted(patched["spec"], template["spec"], job.name, volumes)
    defaults = {"schedulerName", "dnsPolicy"} - template["spec"].keys()
    spec = {key: value for key, value in spec.items() if key not in defaults}
    return {**template, "metadata": metadata, "spec": spec}


def _new_entries(
    patched: Mapping[str, str], before: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, str]:
    """Return the labels or annotations that the user wrote or injection added."""
    entries: dict[str, str] = {}
    for key, value in patched.items():
        is_new = key in own or key not in before
        if is_new and key != OPT_IN:
            entries[key] = value
    return entries
