"""Decide which Ray node a pod is, and in which of its containers Ray runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.names import OPT_IN, OPTED_IN, ROLE, TASK_SPEC, annotation_place
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.names import Object, Role
    from webhook.pods.flags import Settings

_ROLES: Final[Mapping[str, Role]] = {"head": "head", "worker": "worker"}

FRAMEWORK_ENV: Final = ("TF_CONFIG", "MASTER_ADDR", "MPI_HOST")
"""Variables that Volcano's tensorflow, pytorch and mpi plugins put into their containers."""

SIDECARS: Final = frozenset(
    {
        "cloud-sql-proxy",
        "consul-dataplane",
        "daprd",
        "envoy-sidecar",
        "gke-gcsfuse-sidecar",
        "istio-proxy",
        "kuma-sidecar",
        "linkerd-proxy",
        "opa-istio",
        "vault-agent",
    }
)
"""Names of containers that injectors add beside the user's own."""


@dataclass(frozen=True)
class Chosen:
    """Ray's container."""

    index: int
    """Its place in `spec.containers`."""
    warnings: tuple[Finding, ...] = ()
    """Set when volray chose the container because no container has the wanted name."""


def is_opted_in(labels: Mapping[str, object]) -> bool:
    """Return whether the opt-in label is there, written by the user or by the Job webhook."""
    return labels.get(OPT_IN) == OPTED_IN


def task_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    """Return the task from which a pod is made. Volcano writes it as a label and an annotation."""
    return labels.get(TASK_SPEC) or annotations.get(TASK_SPEC)


def role_of(task: str, annotations: Mapping[str, str], settings: Settings) -> Role | None:
    """Return the role that the annotation names, or else the one that the task's name gives."""
    role = _ROLES.get(annotations.get(ROLE, ""))
    if role is not None:
        return role
    if task == settings.head:
        return "head"
    if task in settings.worker:
        return "worker"
    return None


def role_mistakes(annotations: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return the mistake of an annotation that names a role which does not exist."""
    role = annotations.get(ROLE)
    if role is None or role in _ROLES:
        return ()
    return (finding(Code.UNKNOWN_ROLE, place=annotation_place(ROLE), found=role),)


def other_framework(containers: Iterable[Object]) -> Finding | None:
    """Return the reason to leave a pod alone in which another framework of Volcano runs."""
    for container in containers:
        for variable in container.get("env") or ():
            if variable["name"] in FRAMEWORK_ENV:
                return finding(
                    Code.OTHER_FRAMEWORK, container=container["name"], env=variable["name"]
                )
    return None


def wanted_container(role: Role, settings: Settings) -> tuple[str, str]:
    """Return the name that Ray's container should have, and the flag that changes it."""
    if role == "head":
        return settings.head_container, "--headContainer"
    return settings.worker_container, "--workerContainer"


def choose_container(
    containers: list[Object], task: str, role: Role, settings: Settings, *, opted_in: bool
) -> Chosen | Finding:
    """Return Ray's container, or the reason there is none.

    That is an error only if the pod carries the opt-in label.
    """
    wanted, flag = wanted_container(role, settings)
    candidates: dict[str, int] = {}
    for index, container in enumerate(containers):
        name = container["name"]
        if name == wanted:
            return Chosen(index)
        if name not in SIDECARS:
            candidates[name] = index
    if not opted_in or not candidates:
        return finding(Code.NO_RAY_CONTAINER, task=task, wanted=wanted)
    if len(candidates) > 1:
        found = ", ".join(candidates)
        return finding(Code.SEVERAL_CONTAINERS, wanted=wanted, found=found, flag=flag)
    [(name, index)] = candidates.items()
    warning = finding(Code.ONLY_CONTAINER, container=name, wanted=wanted, flag=flag)
    return Chosen(index, (warning,))
