"""The volumes of `spec.volumes`, which Volcano mounts into every pod of a Job.

Source: volcano pkg/controllers/job/job_controller_util.go `createJobPod` and job_controller_actions.go
`createJobIOIfNotExist` (1.8.2 and 1.14.1 alike).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object


def mounted(spec: Object, job_name: str, volumes: Iterable[Object]) -> Object:
    """Return a template's pod spec with the Job's volumes, as Volcano's controller mounts them.

    Each container gets the mounts, init containers do not. A claim that is named a second time is not mounted a second
    time. Volcano ends the names of volumes and of claims that it makes itself with 12 random characters; here they end
    with a number of 12 digits, so that the same Job always gives the same pod.
    """
    claims = list(_claims(job_name, volumes))
    if not claims:
        return spec
    added = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim, _ in claims]
    mounts = [{"mountPath": path, "name": name} for name, _, path in claims]
    containers = [
        {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), *mounts]}
        for container in spec["containers"]
    ]
    return {**spec, "containers": containers, "volumes": [*(spec.get("volumes") or ()), *added]}


def unmounted(spec: Object, template: Object, job_name: str, volumes: Iterable[Object]) -> Object:
    """Return a pod spec without what `mounted` added to a template's, for Volcano adds it to the template again.

    Args:
        spec: The pod's, made by `mounted` and then injected.
        template: The template's spec, whose missing and empty lists stay as they were.
        job_name: As in `mounted`.
        volumes: As in `mounted`.
    """
    names = {name for name, _, _ in _claims(job_name, volumes)}
    if not names:
        return spec
    pairs = zip(spec["containers"], template["containers"], strict=True)
    containers = [_without(names, container, own, "volumeMounts") for container, own in pairs]
    return _without(names, {**spec, "containers": containers}, template, "volumes")


def _claims(job_name: str, volumes: Iterable[Object]) -> Iterable[tuple[str, str, str]]:
    """Name, claim and mount path of each volume."""
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        claim = volume.get("volumeClaimName") or f"{job_name}-pvc-{index:012}"
        if claim not in seen:
            seen.add(claim)
            yield f"{job_name}-{index:012}", claim, volume["mountPath"]


def _without(names: set[str], patched: Object, own: Object, key: str) -> Object:
    kept = [item for item in patched.get(key) or () if item.get("name") not in names]
    if kept:
        return {**patched, key: kept}
    rest = {name: value for name, value in patched.items() if name != key}
    return {**rest, key: own[key]} if key in own else rest
