"""Carries out what `reconcile.decide` says of one key.

A decision on what the watches have told is only a hint: they lag, and a Service that has lost our label is not among
what they tell. So whatever would be written is decided again on what the apiserver has at that moment. A read costs
little; a write that is not needed, or one that is refused, costs an entry in somebody's audit log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from webhook import log
from webhook.controller.head_service.decide import Create, Delete, Event, Replace, Wait, decide, writes
from webhook.controller.head_service.observed import service_key
from webhook.controller.runtime.queue import FAST, PATIENT, SLOW, Pace
from webhook.k8s.client import ApiError
from webhook.k8s.paths import JOBS, SERVICES, as_us, namespaced
from webhook.reasons import Code, Finding, finding
from webhook.service import service_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.controller.head_service.decide import Action, Write
    from webhook.controller.head_service.observed import JobReader, RayJob
    from webhook.controller.runtime.cache import Store
    from webhook.controller.runtime.events import Recorder
    from webhook.k8s.client import Api
    from webhook.names import Object

_SERVER_FAULT: Final = 500
_PASSING: Final = frozenset({401, 408, 409, 429})
"""Refusals that pass by themselves: a token that is being renewed, a lost race, too many requests."""


class Outcome(StrEnum):
    """What became of a key; a metric's label."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    REPLACED = "replaced"
    DELETED = "deleted"
    WAITING = "waiting"
    LOST_RACE = "lost-race"
    REFUSED = "refused"
    FAILED = "failed"


_DONE: Final = {Create: Outcome.CREATED, Replace: Outcome.REPLACED, Delete: Outcome.DELETED}


@dataclass(frozen=True)
class Result:
    """The outcome, and how soon to look again; None when only news is a reason to."""

    outcome: Outcome
    again: Pace | None = None


@dataclass
class Worker:
    """Reconciles keys; several threads may, each with another key.

    Attributes:
        api: The apiserver.
        jobs: What the watches know, by key.
        services: The same, by the Service's own key.
        read_job: What of a Job counts.
        recorder: Where Events go.
        may_write: Raises NotLeadingError when another controller may be acting.
        wrote: Told each write: its verb.
    """

    api: Api
    jobs: Store[RayJob]
    services: Store[Any]
    read_job: JobReader
    recorder: Recorder
    may_write: Callable[[], None]
    wrote: Callable[[str], None] = field(default=lambda _verb: None)

    def reconcile(self, key: str) -> Result:
        """Brings one Job's Service into its state.

        Raises:
            NotLeadingError: Nothing was written.
        """
        job = self.jobs.get(key)
        try:
            job, actions = self._decided(job, self.services.get(service_key(key)))
        except ApiError as error:
            return _failed(key, error)
        outcome = Result(Outcome.UNCHANGED)
        for action in actions:
            if isinstance(action, Event):
                self._tell(job, action)
            elif isinstance(action, Wait):
                outcome = Result(Outcome.WAITING, PATIENT)
            else:
                outcome = self._carry_out(job, key, action)
        return outcome

    def _decided(self, job: RayJob | None, service: Object | None) -> tuple[RayJob | None, tuple[Action, ...]]:
        actions = decide(job, service)
        if job is None or job.deleting or (service is not None and not writes(actions)):
            return job, actions
        live = self._get(namespaced(SERVICES, job.namespace, service_name(job.name)))
        actions = decide(job, live)
        if not writes(actions):
            return job, actions
        body = self._get(namespaced(JOBS, job.namespace, job.name))
        fresh = None if body is None else self.read_job(body, job)
        return fresh, decide(fresh, live)

    def _get(self, path: str) -> Object | None:
        try:
            return self.api.get(path)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _tell(self, job: RayJob | None, event: Event) -> None:
        if job is not None:
            self.may_write()
            self.recorder.tell(job, event)

    def _carry_out(self, job: RayJob | None, key: str, write: Write) -> Result:
        self.may_write()
        verb = type(write).__name__.lower()
        try:
            self._write(write)
        except ApiError as error:
            return self._refused(job, key, write, error)
        self.wrote(verb)
        log.event("service", action=verb, job=key)
        return Result(_DONE[type(write)])

    def _write(self, write: Write) -> None:
        if isinstance(write, Delete):
            conditions = {"uid": write.uid, "resourceVersion": write.resource_version}
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
            self.api.delete(namespaced(SERVICES, write.namespace, write.name), options)
            return
        metadata = write.body["metadata"]
        if isinstance(write, Create):
            self.api.post(as_us(namespaced(SERVICES, metadata["namespace"])), write.body)
        else:
            self.api.put(as_us(namespaced(SERVICES, metadata["namespace"], metadata["name"])), write.body)

    def _refused(self, job: RayJob | None, key: str, write: Write, error: ApiError) -> Result:
        if error.status == HTTPStatus.NOT_FOUND and isinstance(write, Delete):
            return Result(Outcome.UNCHANGED)
        if error.status in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND} and not _is_ending(error):
            return Result(Outcome.LOST_RACE, FAST)
        if error.status is None or error.status >= _SERVER_FAULT or error.status in _PASSING:
            return _failed(key, error)
        log.event("service", job=key, problem=str(error))
        if job is not None and not _is_ending(error):  # a namespace that is being deleted takes no Event either
            self._tell(job, Event(_why(job, error)))
        return Result(Outcome.REFUSED, SLOW)


def _failed(key: str, error: ApiError) -> Result:
    log.event("reconcile", job=key, problem=str(error))
    return Result(Outcome.FAILED, FAST)


def _is_ending(error: ApiError) -> bool:
    return "because it is being terminated" in str(error)


def _why(job: RayJob, error: ApiError) -> Finding:
    """The reason in the apiserver's words, which is all that it gives: quota and policies are both 403."""
    service, text = service_name(job.name), error.message.rstrip(".")
    code = Code.SERVICE_QUOTA if "exceeded quota" in text else Code.SERVICE_REFUSED
    return finding(code, service=service, why=text)
