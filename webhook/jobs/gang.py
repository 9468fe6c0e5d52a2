"""Which pods of a Job Volcano will not make or not schedule: replicas that are left out, a gang that waits for itself.

Sources: volcano 1.8.2 and 1.14.1, pkg/webhooks/admission/jobs/mutate/mutate_job.go (the defaults of minAvailable),
pkg/controllers/job/job_controller_actions.go `waitDependsOnTaskMeetCondition` (pods of a task with dependsOn are made
once `minAvailable` pods of the tasks named there are ready), pkg/scheduler/api/job_info.go `CheckTaskValid` and
`ValidTaskNum` (no pod of a gang is scheduled before all pods that the gang needs were made).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.jobs.job import head_waits, names_of, tasks_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.jobs.job import Task
    from webhook.names import Object

_ANY: Final = "any"


def missing_replicas(task: Task) -> Iterable[Finding]:
    """Return the doubt about a worker task that leaves `replicas` out: people expect 1 and get 0 (volcano#915).

    A task that Volcano's mutator wrote back has lost an explicit `replicas: 0`, which Go leaves out, and got a
    `minAvailable`. So a task with a minAvailable is not doubted.
    """
    left_out = task.body.get("replicas") is None and task.body.get("minAvailable") is None
    if task.role == "worker" and left_out:
        yield finding(Code.NO_WORKER_PODS)


def stuck(job: Object) -> Iterable[Finding]:
    """Return the doubt about a Job of which no pod is ever scheduled: gang and `dependsOn` wait for each other.

    See volcano#2944. Where a head waits for its workers nothing is returned: the Job is refused for that.
    """
    tasks = tasks_of(job)
    if any(head_waits(tasks)):
        return
    minimum = {task.name: _min_available(task) for task in tasks}
    waiting = [task for task in tasks if _waits(task, minimum)]
    first = [task for task in tasks if task not in waiting]
    gang = job["spec"].get("minAvailable") or sum(minimum.values())
    if needed := _needed(gang, first, waiting, minimum):
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
    said: int | None = task.body.get("minAvailable")
    if said is not None:
        return said
    partitions = task.body.get("partitionPolicy")
    if partitions:
        return int((partitions.get("minPartitions") or 0) * (partitions.get("partitionSize") or 0))
    return task.replicas


def _waits(task: Task, minimum: dict[str, int]) -> bool:
    """Return whether the task's pods are made only after other pods are ready."""
    order = task.body.get("dependsOn") or {}
    names = order.get("name") or []
    unmet = [name for name in names if minimum.get(name, 1) > 0]
    if order.get("iteration") == _ANY and len(names) > 1:
        return len(unmet) == len(names)
    return bool(unmet)


def _needed(gang: int, first: list[Task], waiting: list[Task], minimum: dict[str, int]) -> str:
    """Return what the gang lacks when the first pods are there, in words; empty if it lacks nothing."""
    lacking = [task for task in waiting if minimum[task.name] > 0]
    if waiting and gang > sum(task.replicas for task in first):
        return f"{gang} pods (minAvailable)"
    # The scheduler counts by task only if the Job's minAvailable is not below the sum of its tasks' (`CheckTaskValid`).
    if lacking and gang >= sum(minimum.values()):
        return f"pods of {names_of(lacking)} (minAvailable)"
    return ""
