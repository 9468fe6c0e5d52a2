"""The one report on a Job: everything that is wrong or doubtful about it.

The webhook, the controller's Events, `volray inject` and the judging of templates print this
report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from webhook.jobs.ending import ending_warnings
from webhook.jobs.gang import missing_replicas, stuck_gang
from webhook.jobs.mistakes import labelled_not_adopted, mistakes
from webhook.jobs.svc import svc_warnings
from webhook.jobs.volcano import node_of
from webhook.names import ARGS, OPT_IN, annotation_place
from webhook.pods.inject import additions_of, findings_of
from webhook.pods.node import RayPod
from webhook.reasons import Code, Finding, Level, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.jobs.job import Task, VolcanoJob

_FLAGS_IN_A_TEMPLATE: str = f".template.{annotation_place(ARGS)}"


@dataclass(frozen=True)
class Report:
    """What is wrong with a Job, and what its owner should know, each thing once."""

    findings: tuple[Finding, ...] = ()

    @property
    def mistakes(self) -> tuple[Finding, ...]:
        """Why the Job is refused."""
        return tuple(found for found in self.findings if found.level is Level.REFUSED)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is allowed and rarely meant."""
        return tuple(found for found in self.findings if found.level is not Level.REFUSED)

    def beyond(self, other: Report) -> Report:
        """Return the findings that `other` lacks.

        An update that only scales a Job must not be refused for mistakes that an earlier release
        accepted. A Job may be scaled below its --waitNodes with a warning, because a running head
        has counted its nodes already.
        """
        known = set(other.findings)
        new: list[Finding] = []
        for found in self.findings:
            if found in known:
                continue
            if found.code is Code.TOO_FEW_NODES:
                values = dict(found.fields)
                new.append(finding(Code.SCALED_BELOW_WAIT, place=found.place, **values))
            else:
                new.append(found)
        return Report(tuple(new))


def check(job: VolcanoJob, *, ipv6: bool = False) -> Report:
    """Return the report on a Ray Job, adopted or not.

    A Job that nobody has adopted yet is judged as it will be after its adoption.

    Args:
        job: A Job with `plugins.ray` or the opt-in label.
        ipv6: The cluster's pods have IPv6 addresses first.
    """
    if job.is_declined:
        return Report(tuple(labelled_not_adopted(job)))
    return Report(tuple(_once(_findings(job, ipv6=ipv6))))


def _findings(job: VolcanoJob, *, ipv6: bool) -> Iterator[Finding]:
    yield from mistakes(job)
    yield from svc_warnings(job)
    yield from stuck_gang(job)
    yield from missing_replicas(job)
    yield from _other_ports(job)
    yield from _unlabelled_workers(job)
    yield from ending_warnings(job)
    for task in job.tasks:
        yield from _flag_mistakes(job, task)
        if task.is_node:
            for found in _node_findings(job, task, ipv6=ipv6):
                yield found.at(task.place_in_template(found.place))


def _flag_mistakes(job: VolcanoJob, task: Task) -> Iterator[Finding]:
    if task.is_node or job.asks_for_ray:
        for found in task.parsed.mistakes:
            yield found.at(task.place_in_template(found.place))


def _node_findings(job: VolcanoJob, task: Task, *, ipv6: bool) -> tuple[Finding, ...]:
    """Return what the webhook will find in the task's pods."""
    node = node_of(job, task, ipv6=ipv6)
    if isinstance(node, RayPod):
        return findings_of(node, additions_of(node))
    return node.findings


def _other_ports(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the workers whose own command joins a port on which the head has no Ray."""
    if len(job.heads) != 1:
        return
    [head] = job.heads
    ports = head.ports
    if "port" in ports.unknown:
        return
    port = ports.settings.port
    for worker in job.workers:
        own = worker.container.start.own if worker.container is not None else None
        if own is None or own.joins is None or own.joins == port:
            continue
        yield finding(
            Code.OWN_START_JOINS_ELSEWHERE,
            place=worker.place,
            worker=worker.name,
            found=own.joins,
            head=head.name,
            port=port,
        )


def _unlabelled_workers(job: VolcanoJob) -> Iterator[Finding]:
    for task in job.workers:
        if not task.is_node:
            place = task.place_in_template(f"metadata.labels[{OPT_IN}]")
            yaml = f'labels: {{{OPT_IN}: "true"}}'
            yield finding(
                Code.UNLABELLED_NODE, place=place, task=task.name, role=task.role, yaml=yaml
            )


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield each finding once.

    All templates of an adopted Job have the same flags, so a mistake in them is told of the first.
    """
    seen: set[Finding] = set()
    for found in findings:
        in_flags = found.place.endswith(_FLAGS_IN_A_TEMPLATE)
        key = found.at("flags") if in_flags else found
        if key not in seen:
            seen.add(key)
            yield found
