"""YAML as kubectl reads it, and as every parser reads ours."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from webhook.cli.documents import dump, join, load, split

READ: dict[str, Any] = {
    "1": 1,
    "-1": -1,
    "+1": 1,
    "0": 0,
    "1_000": 1000,
    "0123": 83,
    "0x1F": 31,
    "0b11": 3,
    "1e3": 1000.0,
    "1E+3": 1000.0,
    ".5": 0.5,
    "1.": 1.0,
    "08": 8.0,
    "-.inf": -math.inf,
    "yes": True,
    "No": False,
    "on": True,
    "off": False,
    "y": True,
    "N": False,
    "true": True,
    "~": None,
    "null": None,
    "": None,
    "2026-11-21": "2026-11-21",
    "2026-11-21T10:00:00Z": "2026-11-21T10:00:00Z",
    "12:30": "12:30",
    "12:30:45": "12:30:45",
    "22:22": "22:22",
    "1:30.5": "1:30.5",
    "=": "=",
    "1.2.3": "1.2.3",
    "500m": "500m",
    "2Gi": "2Gi",
    "_1": "_1",
    "'1'": "1",
    '"yes"': "yes",
    "!!str 1": "1",
}


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_a_scalar_is_read_as_kubectl_reads_it(text: str, value: Any) -> None:
    read = load(f"a: {text}\n")["a"]
    assert (type(read), read) == (type(value), value)


AWKWARD = [
    "1", "-1", "+1", "0", "-0", "1_000", "0123", "08", "0x1F", "0X1F", "0b11", "0B1", "0o17", "0O17", "1e3", "1E+3",
    "1e5_0", ".5", "+.5", "1.", "1.5", "-.inf", ".Inf", "+.INF", ".nan", ".NaN", "yes", "Yes", "NO", "on", "Off", "y",
    "Y", "n", "N", "true", "FALSE", "~", "null", "Null", "NULL", "", "2026-11-21", "2026-11-21T10:00:00Z", "12:30",
    "12:30:45", "1:30.5", "=", "<<",
]  # fmt: skip


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_that_some_parser_takes_for_something_else_is_quoted(text: str) -> None:
    assert dump({"a": text})[3] in "'\""
    assert dump({text: "a"})[0] in "'\"?"
    assert load(dump({text: text})) == {text: text}


@pytest.mark.parametrize("text", ["rayproject/ray:2.60.0-py311", "1.2.3", "500m", "2Gi", "a", "10.0.0.1", "é", "1-2"])
def test_a_text_that_nobody_takes_for_something_else_is_not(text: str) -> None:
    assert dump({"a": text}) == f"a: {text}\n"


def test_a_text_of_several_lines_is_a_block() -> None:
    assert dump({"a": "set -e\nray status\n"}) == "a: |\n  set -e\n  ray status\n"


def test_keys_keep_their_order_and_objects_are_written_twice_rather_than_anchored() -> None:
    shared = {"z": 1, "a": 2}
    assert dump({"b": shared, "a": shared}) == "b:\n  z: 1\n  a: 2\na:\n  z: 1\n  a: 2\n"


def test_json_may_be_indented_with_tabs_and_escape_a_character_as_two() -> None:
    text = json.dumps({"kind": "A", "note": "\U0001f600/"}, indent="\t").replace("/", "\\/")
    assert load(text) == {"kind": "A", "note": "\U0001f600/"}


def test_a_flow_mapping_is_not_taken_for_json() -> None:
    assert load("{kind: A, 'b': c}") == {"kind": "A", "b": "c"}


CORE_SCHEMA = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|null|Null|NULL|~||true|True|TRUE|false|False|FALSE"
)
"""What YAML 1.2 resolves a plain scalar to other than a text (10.3.2)."""

texts = (
    st.text(max_size=12)
    | st.text(st.sampled_from("\n \t-:#'\"|>%@&*!?[]{},.\\a1\x85\u2028\ufeff\r\x00é\U0001f600"), max_size=8)
    | st.from_regex(CORE_SCHEMA, fullmatch=True)
    | st.text(st.sampled_from("0123456789+-._eExXoObB:"), max_size=6)
    | st.sampled_from(AWKWARD)
)
# Beyond 2**63 JSON readers disagree, and of NaN no two are the same.
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=10
)
objects = st.dictionaries(texts, values, min_size=1, max_size=4)
often = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
cheap = settings(max_examples=400, deadline=None)


@often
@given(objects)
@example({"a": "\x85b\n c"})
@example({"a": [{"b": "\n x\n"}]})
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert load(dump(value)) == value


@often
@given(objects)
def test_another_parser_reads_the_same(value: dict[str, Any]) -> None:
    """PyYAML as it comes: dates and sexagesimals and all."""
    assert yaml.safe_load(dump(value)) == value


@often
@given(st.lists(objects, max_size=2))
def test_a_stream_is_split_where_it_was_joined(parts: list[dict[str, Any]]) -> None:
    written = [dump(part) for part in parts]
    assert [load(part) for part in split(join(written))] == parts


@cheap
@given(st.from_regex(CORE_SCHEMA, fullmatch=True))
def test_no_text_is_written_as_what_yaml_1_2_takes_for_something_else(text: str) -> None:
    assert dump({"a": text})[3] in "'\""


@cheap
@given(st.text(st.sampled_from("0123456789abfoxOXBeE+-._"), min_size=1, max_size=6))
def test_no_text_is_written_as_what_go_takes_for_a_number(text: str) -> None:
    """go-yaml drops the underscores and asks strconv, whose base 0 knows more prefixes than YAML."""
    plain = dump({"a": text}) == f"a: {text}\n"
    assert not (plain and _go_number(text))


def _go_number(text: str) -> bool:
    if text[0] not in "+-.0123456789":
        return False
    digits = text.replace("_", "")
    whole = re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)", digits)
    return bool(whole or re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", digits))


@often
@given(objects)
def test_the_same_value_gives_the_same_text(value: dict[str, Any]) -> None:
    assert dump(load(dump(value))) == dump(value)
