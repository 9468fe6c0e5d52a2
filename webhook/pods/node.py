"""Read a pod of a Volcano Job as a Ray node, once, before anything is decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from webhook.k8s import patch
from webhook.k8s.objects import annotations_of, labels_of, variables_by_name
from webhook.names import ARGS, INJECTED, JOB_NAME, START_ARGS
from webhook.pods.flag_parser import read_flags
from webhook.pods.own_start import in_effect, who_starts_ray
from webhook.pods.resources import NodeResources, has_shm, node_resources, read_requests
from webhook.pods.roles import (
    Chosen,
    choose_container,
    is_opted_in,
    other_framework,
    role_mistakes,
    role_of,
    task_of,
)
from webhook.pods.start_args import StartArgs, read_start_args
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.names import Object, Role
    from webhook.pods.flag_parser import Parsed
    from webhook.pods.flags import Settings
    from webhook.pods.own_start import Start
    from webhook.pods.resources import Requests


@dataclass(frozen=True)
class Identity:
    """Which pod of which cluster it is."""

    job: str
    namespace: str
    task: str
    role: Role


@dataclass(frozen=True)
class RayPod:
    """A pod that is a Ray node, taken apart."""

    identity: Identity
    metadata: Object
    spec: Object
    container: Object
    """Ray's."""
    path: str
    """JSON Pointer of that container."""
    variables: Mapping[str, Object]
    """The container's own environment, by name."""
    start: Start
    settings: Settings
    """With the ports on which Ray will listen."""
    unknown_ports: frozenset[str]
    """The fields of the settings whose number only the running container knows."""
    start_args: StartArgs
    requests: Requests
    resources: NodeResources
    findings: tuple[Finding, ...]
    """What reading the pod found."""

    @property
    def role(self) -> Role:
        """Head or worker."""
        return self.identity.role

    @property
    def starts_ray(self) -> bool:
        """Whether the container starts Ray itself."""
        return self.start.mode == "own"

    @property
    def keeps_command(self) -> bool:
        """Whether the user's command runs beside Ray."""
        return self.start.mode == "keep"

    @property
    def is_on_host_network(self) -> bool:
        """Whether the pod shares the addresses of its host."""
        return bool(self.spec.get("hostNetwork"))


@dataclass(frozen=True)
class LeftAlone:
    """A pod that is no Ray node, or whose Ray container cannot be told."""

    reason: Finding
    role: Role | None = None
    where: str = ""
    findings: tuple[Finding, ...] = ()


def read_pod(pod: Object, namespace: str, *, ipv6: bool = False) -> RayPod | LeftAlone:
    """Return the Ray node that a pod is, or why the pod is left alone.

    Args:
        pod: A pod of the API's shape.
        namespace: Where the pod will be.
        ipv6: The cluster's pods have IPv6 addresses first.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    labels, annotations = labels_of(pod), annotations_of(pod)
    job = labels.get(JOB_NAME) or annotations.get(JOB_NAME)
    task = task_of(labels, annotations)
    if not job or not task:
        return LeftAlone(finding(Code.NOT_VOLCANO))
    if INJECTED in annotations:
        return LeftAlone(finding(Code.ALREADY_INJECTED, version=annotations[INJECTED]))
    opted_in = is_opted_in(labels)
    if not opted_in and (framework := other_framework(spec["containers"])):
        return LeftAlone(framework)

    where = f"Job {job}, task {task}"
    parsed = read_flags(annotations.get(ARGS, ""))
    findings = [*parsed.mistakes, *role_mistakes(annotations)]
    role = role_of(task, annotations, parsed.settings)
    if role is None:
        if opted_in:
            findings.append(finding(Code.LABELLED_OTHER_TASK, task=task))
        reason = other_task(task, parsed.settings)
        return LeftAlone(reason, where=where, findings=tuple(findings))
    chosen = choose_container(spec["containers"], task, role, parsed.settings, opted_in=opted_in)
    if isinstance(chosen, Finding):
        if chosen.code is Code.SEVERAL_CONTAINERS:
            findings.append(chosen)
        return LeftAlone(chosen, role, where, tuple(findings))
    if ipv6:
        findings.append(finding(Code.IPV6))
    identity = Identity(job, namespace, task, role)
    start = who_starts_ray(annotations, spec["containers"][chosen.index], role)
    return ray_pod(identity, metadata, spec, parsed, chosen, start, tuple(findings))


def other_task(task: str, settings: Settings) -> Finding:
    """Return the reason to leave a task alone that is neither head nor worker."""
    workers = ", ".join(settings.worker)
    return finding(Code.OTHER_TASK, task=task, head=settings.head, workers=workers)


def ray_pod(  # noqa: PLR0913, PLR0917 - all that is known of the pod before
    identity: Identity,
    metadata: Object,
    spec: Object,
    parsed: Parsed,
    chosen: Chosen,
    start: Start,
    findings: tuple[Finding, ...] = (),
) -> RayPod:
    """Return the Ray node of a pod whose role, container and start are known."""
    container = spec["containers"][chosen.index]
    effect = in_effect(parsed, start)
    start_args, resources = StartArgs(), NodeResources()
    found = [*findings, *start.mistakes, *chosen.warnings, *start.warnings, *effect.warnings]
    requests = read_requests(container, spec)
    if start.mode != "own":
        annotation = (metadata.get("annotations") or {}).get(START_ARGS, "")
        extra = read_start_args(annotation, identity.role)
        start_args = extra.args
        resources = node_resources(requests, own_shm=has_shm(container))
        found += extra.findings
    found += requests.mistakes
    if start.mode == "keep" and container.get("args") and not container.get("command"):
        found.append(finding(Code.ARGS_WITHOUT_COMMAND, container=container["name"]))
    return RayPod(
        identity,
        metadata,
        spec,
        container,
        patch.pointer("spec", "containers", chosen.index),
        variables_by_name(container),
        start,
        effect.settings,
        effect.unknown,
        start_args,
        requests,
        resources,
        tuple(found),
    )
