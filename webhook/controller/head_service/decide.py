"""Decides what to do about a Job and the Service of its name, by nothing but the two.

    Job                    no Service   ours                another Job's   somebody else's
                                                            of this name
    live                   create       repair if changed   wait            Event, wait
    Completing, Aborting   -            keep                -               -
      or Terminating
    finished               -            delete              -               -
    being deleted, gone    -            - (collector)       -               -
      or not ours

A Service is ours if this Job's uid is that of its controller owner, labelled or not. By that
reference the garbage collector removes what a Job leaves behind, so the controller does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from webhook.controller.head_service.observed import ENDING, STARTING
from webhook.jobs.job import API_GROUP, API_VERSION
from webhook.pods.head_service import head_service, service_name
from webhook.reasons import Code, Finding, Level, finding

if TYPE_CHECKING:
    from collections.abc import Collection

    from webhook.controller.head_service.observed import Head, RayJob
    from webhook.names import Object

_OWNER: Final = {"apiVersion": API_VERSION, "kind": "Job"}
_PORT_FIELDS: Final = ("name", "port", "targetPort", "protocol")
_SPEC_FIELDS: Final = ("type", "selector", "publishNotReadyAddresses")

# Fields that came with a type that somebody else chose. A ClusterIP with them is refused.
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


@dataclass(frozen=True)
class Create:
    """Create this Service."""

    body: Object


@dataclass(frozen=True)
class Replace:
    """Replace a Service by this one.

    The uid and resourceVersion in it make the apiserver refuse it if the Service has changed.
    """

    body: Object


@dataclass(frozen=True)
class Delete:
    """Delete this very Service in this very state."""

    namespace: str
    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True)
class EmitEvent:
    """Tell the Job's owner by an Event.

    Attributes:
        finding: What to tell.
        once: Whether the finding stays true for as long as the Job exists, so that it is told
            once and not counted.
    """

    finding: Finding
    once: bool = False


@dataclass(frozen=True)
class Wait:
    """Look again after a while, because nothing may tell that something has changed."""

    why: Finding | None = None


Action: TypeAlias = Create | Replace | Delete | EmitEvent | Wait
Write: TypeAlias = Create | Replace | Delete


def decide(job: RayJob | None, service: Object | None) -> tuple[Action, ...]:
    """Return what to do about a Job and the Service of its name.

    Args:
        job: The Job, or None if there is none or it is not ours.
        service: The Service as it was read, or None if there is none.
    """
    if job is None or job.deleting:
        return ()
    if job.is_finished:
        return _clean_up(job, service)
    if job.phase in ENDING:
        return ()
    events = [EmitEvent(found, once=True) for found in job.findings if _is_told(job, found)]
    if job.head is None:
        return tuple(events)
    return (*events, *_keep(job, job.head, service))


def _is_told(job: RayJob, found: Finding) -> bool:
    """Return whether an Event tells a finding.

    Mistakes are told whenever the controller sees them. A warning is told while the Job
    starts, so that a controller that takes over 10,000 running Jobs does not try to write an
    Event on each.
    """
    return found.level is Level.REFUSED or job.phase in STARTING


def writes(actions: tuple[Action, ...]) -> tuple[Write, ...]:
    """Return the actions that change the Service."""
    return tuple(action for action in actions if isinstance(action, Write))


def wanted(job: RayJob, head: Head) -> Object:
    """Return the Service as it should be.

    The owner reference does not block the Job's deletion, since nothing of a Service has to be
    gone before its Job. Blocking would need the right to update `jobs/finalizers` where
    OwnerReferencesPermissionEnforcement is on.
    """
    service = head_service(job.name, job.namespace, head.task, head.settings)
    owner = {
        **_OWNER,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {**service, "metadata": {**service["metadata"], "ownerReferences": [owner]}}


def _clean_up(job: RayJob, service: Object | None) -> tuple[Action, ...]:
    """Delete the Service of a finished Job, unless it is not ours or already being deleted."""
    if service is None or not _is_ours(job, service) or _is_being_deleted(service):
        return ()
    metadata = service["metadata"]
    version = metadata.get("resourceVersion", "")
    return (Delete(metadata["namespace"], metadata["name"], metadata["uid"], version),)


def _keep(job: RayJob, head: Head, service: Object | None) -> tuple[Action, ...]:
    """Create or repair the Service of a live Job, or wait until its name is free."""
    if service is None:
        return (Create(wanted(job, head)),)
    if not _is_ours(job, service):
        return _leave_alone(job, _controlling_owner(service))
    if _is_being_deleted(service):
        return (Wait(),)
    repaired = _repaired(service, wanted(job, head))
    if repaired == service:
        return ()
    return (Replace(repaired),)


def _leave_alone(job: RayJob, owner: Object) -> tuple[Action, ...]:
    # The garbage collector takes the Service of an earlier Job of this name away.
    if _is_of_this_name(job, owner):
        return (Wait(),)
    whose = "nobody's"
    if owner:
        whose = f"controlled by {owner.get('kind')} {owner.get('name')}"
    found = finding(Code.SERVICE_FOREIGN, service=service_name(job.name), owner=whose)
    return EmitEvent(found), Wait(found)


def _controlling_owner(service: Object) -> Object:
    """Return the owner reference with `controller: true`, or an empty one."""
    for owner in service["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            found: Object = owner
            return found
    return {}


def _is_ours(job: RayJob, service: Object) -> bool:
    return bool(_controlling_owner(service).get("uid") == job.uid)


def _is_of_this_name(job: RayJob, owner: Object) -> bool:
    group, _, _ = str(owner.get("apiVersion", "")).partition("/")
    return (group, owner.get("kind"), owner.get("name")) == (API_GROUP, "Job", job.name)


def _is_being_deleted(service: Object) -> bool:
    return bool(service["metadata"].get("deletionTimestamp"))


def _repaired(service: Object, desired: Object) -> Object:
    """Return the Service with our fields as they should be and every other field as it is."""
    metadata = service["metadata"]
    spec = service.get("spec") or {}
    labels = {**(metadata.get("labels") or {}), **desired["metadata"]["labels"]}
    owners = _repaired_owners(metadata, desired["metadata"]["ownerReferences"][0])
    return {
        **service,
        "metadata": {**metadata, "labels": labels, "ownerReferences": owners},
        "spec": _repaired_spec(spec, desired["spec"]),
    }


def _repaired_spec(spec: Object, desired: Object) -> Object:
    kept = spec
    if spec.get("type") != desired["type"]:
        kept = _fields_without(spec, _OF_OTHER_TYPES)
    ours = {name: desired[name] for name in _SPEC_FIELDS}
    return {**kept, **ours, "ports": _repaired_ports(spec, desired)}


def _repaired_owners(metadata: Object, ours: Object) -> list[Object]:
    """Return the owner references with the right name in ours.

    Whether it blocks the Job's deletion is left to whoever wrote it. Volcano lets it.
    """
    ours = _fields_without(ours, {"blockOwnerDeletion"})
    owners = []
    for owner in metadata["ownerReferences"]:
        is_ours = owner.get("uid") == ours["uid"]
        owners.append({**owner, **ours} if is_ours else owner)
    return owners


def _repaired_ports(spec: Object, desired: Object) -> list[Object]:
    """Return our ports in our order.

    A port keeps the fields that others wrote on it, another `appProtocol` for example. A
    nodePort goes with the type that brought it.
    """
    found: list[Object] = spec.get("ports") or []
    as_desired = list(map(_compared_fields, found)) == list(map(_compared_fields, desired["ports"]))
    if spec.get("type") == desired["type"] and as_desired:
        return found
    kept = {port.get("name"): _fields_without(port, {*_PORT_FIELDS, "nodePort"}) for port in found}
    return [{**port, **kept.get(port["name"], {})} for port in desired["ports"]]


def _fields_without(fields: Object, names: Collection[str]) -> Object:
    return {name: value for name, value in fields.items() if name not in names}


def _compared_fields(port: Object) -> Object:
    """Return what counts of a port. A port without a protocol has the default."""
    fields = {name: port.get(name) for name in _PORT_FIELDS}
    fields["protocol"] = port.get("protocol", "TCP")
    return fields
