"""Writes Kubernetes Events, which `kubectl describe` shows to an object's owner.

They are of core/v1 rather than events.k8s.io, because that has a count and every kubectl
shows it.
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
from webhook.k8s.client import ApiError
from webhook.k8s.paths import EVENTS, as_us, namespaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.k8s.client import Api
    from webhook.names import Object

REMEMBERED: Final = 4096
"""How many Events the recorder counts. The one that was written longest ago is forgotten."""

_LONGEST_MESSAGE: Final = 1024
_MERGE: Final = "application/merge-patch+json"
_COMPONENT: Final = "volray-controller"
_SECONDS: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class InvolvedObject:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Note:
    """What an Event says.

    Attributes:
        code: The reason in lower case with hyphens, `no-head` for example.
        message: One or more sentences.
        type: `Warning` or `Normal`.
        once: Whether to write it once for each object rather than count how often it is so.
    """

    code: str
    message: str
    type: str = "Warning"
    once: bool = False


@dataclass
class Recorder:
    """Writes one Event for all notes that say the same of an object within an hour.

    The Event's name follows from what it says and in which hour. A controller that takes over
    thus finds the Event of the one before it. Failures are only logged, because an Event is
    never worth a retry.

    Attributes:
        api: The apiserver.
        instance: The name of this replica, which each Event carries.
        now: Wall-clock time.
    """

    api: Api
    instance: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def record(self, involved: InvolvedObject, note: Note) -> None:
        """Write an Event, or count that it is so again."""
        body = self._body(involved, note)
        name = body["metadata"]["name"]
        count = self._counted(name)
        if count > 1 and note.once:
            return
        # Only counts of 2, 4, 8 and so on are written. What is so every minute must not cost
        # a write every minute.
        is_power_of_two = count & (count - 1) == 0
        if not is_power_of_two:
            return
        try:
            if count == 1:
                self._create(body, once=note.once)
            else:
                self._write_count(body, count)
        except ApiError as error:
            about = {involved.kind.lower(): f"{involved.namespace}/{involved.name}"}
            log.event("event", **about, name=name, problem=str(error))

    def _counted(self, name: str) -> int:
        with self._lock:
            self._counts[name] = self._counts.pop(name, 0) + 1
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
            return self._counts[name]

    def _create(self, body: Object, *, once: bool) -> None:
        """Create an Event.

        Another controller may have created it before. Its count is not known then, and stays.
        """
        try:
            self.api.post(as_us(namespaced(EVENTS, body["metadata"]["namespace"])), body)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            if not once:
                self._patch(body, {})

    def _write_count(self, body: Object, count: int) -> None:
        try:
            self._patch(body, {"count": count})
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            # The apiserver forgets Events after an hour, unless it is told otherwise.
            self._create({**body, "count": count}, once=True)

    def _patch(self, body: Object, change: Object) -> None:
        path = namespaced(EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])
        change = {"lastTimestamp": body["lastTimestamp"], **change}
        self.api.patch(as_us(path), change, _MERGE)

    def _body(self, involved: InvolvedObject, note: Note) -> Object:
        message = note.message[:_LONGEST_MESSAGE]
        reason = camel_case(note.code)
        now = self.now().astimezone(UTC)
        hour = ""
        if not note.once:
            hour = now.strftime("%Y-%m-%dT%H")
        identity = "\n".join((involved.uid, reason, message, hour))
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{involved.name}.{digest}", "namespace": involved.namespace},
            "involvedObject": {
                "apiVersion": involved.api_version,
                "kind": involved.kind,
                "namespace": involved.namespace,
                "name": involved.name,
                "uid": involved.uid,
            },
            "type": note.type,
            "reason": reason,
            "message": message,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self.instance,
            "firstTimestamp": now.strftime(_SECONDS),
            "lastTimestamp": now.strftime(_SECONDS),
            "count": 1,
        }


def camel_case(code: str) -> str:
    """Turn `no-head` into `NoHead`, as Kubernetes writes reasons."""
    return "".join(part.capitalize() for part in code.split("-"))
