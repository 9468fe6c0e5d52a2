"""The mistakes of a Job as a whole. Those of its pods are found where pods are injected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.jobs.job import names_of
from webhook.names import ADOPT, OPT_IN, annotation_place
from webhook.pods.flags import DEFAULTS, disagreements
from webhook.pods.head_service import name_mistakes
from webhook.pods.roles import role_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.jobs.job import VolcanoJob

_TASKS: Final = "spec.tasks"


def mistakes(job: VolcanoJob) -> list[Finding]:
    """Return every mistake of the Job as a whole."""
    found: list[Finding] = []
    # A name that the apiserver has yet to make cannot be wrong.
    if job.name:
        found += name_mistakes(job.name)
    found += _head_mistakes(job)
    found += _unlabelled_head(job)
    found += _missing_workers(job)
    found += _too_few_nodes(job)
    found += head_waits(job)
    found += _disagreements(job)
    return found


def labelled_not_adopted(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the mistake of a Job that is kept for the in-tree plugin and has the label."""
    for task in job.tasks:
        if task.is_labelled:
            place = annotation_place(ADOPT)
            yield finding(Code.LABELLED_NOT_ADOPTED, place=place, task=task.name)


def _head_mistakes(job: VolcanoJob) -> Iterator[Finding]:
    heads = job.heads
    if not heads:
        wanted = job.tasks[0].written.settings.head if job.tasks else DEFAULTS.head
        yield finding(Code.NO_HEAD, place=_TASKS, tasks=names_of(job.tasks), head=wanted)
    if len(heads) > 1:
        yield finding(Code.TWO_HEADS, place=_TASKS, tasks=names_of(heads))
    for head in heads:
        place = f"{head.place}.replicas"
        if head.replicas > 1:
            yield finding(Code.HEAD_REPLICAS, place=place, task=head.name, found=head.replicas)
        elif head.replicas < 1:
            yield finding(Code.NO_HEAD_POD, place=place, task=head.name)


def _unlabelled_head(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the mistake of a Job whose author labelled a template, but not the head's."""
    if job.asks_for_ray:
        return
    labelled = [task for task in job.tasks if task.is_labelled]
    for head in job.heads:
        if labelled and not head.is_labelled:
            place = head.place_in_template(f"metadata.labels[{OPT_IN}]")
            yield finding(
                Code.HEAD_NOT_LABELLED, place=place, task=labelled[0].name, head=head.name
            )


def _missing_workers(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the names given with `--worker` that no task has.

    The default name may be missing, whether it is given or not. A head alone is a cluster, and
    Volcano's design document writes `--worker=worker` for every Job.
    """
    known = {*DEFAULTS.worker, *(task.name for task in job.tasks)}
    seen: set[str] = set()
    for task in job.tasks:
        if "worker" not in task.written.given:
            continue
        for name in task.written.settings.worker:
            if name in known or name in seen:
                continue
            seen.add(name)
            place = task.place_in_template(task.written.given["worker"])
            tasks = names_of(job.tasks)
            yield finding(Code.NO_SUCH_WORKER, place=place, worker=name, tasks=tasks)


def _too_few_nodes(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the mistake of a head that waits for more nodes than there can be."""
    nodes = 1 + sum(worker.replicas for worker in job.workers)
    for head in job.heads:
        wanted = head.written.settings.wait_nodes
        if wanted > nodes:
            place = head.place_in_template(head.written.given["wait_nodes"])
            yield finding(Code.TOO_FEW_NODES, place=place, wanted=wanted, found=nodes)


def head_waits(job: VolcanoJob) -> Iterator[Finding]:
    """Yield a mistake for each worker task on which a head depends."""
    workers = {task.name for task in job.workers}
    for head in job.heads:
        for name in (head.body.get("dependsOn") or {}).get("name") or []:
            if name in workers:
                place = f"{head.place}.dependsOn"
                yield finding(Code.HEAD_WAITS_FOR_WORKER, place=place, head=head.name, worker=name)


def _disagreements(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the cluster-wide flags on which the templates of the cluster disagree.

    A Job without a head has the mistake that explains the others.
    """
    first = next((task for task in job.tasks if task.parsed.given), None)
    if first is None or not job.heads:
        return
    settings = first.parsed.settings
    for task in job.tasks:
        # A task may be Ray's by the names in another template's flags.
        role = task.role or role_of(task.name, task.annotations, settings)
        if role is None:
            continue
        for flag, ours, theirs in disagreements(settings, task.parsed.settings):
            yield finding(
                Code.FLAGS_DISAGREE,
                place=task.place,
                first=first.name,
                second=task.name,
                flag=flag,
                ours=value_text(ours),
                theirs=value_text(theirs),
            )


def value_text(value: object) -> str:
    """Return the value of a setting in words, for messages."""
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        return " and ".join(map(str, value))
    return str(value)
