"""Events on Jobs: what `kubectl describe job` tells its owner.

core/v1 rather than events.k8s.io: it has a count, and every kubectl shows it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Final

from webhook import log
from webhook.controller.head_service.observed import API_VERSION
from webhook.k8s.client import ApiError
from webhook.k8s.paths import EVENTS, as_us, namespaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.controller.head_service.decide import Event
    from webhook.controller.head_service.observed import RayJob
    from webhook.k8s.client import Api
    from webhook.names import Object

REMEMBERED: Final = 4096
_LONGEST: Final = 1024
_MERGE: Final = "application/merge-patch+json"
_COMPONENT: Final = "volray-controller"
_SECONDS: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Recorder:
    """Writes Events, one for all that say the same of a Job within an hour.

    The name follows from what is said, and in which hour, so that a controller that takes over finds the Event of the
    one before it. Failures are logged only: an Event is never worth a retry.
    """

    api: Api
    me: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def tell(self, job: RayJob, event: Event) -> None:
        """Says something on a Job, or counts that it is so again."""
        body = self._body(job, event)
        name = body["metadata"]["name"]
        count = self._counted(name)
        if count > 1 and (event.once or count & (count - 1)):
            return  # counts are told at 2, 4, 8 …: what is so every minute must not be written every minute
        try:
            if count == 1:
                self._create(body, once=event.once)
            else:
                self._again(body, count)
        except ApiError as error:
            log.event("event", job=job.key, name=name, problem=str(error))

    def _counted(self, name: str) -> int:
        with self._lock:
            self._counts[name] = self._counts.pop(name, 0) + 1
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
            return self._counts[name]

    def _create(self, body: Object, *, once: bool) -> None:
        """Makes it; of one that another controller began, the count is not known, and stays."""
        try:
            self.api.post(as_us(namespaced(EVENTS, body["metadata"]["namespace"])), body)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            if not once:
                self._patch(body, {})

    def _again(self, body: Object, count: int) -> None:
        try:
            self._patch(body, {"count": count})
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._create({**body, "count": count}, once=True)

    def _patch(self, body: Object, change: Object) -> None:
        path = namespaced(EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])
        self.api.patch(as_us(path), {"lastTimestamp": body["lastTimestamp"], **change}, _MERGE)

    def _body(self, job: RayJob, event: Event) -> Object:
        message, reason = event.finding.text[:_LONGEST], _camel(event.finding.code.value)
        now = self.now().astimezone(UTC)
        hour = "" if event.once else now.strftime("%Y-%m-%dT%H")
        digest = hashlib.sha256("\n".join((job.uid, reason, message, hour)).encode()).hexdigest()[:16]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{job.name}.{digest}", "namespace": job.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": "Job",
                "namespace": job.namespace,
                "name": job.name,
                "uid": job.uid,
            },
            "type": event.type,
            "reason": reason,
            "message": message,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self.me,
            "firstTimestamp": now.strftime(_SECONDS),
            "lastTimestamp": now.strftime(_SECONDS),
            "count": 1,
        }


def _camel(code: str) -> str:
    """`no-head` → `NoHead`, as Kubernetes writes reasons."""
    return "".join(part.capitalize() for part in code.split("-"))
