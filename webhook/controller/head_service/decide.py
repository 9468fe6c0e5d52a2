"""A Job and the Service of its name → what is to be done. Nothing but the two decides, and nothing is changed here.

    Job                              no Service   ours                another Job's,   somebody else's
                                                                      of this name
    live                             create       repair if changed   wait             Event, wait
    Completing, Aborting,            -            keep                -                -
      Terminating
    finished                         -            delete              -                -
    being deleted, gone, not ours    -            - (collector)       -                -

"Ours" has this Job's uid as its controller owner, labelled or not. What a Job leaves behind is the garbage
collector's, by that very reference: a delete of our own would only be a second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from webhook.controller.head_service.observed import API_VERSION, ENDING
from webhook.jobs import API_GROUP
from webhook.reasons import Code, Finding, finding
from webhook.service import head_service, service_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from webhook.controller.head_service.observed import Head, RayJob
    from webhook.names import Object

_OWNER: Final = {"apiVersion": API_VERSION, "kind": "Job"}
_PORT_FIELDS: Final = ("name", "port", "targetPort", "protocol")
_OF_OTHER_TYPES: Final = frozenset(
    {
        "allocateLoadBalancerNodePorts",
        "externalName",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
    }
)
"""What came with a type that somebody else chose, and would be refused on a ClusterIP."""


@dataclass(frozen=True)
class Create:
    """Make this Service."""

    body: Object


@dataclass(frozen=True)
class Replace:
    """Put this in its place; uid and resourceVersion inside make the apiserver refuse it when that has changed."""

    body: Object


@dataclass(frozen=True)
class Delete:
    """Delete this very Service in this very state."""

    namespace: str
    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True)
class Event:
    """Tell the Job's owner."""

    finding: Finding
    type: str = "Warning"
    once: bool = False
    """The sentence stays true for as long as the Job is there: said once, not counted."""


@dataclass(frozen=True)
class Wait:
    """Look again after a while, though nothing may tell that there is something new."""

    why: Finding | None = None


Action: TypeAlias = Create | Replace | Delete | Event | Wait
Write: TypeAlias = Create | Replace | Delete


def decide(job: RayJob | None, service: Object | None) -> tuple[Action, ...]:
    """What to do about a Job and the Service of its name; a Service that is there is passed as it was read."""
    if job is None or job.deleting:
        return ()
    if job.is_finished:
        return (_delete(service),) if service is not None and _is_ours(job, service) and not _is_going(service) else ()
    if job.phase in ENDING:
        return ()
    said = tuple(Event(mistake, once=True) for mistake in job.mistakes)
    return said if job.head is None else (*said, *_keep(job, job.head, service))


def writes(actions: tuple[Action, ...]) -> tuple[Write, ...]:
    """Those that change the Service."""
    return tuple(action for action in actions if isinstance(action, Write))


def wanted(job: RayJob, head: Head) -> Object:
    """The Service as it should be.

    The owner reference does not block the Job's deletion: nothing of a Service has to be gone before its Job, and
    blocking it would take the right to update `jobs/finalizers` where OwnerReferencesPermissionEnforcement is on.
    """
    service = head_service(job.name, job.namespace, head.task, head.settings)
    owner = {**_OWNER, "name": job.name, "uid": job.uid, "controller": True, "blockOwnerDeletion": False}
    return {**service, "metadata": {**service["metadata"], "ownerReferences": [owner]}}


def _keep(job: RayJob, head: Head, service: Object | None) -> tuple[Action, ...]:
    if service is None:
        return (Create(wanted(job, head)),)
    if _is_ours(job, service):
        if _is_going(service):
            return (Wait(),)
        repaired = _repaired(service, wanted(job, head))
        return () if repaired == service else (Replace(repaired),)
    owner = _controller(service)
    if _is_of_this_name(job, owner):
        return (Wait(),)
    return _foreign(job, owner)


def _foreign(job: RayJob, owner: Object) -> tuple[Action, ...]:
    whose = f"controlled by {owner.get('kind')} {owner.get('name')}" if owner else "nobody's"
    found = finding(Code.SERVICE_FOREIGN, service=service_name(job.name), owner=whose)
    return Event(found), Wait(found)


def _delete(service: Object) -> Delete:
    metadata = service["metadata"]
    version = metadata.get("resourceVersion", "")
    return Delete(metadata["namespace"], metadata["name"], metadata["uid"], version)


def _controller(service: Object) -> Object:
    owners = service["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), {})


def _is_ours(job: RayJob, service: Object) -> bool:
    return bool(_controller(service).get("uid") == job.uid)


def _is_of_this_name(job: RayJob, owner: Object) -> bool:
    """A Job of this name had it; with that Job, the garbage collector takes its Service away."""
    group, _, _ = str(owner.get("apiVersion", "")).partition("/")
    return (group, owner.get("kind"), owner.get("name")) == (API_GROUP, "Job", job.name)


def _is_going(service: Object) -> bool:
    return bool(service["metadata"].get("deletionTimestamp"))


def _repaired(service: Object, wanted: Object) -> Object:
    """The Service with our fields as they should be, and every other field as it is."""
    metadata, spec = service["metadata"], service.get("spec") or {}
    return {
        **service,
        "metadata": {
            **metadata,
            "labels": {**(metadata.get("labels") or {}), **wanted["metadata"]["labels"]},
            "ownerReferences": _owners(metadata, wanted["metadata"]["ownerReferences"][0]),
        },
        "spec": _typed(spec, wanted["spec"]) | {"ports": _ports(spec, wanted["spec"])},
    }


def _typed(spec: Object, wanted: Object) -> Object:
    kept = spec if spec.get("type") == wanted["type"] else _without(spec, _OF_OTHER_TYPES)
    return {**kept, **{name: wanted[name] for name in ("type", "selector", "publishNotReadyAddresses")}}


def _owners(metadata: Object, ours: Object) -> list[Object]:
    """Ours is named rightly; whether it blocks the Job's deletion is left to whoever wrote it (Volcano lets it)."""
    own = {key: value for key, value in ours.items() if key != "blockOwnerDeletion"}
    return [{**owner, **own} if owner.get("uid") == own["uid"] else owner for owner in metadata["ownerReferences"]]


def _ports(spec: Object, wanted: Object) -> list[Object]:
    """Return our ports, in our order. A port keeps what others wrote on it, another `appProtocol` for example.

    A nodePort goes with the type that brought it.
    """
    found: list[Object] = spec.get("ports") or []
    as_wanted = [_essence(port) for port in found] == [_essence(port) for port in wanted["ports"]]
    if spec.get("type") == wanted["type"] and as_wanted:
        return found
    others = {port.get("name"): _without(port, {*_PORT_FIELDS, "nodePort"}) for port in found}
    return [{**port, **others.get(port["name"], {})} for port in wanted["ports"]]


def _without(fields: Object, names: Collection[str]) -> Object:
    return {name: value for name, value in fields.items() if name not in names}


def _essence(port: Object) -> Object:
    """What counts of a port; one without a protocol has the default."""
    return {name: port.get(name, "TCP" if name == "protocol" else None) for name in _PORT_FIELDS}
