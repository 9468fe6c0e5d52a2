from __future__ import annotations

from typing import Any

import pytest

from webhook.jobs.equality import is_same

SAME: list[tuple[str, Any, Any]] = [
    ("resources", {}, None),
    ("template", {"metadata": {"creationTimestamp": None}}, {}),
    ("requests", {"cpu": "1000m"}, {"cpu": "1"}),
    ("limits", {"cpu": 2, "memory": "1024Mi"}, {"cpu": "2", "memory": "1Gi"}),
    ("emptyDir", {"sizeLimit": "1024Mi"}, {"sizeLimit": "1Gi"}),
    ("policy", {"timeout": "1h0m0s"}, {"timeout": "60m"}),
    ("env", [{"name": "A", "value": ""}], [{"name": "A"}]),
    ("spec", {"hostNetwork": False}, {}),
    ("replicas", 0, None),
]

OTHER: list[tuple[str, Any, Any]] = [
    ("spec", {"terminationGracePeriodSeconds": 0}, {}),
    ("spec", {"automountServiceAccountToken": False}, {}),
    ("labels", {"a": ""}, {}),
    ("requests", {"cpu": "1"}, {"cpu": "2"}),
    ("requests", {"cpu": "much"}, {"cpu": "more"}),
    ("tolerations", [{}], []),
    ("args", ["a", "b"], ["b", "a"]),
    ("timeout", "1m", "1h"),
    ("timeout", "soon", "later"),
    ("name", "1000m", "1"),
    ("hostNetwork", True, None),
]


@pytest.mark.parametrize(("key", "one", "other"), SAME)
def test_says_the_same(key: str, one: Any, other: Any) -> None:
    assert is_same(one, other, key)
    assert is_same(other, one, key)


@pytest.mark.parametrize(("key", "one", "other"), OTHER)
def test_says_something_else(key: str, one: Any, other: Any) -> None:
    assert not is_same(one, other, key)
    assert not is_same(other, one, key)
