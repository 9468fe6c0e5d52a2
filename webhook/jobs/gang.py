"""The pods that Volcano will not make or not schedule.

A worker task may lack its replicas, and a gang may wait for itself.

Sources: volcano 1.8.2 and 1.14.1, pkg/webhooks/admission/jobs/mutate/mutate_job.go (the defaults
of minAvailable), pkg/controllers/job/job_controller_actions.go `waitDependsOnTaskMeetCondition`
(pods of a task with dependsOn are made once `minAvailable` pods of the tasks named there are
ready), pkg/scheduler/api/job_info.go `CheckTaskValid` and `ValidTaskNum` (no pod of a gang is
scheduled before all pods that the gang needs were made).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.jobs.job import names_of
from webhook.jobs.mistakes import head_waits
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.jobs.job import Task, VolcanoJob

_ANY: Final = "any"


def missing_replicas(job: VolcanoJob) -> Iterator[Finding]:
    """Yield a warning for each worker task without `replicas`, where people expect 1 (volcano#915).

    A task that Volcano's mutator wrote back has lost an explicit `replicas: 0`, which Go leaves
    out, and got a `minAvailable`. So there is no warning about a task with a minAvailable.
    """
    for task in job.workers:
        left_out = task.body.get("replicas") is None and task.body.get("minAvailable") is None
        if task.is_node and left_out:
            yield finding(Code.NO_WORKER_PODS, place=f"{task.place}.replicas")


def stuck_gang(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the warning that gang and `dependsOn` wait for each other, so that no pod is scheduled.

    See volcano#2944. Where a head waits for its workers there is no warning, because the Job is
    refused for that.
    """
    if any(head_waits(job)):
        return
    minimum = {task.name: _min_available(task) for task in job.tasks}
    waiting = [task for task in job.tasks if _waits(task, minimum)]
    first = [task for task in job.tasks if task not in waiting]
    gang = job.spec.get("minAvailable") or sum(minimum.values())
    needed = _needed(gang, first, waiting, minimum)
    if needed:
        yield finding(
            Code.GANG_WAITS,
            needed=needed,
            count=sum(task.replicas for task in first),
            first=names_of(first),
            waiting=names_of(waiting),
            enough=sum(minimum[task.name] for task in first),
        )


def _min_available(task: Task) -> int:
    """Return the task's minAvailable, or what Volcano's mutator makes of a missing one."""
    written: int | None = task.body.get("minAvailable")
    if written is not None:
        return written
    partitions = task.body.get("partitionPolicy")
    if partitions:
        return int((partitions.get("minPartitions") or 0) * (partitions.get("partitionSize") or 0))
    return task.replicas


def _waits(task: Task, minimum: Mapping[str, int]) -> bool:
    """Return whether the task's pods are made only after other pods are ready."""
    order = task.body.get("dependsOn") or {}
    names = order.get("name") or []
    unmet = [name for name in names if minimum.get(name, 1) > 0]
    if order.get("iteration") == _ANY and len(names) > 1:
        return len(unmet) == len(names)
    return bool(unmet)


def _needed(gang: int, first: list[Task], waiting: list[Task], minimum: Mapping[str, int]) -> str:
    """Return what the gang lacks when the first pods are there, in words. Empty if nothing."""
    lacking = [task for task in waiting if minimum[task.name] > 0]
    if waiting and gang > sum(task.replicas for task in first):
        return f"{gang} pods (minAvailable)"
    # The scheduler counts by task only if the Job's minAvailable is not below the sum of its tasks'
    # (`CheckTaskValid`).
    if lacking and gang >= sum(minimum.values()):
        return f"pods of {names_of(lacking)} (minAvailable)"
    return ""
