"""Which Ray node a pod is, and in which of its containers Ray runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from webhook.names import OPT_IN, ROLE, TASK_SPEC
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.names import Object
    from webhook.pods.flags import Settings

Role: TypeAlias = Literal["head", "worker"]

_SAID: Final[Mapping[str, Role]] = {"head": "head", "worker": "worker"}

FRAMEWORK_ENV: Final = ("TF_CONFIG", "MASTER_ADDR", "MPI_HOST")
"""What Volcano's tensorflow, pytorch and mpi plugins put into the containers of their pods."""

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
"""Containers that injectors add beside the user's own."""


@dataclass(frozen=True)
class Chosen:
    """Ray's container by its place in `spec.containers`, with a warning if the choice was ours."""

    index: int
    warnings: tuple[Finding, ...] = ()


def is_opted_in(labels: Mapping[str, object]) -> bool:
    """Whether the user (or the Job webhook for him) wrote the opt-in label."""
    return labels.get(OPT_IN) == "true"


def task_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    """The task of the Job that a pod is made from; Volcano writes it as label and as annotation."""
    return labels.get(TASK_SPEC) or annotations.get(TASK_SPEC)


def role_of(task: str, annotations: Mapping[str, str], settings: Settings) -> Role | None:
    """Head, worker or neither, by annotation or else by the task's name."""
    if said := _SAID.get(annotations.get(ROLE, "")):
        return said
    if task == settings.head:
        return "head"
    return "worker" if task in settings.worker else None


def wrong_role(annotations: Mapping[str, str]) -> Iterable[Finding]:
    """The mistake of a role that is none."""
    said = annotations.get(ROLE)
    if said is not None and said not in _SAID:
        yield finding(Code.UNKNOWN_ROLE, found=said)


def other_framework(containers: Iterable[Object]) -> Finding | None:
    """The environment variable that gives another framework of Volcano away."""
    for container in containers:
        for variable in container.get("env") or ():
            if variable["name"] in FRAMEWORK_ENV:
                return finding(Code.OTHER_FRAMEWORK, container=container["name"], env=variable["name"])
    return None


def wanted_container(role: Role, settings: Settings) -> tuple[str, str]:
    """The name that Ray's container should have, and the flag that changes it."""
    if role == "head":
        return settings.head_container, "--headContainer"
    return settings.worker_container, "--workerContainer"


def choose_container(
    containers: list[Object], task: str, role: Role, settings: Settings, *, opted_in: bool
) -> Chosen | Finding:
    """Ray's container; or why there is none, which is a mistake only for somebody who opted in."""
    wanted, flag = wanted_container(role, settings)
    own = {
        container["name"]: index
        for index, container in enumerate(containers)
        if container["name"] not in SIDECARS or container["name"] == wanted
    }
    if wanted in own:
        return Chosen(own[wanted])
    if not opted_in or not own:
        return finding(Code.NO_RAY_CONTAINER, task=task, wanted=wanted)
    if len(own) > 1:
        return finding(Code.SEVERAL_CONTAINERS, wanted=wanted, found=", ".join(own), flag=flag)
    name, index = next(iter(own.items()))
    return Chosen(index, (finding(Code.ONLY_CONTAINER, container=name, wanted=wanted, flag=flag),))
