"""Make a Ray node of a pod of a Volcano Job, as a JSON Patch.

The server, the check of Jobs and the command line all call the functions of this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.errors import RefusedError
from webhook.k8s import patch, schema
from webhook.names import INJECTED, NODE_TYPE
from webhook.pods import announced, environment, host_network, ports, volumes
from webhook.pods.additions import (
    Additions,
    join,
    new_mounts,
    new_ports,
    new_variables,
)
from webhook.pods.node import LeftAlone, RayPod, read_pod
from webhook.pods.probes import probes
from webhook.pods.ray_start import command_and_args
from webhook.reasons import Code, Finding, Level, finding
from webhook.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.names import Object, Role

ASPECTS: Final[tuple[Callable[[RayPod], Additions], ...]] = (
    ports.additions,
    announced.additions,
    volumes.additions,
    host_network.additions,
    environment.additions,
)
"""What makes up a Ray node. A new aspect is one function here."""


@dataclass(frozen=True)
class Injection:
    """What became of a pod."""

    reason: Finding
    role: Role | None = None
    operations: tuple[Object, ...] = ()
    """JSON Patch. Empty for a pod that is left alone."""
    warnings: tuple[Finding, ...] = ()


def inject(pod: Object, namespace: str, *, ipv6: bool = False) -> Injection:
    """Return the patch for a pod, or why it is left alone.

    The pod is not changed. The same pod gives the same patch, and an injected pod gives none.

    Args:
        pod: As the apiserver sends it, or as a manifest holds it.
        namespace: Where the pod will be.
        ipv6: The cluster's pods have IPv6 addresses first.

    Raises:
        RefusedError: The pod is wrong. The error has every mistake in it.
    """
    malformed = schema.pod_mistakes(pod)
    if malformed:
        raise RefusedError(malformed)
    found = read_pod(pod, namespace, ipv6=ipv6)
    if isinstance(found, LeftAlone):
        warnings = _warnings_or_refuse(found.findings, found.where)
        return Injection(found.reason, found.role, warnings=warnings)
    additions = additions_of(found)
    identity = found.identity
    where = f"Job {identity.job}, task {identity.task}"
    warnings = _warnings_or_refuse(findings_of(found, additions), where)
    reason = finding(Code.INJECTED_OWN if found.starts_ray else Code.INJECTED)
    return Injection(reason, found.role, operations_of(found, additions), warnings)


def additions_of(pod: RayPod) -> Additions:
    """Return what all aspects add to a node."""
    return join(aspect(pod) for aspect in ASPECTS)


def findings_of(pod: RayPod, additions: Additions) -> tuple[Finding, ...]:
    """Return every mistake and every warning about a node."""
    return (*pod.findings, *additions.findings)


def operations_of(pod: RayPod, additions: Additions) -> tuple[Object, ...]:
    """Return the JSON Patch that makes the node. What the user wrote stays."""
    return (
        *_metadata(pod),
        *_container(pod, additions),
        *_mounts(pod, additions),
    )


def _warnings_or_refuse(findings: Iterable[Finding], where: str) -> tuple[Finding, ...]:
    warnings: list[Finding] = []
    mistakes: list[Finding] = []
    for found in findings:
        (mistakes if found.level is Level.REFUSED else warnings).append(found)
    if mistakes:
        raise RefusedError(mistakes, where)
    return tuple(warnings)


def _metadata(pod: RayPod) -> list[Object]:
    path = patch.pointer("metadata")
    return [
        *patch.merge(pod.metadata, path, "labels", {NODE_TYPE: pod.role}),
        *patch.merge(pod.metadata, path, "annotations", {INJECTED: __version__}),
    ]


def _container(pod: RayPod, additions: Additions) -> list[Object]:
    container, path = pod.container, pod.path
    operations: list[Object] = []
    if not pod.starts_ray:
        command, args = command_and_args(pod, additions.options)
        operations += patch.put(container, path, "command", command)
        if args:
            operations += patch.put(container, path, "args", args)
        else:
            operations += patch.drop(container, path, "args")
    variables = new_variables(additions.env, pod.variables)
    operations += patch.extend(container, path, "env", variables)
    declared = new_ports(additions.ports, container.get("ports") or ())
    operations += patch.extend(container, path, "ports", declared)
    # The ports behind the probes are not known where the container starts Ray itself.
    if not pod.starts_ray:
        for name, probe in probes(pod.role, pod.settings).items():
            if not container.get(name):
                operations += patch.put(container, path, name, probe)
    return operations


def _mounts(pod: RayPod, additions: Additions) -> list[Object]:
    mounts, added = new_mounts(additions.volumes, pod.container, pod.spec)
    return [
        *patch.extend(pod.container, pod.path, "volumeMounts", mounts),
        *patch.extend(pod.spec, patch.pointer("spec"), "volumes", added),
    ]
