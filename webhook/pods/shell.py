"""Read the simple commands in a shell script.

A command has its words without quotes, and the here-documents that it reads. This knows
enough of POSIX sh and bash to tell a command's words from quoted text and from comments.
Python's `shlex` does not, as it takes `a#b` for a word and a comment, ends a word at `$(`
and knows no here-documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_BLANKS: Final = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_REDIRECTION: Final = re.compile(r"[0-9]*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?")
_COMMAND_END: Final = re.compile(r";;&?|;&|&&|\|\||\|&|[;&|()\n]")
_COMMENT: Final = re.compile(r"#[^\n]*")
_WORD_ENDS: Final = frozenset(" \t\r\n;&|()<>")
_PLAIN: Final = re.compile(r"[^\s;&|()<>'\"\\$`]+")
_IN_DOUBLE_QUOTES: Final = re.compile(r"[^\"\\$`]+")
_ANSI_C: Final = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BACKTICKS: Final = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
_PARENTHESIS: Final = re.compile(r"[()]")
_ESCAPED_IN_DOUBLE_QUOTES: Final = frozenset('"\\$`')

_MOST_SUBSTITUTIONS: Final = 20
"""Levels of `$( … )` within each other. Nobody writes more, and Python's stack is limited."""


@dataclass
class Command:
    """A simple command. Expansions such as `$NAME` and `$(date)` stay in its words as written."""

    words: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    """The here-documents and here-strings that it reads."""


def commands(script: str) -> list[Command]:
    """Return the simple commands of a script in the order of their first words.

    Commands in `$( … )` and in backticks are among them. Words such as `if`, `do` and `{`
    are part of a command, and so are assignments. Redirections are left out.

    Raises:
        ValueError: A quotation or a substitution has no end, or they are nested too deeply.
    """
    return _Reader(script).read()


@dataclass(frozen=True)
class _AwaitedDocument:
    """A here-document that begins after the current line."""

    end: str
    """The line after its last one."""
    drops_tabs: bool
    """Whether tabs before the end are dropped, as after `<<-`."""
    command: Command
    """What reads it."""


class _Reader:
    """The state of one pass over a text.

    Each character is read once, except those in backticks, which a reader of their own
    reads again.
    """

    def __init__(self, text: str, position: int = 0, depth: int = 0) -> None:
        if depth > _MOST_SUBSTITUTIONS:
            raise ValueError("substitutions are nested too deeply")
        self.text = text
        self.position = position
        self._depth = depth
        self._found: list[Command] = []
        self._command = Command()
        self._awaited: list[_AwaitedDocument] = []

    def read(self, *, until_parenthesis: bool = False) -> list[Command]:
        """Read to the end of the text, or to the closing parenthesis that no parenthesis opened."""
        opened = 0
        while self.position < len(self.text):
            if self._match(_BLANKS) or self._match(_COMMENT):
                continue
            redirection = self._match(_REDIRECTION)
            if redirection:
                self._read_redirection(redirection)
                continue
            separator = self._match(_COMMAND_END)
            if not separator:
                self._append_word(self._read_word())
                continue
            self._command = Command()
            if separator == "\n":
                self._read_documents()
            elif separator == "(":
                opened += 1
            elif separator == ")":
                opened -= 1
            if until_parenthesis and opened < 0:
                return self._found
        if until_parenthesis:
            raise ValueError("a substitution has no end")
        return self._found

    def _match(self, pattern: re.Pattern[str]) -> str:
        """Go past what matches here and return it. Without a match, return an empty text."""
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match.group()

    def _append_word(self, word: str) -> None:
        """Add a word to the current command. The command is kept from its first word on."""
        if not self._command.words:
            self._found.append(self._command)
        self._command.words.append(word)

    def _read_redirection(self, operator: str) -> None:
        """Read the target of a redirection. A here-document follows after the end of the line."""
        self._match(_BLANKS)
        # The words of `<(command)` follow as a command of their own.
        if self.position == len(self.text) or self.text[self.position] in _WORD_ENDS:
            return
        target = self._read_word()
        kind = operator.lstrip("0123456789")
        if kind == "<<<":
            self._command.documents.append(target)
        elif kind in {"<<", "<<-"}:
            self._awaited.append(_AwaitedDocument(target, kind == "<<-", self._command))

    def _read_documents(self) -> None:
        """Read the here-documents of the line that has just ended."""
        for awaited in self._awaited:
            lines: list[str] = []
            while self.position < len(self.text):
                line = self._read_line()
                without_tabs = line.lstrip("\t") if awaited.drops_tabs else line
                if without_tabs == awaited.end:
                    break
                lines.append(line)
            awaited.command.documents.append("\n".join(lines))
        self._awaited = []

    def _read_line(self) -> str:
        """Read to the end of the line and go past it."""
        end = self.text.find("\n", self.position)
        if end < 0:
            end = len(self.text)
        line = self.text[self.position : end]
        self.position = end + 1
        return line

    def _read_word(self) -> str:
        """Read a word, of which some parts may be quoted."""
        parts: list[str] = []
        while self.position < len(self.text) and self.text[self.position] not in _WORD_ENDS:
            parts.append(self._read_part())
        return "".join(parts)

    def _read_part(self) -> str:
        """Read a quotation, an escape, an expansion, or plain text up to the next of them."""
        first = self.text[self.position]
        if first == "'":
            start = self.position + 1
            end = self.text.index("'", start)
            self.position = end + 1
            return self.text[start:end]
        if first == '"':
            return self._read_double_quotes()
        if first == "\\":
            escaped = self._read_escaped()
            return "" if escaped == "\n" else escaped
        return self._match(_PLAIN) or self._read_expansion()

    def _read_escaped(self) -> str:
        """Read a backslash and return the character after it, if there is one."""
        escaped = self.text[self.position + 1 : self.position + 2]
        self.position += 2
        return escaped

    def _read_double_quotes(self) -> str:
        """Read a text in double quotes, in which expansions and some escapes count."""
        self.position += 1
        parts: list[str] = []
        while self.position < len(self.text):
            first = self.text[self.position]
            if first == '"':
                self.position += 1
                return "".join(parts)
            if first == "\\":
                escaped = self._read_escaped()
                if escaped in _ESCAPED_IN_DOUBLE_QUOTES:
                    parts.append(escaped)
                elif escaped != "\n":
                    parts.append(first + escaped)
            elif first == "$" and self.text.startswith(("$'", '$"'), self.position):
                # Quotes after a dollar have no meaning of their own within double quotes.
                parts.append(first)
                self.position += 1
            else:
                parts.append(self._match(_IN_DOUBLE_QUOTES) or self._read_expansion())
        raise ValueError("a double quotation has no end")

    def _read_expansion(self) -> str:
        """Read what begins with `$` or a backtick, and the commands within it."""
        start = self.position
        if self.text[start] == "`":
            return self._read_backticks()
        ansi_c = _ANSI_C.match(self.text, start)
        if ansi_c:
            self.position = ansi_c.end()
            return ansi_c[1]
        if self.text.startswith("$((", start):
            self._skip_arithmetic()
        elif self.text.startswith("$(", start):
            inner = _Reader(self.text, start + len("$("), self._depth + 1)
            self._found += inner.read(until_parenthesis=True)
            self.position = inner.position
        elif self.text.startswith("${", start):
            self.position = self.text.index("}", start) + 1
        else:
            self.position += 1
        return self.text[start : self.position]

    def _read_backticks(self) -> str:
        """Read a substitution in backticks, and the commands within it."""
        match = _BACKTICKS.match(self.text, self.position)
        if match is None:
            raise ValueError("a backtick has no end")
        self.position = match.end()
        self._found += _Reader(match[1], depth=self._depth + 1).read()
        return match.group()

    def _skip_arithmetic(self) -> None:
        """Go past an arithmetic expansion such as `$((1 + (2 * 3)))`."""
        opened = 0
        for match in _PARENTHESIS.finditer(self.text, self.position):
            opened += 1 if match.group() == "(" else -1
            if opened == 0:
                self.position = match.end()
                return
        raise ValueError("an arithmetic expansion has no end")
