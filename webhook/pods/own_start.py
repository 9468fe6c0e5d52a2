"""Who starts Ray in a container: volray, or the user's own command; and on which ports that command starts it.

The annotation `ray.volcano.sh/command` decides. Without it a command is searched for `ray start` and `ray
symmetric-run`, as far as the command shows them: a script in the image is not visible at admission.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from webhook.names import COMMAND, START_ARGS, annotation_place
from webhook.pods import shell
from webhook.pods.flags import DEFAULTS, PORT_FLAGS, flag_of
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from webhook.names import Object, Role
    from webhook.pods.flag_parser import Parsed
    from webhook.pods.flags import Settings

Mode: TypeAlias = Literal["keep", "own", "replace"]

PORT_OPTIONS: Final = {flag.field: port.option for flag, port in PORT_FLAGS if port.in_service}
"""The options of `ray start --head` behind the ports of the head Service, by the field of Settings.

Ray's own defaults are those of Settings (ray/_private/ray_constants.py, ray/scripts/scripts.py).
"""

_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True)
class Port:
    """A port of an own start."""

    field: str
    """Of Settings."""
    number: int | None
    """None: the command does not show it."""
    text: str
    """As it is written, with its option; empty where the command leaves Ray its default."""


@dataclass(frozen=True)
class OwnStart:
    """The Ray that a command starts, as far as the command shows it."""

    words: str
    ports: tuple[Port, ...] = ()
    """A head's. A port that the command might set somewhere out of sight, as in `ray start --head $ARGS`, is not
    among them."""
    joins: int | None = None
    """A worker's: the port in its `--address`."""


@dataclass(frozen=True)
class Start:
    """Who starts Ray, and what becomes of the user's command."""

    mode: Mode
    """`keep`: volray starts Ray, and the command runs beside it. `own`: the command starts Ray. `replace`: volray
    starts Ray, and the command goes."""
    own: OwnStart | None = None
    """None with mode `own`: the annotation says so, and the command does not show how."""
    mistakes: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class InEffect:
    """The settings with the ports on which Ray will listen."""

    settings: Settings
    unknown: frozenset[str] = frozenset()
    """The fields whose number only the running container knows."""
    warnings: tuple[Finding, ...] = ()


def who_starts_ray(annotations: Mapping[str, str], container: Object, role: Role) -> Start:
    """Return who starts Ray in a container of that role; an explicit annotation wins over the command's words."""
    said = annotations.get(COMMAND)
    argv = (*(container.get("command") or ()), *(container.get("args") or ()))
    own = _own_start(argv, role, tuple(_commands_in_env(container)))
    if said is None:
        if own is None:
            return Start("keep")
        return Start("own", own, warnings=(finding(Code.OWN_START, words=own.words), *_lost(annotations)))
    if said == "own":
        return Start("own", own, warnings=tuple(_lost(annotations)))
    if said in get_args(Mode):
        return Start("replace" if said == "replace" else "keep")
    return Start("keep", mistakes=(finding(Code.UNKNOWN_COMMAND_MODE, place=annotation_place(COMMAND), found=said),))


def _commands_in_env(container: Object) -> Iterable[tuple[str, str]]:
    """Return the variables that may hold a start, as KUBERAY_GEN_RAY_START_CMD of a pod copied from KubeRay does."""
    for variable in container.get("env") or ():
        value = variable.get("value") or ""
        if "ray" in value:
            yield variable["name"], value


def _lost(annotations: Mapping[str, str]) -> Iterable[Finding]:
    """Options for a `ray start` that volray does not write."""
    if START_ARGS in annotations:
        yield finding(Code.START_ARGS_UNUSED, place=annotation_place(START_ARGS), found=annotations[START_ARGS])


def in_effect(parsed: Parsed, start: Start) -> InEffect:
    """Return the settings with the ports of an own start in place of those of the flags.

    Ray listens where its own command says, whatever the flags say. A flag counts where the command does not show the
    port: then the user has told us what it will be.
    """
    settings = parsed.settings
    unknown: set[str] = set()
    warnings: list[Finding] = []
    for port in start.own.ports if start.own else ():
        said = getattr(parsed.settings, port.field)
        given = port.field in parsed.given
        flag, option = flag_of(port.field), PORT_OPTIONS[port.field]
        if port.number is None and not given:
            unknown.add(port.field)
            warnings.append(
                finding(Code.OWN_PORT_UNREADABLE, found=port.text, lost=_LOST[port.field], flag=flag, port=said)
            )
        elif port.number is not None:
            settings = replace(settings, **{port.field: port.number})  # type: ignore[arg-type]
            if given and said != port.number:
                words = port.text or f"no {option}"
                warnings.append(
                    finding(Code.OWN_PORT_DIFFERS, words=words, port=port.number, flag=flag, said=said, option=option)
                )
    return InEffect(settings, frozenset(unknown), tuple(warnings))


_LOST: Final = {
    "port": "RAY_ADDRESS and the container's port gcs are left out",
    "dashboard_port": "RAY_API_SERVER_ADDRESS and the container's port dashboard are left out",
    "client_port": "The container's port client-server is left out",
}


def told_ports(start: Start) -> dict[str, int]:
    """Return the ports of a head's own start that every node of the cluster must be told."""
    ports: dict[str, int] = {}
    for port in start.own.ports if start.own else ():
        if port.number is not None and port.number != getattr(DEFAULTS, port.field):
            ports[port.field] = port.number
    return ports


# Which words are a start


_STARTS: Final = frozenset({"start", "symmetric-run"})
_MODULE: Final = "ray.scripts.scripts"
_FILE: Final = "ray/scripts/scripts.py"
_VALUED_GLOBALS: Final = frozenset({"--logging-level", "--logging-format"})

_TALKERS: Final = frozenset(
    {"echo", "printf", "logger", "wall", "grep", "egrep", "fgrep", "zgrep", "rg", "pgrep", "pkill", "killall"}
    | {"awk", "sed", "ssh", "pdsh", "kubectl", "docker"}
)
"""Commands to which `ray start` is text, or that run it somewhere else."""

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_VALUED: Final = {
    **dict.fromkeys(("su", "runuser", "sg", "script", "flock"), ("-c", "--command")),
    "env": ("-S", "--split-string"),
}
"""Commands that take a script as the value of an option."""
_PYTHON: Final = re.compile(r"python[0-9.]*")

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=(.*)", re.DOTALL)
_DECLARING: Final = frozenset({"export", "local", "declare", "readonly", "typeset"})
_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_RESERVED: Final = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "exec"})

_WRAPPED: Final = 8
"""Commands that may take a script, one before the other: `env A=b runuser -u ray -- bash -c …`."""

_DEEPEST: Final = 10
"""Scripts within scripts, such as `bash -c "su -c '…'"`."""

_PATTERN: Final = re.compile(
    r"(?<![\w.-])(ray(?:\s+-[\w-]+(?:=\S+|\s+\w+)?){0,4}\s+(start|symmetric-run)(?![\w-]))([^\n;&|)\]\"']*)"
)
_LINE_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)
_BETWEEN_STRINGS: Final = re.compile(r"[\"']\s*,\s*[\"']")


_READ_AGAIN: Final = 3
"""How often the text of a command may be read, all in all: scripts within scripts take two or three times. Without an
end, `$A` many thousand times, with a long text in A, takes minutes."""


@dataclass
class _Budget:
    """How much may still be read."""

    left: int

    def spend(self, amount: int) -> bool:
        """Return whether there was enough left."""
        self.left -= amount
        return self.left >= 0


@dataclass(frozen=True)
class _Scope:
    """What is known where words are searched."""

    variables: Mapping[str, str]
    budget: _Budget
    depth: int = 0


@dataclass(frozen=True)
class _Call:
    """One `ray start`."""

    words: str
    options: tuple[str, ...]
    whole: bool = True
    """Whether the options are all of its words."""


@lru_cache(maxsize=1024)
def _own_start(argv: tuple[str, ...], role: Role, variables: tuple[tuple[str, str], ...]) -> OwnStart | None:
    """Most commands have no `ray` in them, and the pods of a task have the same one."""
    text = " ".join((*argv, *(value for _, value in variables)))
    if "ray" not in text or not any(word in text for word in _STARTS):
        return None
    calls = list(_in_words(argv, _Scope(dict(variables), _Budget(_READ_AGAIN * len(text)))))
    if not calls:
        return None
    if role == "worker":
        joins = next((port for call in calls if (port := _joined(call)) is not None), None)
        return OwnStart(calls[0].words, joins=joins)
    heads = [call for call in calls if _is_head(call)]
    return OwnStart((heads or calls)[0].words, tuple(_ports(heads)))


def _in_words(words: Sequence[str], scope: _Scope) -> Iterator[_Call]:
    """Search the words of one command; what runs it, such as `tini --` or `numactl`, may come before."""
    names = [word.rpartition("/")[2] for word in words]
    end = next((index for index, name in enumerate(names) if name in _TALKERS), len(words))
    words, names = words[:end], names[:end]
    for index, (word, name) in enumerate(zip(words, names, strict=True)):
        is_ray = name == "ray" or word in {_MODULE, f"-m{_MODULE}"} or word.endswith(_FILE)
        place = _after_globals(words, index + 1) if is_ray else len(words)
        if place < len(words) and words[place] in _STARTS:
            yield _Call(" ".join(words[index : place + 1]), tuple(words[place + 1 :]))
            break
    yield from _in_arguments(words, names, scope)


def _after_globals(words: Sequence[str], index: int) -> int:
    """Return the place after Ray's global options (ray/scripts/scripts.py, `cli`)."""
    while index < len(words) and words[index].startswith("-"):
        index += 2 if words[index] in _VALUED_GLOBALS else 1
    return index


def _in_arguments(words: Sequence[str], names: Sequence[str], scope: _Scope) -> Iterator[_Call]:
    """Search a script or code among the arguments, of the first command that takes one."""
    places = (index for index, name in enumerate(names) if _takes_code(name))
    for index in islice(places, _WRAPPED):
        name, rest = names[index], words[index + 1 :]
        code = _code(name, rest)
        if not code:
            continue  # `runuser -u ray -- bash -c …`: the next one may
        if _PYTHON.fullmatch(name):
            yield from _in_code(code)
        else:
            yield from _in_script(code, replace(scope, depth=scope.depth + 1))
        return


def _takes_code(name: str) -> bool:
    return name in _SHELLS or name in _VALUED or name == "eval" or bool(_PYTHON.fullmatch(name))


def _code(name: str, arguments: Sequence[str]) -> str:
    if name in _SHELLS:
        return _shell_script(arguments)
    if name == "eval":
        return " ".join(arguments)
    return _value(arguments, *_VALUED.get(name, ("-c",)))


def _shell_script(words: Sequence[str]) -> str:
    """Return the script of `sh -c`; options may come before it, together (`-euxo pipefail -lc`) and after the `-c`."""
    is_script, rest = False, iter(words)
    for word in rest:
        if word == "--":
            return next(rest, "") if is_script else ""
        if not word.startswith(("-", "+")):
            return word if is_script else ""
        if word.startswith("--"):
            if word in {"--rcfile", "--init-file"}:
                next(rest, None)
            continue
        is_script = is_script or "c" in word
        if "o" in word.lower():
            next(rest, None)  # -o pipefail, -O extglob
    return ""


def _value(words: Sequence[str], *options: str) -> str:
    """Return the value of an option, in the same word after `=` or in the next one."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in options:
            return value if equals else "".join(words[index + 1 : index + 2])
    return ""


def _in_script(script: str, scope: _Scope) -> Iterator[_Call]:
    if scope.depth > _DEEPEST or ("ray" not in script and "$" not in script):
        return
    if not scope.budget.spend(len(script) + len(scope.variables)):
        return
    try:
        found = shell.commands(script)
    except ValueError:
        # A shell would refuse such a script, or it is written for one that we cannot read: better to ask the user
        # with a warning than to start Ray twice.
        yield from _by_pattern(_LINE_COMMENT.sub("", script))
        return
    known = dict(scope.variables)
    for command in found:
        words = _unreserved(command.words)
        if not _assign(words, known):
            yield from _in_words(*_expanded(words, replace(scope, variables=known)))
        for document in command.documents:
            yield from _in_document(document, words, replace(scope, variables=known, depth=scope.depth + 1))


def _unreserved(words: Sequence[str]) -> Sequence[str]:
    start = next((index for index, word in enumerate(words) if word not in _RESERVED), len(words))
    return words[start:]


def _assign(words: Sequence[str], known: dict[str, str]) -> bool:
    """Keep the assignments of a command that is nothing else, as in `CMD="ray start"`."""
    targets = words[1:] if words and words[0] in _DECLARING else words
    matches = [_ASSIGNMENT.fullmatch(word) for word in targets]
    if not matches or not all(matches):
        return False
    for match in filter(None, matches):
        name, plus, value = match.groups()
        known[name] = known.get(name, "") + value if plus else value
    return True


def _expanded(words: Sequence[str], scope: _Scope) -> tuple[Sequence[str], _Scope]:
    """Return the words with a variable as the command, and the variables that the words of it may still name.

    Scripts put a long `ray start` together in a variable and then run `$CMD`, `eval "$CMD"` or `bash -c "$CMD"`
    (vLLM's examples/online_serving/run_cluster.sh); the latter two give `$CMD` as a script.
    """
    match = _VARIABLE.fullmatch(words[0]) if words else None
    name = (match.group(1) or match.group(2)) if match else ""
    value = scope.variables.get(name)
    if value is None or not scope.budget.spend(len(value) + len(scope.variables)):
        return words, scope
    others = {key: value for key, value in scope.variables.items() if key != name}
    return [*value.split(), *words[1:]], replace(scope, variables=others)


def _in_document(document: str, words: Sequence[str], scope: _Scope) -> Iterator[_Call]:
    """Search a here-document: a script, whoever reads it (`cat` may write it to a file), or Python's code."""
    names = {word.rpartition("/")[2] for word in words}
    if any(_PYTHON.fullmatch(name) for name in names):
        yield from _in_code(document)
    elif names & _SHELLS or _is_readable(document):
        yield from _in_script(document, scope)


def _is_readable(script: str) -> bool:
    try:
        shell.commands(script)
    except ValueError:
        return False
    return True


def _in_code(code: str) -> Iterator[_Call]:
    """Search Python's code for `"ray start"` and `["ray", "start"]`; strings count, as they are what it runs."""
    if "ray" in code:
        yield from _by_pattern(_BETWEEN_STRINGS.sub(" ", _without_comments(code)))


def _without_comments(code: str) -> str:
    lines = code.split("\n")
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):
        return _LINE_COMMENT.sub("", code)
    return "\n".join(lines)


def _by_pattern(text: str) -> Iterator[_Call]:
    for match in _PATTERN.finditer(text.replace("\\\n", " ")):
        yield _Call(" ".join(match.group(1).split()), tuple(match.group(3).split()), whole=False)


# What its options say


_SWITCHES: Final = frozenset({"--head", "--block", "--verbose", "-v", "--no-monitor", "--disable-usage-stats"})
_EXPANSION: Final = ("$", "`")
_OURS: Final = "RAY_ADDRESS"
"""A port written as part of this variable, or of VOLRAY_ADDRESS, is the one that volray puts there."""


def _options(call: _Call) -> tuple[dict[str, str], bool]:
    """Return the options of a start with their values, and whether there can be no others."""
    values: dict[str, str] = {}
    whole, words = call.whole, list(call.options)
    index = 0
    while index < len(words) and words[index] != "--":
        name, equals, value = words[index].partition("=")
        index += 1
        if name.startswith(_EXPANSION):
            whole = False
        elif not equals and name.startswith("-") and name not in _SWITCHES and index < len(words):
            is_valued = name in _READ or not words[index].startswith("-")
            value = words[index] if is_valued else ""
            index += is_valued
        if name.startswith("-"):
            values[name] = value
    return values, whole


_READ: Final = frozenset({*PORT_OPTIONS.values(), "--address"})


def _is_symmetric(call: _Call) -> bool:
    return call.words.endswith("symmetric-run")


def _is_head(call: _Call) -> bool:
    """Whether this may be the start of a head; of options that are out of sight one may be `--head`."""
    values, whole = _options(call)
    return _is_symmetric(call) or "--head" in values or not (whole or "--address" in values)


def _joined(call: _Call) -> int | None:
    values, _ = _options(call)
    return None if "--head" in values else _number(values.get("--address", "").rpartition(":")[2])


def _ports(heads: Iterable[_Call]) -> Iterator[Port]:
    """Yield the ports of the head. Two starts, as in `if … else …`, have to agree on a port to show it."""
    calls = list(heads)
    for field in PORT_OPTIONS:
        found = [port for call in calls if (port := _port(call, field)) is not None]
        texts = sorted({port.text or f"no {PORT_OPTIONS[field]}" for port in found})
        if len({port.number for port in found}) == 1:
            yield max(found, key=lambda port: port.text)
        elif found:
            yield Port(field, None, " or ".join(texts))


def _port(call: _Call, field: str) -> Port | None:
    """Return a port as a start has it, or None where the start may have it out of sight."""
    values, whole = _options(call)
    option = PORT_OPTIONS[field]
    text = values.get(option)
    if field == "port" and _is_symmetric(call):
        # symmetric-run starts the head on the port of the address (ray/scripts/symmetric_run.py)
        option, text = "--address", values.get("--address")
    if text is None:
        return Port(field, getattr(DEFAULTS, field), "") if whole else None
    if _OURS in text:
        return None
    return Port(field, _number(text.rpartition(":")[2] if option == "--address" else text), f"{option}={text}")


def _number(text: str) -> int | None:
    """Return a port that is written as a number; 0 lets Ray choose one."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_HIGHEST_PORT))
    number = int(text) if is_number else 0
    return number if 0 < number <= _HIGHEST_PORT else None
