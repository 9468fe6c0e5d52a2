"""A pod of a Volcano Job → the JSON Patch that makes a Ray node of it. Server and command line both call `inject`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from webhook.errors import RefusedError
from webhook.k8s import patch, schema
from webhook.names import ARGS, INJECTED, JOB_NAME, NODE_TYPE, START_ARGS
from webhook.pods import flags as settings
from webhook.pods import start_args
from webhook.pods.environment import (
    environment,
    lost_names,
    ports,
    storage_namespace,
    taken_ports,
    variable_findings,
)
from webhook.pods.own_start import InEffect, Start, in_effect, who_starts_ray
from webhook.pods.probes import probes
from webhook.pods.ray_start import Node, port_mistakes, wrapped
from webhook.pods.resources import NodeResources, findings_of, memory_findings, node_resources, object_store
from webhook.pods.roles import (
    Chosen,
    Role,
    choose_container,
    is_opted_in,
    other_framework,
    role_of,
    task_of,
    wrong_role,
)
from webhook.pods.volumes import added_volumes, has_shm, shm_findings, volume_findings
from webhook.reasons import Code, Finding, finding
from webhook.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.pods.flags import Settings
    from webhook.pods.start_args import StartArgs


@dataclass(frozen=True)
class Injection:
    """What became of a pod: the patch (empty for one left alone), why, and what its owner should know."""

    reason: Finding
    role: Role | None = None
    operations: tuple[Object, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Subject:
    """A pod that is a Ray node, taken apart."""

    spec: Object
    metadata: Object
    job: str
    namespace: str
    role: Role
    ports: InEffect
    container: Object
    """Ray's."""
    path: str
    """Where that container is in the pod."""
    start: Start

    @property
    def settings(self) -> Settings:
        """With the ports on which Ray will listen."""
        return self.ports.settings

    @property
    def own(self) -> bool:
        """Whether the container starts Ray itself."""
        return self.start.mode == "own"


def inject(pod: Object, namespace: str, *, ipv6: bool = False) -> Injection:
    """The patch for a pod, or why it is left alone.

    The pod is not changed. The same pod gives the same patch; a pod that was injected gives none.

    Args:
        pod: As the apiserver sends it, or as a manifest holds it.
        namespace: Where the pod will be.
        ipv6: The cluster's pods have IPv6 addresses first.

    Raises:
        RefusedError: With every mistake in the pod.
    """
    if malformed := schema.pod_mistakes(pod):
        raise RefusedError(malformed)
    metadata, spec = pod["metadata"], pod["spec"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    job, task = labels.get(JOB_NAME) or annotations.get(JOB_NAME), task_of(labels, annotations)
    if not job or not task:
        return Injection(finding(Code.NOT_VOLCANO))
    if INJECTED in annotations:
        return Injection(finding(Code.ALREADY_INJECTED, version=annotations[INJECTED]))
    opted_in = is_opted_in(labels)
    if not opted_in and (framework := other_framework(spec["containers"])):
        return Injection(framework)
    parsed = _settings(annotations.get(ARGS, ""))
    where = f"Job {job}, task {task}"
    mistakes = [*parsed.mistakes, *wrong_role(annotations)]
    role = role_of(task, annotations, parsed.settings)
    if role is None:
        _refuse(where, mistakes)
        return _other_task(task, parsed.settings, opted_in=opted_in)
    chosen = choose_container(spec["containers"], task, role, parsed.settings, opted_in=opted_in)
    if isinstance(chosen, Finding):
        _refuse(where, mistakes + ([chosen] if chosen.code is Code.SEVERAL_CONTAINERS else []))
        return Injection(chosen, role)
    if ipv6:
        mistakes.append(finding(Code.IPV6))
    container = spec["containers"][chosen.index]
    start = who_starts_ray(annotations, container, role)
    path = patch.pointer("spec", "containers", chosen.index)
    ports_in_effect = in_effect(parsed, start)
    subject = _Subject(spec, metadata, job, namespace, role, ports_in_effect, container, path, start)
    return _injection(subject, chosen, where, [*mistakes, *start.mistakes])


@lru_cache(maxsize=1024)
def _settings(annotation: str) -> settings.Parsed:
    """The pods of a Job share their annotation."""
    words, mistakes = settings.split(annotation, ARGS)
    parsed = settings.parse(words, ARGS)
    return settings.Parsed(parsed.settings, parsed.given, (*mistakes, *parsed.mistakes))


@lru_cache(maxsize=1024)
def _start_args(annotation: str, role: Role) -> start_args.Parsed:
    return start_args.parse(annotation, head=role == "head")


def _refuse(where: str, mistakes: Iterable[Finding]) -> None:
    if found := tuple(mistakes):
        raise RefusedError(found, where)


def _other_task(task: str, flags: Settings, *, opted_in: bool) -> Injection:
    reason = finding(Code.OTHER_TASK, task=task, head=flags.head, workers=", ".join(flags.worker))
    return Injection(reason, warnings=(finding(Code.LABELLED_OTHER_TASK, task=task),) if opted_in else ())


def _injection(subject: _Subject, chosen: Chosen, where: str, mistakes: list[Finding]) -> Injection:
    if subject.own:
        _refuse(where, mistakes)
        return _own(subject, chosen)
    parsed = _start_args((subject.metadata.get("annotations") or {}).get(START_ARGS, ""), subject.role)
    extra = parsed.args
    resources, bad_quantities = node_resources(subject.container, subject.spec, own_shm=has_shm(subject.container))
    node = Node(subject.role, subject.settings, resources, extra)
    _refuse(where, [*mistakes, *parsed.mistakes, *bad_quantities, *_clashes(subject, node)])
    told = extra.names("--num-cpus")
    return Injection(
        finding(Code.INJECTED),
        subject.role,
        (*_metadata(subject), *_container(subject, node), *_volumes(subject, resources)),
        (
            *chosen.warnings,
            *parsed.warnings,
            *findings_of(subject.container, resources, told=told),
            *_shm_doubts(subject, extra),
            *_doubts(subject),
        ),
    )


def _own(subject: _Subject, chosen: Chosen) -> Injection:
    operations = (*_metadata(subject), *_environment(subject), *_ports(subject))
    warnings = (*chosen.warnings, *subject.start.warnings, *subject.ports.warnings, *_doubts(subject))
    return Injection(finding(Code.INJECTED_OWN), subject.role, operations, warnings)


def _clashes(subject: _Subject, node: Node) -> Iterable[Finding]:
    others = [c for c in subject.spec["containers"] if c is not subject.container]
    sidecars = [c for c in subject.spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    yield from taken_ports(subject.role, subject.settings, [*others, *sidecars])
    yield from port_mistakes(node)
    container = subject.container
    if subject.start.mode == "keep" and container.get("args") and not container.get("command"):
        yield finding(Code.ARGS_WITHOUT_COMMAND, container=container["name"])


def _shm_doubts(subject: _Subject, extra: StartArgs) -> Iterable[Finding]:
    if extra.names("--plasma-directory"):
        return
    said = extra.value("--object-store-memory")
    store = object_store(subject.container, subject.spec, said=said)
    yield from shm_findings(subject.container, subject.spec, store, asked=said is not None)


def _doubts(subject: _Subject) -> Iterable[Finding]:
    policy = subject.spec.get("dnsPolicy") or "ClusterFirst"
    if subject.role == "worker" and subject.spec.get("hostNetwork") and policy in {"ClusterFirst", "Default"}:
        yield finding(Code.HOST_NETWORK_DNS, found=policy)
    yield from variable_findings(subject.role, subject.settings, subject.container)
    yield from memory_findings(subject.container, subject.spec)
    yield from volume_findings(subject.container, subject.spec)
    if not subject.own:
        yield from lost_names(subject.container)


def _metadata(subject: _Subject) -> list[Object]:
    path = patch.pointer("metadata")
    return [
        *patch.merge(subject.metadata, path, "labels", {NODE_TYPE: subject.role}),
        *patch.merge(subject.metadata, path, "annotations", {INJECTED: __version__}),
    ]


def _container(subject: _Subject, node: Node) -> list[Object]:
    container, path = subject.container, subject.path
    command, args = wrapped(node, container, keep=subject.start.mode == "keep")
    return [
        *patch.put(container, path, "command", command),
        *(patch.put(container, path, "args", args) if args else patch.drop(container, path, "args")),
        *_environment(subject),
        *_ports(subject),
        *_probes(subject),
    ]


def _environment(subject: _Subject) -> list[Object]:
    variables = environment(
        subject.role,
        subject.settings,
        subject.container,
        subject.job,
        subject.namespace,
        own=subject.own,
        storage=storage_namespace(subject.metadata, subject.job, subject.namespace),
        unknown=subject.ports.unknown,
    )
    return patch.extend(subject.container, subject.path, "env", variables)


def _ports(subject: _Subject) -> list[Object]:
    declared = ports(
        subject.role,
        subject.settings,
        subject.container,
        own=subject.own,
        host_network=bool(subject.spec.get("hostNetwork")),
        unknown=subject.ports.unknown,
    )
    return patch.extend(subject.container, subject.path, "ports", declared)


def _probes(subject: _Subject) -> Iterable[Object]:
    for name, probe in probes(subject.role, subject.settings).items():
        if not subject.container.get(name):
            yield from patch.put(subject.container, subject.path, name, probe)


def _volumes(subject: _Subject, resources: NodeResources) -> list[Object]:
    mounts, volumes = added_volumes(subject.container, subject.spec, resources.shm_size)
    return [
        *patch.extend(subject.container, subject.path, "volumeMounts", mounts),
        *patch.extend(subject.spec, patch.pointer("spec"), "volumes", volumes),
    ]
