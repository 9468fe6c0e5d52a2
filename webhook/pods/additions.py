"""What an aspect of a Ray node (its ports, its environment, a later feature) adds to the pod.

Each aspect returns one Additions. inject() joins them and drops what the user has set already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from webhook.k8s.objects import mount_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from webhook.names import Object
    from webhook.pods.start_args import StartArgs
    from webhook.reasons import Finding

MERGED_OPTION: Final = "--resources"
"""The one option that holds the user's value as well, so the user's word is not repeated."""

_LONGEST_PORT_NAME: Final = 15
_PORT_SUFFIX: Final = "-ray"


@dataclass(frozen=True)
class Port:
    """A TCP port that Ray's container declares."""

    name: str
    number: int


@dataclass(frozen=True)
class Volume:
    """An emptyDir that Ray's container mounts."""

    name: str
    mount_path: str
    source: Object


@dataclass(frozen=True)
class Additions:
    """What is wanted in Ray's container and in its pod. What the user has set already wins."""

    env: Mapping[str, str | Object] = field(default_factory=dict)
    """A text is a value, an object is a `valueFrom`."""
    ports: Sequence[Port] = ()
    volumes: Sequence[Volume] = ()
    options: Mapping[str, str | int] = field(default_factory=dict)
    """Options of `ray start`."""
    findings: Sequence[Finding] = ()


def join(parts: Iterable[Additions]) -> Additions:
    """Return the additions of several aspects as one."""
    env: dict[str, str | Object] = {}
    ports: list[Port] = []
    volumes: list[Volume] = []
    options: dict[str, str | int] = {}
    findings: list[Finding] = []
    for part in parts:
        env |= part.env
        ports += part.ports
        volumes += part.volumes
        options |= part.options
        findings += part.findings
    return Additions(env, ports, volumes, options, findings)


def new_variables(wanted: Mapping[str, str | Object], theirs: Mapping[str, Object]) -> list[Object]:
    """Return the variables to append to a container that has `theirs`."""
    added: list[Object] = []
    for name, value in wanted.items():
        if name in theirs:
            continue
        key = "value" if isinstance(value, str) else "valueFrom"
        added.append({"name": name, key: value})
    return added


def new_ports(wanted: Iterable[Port], theirs: Iterable[Object]) -> list[Object]:
    """Return the ports to append to a container that declares `theirs`.

    A port's name must be unique in its container, so a name that the user has on another number
    gets a suffix, and no name at all if that is taken as well.
    """
    numbers: set[int] = set()
    names: set[str | None] = set()
    for port in theirs:
        names.add(port.get("name"))
        if (port.get("protocol") or "TCP") == "TCP":
            numbers.add(port["containerPort"])
    added: list[Object] = []
    for wanted_port in wanted:
        if wanted_port.number in numbers:
            continue
        described: Object = {"containerPort": wanted_port.number, "protocol": "TCP"}
        name = _free_port_name(wanted_port.name, names)
        if name is not None:
            described = {"name": name, **described}
        added.append(described)
    return added


def _free_port_name(name: str, taken: set[str | None]) -> str | None:
    if name not in taken:
        return name
    room = _LONGEST_PORT_NAME - len(_PORT_SUFFIX)
    other = name[:room].rstrip("-") + _PORT_SUFFIX
    return other if other not in taken else None


def new_mounts(
    wanted: Iterable[Volume], container: Object, spec: Object
) -> tuple[list[Object], list[Object]]:
    """Return the mounts to append to the container, and their volumes to append to the pod."""
    paths = mount_paths(container)
    names: set[str] = set()
    for present in spec.get("volumes") or ():
        names.add(present["name"])
    mounts: list[Object] = []
    volumes: list[Object] = []
    for volume in wanted:
        if volume.mount_path in paths:
            continue
        name = _free_volume_name(volume.name, names)
        mounts.append({"name": name, "mountPath": volume.mount_path})
        volumes.append({"name": name, "emptyDir": volume.source})
    return mounts, volumes


def _free_volume_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 0
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def option_words(wanted: Mapping[str, str | int], theirs: StartArgs) -> list[str]:
    """Return the options of `ray start` as words, ours before the user's own."""
    words: list[str] = []
    for name, value in wanted.items():
        if name == MERGED_OPTION or not theirs.names(name):
            words.append(f"{name}={value}")
    return words + theirs.words_without(MERGED_OPTION)
