from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import jsonpatch
import pytest

from webhook.k8s import patch

if TYPE_CHECKING:
    from webhook.names import Object


def applied(parent: Object, operations: list[Object]) -> Object:
    """The parent, which is at /x, with the operations applied by a library that is not volray."""
    patched: Object = jsonpatch.apply_patch({"x": deepcopy(parent)}, operations)
    found: Object = patched["x"]
    return found


def test_a_pointer_escapes_tilde_and_slash() -> None:
    assert patch.pointer() == ""
    assert patch.pointer("") == "/"
    assert patch.pointer("spec", "containers", 0) == "/spec/containers/0"
    assert patch.pointer("a/b", "a~b", "~1") == "/a~1b/a~0b/~01"


@pytest.mark.parametrize(
    ("parent", "operation"), [({}, "add"), ({"a/b": None}, "replace"), ({"a/b": 1}, "replace"), ({"other": 1}, "add")]
)
def test_put_is_one_operation_that_sets_a_key(parent: Object, operation: str) -> None:
    operations = patch.put(parent, "/x", "a/b", 2)
    assert operations == [{"op": operation, "path": "/x/a~1b", "value": 2}]
    assert applied(parent, operations) == {**parent, "a/b": 2}


@pytest.mark.parametrize("parent", [{"a/b": 1, "c": 2}, {"a/b": None, "c": 2}])
def test_drop_is_one_operation_that_removes_a_key(parent: Object) -> None:
    operations = patch.drop(parent, "/x", "a/b")
    assert operations == [{"op": "remove", "path": "/x/a~1b"}]
    assert applied(parent, operations) == {"c": 2}


@pytest.mark.parametrize(
    ("parent", "items", "operation"),
    [
        ({}, [1], {"op": "add", "path": "/x/k", "value": [1]}),
        ({}, [1, 2], {"op": "add", "path": "/x/k", "value": [1, 2]}),
        ({"k": None}, [1], {"op": "replace", "path": "/x/k", "value": [1]}),
        ({"k": []}, [1], {"op": "replace", "path": "/x/k", "value": [1]}),
        ({"k": [0]}, [1], {"op": "add", "path": "/x/k/-", "value": 1}),
        ({"k": [0]}, [1, 2], {"op": "replace", "path": "/x/k", "value": [0, 1, 2]}),
        ({"k": [0, 9]}, [1, 2], {"op": "replace", "path": "/x/k", "value": [0, 9, 1, 2]}),
    ],
)
def test_extend_is_one_operation_that_appends_to_a_list(parent: Object, items: list[Any], operation: Object) -> None:
    before = deepcopy((parent, items))
    operations = patch.extend(parent, "/x", "k", items)
    assert operations == [operation]
    assert applied(parent, operations) == {"k": [*(parent.get("k") or []), *items]}
    assert (parent, items) == before


def test_extending_by_nothing_and_dropping_what_is_not_there_are_no_operation() -> None:
    parents: list[Object] = [{}, {"k": None}, {"k": [1]}]
    assert [patch.extend(parent, "/x", "k", []) for parent in parents] == [[], [], []]
    assert patch.drop({"c": 2}, "/x", "a/b") == []


@pytest.mark.parametrize(
    ("parent", "entries", "operation"),
    [
        ({}, {"a/b": "1"}, {"op": "add", "path": "/x/k", "value": {"a/b": "1"}}),
        ({"k": None}, {"a/b": "1"}, {"op": "replace", "path": "/x/k", "value": {"a/b": "1"}}),
        ({"k": {}}, {"a/b": "1"}, {"op": "replace", "path": "/x/k", "value": {"a/b": "1"}}),
        ({"k": {"c": "0"}}, {"a/b": "1"}, {"op": "add", "path": "/x/k/a~1b", "value": "1"}),
        ({"k": {"a/b": "0"}}, {"a/b": "1"}, {"op": "replace", "path": "/x/k/a~1b", "value": "1"}),
        (
            {"k": {"c": "0"}},
            {"a": "1", "b": "2"},
            {"op": "replace", "path": "/x/k", "value": {"c": "0", "a": "1", "b": "2"}},
        ),
        ({}, {"a": "1", "b": "2"}, {"op": "add", "path": "/x/k", "value": {"a": "1", "b": "2"}}),
    ],
)
def test_merge_is_one_operation_that_adds_to_a_map(parent: Object, entries: dict[str, str], operation: Object) -> None:
    before = deepcopy((parent, entries))
    operations = patch.merge(parent, "/x", "k", entries)
    assert operations == [operation]
    assert applied(parent, operations) == {"k": {**(parent.get("k") or {}), **entries}}
    assert (parent, entries) == before
