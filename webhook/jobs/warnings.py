"""What is allowed in a Ray Job and rarely meant: how a Job with a command on its head ends, and whom `svc` lets in.

Sources: volcano pkg/controllers/job, job_controller_handler.go (which event a pod's end is), job_controller_util.go
(the task's policies come before the Job's), state/running.go (`minSuccess`); plugins/svc/svc.go (NetworkPolicy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.jobs.gang import stuck
from webhook.jobs.job import is_labelled, ports_of, ray_container, start_of, tasks_of
from webhook.names import OPT_IN
from webhook.pods.roles import is_opted_in
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.jobs.job import Task
    from webhook.names import Object

_ENDING: Final = frozenset({"CompleteJob", "AbortJob", "TerminateJob"})
_ACTIONS: Final = _ENDING | {"RestartJob", "RestartTask", "RestartPod", "RestartPartition"}
_COMPLETED: Final = frozenset({"TaskCompleted"})
_FAILURES: Final = frozenset({"PodFailed", "TaskFailed"})
_ANY: Final = "*"

_COMPLETES: Final = "{event: TaskCompleted, action: CompleteJob}"
_RETRIES: Final = "{event: PodFailed, action: RestartJob}"

_NO_POLICY: Final = "--disable-network-policy"
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""Go's strconv.ParseBool."""


def doubts(job: Object) -> Iterable[tuple[str, Finding]]:
    """The doubts about a Job with the opt-in label, each with its task (none for the Job's own)."""
    if not is_labelled(job):
        return
    yield from (("", doubt) for doubt in _service_plugin(job["spec"].get("plugins") or {}))
    yield from (("", doubt) for doubt in stuck(job))
    tasks = tasks_of(job)
    yield from (("", doubt) for doubt in _other_ports(tasks))
    for task in tasks:
        if task.role and not is_opted_in(task.labels):
            label = f'labels: {{{OPT_IN}: "true"}}'
            yield "", finding(Code.UNLABELLED_NODE, task=task.name, role=task.role, yaml=label)
        elif task.role == "head" and _has_command(task):
            yield from (("", doubt) for doubt in _ends(job, task))


def _has_command(head: Task) -> bool:
    """Whether the head runs a program of the user's beside Ray; of one that starts Ray itself we know nothing."""
    container, start = ray_container(head), start_of(head)
    return bool(start and start.mode == "keep" and container and container.get("command"))


def _other_ports(tasks: list[Task]) -> Iterable[Finding]:
    """Workers whose own command joins a port on which the head will have no Ray."""
    heads = [task for task in tasks if task.role == "head"]
    if len(heads) != 1:
        return
    head, ports = heads[0], ports_of(heads[0])
    for worker in tasks:
        start = start_of(worker)
        joined = start.own.joins if worker.role == "worker" and start and start.own else None
        if joined is not None and "port" not in ports.unknown and joined != ports.settings.port:
            yield finding(
                Code.OWN_START_JOINS_ELSEWHERE,
                worker=worker.name,
                found=joined,
                head=head.name,
                port=ports.settings.port,
            )


def _ends(job: Object, head: Task) -> Iterable[Finding]:
    policies = [*(head.body.get("policies") or ()), *(job["spec"].get("policies") or ())]
    if not job["spec"].get("minSuccess") and not any(_answers(policy, _COMPLETED, _ENDING) for policy in policies):
        yield finding(Code.NEVER_ENDS, head=head.name, yaml=_policies(_COMPLETES))
    restart = head.body["template"]["spec"].get("restartPolicy") or "Always"
    if restart == "Always":
        yield finding(Code.RUNS_AGAIN, head=head.name, yaml="restartPolicy: OnFailure")
    elif restart == "OnFailure":
        yield finding(Code.FAILS_FOR_EVER, head=head.name, yaml=_policies(_COMPLETES, _RETRIES))
    elif not any(_answers(policy, _FAILURES) for policy in policies):
        yield finding(Code.FAILURE_UNSEEN, head=head.name, yaml=_policies(_COMPLETES, _RETRIES))


def _answers(policy: Object, wanted: frozenset[str], actions: frozenset[str] = _ACTIONS) -> bool:
    events = {policy.get("event"), *(policy.get("events") or ())}
    return policy.get("action") in actions and not events.isdisjoint({_ANY, *wanted})


def _policies(*policies: str) -> str:
    return f"policies: [{', '.join(policies)}]"


def _service_plugin(plugins: Object) -> Iterable[Finding]:
    if "svc" in plugins and not any(_switches_off(word) for word in plugins["svc"] or ()):
        yield finding(Code.ONLY_OWN_PODS, yaml=f"svc: [{_NO_POLICY}=true]")


def _switches_off(word: str) -> bool:
    name, equals, value = word.partition("=")
    return name.lstrip("-") == _NO_POLICY.lstrip("-") and (not equals or value in _TRUE)
