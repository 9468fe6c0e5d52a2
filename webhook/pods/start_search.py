"""Find `ray start` and `ray symmetric-run` in the command of a container.

The words of the command are searched, the shell scripts and the Python code among them, and
the scripts within those. A script of the image is not visible at admission.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from webhook.pods import shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_STARTS: Final = frozenset({"start", "symmetric-run"})
_RAY_MODULE: Final = "ray.scripts.scripts"
_RAY_FILE: Final = "ray/scripts/scripts.py"

_VALUED_GLOBALS: Final = frozenset({"--logging-level", "--logging-format"})
"""The options of `ray` itself that take a value (ray/scripts/scripts.py, `cli`)."""

_TALKERS: Final = frozenset(
    {"echo", "printf", "logger", "wall"}
    | {"grep", "egrep", "fgrep", "zgrep", "rg", "awk", "sed"}
    | {"pgrep", "pkill", "killall"}
    | {"ssh", "pdsh", "kubectl", "docker"}
)
"""Commands to which `ray start` is a text, or that run it somewhere else."""

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})

_SCRIPT_OPTIONS: Final = {
    **dict.fromkeys(("su", "runuser", "sg", "script", "flock"), ("-c", "--command")),
    "env": ("-S", "--split-string"),
}
"""Commands that take a script as the value of an option, each with the names of that option."""

_PYTHON_NAME: Final = re.compile(r"python[0-9.]*")

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=(.*)", re.DOTALL)
_DECLARING: Final = frozenset({"export", "local", "declare", "readonly", "typeset"})
_EXPANDED: Final = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_RESERVED: Final = frozenset(
    {"if", "then", "elif", "else"} | {"while", "until", "do"} | {"!", "{", "time", "exec"},
)
"""Words that may stand before a command."""

_MOST_WRAPPERS: Final = 8
"""Commands before each other that may take a script, as in `env A=b runuser … -- bash -c …`."""

_MOST_GLOBALS: Final = 8
"""Options of `ray` itself before `start`. It has three.

The limit matters where `-mray.scripts.scripts`, which is an option as well, is repeated.
"""

_MOST_SCRIPTS: Final = 10
"""Scripts within scripts, such as `bash -c "su -c '…'"`."""

_MOST_READINGS: Final = 3
"""How often the text of a command may be read in all.

Scripts within scripts take two or three times. Without such a limit, many thousand `$A`
with a long text in A take minutes.
"""

_MOST_COPIES: Final = 1000
"""How often the text of a command may be copied in all, by `A+=…` after a long A.

That is cheaper than reading by far, and scripts put a command together in many steps.
"""

_START_IN_TEXT: Final = re.compile(
    r"(?<![\w.-])"
    r"(ray(?:\s+-[\w-]+(?:=\S+|\s+\w+)?){0,4}\s+(?:start|symmetric-run)(?![\w-]))"
    r"([^\n;&|)\]\"']*)"
)
"""The words of a start, with up to four options of `ray` itself, and the rest of its command."""

_LINE_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)
_BETWEEN_STRINGS: Final = re.compile(r"[\"']\s*,\s*[\"']")


@dataclass(frozen=True)
class StartCall:
    """One `ray start`, or one `ray symmetric-run`."""

    words: str
    """The words that make it a start, such as `ray start`."""
    options: tuple[str, ...]
    is_whole: bool = True
    """Whether the options are all of its words."""


@dataclass
class _Budget:
    """How many characters may still be read, or copied."""

    left: int

    def spend(self, amount: int) -> bool:
        """Return whether there was enough left."""
        self.left -= amount
        return self.left >= 0


@dataclass(frozen=True)
class _Scope:
    """What is known where words are searched."""

    variables: Mapping[str, str]
    reading: _Budget
    copying: _Budget
    depth: int = 0

    def inside(self) -> _Scope:
        """Return the scope of a script within this one."""
        return replace(self, depth=self.depth + 1)


def find_starts(argv: Sequence[str], variables: Mapping[str, str]) -> list[StartCall]:
    """Return the starts in a command, in the order in which they are written.

    Args:
        argv: The words of the command.
        variables: The values of variables that the command may run.
    """
    text = " ".join((*argv, *variables.values()))
    # Most commands end here.
    if "ray" not in text or not any(start in text for start in _STARTS):
        return []
    reading = _Budget(_MOST_READINGS * len(text))
    copying = _Budget(_MOST_COPIES * len(text))
    return list(_search_words(argv, _Scope(variables, reading, copying)))


def _search_words(words: Sequence[str], scope: _Scope) -> Iterator[StartCall]:
    """Search the words of one command.

    What runs the command, such as `tini --` or `numactl`, may come before it.
    """
    names: list[str] = []
    for word in words:
        name = word.rpartition("/")[2]
        if name in _TALKERS:
            break
        names.append(name)
    words = words[: len(names)]
    for index, name in enumerate(names):
        if not _runs_ray(words[index], name):
            continue
        place = _after_globals(words, index + 1)
        if place < len(words) and words[place] in _STARTS:
            yield StartCall(" ".join(words[index : place + 1]), tuple(words[place + 1 :]))
            break
    yield from _search_arguments(words, names, scope)


def _runs_ray(word: str, name: str) -> bool:
    """Return whether a word runs Ray's command line."""
    if name == "ray" or word.endswith(_RAY_FILE):
        return True
    return word in {_RAY_MODULE, f"-m{_RAY_MODULE}"}


def _after_globals(words: Sequence[str], index: int) -> int:
    """Return the index of the first word after the options of `ray` itself."""
    for _ in range(_MOST_GLOBALS):
        if index >= len(words) or not words[index].startswith("-"):
            break
        if words[index] in _VALUED_GLOBALS:
            index += 1
        index += 1
    return index


def _search_arguments(
    words: Sequence[str],
    names: Sequence[str],
    scope: _Scope,
) -> Iterator[StartCall]:
    """Search the script or the code that the first command with one takes."""
    tried = 0
    for index, name in enumerate(names):
        if not _takes_code(name):
            continue
        tried += 1
        if tried > _MOST_WRAPPERS:
            return
        code = _code_of(name, words[index + 1 :])
        # In `runuser -u ray -- bash -c …` the next command has it.
        if not code:
            continue
        if _PYTHON_NAME.fullmatch(name):
            yield from _search_python(code)
        else:
            yield from _search_script(code, scope.inside())
        return


def _takes_code(name: str) -> bool:
    """Return whether a command of this name may take a script or code among its arguments."""
    if name in _SHELLS or name in _SCRIPT_OPTIONS or name == "eval":
        return True
    return bool(_PYTHON_NAME.fullmatch(name))


def _code_of(name: str, arguments: Sequence[str]) -> str:
    """Return the script or the code among the arguments of a command."""
    if name in _SHELLS:
        return _shell_script(arguments)
    if name == "eval":
        return " ".join(arguments)
    return _option_value(arguments, _SCRIPT_OPTIONS.get(name, ("-c",)))


def _shell_script(arguments: Sequence[str]) -> str:
    """Return the script of `sh -c`.

    Options may come before the `-c`, after it and together with it (`-euxo pipefail -lc`).
    """
    has_script = False
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            return next(rest, "") if has_script else ""
        if not word.startswith(("-", "+")):
            return word if has_script else ""
        if word.startswith("--"):
            if word in {"--rcfile", "--init-file"}:
                next(rest, None)
            continue
        has_script = has_script or "c" in word
        # `-o pipefail` and `-O extglob` have a value.
        if "o" in word.lower():
            next(rest, None)
    return ""


def _option_value(words: Sequence[str], options: Sequence[str]) -> str:
    """Return the value of an option, in the same word after `=` or in the next one."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name not in options:
            continue
        if equals:
            return value
        if index + 1 < len(words):
            return words[index + 1]
        break
    return ""


def _search_script(script: str, scope: _Scope) -> Iterator[StartCall]:
    """Search the commands of a shell script, following the variables that it sets."""
    if scope.depth > _MOST_SCRIPTS or ("ray" not in script and "$" not in script):
        return
    if not scope.reading.spend(len(script) + len(scope.variables)):
        return
    try:
        found = shell.commands(script)
    except ValueError:
        # A shell would refuse such a script, or it is written for one that we cannot read. A
        # warning that asks the user is better than Ray started twice.
        yield from _search_text(_LINE_COMMENT.sub("", script))
        return
    known = dict(scope.variables)
    here = replace(scope, variables=known)
    for command in found:
        words = _without_reserved(command.words)
        if not _assign(words, known, scope.copying):
            yield from _search_words(*_expand_first(words, here))
        for document in command.documents:
            yield from _search_document(document, words, here.inside())


def _without_reserved(words: Sequence[str]) -> Sequence[str]:
    """Return the words of a command without those of the shell's grammar before it."""
    for index, word in enumerate(words):
        if word not in _RESERVED:
            return words[index:]
    return ()


def _assign(words: Sequence[str], known: dict[str, str], copying: _Budget) -> bool:
    """Keep the assignments of a command that is nothing else, as in `CMD="ray start"`.

    Return whether it is such a command.
    """
    targets = words
    if words and words[0] in _DECLARING:
        targets = words[1:]
    assigned: list[tuple[str, str, str]] = []
    for word in targets:
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            return False
        assigned.append((match[1], match[2], match[3]))
    for name, plus, value in assigned:
        before = known.get(name, "")
        if not plus:
            known[name] = value
        elif copying.spend(len(before)):
            known[name] = before + value
    return bool(assigned)


def _expand_first(words: Sequence[str], scope: _Scope) -> tuple[Sequence[str], _Scope]:
    """Return the words, with the value of a variable that is the command, and their scope.

    Scripts put a long `ray start` together in a variable and then run `$CMD`, `eval "$CMD"`
    or `bash -c "$CMD"` (vLLM's examples/online_serving/run_cluster.sh). The latter two have
    `$CMD` as their script. In the scope that is returned the variable is unknown, so it
    cannot name itself.
    """
    match = _EXPANDED.fullmatch(words[0]) if words else None
    if match is None:
        return words, scope
    name = match[1] or match[2]
    value = scope.variables.get(name)
    if value is None or not scope.reading.spend(len(value) + len(scope.variables)):
        return words, scope
    others = dict(scope.variables)
    del others[name]
    return [*value.split(), *words[1:]], replace(scope, variables=others)


def _search_document(document: str, words: Sequence[str], scope: _Scope) -> Iterator[StartCall]:
    """Search a here-document.

    It is Python's code if Python reads it, and otherwise a script, because `cat` may write
    it to a file that runs later. Only a shell is sure to run it, so for any other reader it
    must be readable.
    """
    names = {word.rpartition("/")[2] for word in words}
    if any(_PYTHON_NAME.fullmatch(name) for name in names):
        yield from _search_python(document)
    elif names & _SHELLS or _is_readable(document):
        yield from _search_script(document, scope)


def _is_readable(script: str) -> bool:
    """Return whether a text has the form of a shell script."""
    try:
        shell.commands(script)
    except ValueError:
        return False
    return True


def _search_python(code: str) -> Iterator[StartCall]:
    """Search Python's code for `"ray start"` and `["ray", "start"]`.

    Texts in quotes count, because they are what the code runs.
    """
    if "ray" in code:
        yield from _search_text(_BETWEEN_STRINGS.sub(" ", _without_comments(code)))


def _without_comments(code: str) -> str:
    """Return Python's code without its comments."""
    lines = code.split("\n")
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):
        return _LINE_COMMENT.sub("", code)
    return "\n".join(lines)


def _search_text(text: str) -> Iterator[StartCall]:
    """Search a text by a pattern. The options that it finds need not be all of a start's."""
    for match in _START_IN_TEXT.finditer(text.replace("\\\n", " ")):
        yield StartCall(" ".join(match[1].split()), tuple(match[2].split()), is_whole=False)
