"""A shell script → the simple commands in it: words without quotes, no comments, and the here-documents.

This reads enough of POSIX sh and bash to tell a command's words from quoted text and from comments. Python's `shlex`
does not do: it takes `a#b` for a word and a comment, ends a word at `$(`, and knows no here-documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_BLANKS: Final = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_REDIRECTION: Final = re.compile(r"[0-9]*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?")
_SEPARATOR: Final = re.compile(r";;&?|;&|&&|\|\||\|&|[;&|()\n]")
_COMMENT: Final = re.compile(r"#[^\n]*")
_WORD_ENDS: Final = frozenset(" \t\r\n;&|()<>")
_PLAIN: Final = re.compile(r"[^\s;&|()<>'\"\\$`]+")
_IN_DOUBLE_QUOTES: Final = re.compile(r"[^\"\\$`]+")
_ANSI_C: Final = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BACKTICKS: Final = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
_PARENTHESIS: Final = re.compile(r"[()]")
_ESCAPED_IN_DOUBLE_QUOTES: Final = frozenset('"\\$`')

_DEEPEST: Final = 20
"""Levels of `$( … )` within each other. Nobody writes more, and Python's own stack ends somewhere."""


@dataclass
class Command:
    """A simple command. Expansions stay in its words as they were written: `$NAME`, `$(date)`."""

    words: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    """The here-documents and here-strings that it reads."""


def commands(script: str) -> list[Command]:
    """Return the simple commands of a script in the order of their first words.

    Commands in `$( … )` and in backticks are among them. Words such as `if`, `do` and `{` are part of a command, as
    are assignments; redirections are not.

    Raises:
        ValueError: A quotation or a substitution has no end, or they are nested too deeply.
    """
    return _Reader(script).read()


class _Reader:
    """The state of one pass over a text."""

    def __init__(self, text: str, at: int = 0, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise ValueError("substitutions are nested too deeply")
        self.text = text
        self.at = at
        self._depth = depth
        self._found: list[Command] = []
        self._command = Command()
        self._awaited: list[tuple[str, bool, Command]] = []
        """Here-documents that begin after this line: end, whether tabs go, and the command."""

    def read(self, *, until_parenthesis: bool = False) -> list[Command]:
        """Read to the end of the text, or to the closing parenthesis that no parenthesis opened."""
        opened = 0
        while self.at < len(self.text):
            if self._skip(_BLANKS) or self._skip(_COMMENT):
                continue
            if operator := self._take(_REDIRECTION):
                self._redirect(operator)
            elif operator := self._take(_SEPARATOR):
                opened += {"(": 1, ")": -1}.get(operator, 0)
                self._end_command()
                if operator == "\n":
                    self._read_documents()
                if until_parenthesis and opened < 0:
                    return self._found
            else:
                self._add(self._word())
        if until_parenthesis:
            raise ValueError("a substitution has no end")
        self._end_command()
        return self._found

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        return bool(self._take(pattern))

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _add(self, word: str) -> None:
        if not self._command.words:
            self._found.append(self._command)
        self._command.words.append(word)

    def _end_command(self) -> None:
        self._command = Command()

    def _redirect(self, operator: str) -> None:
        self._skip(_BLANKS)
        if self.at == len(self.text) or self.text[self.at] in _WORD_ENDS:
            return  # `<(command)`: its words follow as a command of their own
        target = self._word()
        kind = operator.lstrip("0123456789")
        if kind == "<<<":
            self._command.documents.append(target)
        elif kind in {"<<", "<<-"}:
            self._awaited.append((target, kind == "<<-", self._command))

    def _read_documents(self) -> None:
        for end, without_tabs, command in self._awaited:
            lines: list[str] = []
            while self.at < len(self.text):
                after = self.text.find("\n", self.at)
                line = self.text[self.at :] if after < 0 else self.text[self.at : after]
                self.at += len(line) + 1
                if (line.lstrip("\t") if without_tabs else line) == end:
                    break
                lines.append(line)
            command.documents.append("\n".join(lines))
        self._awaited = []

    def _word(self) -> str:
        parts: list[str] = []
        while self.at < len(self.text) and self.text[self.at] not in _WORD_ENDS:
            parts.append(self._part())
        return "".join(parts)

    def _part(self) -> str:
        first = self.text[self.at]
        if first == "'":
            end = self.text.index("'", self.at + 1)
            start, self.at = self.at + 1, end + 1
            return self.text[start:end]
        if first == '"':
            return self._double_quoted()
        if first == "\\":
            escaped = self.text[self.at + 1 : self.at + 2]
            self.at += 2
            return "" if escaped == "\n" else escaped
        return self._take(_PLAIN) or self._expansion()

    def _double_quoted(self) -> str:
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            first = self.text[self.at]
            if first == '"':
                self.at += 1
                return "".join(parts)
            if first == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                kept = escaped if escaped in _ESCAPED_IN_DOUBLE_QUOTES else first + escaped
                parts.append("" if escaped == "\n" else kept)
            elif first == "$" and self.text.startswith(("$'", '$"'), self.at):
                parts.append(first)
                self.at += 1
            else:
                parts.append(self._take(_IN_DOUBLE_QUOTES) or self._expansion())
        raise ValueError("a double quotation has no end")

    def _expansion(self) -> str:
        """Read what begins with `$` or a backtick, and the commands within it."""
        start = self.at
        if self.text[start] == "`":
            match = _BACKTICKS.match(self.text, start)
            if match is None:
                raise ValueError("a backtick has no end")
            self.at = match.end()
            self._found += _Reader(match.group(1), depth=self._depth + 1).read()
            return match.group()
        if match := _ANSI_C.match(self.text, start):
            self.at = match.end()
            return match.group(1)
        if self.text.startswith("$((", start):
            self._skip_arithmetic()
        elif self.text.startswith("$(", start):
            inner = _Reader(self.text, start + len("$("), self._depth + 1)
            self._found += inner.read(until_parenthesis=True)
            self.at = inner.at
        elif self.text.startswith("${", start):
            self.at = self.text.index("}", start) + 1
        else:
            self.at += 1
        return self.text[start : self.at]

    def _skip_arithmetic(self) -> None:
        opened = 0
        for parenthesis in _PARENTHESIS.finditer(self.text, self.at):
            opened += {"(": 1, ")": -1}[parenthesis.group()]
            if opened == 0:
                self.at = parenthesis.end()
                return
        raise ValueError("an arithmetic expansion has no end")
