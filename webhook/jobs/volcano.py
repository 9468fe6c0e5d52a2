"""What Volcano makes of a Job: its pods, with the Job's volumes and Volcano's defaults.

Source: volcano pkg/controllers/job/job_controller_util.go `createJobPod`,
job_controller_actions.go `createJobIOIfNotExist`, pkg/webhooks/admission/jobs/mutate/mutate_job.go
(1.8.2 and 1.14.1 are alike), and pods recorded from Volcano 1.14.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.jobs.job import PLUGIN
from webhook.names import (
    ARGS,
    JOB_NAME,
    JOB_NAMESPACE,
    OPT_IN,
    OPTED_IN,
    QUEUE_NAME,
    TASK_INDEX,
    TASK_SPEC,
)
from webhook.pods.flags import flag_of
from webhook.pods.node import Identity, LeftAlone, RayPod, other_task, ray_pod
from webhook.pods.roles import role_mistakes
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.jobs.job import Task, VolcanoJob
    from webhook.names import Object

HOST_DNS: Final = "ClusterFirstWithHostNet"
"""The dnsPolicy that Volcano gives a template with hostNetwork and without a policy."""

_SCHEDULER: Final = "volcano"


def pod_of(job: VolcanoJob, task: Task, index: int = 0) -> Object:
    """Return the pod that Volcano makes of a task, without what its plugins and the apiserver add.

    A Ray node has the opt-in label, and the flags of `plugins.ray` and those that volray settles
    in its annotation, as after the Job's adoption.
    """
    shared = {
        JOB_NAME: job.name,
        TASK_SPEC: task.name,
        TASK_INDEX: str(index),
        QUEUE_NAME: job.spec.get("queue") or "default",
    }
    labels, annotations = dict(task.labels), dict(task.annotations)
    if task.is_node:
        labels[OPT_IN] = OPTED_IN
    flags = flags_text(job, task)
    if flags:
        annotations[ARGS] = flags
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{job.name}-{task.name}-{index}",
            "namespace": job.namespace,
            "labels": {**labels, **shared, JOB_NAMESPACE: job.namespace},
            "annotations": {**annotations, **shared},
        },
        "spec": pod_spec(job, task),
    }


def pod_spec(job: VolcanoJob, task: Task) -> Object:
    """Return the spec of a task's pods."""
    template = task.template["spec"]
    scheduler = job.spec.get("schedulerName") or _SCHEDULER
    spec = {"schedulerName": scheduler, **template}
    if needs_host_dns(template):
        spec["dnsPolicy"] = HOST_DNS
    return mounted(spec, job.name, job.spec.get("volumes") or ())


def needs_host_dns(spec: Object) -> bool:
    """Return whether Volcano fills in the dnsPolicy of a template's spec."""
    return bool(spec.get("hostNetwork")) and not spec.get("dnsPolicy")


def flags_text(job: VolcanoJob, task: Task) -> str:
    """Return the flags of a task in one text, each part once.

    Those of the plugin come first, then the template's own and what volray settled.
    """
    plugin = shlex.join(job.plugins.get(PLUGIN) or ())
    parts = [plugin, task.annotations.get(ARGS, "")]
    for setting, value in task.settled.items():
        parts.append(shlex.quote(f"{flag_of(setting)}={value}"))
    return " ".join(part for part in dict.fromkeys(parts) if part)


def node_of(job: VolcanoJob, task: Task, *, ipv6: bool = False) -> RayPod | LeftAlone:
    """Return the Ray node that a task's pods are, or why they are left alone.

    The answer is that of `read_pod` on `pod_of`, with the opt-in label on each node's template, but
    nothing is parsed again. The mistakes of the flags are the Job's and not repeated here.
    """
    findings = list(role_mistakes(task.annotations))
    if task.role is None or task.ray is None:
        if task.is_labelled:
            findings.append(finding(Code.LABELLED_OTHER_TASK, task=task.name))
        reason = other_task(task.name, task.written.settings)
        return LeftAlone(reason, findings=tuple(findings))
    if isinstance(task.ray, Finding):
        if task.ray.code is Code.SEVERAL_CONTAINERS:
            findings.append(task.ray)
        return LeftAlone(task.ray, task.role, findings=tuple(findings))
    if ipv6:
        findings.append(finding(Code.IPV6))
    metadata: Object = {"labels": task.labels, "annotations": task.annotations}
    identity = Identity(job.name, job.namespace, task.name, task.role)
    spec = pod_spec(job, task)
    chosen, start = task.ray.chosen, task.ray.start
    return ray_pod(identity, metadata, spec, task.parsed, chosen, start, tuple(findings))


@dataclass(frozen=True)
class _Claim:
    """A volume of the Job."""

    volume: str
    claim: str
    path: str


def mounted(spec: Object, job_name: str, volumes: Iterable[Object]) -> Object:
    """Return a template's pod spec with the Job's volumes, as Volcano's controller mounts them.

    Each container gets the mounts, and init containers do not. A claim that is named a second time
    is not mounted a second time. Volcano ends the names of volumes and of claims that it makes
    itself with 12 random characters. Here they end with a number of 12 digits, so that the same
    Job always gives the same pod.
    """
    claims = list(_claims(job_name, volumes))
    if not claims:
        return spec
    added: list[Object] = []
    mounts: list[Object] = []
    for one in claims:
        source = {"claimName": one.claim}
        added.append({"name": one.volume, "persistentVolumeClaim": source})
        mounts.append({"mountPath": one.path, "name": one.volume})
    containers: list[Object] = []
    for container in spec["containers"]:
        own = container.get("volumeMounts") or ()
        containers.append({**container, "volumeMounts": [*own, *mounts]})
    own_volumes = spec.get("volumes") or ()
    return {**spec, "containers": containers, "volumes": [*own_volumes, *added]}


def unmounted(spec: Object, template: Object, job_name: str, volumes: Iterable[Object]) -> Object:
    """Return a pod spec without what `mounted` added. Volcano adds it to the template again.

    Args:
        spec: The pod's, made by `mounted` and then injected.
        template: The template's spec, whose missing and empty lists stay as they were.
        job_name: As in `mounted`.
        volumes: As in `mounted`.
    """
    names = {one.volume for one in _claims(job_name, volumes)}
    if not names:
        return spec
    containers: list[Object] = []
    for container, own in zip(spec["containers"], template["containers"], strict=True):
        containers.append(_without(names, container, own, "volumeMounts"))
    return _without(names, {**spec, "containers": containers}, template, "volumes")


def _claims(job_name: str, volumes: Iterable[Object]) -> Iterator[_Claim]:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        claim = volume.get("volumeClaimName") or f"{job_name}-pvc-{index:012}"
        if claim not in seen:
            seen.add(claim)
            yield _Claim(f"{job_name}-{index:012}", claim, volume["mountPath"])


def _without(names: set[str], patched: Object, own: Object, key: str) -> Object:
    """Return an object whose list at `key` has no item of these names."""
    kept = [item for item in patched.get(key) or () if item.get("name") not in names]
    if kept:
        return {**patched, key: kept}
    rest = {name: value for name, value in patched.items() if name != key}
    if key in own:
        rest[key] = own[key]
    return rest
