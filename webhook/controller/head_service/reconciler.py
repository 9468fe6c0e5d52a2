"""Carries out what `decide` says of one Job.

A decision on what the watches have told is only a hint. Watches lag, and a Service that has
lost our label is not among what they tell. So whatever would be written is decided again on
what the apiserver has at that moment. A read costs little. A write that is not needed, or
that is refused, costs an entry in an audit log that people read.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from webhook import log
from webhook.controller.head_service.decide import (
    Create,
    Delete,
    EmitEvent,
    Replace,
    Wait,
    decide,
    writes,
)
from webhook.controller.head_service.observed import (
    OURS,
    RayJob,
    job_key,
    job_reader,
    read_service,
    service_key,
)
from webhook.controller.runtime.cache import ObjectCache
from webhook.controller.runtime.events import InvolvedObject, Note
from webhook.controller.runtime.queue import FAST, PATIENT, SLOW
from webhook.controller.runtime.reconciler import Outcome, Result, WatchedResource
from webhook.jobs.job import API_VERSION
from webhook.k8s.client import ApiError
from webhook.k8s.paths import JOBS, SERVICES, as_us, namespaced
from webhook.pods.head_service import service_name
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.controller.head_service.decide import Action, Write
    from webhook.controller.runtime.events import Recorder
    from webhook.k8s.client import Api
    from webhook.names import Object

# Refusals that pass by themselves, because a token is being renewed, a race was lost or there
# are too many requests.
_PASSING: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)

_DONE: Final = {
    Create: Outcome.CREATED,
    Replace: Outcome.REPLACED,
    Delete: Outcome.DELETED,
}


class HeadServiceReconciler:
    """Keeps the head Service of each Ray Job. Its keys are those of the Jobs.

    Several threads may reconcile, each another key.

    Attributes:
        jobs: What the watch of Jobs has told.
        services: What the watch of our Services has told, by the Service's own key.
        resources: Both, for the controller to watch.

    Args:
        api: The apiserver.
        recorder: Where Events go.
        may_write: Raises NotLeadingError when another controller may be acting.
        all_jobs: See `job_reader`.
        wrote: Called with the verb of each write.
    """

    name = "head-service"

    def __init__(
        self,
        api: Api,
        recorder: Recorder,
        may_write: Callable[[], None],
        *,
        all_jobs: bool = False,
        wrote: Callable[[str], None] = lambda _verb: None,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._may_write = may_write
        self._wrote = wrote
        self._read_job = job_reader(all_jobs=all_jobs)
        self.jobs: ObjectCache[RayJob] = ObjectCache(self._read_job)
        self.services: ObjectCache[Any] = ObjectCache(read_service)
        self.resources = (
            WatchedResource("jobs", JOBS, self.jobs, lambda key: key),
            WatchedResource("services", SERVICES, self.services, job_key, OURS),
        )

    def every_key(self) -> list[str]:
        """Return all Jobs, live ones first because their pods may be waiting for a Service."""
        jobs = sorted(self.jobs.items(), key=lambda item: item[1].is_finished)
        return [key for key, _ in jobs]

    def keys_to_resync(self) -> list[str]:
        """Return the Jobs that have a Service or should have one.

        A finished Job is among them only while its Service is still known.
        """
        keys = []
        for key, job in self.jobs.items():
            has_service = self.services.get(service_key(key)) is not None
            if has_service or not job.is_finished:
                keys.append(key)
        return keys

    def reconcile(self, key: str) -> Result:
        """Bring one Job's Service into its desired state.

        Raises:
            NotLeadingError: Another controller may be acting, so nothing was written.
        """
        job = self.jobs.get(key)
        try:
            job, actions = self._decide(job, self.services.get(service_key(key)))
        except ApiError as error:
            return _failed(key, error)
        result = Result(Outcome.UNCHANGED)
        for action in actions:
            if isinstance(action, EmitEvent):
                self._emit(job, action)
            elif isinstance(action, Wait):
                result = Result(Outcome.WAITING, PATIENT)
            else:
                result = self._carry_out(job, key, action)
        return result

    def _decide(
        self, job: RayJob | None, service: Object | None
    ) -> tuple[RayJob | None, tuple[Action, ...]]:
        """Decide on what is known, and if that means a write, on what the apiserver has now.

        A live Job without a known Service is looked up too, because its Service may only have
        lost our label.

        Returns:
            The Job that was decided on, and what to do.
        """
        actions = decide(job, service)
        if job is None or job.deleting:
            return job, actions
        if service is not None and not writes(actions):
            return job, actions
        live_service = self._get(namespaced(SERVICES, job.namespace, service_name(job.name)))
        actions = decide(job, live_service)
        if not writes(actions):
            return job, actions
        body = self._get(namespaced(JOBS, job.namespace, job.name))
        live_job = None
        if body is not None:
            live_job = self._read_job(body, job)
        return live_job, decide(live_job, live_service)

    def _get(self, path: str) -> Object | None:
        try:
            return self._api.get(path)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _emit(self, job: RayJob | None, event: EmitEvent) -> None:
        if job is None:
            return
        self._may_write()
        involved = InvolvedObject(API_VERSION, "Job", job.namespace, job.name, job.uid)
        note = Note(event.finding.code.value, event.finding.text, once=event.once)
        self._recorder.record(involved, note)

    def _carry_out(self, job: RayJob | None, key: str, write: Write) -> Result:
        self._may_write()
        verb = type(write).__name__.lower()
        try:
            self._write_service(write)
        except ApiError as error:
            return self._refused(job, key, write, error)
        self._wrote(verb)
        log.event("service", action=verb, job=key)
        return Result(_DONE[type(write)])

    def _write_service(self, write: Write) -> None:
        if isinstance(write, Delete):
            conditions = {"uid": write.uid, "resourceVersion": write.resource_version}
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
            self._api.delete(namespaced(SERVICES, write.namespace, write.name), options)
            return
        metadata = write.body["metadata"]
        namespace = metadata["namespace"]
        if isinstance(write, Create):
            self._api.post(as_us(namespaced(SERVICES, namespace)), write.body)
        else:
            path = namespaced(SERVICES, namespace, metadata["name"])
            self._api.put(as_us(path), write.body)

    def _refused(self, job: RayJob | None, key: str, write: Write, error: ApiError) -> Result:
        """Return what follows from a write that the apiserver refused or did not answer."""
        if error.status == HTTPStatus.NOT_FOUND and isinstance(write, Delete):
            return Result(Outcome.UNCHANGED)
        is_ending = _is_namespace_ending(error)
        lost_race = error.status in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}
        if lost_race and not is_ending:
            return Result(Outcome.LOST_RACE, FAST)
        if _passes_by_itself(error):
            return _failed(key, error)
        log.event("service", job=key, problem=str(error))
        # A namespace that is being deleted takes no Event either.
        if job is not None and not is_ending:
            self._emit(job, EmitEvent(_refusal(job, error)))
        return Result(Outcome.REFUSED, SLOW)


def _failed(key: str, error: ApiError) -> Result:
    log.event("reconcile", job=key, problem=str(error))
    return Result(Outcome.FAILED, FAST)


def _passes_by_itself(error: ApiError) -> bool:
    if error.status is None:
        return True
    return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status in _PASSING


def _is_namespace_ending(error: ApiError) -> bool:
    return "because it is being terminated" in str(error)


def _refusal(job: RayJob, error: ApiError) -> Finding:
    """Return the reason in the apiserver's words.

    Its words are all that it gives. Quotas and policies both answer 403.
    """
    text = error.message.rstrip(".")
    code = Code.SERVICE_REFUSED
    if "exceeded quota" in text:
        code = Code.SERVICE_QUOTA
    return finding(code, service=service_name(job.name), why=text)
