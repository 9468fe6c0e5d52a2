"""Which words a shell would give to which command."""

from __future__ import annotations

import pytest

from webhook.pods import shell

READ = {
    "words": ("a  b\tc", [["a", "b", "c"]]),
    "nothing": (" \n ;\n", []),
    "separators": ("a; b && c || d | e & f\ng |& h", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"], ["h"]]),
    "single quotes": ("a 'b ; c' '\"$x'", [["a", "b ; c", '"$x']]),
    "double quotes": ('a "b ; \'c\'" "\\"d\\" \\n $x"', [["a", "b ; 'c'", '"d" \\n $x']]),
    "quotes within a word": ("a--b='c d'\"e f\"g", [["a--b=c de fg"]]),
    "an empty word": ("a '' b", [["a", "", "b"]]),
    "ANSI-C quotes": (r"a $'it\'s' b", [["a", r"it\'s", "b"]]),
    "a dollar before quotes in quotes": ('a "$\'b"', [["a", "$'b"]]),
    "an escaped blank": (r"a b\ c \;d", [["a", "b c", ";d"]]),
    "lines that go on": ('a \\\n  b\\\nc "d\\\ne"', [["a", "bc", "de"]]),
    "lines of Windows": ("a b\r\nc", [["a", "b"], ["c"]]),
    "a comment": ("a # b; c\nd", [["a"], ["d"]]),
    "a comment at the start": ("# it's nothing\na", [["a"]]),
    "no comment within a word": ("a b#c $#", [["a", "b#c", "$#"]]),
    "redirections": ("a >b 2>&1 <c 10>>d &>e f", [["a", "f"]]),
    "a number that is no descriptor": ("a 6379 >b", [["a", "6379"]]),
    "a subshell": ("(a; b) && { c; }", [["a"], ["b"], ["{", "c"], ["}"]]),
    "a process's output as a file": ("a <(b c) d", [["a"], ["b", "c"], ["d"]]),
    "a case": ("case $x in a) b;; *) c;; esac", [["case", "$x", "in", "a"], ["b"], ["*"], ["c"], ["esac"]]),
    "a command in a word": ("a --b=$(c 'd)' (e)) f", [["a", "--b=$(c 'd)' (e))", "f"], ["c", "d)"], ["e"]]),
    "a command in quotes": ('a "b $(c "d e") f"', [["a", 'b $(c "d e") f'], ["c", "d e"]]),
    "backticks": ("a `b c` d", [["b", "c"], ["a", "`b c`", "d"]]),
    "arithmetic": ("a $((1 << (2+3))) b", [["a", "$((1 << (2+3)))", "b"]]),
    "braces": ("a ${b:-c d} e", [["a", "${b:-c d}", "e"]]),
    "unusual blanks": ("a\x0bb\u00a0c", [["a\x0bb\u00a0c"]]),
}


@pytest.mark.parametrize(("script", "words"), READ.values(), ids=READ)
def test_a_script_is_read_as_a_shell_reads_it(script: str, words: list[list[str]]) -> None:
    found = [command.words for command in shell.commands(script)]
    assert sorted(found) == sorted(words)


DOCUMENTS = {
    "to its end": ("a <<EOF b\nc d\ne\nEOF\nf", [(["a", "b"], ["c d\ne"]), (["f"], [])]),
    "quoted": ("a <<'E'\n$x 'y\nE\n", [(["a"], ["$x 'y"])]),
    "with tabs": ("a <<-E\n\tb\n\tE\nc", [(["a"], ["\tb"]), (["c"], [])]),
    "two": ("a <<E; b <<F\n1\nE\n2\nF\n", [(["a"], ["1"]), (["b"], ["2"])]),
    "without an end": ("a <<E\nb", [(["a"], ["b"])]),
    "a string": ("a <<< 'b c' d", [(["a", "d"], ["b c"])]),
}


@pytest.mark.parametrize(("script", "expected"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_here_document_belongs_to_its_command(script: str, expected: list[tuple[list[str], list[str]]]) -> None:
    assert [(command.words, command.documents) for command in shell.commands(script)] == expected


@pytest.mark.parametrize(
    "script", ["a 'b", 'a "b', "a $(b", "a `b", 'a "$(b"', "a $((1", "a ${b", "$(" * 30 + ")" * 30, "$(" * 10_000]
)
def test_a_script_that_a_shell_would_refuse_is_an_error(script: str) -> None:
    with pytest.raises(ValueError, match=r"end|deep|not found"):
        shell.commands(script)
