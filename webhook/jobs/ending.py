"""How a Job with a command on its head ends.

Sources: volcano pkg/controllers/job, job_controller_handler.go (which event a pod's end is),
job_controller_util.go (a task's policies come before the Job's), state/running.go (`minSuccess`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.pods.ports import fixed_ports
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.jobs.job import Task, VolcanoJob
    from webhook.names import Object

_ENDING: Final = frozenset({"CompleteJob", "AbortJob", "TerminateJob"})
_ACTIONS: Final = _ENDING | {"RestartJob", "RestartTask", "RestartPod", "RestartPartition"}
_COMPLETED: Final = frozenset({"TaskCompleted"})
_FAILED: Final = frozenset({"PodFailed", "TaskFailed"})
_ANY: Final = "*"

_COMPLETES: Final = "{event: TaskCompleted, action: CompleteJob}"
_RETRIES: Final = "{event: PodFailed, action: RestartJob}"


def ending_warnings(job: VolcanoJob) -> Iterator[Finding]:
    """Yield at most one warning about how the Job ends.

    A head whose container declares a port that is not Ray's is a server, which is not meant to end.
    Nothing is known of a command that starts Ray itself.
    """
    for head in job.heads:
        if head.is_node and _runs_command(head) and not _is_server(head):
            yield from _ending_warning(job, head)


def _runs_command(head: Task) -> bool:
    container = head.container
    if container is None:
        return False
    return container.start.mode == "keep" and bool(container.body.get("command"))


def _is_server(head: Task) -> bool:
    if head.container is None:
        return False
    ray_ports = set(fixed_ports("head", head.ports.settings).values())
    declared = {port["containerPort"] for port in head.container.body.get("ports") or ()}
    return bool(declared - ray_ports)


def _ending_warning(job: VolcanoJob, head: Task) -> Iterator[Finding]:
    policies = [*(head.body.get("policies") or ()), *(job.spec.get("policies") or ())]
    ends = bool(job.spec.get("minSuccess"))
    ends = ends or any(_acts_on(policy, _COMPLETED, _ENDING) for policy in policies)
    sees_failure = any(_acts_on_failure(policy) for policy in policies)
    restart = head.template["spec"].get("restartPolicy") or "Always"
    place = f"{head.place}.policies"
    if restart == "Always":
        more = "" if ends else f", and in task {head.name}: {_policies(_COMPLETES)}"
        place = head.place_in_template("spec.restartPolicy")
        yield finding(Code.RUNS_AGAIN, place=place, head=head.name, more=more)
    elif not ends:
        wanted = [_COMPLETES]
        if restart == "Never" and not sees_failure:
            wanted.append(_RETRIES)
        yield finding(Code.NEVER_ENDS, place=place, head=head.name, yaml=_policies(*wanted))
    elif restart == "OnFailure":
        yaml = _policies(_COMPLETES, _RETRIES)
        place = head.place_in_template("spec.restartPolicy")
        yield finding(Code.FAILS_FOR_EVER, place=place, head=head.name, yaml=yaml)
    elif not sees_failure:
        yaml = _policies(_COMPLETES, _RETRIES)
        yield finding(Code.FAILURE_UNSEEN, place=place, head=head.name, yaml=yaml)


def _acts_on(policy: Object, events: frozenset[str], actions: frozenset[str]) -> bool:
    named = {policy.get("event"), *(policy.get("events") or ())}
    return policy.get("action") in actions and not named.isdisjoint({_ANY, *events})


def _acts_on_failure(policy: Object) -> bool:
    """Return whether a policy acts when the head's command fails.

    A policy may name an exit code in place of an event. Volcano allows every code but 0.
    """
    if policy.get("exitCode") is not None:
        return policy.get("action") in _ACTIONS
    return _acts_on(policy, _FAILED, _ACTIONS)


def _policies(*policies: str) -> str:
    return f"policies: [{', '.join(policies)}]"
