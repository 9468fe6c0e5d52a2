"""A Volcano Job → the same Job with Ray in its templates and its head Service, for a cluster that has no volray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsonpatch

from webhook.errors import RefusedError
from webhook.jobs.adopt import Adoption, adopt
from webhook.jobs.job import (
    PLUGIN,
    is_asked,
    is_labelled,
    left_alone,
    mistakes,
    pod_of,
    ports_of,
    tasks_of,
    unlabelled_heads,
)
from webhook.jobs.volumes import unmounted
from webhook.k8s import schema
from webhook.names import OPT_IN
from webhook.pods.head_service import head_service
from webhook.pods.inject import Injection, inject
from webhook.pods.roles import is_opted_in
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from webhook.jobs.job import Task
    from webhook.names import Object


@dataclass(frozen=True)
class InjectedJob:
    """What became of a Job: itself again, its head Service, what each task got; or why nothing did."""

    job: Object
    service: Object | None = None
    injections: tuple[tuple[str, Injection], ...] = ()
    refusals: tuple[RefusedError, ...] = ()
    reason: Finding | None = None
    """Why the Job was left alone."""
    warnings: tuple[tuple[str, Finding], ...] = ()
    """Adoption's, each with the name of its task."""


def inject_job(job: Object, namespace: str) -> InjectedJob:
    """Return the Job for a cluster that has no volray, and its head Service.

    The Job is adopted first, so that its pods are those of a cluster that has volray. The opt-in label and
    `plugins.ray` go: an installed volray and the in-tree plugin both leave such a Job alone. The Job given is not
    changed.
    """
    if malformed := schema.job_mistakes(job):
        return InjectedJob(job, refusals=(RefusedError(malformed),))
    if (reason := left_alone(job)) is not None:
        return InjectedJob(job, reason=reason)
    name = job["metadata"].get("name")
    found = mistakes(job) if is_asked(job) else [*mistakes(job), *unlabelled_heads(tasks_of(job))]
    where = f"Job {name}" if name else ""
    try:
        adopted, adoption = _adopted(job)
    except RefusedError as error:
        return InjectedJob(job, refusals=(RefusedError(dict.fromkeys((*found, *error.mistakes)), where),))
    refusals = [RefusedError(found, where)] if found else []
    injections: list[tuple[Task, Object, Injection]] = []
    tasks = tasks_of(adopted)
    for task in tasks if name else []:
        pod = pod_of(adopted, task, namespace)
        try:
            injections.append((task, pod, _injection(task, pod, namespace)))
        except RefusedError as error:
            refusals.append(error)
    if refusals:
        return InjectedJob(job, refusals=tuple(refusals))
    head = next(task for task in tasks if task.role == "head")
    return InjectedJob(
        _with_templates(adopted, tasks_of(job), injections),
        head_service(name, namespace, head.name, ports_of(head).settings),
        tuple((task.name, injection) for task, _, injection in injections),
        warnings=adoption.warnings,
    )


def pods_of(job: Object, namespace: str) -> list[Object]:
    """Return every pod of the injected Job, injected, as they would be with volray in the cluster."""
    adopted, _ = _adopted(job)
    made: list[Object] = []
    for task in tasks_of(adopted):
        for index in range(task.replicas):
            pod = pod_of(adopted, task, namespace, index)
            made.append(_patched(pod, _injection(task, pod, namespace)))
    return made


def _adopted(job: Object) -> tuple[Object, Adoption]:
    """Return the Job as it is after its adoption.

    A Job without `plugins.ray` and without a label has a task that is named as a head, and was given to `volray
    inject` for that: it is adopted as if it asked.

    Raises:
        RefusedError: No task is head or worker.
    """
    spec = job["spec"]
    asking = job
    if not is_asked(job) and not is_labelled(job):
        asking = {**job, "spec": {**spec, "plugins": {**(spec.get("plugins") or {}), PLUGIN: []}}}
    adoption = adopt(asking)
    adopted: Object = jsonpatch.apply_patch(asking, adoption.operations)
    return adopted, adoption


def _injection(task: Task, pod: Object, namespace: str) -> Injection:
    """Return what becomes of a pod; one without the label does not reach the webhook of a cluster that has volray."""
    if task.role is None or is_opted_in(task.labels):
        return inject(pod, namespace)
    label = f'labels: {{{OPT_IN}: "true"}}'
    return Injection(finding(Code.UNLABELLED_NODE, task=task.name, role=task.role, yaml=label), task.role)


def _patched(pod: Object, injection: Injection) -> Object:
    patched: Object = jsonpatch.apply_patch(pod, injection.operations)
    return patched


def _with_templates(adopted: Object, before: list[Task], injections: list[tuple[Task, Object, Injection]]) -> Object:
    tasks: list[Object] = []
    for own, (task, pod, injection) in zip(before, injections, strict=True):
        template = _template(adopted, own, pod, injection)
        tasks.append({**task.body, "template": template})
    return {**adopted, "spec": {**adopted["spec"], "tasks": tasks}}


def _template(job: Object, task: Task, pod: Object, injection: Injection) -> Object:
    """Return a task's template again, without what adoption and Volcano would have added to its pod."""
    template = task.body["template"]
    if not injection.operations:
        return {**template}
    patched = _patched(pod, injection)
    metadata = {
        **(template.get("metadata") or {}),
        "labels": _new(patched["metadata"]["labels"], pod["metadata"]["labels"], task.labels),
        "annotations": _new(patched["metadata"]["annotations"], pod["metadata"]["annotations"], task.annotations),
    }
    spec = unmounted(patched["spec"], template["spec"], job["metadata"]["name"], job["spec"].get("volumes") or ())
    if "schedulerName" not in template["spec"]:
        spec = {key: value for key, value in spec.items() if key != "schedulerName"}
    return {**template, "metadata": metadata, "spec": spec}


def _new(patched: dict[str, str], before: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in patched.items() if (key in own or key not in before) and key != OPT_IN}
