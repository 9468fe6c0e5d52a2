"""Make a Ray Job of a new Volcano Job, as a JSON Patch.

`plugins.ray` goes, and the label and the flags are written into the templates. Before Volcano 1.13
the entry would be refused, and later the in-tree plugin would act on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.errors import RefusedError
from webhook.jobs.check import check
from webhook.jobs.gang import missing_replicas
from webhook.jobs.job import PLUGIN
from webhook.jobs.mistakes import mistakes
from webhook.jobs.svc import adopted_plugins, svc_warnings
from webhook.jobs.volcano import flags_text
from webhook.k8s import patch
from webhook.names import ARGS, OPT_IN, OPTED_IN
from webhook.pods.flag_parser import PLUGIN_PLACE
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.jobs.job import Task, VolcanoJob
    from webhook.names import Object

TOLD_AT_ADOPTION: Final = frozenset({Code.ONLY_CONTAINER, Code.NO_WORKER_PODS, Code.SVC_ADDED})
"""The warnings that only the Job as the user wrote it shows.

Adoption and Volcano's own webhook settle what they are about, so a stored Job does not have them.
"""


@dataclass(frozen=True)
class Adoption:
    """What became of a Job."""

    reason: Finding
    operations: tuple[Object, ...] = ()
    """JSON Patch. Empty for a Job that is left alone."""
    warnings: tuple[Finding, ...] = ()


def adopt(job: VolcanoJob, *, ipv6: bool = False) -> Adoption:
    """Return the patch for a new Job, or why it is left alone. The Job is not changed.

    Only settings are stamped, and only those the user gave or the template implies. Versions and
    defaults are left out so that every release stamps the same Job identically.

    Args:
        job: As the user wrote it.
        ipv6: The cluster's pods have IPv6 addresses first.

    Raises:
        RefusedError: The Job asks for Ray and is wrong. After adoption, a mistake could not be
        told at
            the place where the user wrote it.
    """
    if job.is_declined:
        return Adoption(finding(Code.NOT_ADOPTED))
    if not job.asks_for_ray and not job.is_labelled:
        return Adoption(finding(Code.NOT_A_RAY_JOB))
    if job.asks_for_ray and _is_wrong(job):
        report = check(job, ipv6=ipv6)
        raise RefusedError(report.mistakes, warnings=report.warnings)
    operations = (*_plugin_operations(job), *_stamps(job))
    reason = Code.ADOPTED if job.asks_for_ray else Code.SETTLED
    if not operations:
        reason = Code.JOB_READY
    return Adoption(finding(reason), operations, tuple(_adoption_warnings(job)))


def _is_wrong(job: VolcanoJob) -> bool:
    """Return whether the Job or its `plugins.ray` has a mistake. Those of pods are found later."""
    for task in job.tasks:
        for found in task.written.mistakes:
            if found.place.startswith(PLUGIN_PLACE):
                return True
    return bool(mistakes(job))


def _adoption_warnings(job: VolcanoJob) -> Iterator[Finding]:
    for task in job.tasks:
        if task.is_node and task.container is not None:
            for found in task.container.chosen.warnings:
                yield found.at(task.place)
    yield from missing_replicas(job)
    for found in svc_warnings(job):
        if found.code in TOLD_AT_ADOPTION:
            yield found


def _plugin_operations(job: VolcanoJob) -> list[Object]:
    """Return the operations on the plugins.

    A map that held nothing but `ray` goes as well. Then the Job reads as if written for volray.
    """
    if not job.asks_for_ray:
        return []
    path = patch.pointer("spec")
    wanted = adopted_plugins(job)
    if not wanted:
        return patch.drop(job.spec, path, "plugins")
    if wanted.keys() <= job.plugins.keys():
        return patch.drop(job.spec["plugins"], path + patch.pointer("plugins"), PLUGIN)
    return patch.put(job.spec, path, "plugins", wanted)


def _stamps(job: VolcanoJob) -> Iterator[Object]:
    """Yield the operations on the templates.

    A labelled task that is no Ray node gets the flags as well. Without them its pods might be taken
    for nodes.
    """
    for index, task in enumerate(job.tasks):
        if task.is_node:
            path = patch.pointer("spec", "tasks", index, "template")
            yield from _stamp(path, task, flags_text(job, task))


def _stamp(path: str, task: Task, flags: str) -> list[Object]:
    stamps: dict[str, dict[str, str]] = {}
    if not task.is_labelled:
        stamps["labels"] = {OPT_IN: OPTED_IN}
    if flags != task.annotations.get(ARGS, ""):
        stamps["annotations"] = {ARGS: flags}
    if not stamps:
        return []
    metadata = task.template.get("metadata")
    if not metadata:
        return patch.put(task.template, path, "metadata", stamps)
    operations: list[Object] = []
    for key, entries in stamps.items():
        operations += patch.merge(metadata, path + patch.pointer("metadata"), key, entries)
    return operations
