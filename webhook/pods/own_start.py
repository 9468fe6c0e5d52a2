"""Decide who starts Ray in a container, volray or the user's own command.

The annotation `ray.volcano.sh/command` decides. Without it, the words of the command do.
Where the command starts Ray, it also decides on which ports Ray listens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from webhook.names import COMMAND, START_ARGS, annotation_place
from webhook.pods.flags import DEFAULTS, flag_of
from webhook.pods.start_options import PORT_OPTIONS, port_number, read_options
from webhook.pods.start_search import find_starts
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from webhook.names import Object, Role
    from webhook.pods.flag_parser import Parsed
    from webhook.pods.flags import Settings
    from webhook.pods.start_options import StartOptions

Mode: TypeAlias = Literal["keep", "own", "replace"]

_RAY_ADDRESS: Final = "RAY_ADDRESS"
"""A port read from this variable, or from VOLRAY_ADDRESS, is the one that volray puts there."""

_LOST: Final = {
    "port": "RAY_ADDRESS and the container's port gcs are left out",
    "dashboard_port": "RAY_API_SERVER_ADDRESS and the container's port dashboard are left out",
    "client_port": "The container's port client-server is left out",
}
"""What volray leaves out where it does not know a port, by the field of Settings."""


@dataclass(frozen=True)
class Port:
    """A port of an own start."""

    field: str
    """Of Settings."""
    number: int | None
    """None where the command does not show it."""
    text: str
    """As it is written, with its option. Empty where the command leaves Ray its default."""


@dataclass(frozen=True)
class OwnStart:
    """The Ray that a command starts, as far as the command shows it."""

    words: str
    ports: tuple[Port, ...] = ()
    """Of a head, without those that the command might set out of sight (`ray start $ARGS`)."""
    joins: int | None = None
    """The port in the `--address` of a worker."""


@dataclass(frozen=True)
class Start:
    """Who starts Ray, and what becomes of the user's command."""

    mode: Mode
    """With `keep`, volray starts Ray and the command runs beside it.

    With `own`, the command starts Ray. With `replace`, volray does and the command is
    dropped.
    """
    own: OwnStart | None = None
    """None with mode `own` if only the annotation says so and the command does not show it."""
    mistakes: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def own_ports(self) -> tuple[Port, ...]:
        """The ports of the own start, if there is one."""
        if self.own is None:
            return ()
        return self.own.ports


@dataclass(frozen=True)
class InEffect:
    """The settings with the ports on which Ray will listen."""

    settings: Settings
    unknown: frozenset[str] = frozenset()
    """The fields whose number only the running container knows."""
    warnings: tuple[Finding, ...] = ()


def who_starts_ray(annotations: Mapping[str, str], container: Object, role: Role) -> Start:
    """Return who starts Ray in a container of that role.

    An annotation overrules the words of the command.
    """
    annotated = annotations.get(COMMAND)
    if annotated == "keep":
        return Start("keep")
    if annotated == "replace":
        return Start("replace")
    if annotated not in {None, "own"}:
        place = annotation_place(COMMAND)
        unknown = finding(Code.UNKNOWN_COMMAND_MODE, place=place, found=annotated)
        return Start("keep", mistakes=(unknown,))
    argv = (*(container.get("command") or ()), *(container.get("args") or ()))
    own = _read_own_start(argv, role, tuple(_commands_in_env(container)))
    if annotated == "own":
        return Start("own", own, warnings=tuple(_unused_start_args(annotations)))
    if own is None:
        return Start("keep")
    noticed = finding(Code.OWN_START, words=own.words)
    return Start("own", own, warnings=(noticed, *_unused_start_args(annotations)))


def in_effect(parsed: Parsed, start: Start) -> InEffect:
    """Return the settings with the ports of an own start in place of those of the flags.

    Ray listens where its own command says, even if the flags differ. A flag counts only
    where the command does not show the port, because then the user has told us what it will
    be.
    """
    settings = parsed.settings
    unknown: set[str] = set()
    warnings: list[Finding] = []
    for port in start.own_ports:
        flagged: int = getattr(parsed.settings, port.field)
        is_given = port.field in parsed.given
        if port.number is None:
            if not is_given:
                unknown.add(port.field)
                warnings.append(_unreadable_port(port, flagged))
            continue
        settings = replace(settings, **{port.field: port.number})  # type: ignore[arg-type]
        if is_given and flagged != port.number:
            warnings.append(_differing_port(port, flagged))
    return InEffect(settings, frozenset(unknown), tuple(warnings))


def told_ports(start: Start) -> dict[str, int]:
    """Return the ports of a head's own start that every node of the cluster must be told."""
    ports: dict[str, int] = {}
    for port in start.own_ports:
        if port.number is not None and port.number != getattr(DEFAULTS, port.field):
            ports[port.field] = port.number
    return ports


def _commands_in_env(container: Object) -> Iterator[tuple[str, str]]:
    """Yield the variables that may hold a start, with their values.

    A pod copied from KubeRay has its start in KUBERAY_GEN_RAY_START_CMD.
    """
    for variable in container.get("env") or ():
        value = variable.get("value") or ""
        if "ray" in value:
            yield variable["name"], value


def _unused_start_args(annotations: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the warning about options for a `ray start` that volray does not write."""
    if START_ARGS in annotations:
        place = annotation_place(START_ARGS)
        yield finding(Code.START_ARGS_UNUSED, place=place, found=annotations[START_ARGS])


def _unreadable_port(port: Port, flagged: int) -> Finding:
    """Return the warning about a port that neither the command nor a flag shows."""
    return finding(
        Code.OWN_PORT_UNREADABLE,
        found=port.text,
        lost=_LOST[port.field],
        flag=flag_of(port.field),
        port=flagged,
    )


def _differing_port(port: Port, flagged: int) -> Finding:
    """Return the warning about a flag that differs from the command."""
    option = PORT_OPTIONS[port.field]
    return finding(
        Code.OWN_PORT_DIFFERS,
        words=port.text or f"no {option}",
        port=port.number,
        flag=flag_of(port.field),
        said=flagged,
        option=option,
    )


@lru_cache(maxsize=1024)
def _read_own_start(
    argv: tuple[str, ...], role: Role, variables: tuple[tuple[str, str], ...]
) -> OwnStart | None:
    """Return the Ray that a command starts, or None if it shows no start.

    The pods of a task have the same command, hence the cache.
    """
    starts: list[StartOptions] = []
    heads: list[StartOptions] = []
    for call in find_starts(argv, dict(variables)):
        start = read_options(call)
        starts.append(start)
        if start.may_be_head:
            heads.append(start)
    if not starts:
        return None
    if role == "worker":
        return OwnStart(starts[0].words, joins=_joined_port(starts))
    shown = heads or starts
    return OwnStart(shown[0].words, tuple(_head_ports(heads)))


def _joined_port(starts: Iterable[StartOptions]) -> int | None:
    """Return the first port that one of the starts joins."""
    for start in starts:
        port = start.joined_port
        if port is not None:
            return port
    return None


def _head_ports(heads: Sequence[StartOptions]) -> Iterator[Port]:
    """Yield the ports of the head.

    Two starts, as in `if … else …`, have to agree on a port. Otherwise its number is not
    known.
    """
    for field, option in PORT_OPTIONS.items():
        found: list[Port] = []
        for head in heads:
            port = _head_port(head, field)
            if port is not None:
                found.append(port)
        numbers = {port.number for port in found}
        if len(numbers) == 1:
            # The one that has a text, if any has.
            yield max(found, key=lambda port: port.text)
        elif found:
            texts = {port.text or f"no {option}" for port in found}
            yield Port(field, None, " or ".join(sorted(texts)))


def _head_port(head: StartOptions, field: str) -> Port | None:
    """Return a port as a start has it, or None where the start may have it out of sight."""
    option = PORT_OPTIONS[field]
    # symmetric-run starts the head on the port of the address (ray/scripts/symmetric_run.py).
    if field == "port" and head.is_symmetric:
        option = "--address"
    text = head.values.get(option)
    if text is None:
        return Port(field, getattr(DEFAULTS, field), "") if head.is_whole else None
    if _RAY_ADDRESS in text:
        return None
    number = text.rpartition(":")[2] if option == "--address" else text
    return Port(field, port_number(number), f"{option}={text}")
