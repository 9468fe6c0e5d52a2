"""Whatever comes in: no 5xx, no trace, no fault of volray."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import recordings
from tests.server.application import Application

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

Path = tuple[str | int, ...]

REVIEWS = [recordings.review(name) for name in recordings.names("*")]
APPLICATION = Application()

WORDS = ["ray start", "Pod", "CREATE", "head", "worker", "true", "", "1e3", "'", "\\", "--port", "{x}", "$(A)", "a!"]
texts = st.text(max_size=20) | st.sampled_from(WORDS)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)

FLAGS = ["--port", "--headContainer", "--worker", "--dashboardPort", "--num-cpus", "--resources", "--nonsense", "-x"]
lines_of_flags = st.lists(st.sampled_from(FLAGS) | texts, max_size=5).map("=".join) | st.lists(
    st.builds("{}={}".format, st.sampled_from(FLAGS), texts), max_size=4
).map(" ".join)

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where there is a value, in a value."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*path, key))


def is_read(path: Path) -> bool:
    """Whether volray looks there; nobody wonders about a managed field."""
    return "managedFields" not in path and "userInfo" not in path


PLACES = [(review, path) for review in REVIEWS for path in places(review) if path and is_read(path)]
POD_PLACES = [(r, p) for r, p in PLACES if r["request"]["kind"]["kind"] == "Pod" and p[:2] == ("request", "object")]


def replaced(review: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(review)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def assert_harmless(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 400, 413, 415}
    assert "Traceback" not in answer.text
    if answer.status_code == 200:
        response = answer.json()["response"]
        assert response["auditAnnotations"]["reason"] != "internal", response
        assert ("patch" in response) == ("patchType" in response)
        assert response["allowed"] or response["status"]["message"]
        assert all(len(warning) <= 120 for warning in response.get("warnings", ()))
    else:
        assert answer.json()["message"]


def post(review: Any) -> httpx.Response:
    return APPLICATION.post(json.dumps(review).encode())


@few
@given(st.binary(max_size=300))
@example(b"\x00")
@example(b"\xef\xbb\xbf{}")
def test_any_bytes(body: bytes) -> None:
    answer = APPLICATION.post(body)
    assert_harmless(answer)
    assert answer.status_code == 400


@few
@given(anything)
def test_any_json(value: Any) -> None:
    answer = post(value)
    assert_harmless(answer)
    assert answer.status_code == 400


@few
@given(anything, anything)
def test_any_object_and_metadata_in_a_review(subject: Any, metadata: Any) -> None:
    for changed in (subject, {"metadata": metadata, "spec": subject}):
        assert_harmless(post(replaced(REVIEWS[-1], ("request", "object"), changed)))


@many
@given(st.sampled_from(PLACES), anything)
def test_a_recorded_review_with_a_value_replaced(place: tuple[Any, Path], value: Any) -> None:
    assert_harmless(post(replaced(*place, value)))


@many
@given(st.sampled_from(POD_PLACES), anything, st.data())
def test_a_recorded_pod_with_two_values_replaced(place: tuple[Any, Path], value: Any, data: st.DataObject) -> None:
    changed = replaced(*place, value)
    rest = [path for path in places(changed["request"]["object"]) if path and is_read(path)]
    if rest:
        second = data.draw(st.sampled_from(rest))
        changed["request"]["object"] = replaced(changed["request"]["object"], second, data.draw(anything))
    assert_harmless(post(changed))


@many
@given(
    st.sampled_from([place[0] for place in POD_PLACES]),
    st.dictionaries(
        st.sampled_from([f"ray.volcano.sh/{name}" for name in ("args", "start-args", "role", "command", "injected")]),
        lines_of_flags | texts,
        min_size=1,
    ),
)
def test_a_recorded_pod_with_any_annotations_of_ours(review: Any, annotations: dict[str, str]) -> None:
    changed = copy.deepcopy(review)
    changed["request"]["object"]["metadata"].setdefault("annotations", {}).update(annotations)
    assert_harmless(post(changed))


@few
@given(st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "ephemeral-storage"]) | texts, scalars))
@example({"a!": "1"})
def test_a_recorded_pod_with_any_resources(resources: dict[str, Any]) -> None:
    review = recordings.review("pod-create-minimal-head-0")
    container = review["request"]["object"]["spec"]["containers"][0]
    for key in ("limits", "requests"):
        container["resources"] = {key: resources}
        assert_harmless(post(review))


headers = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@few
@given(headers, st.binary(max_size=20))
def test_any_content_type(content_type: str, body: bytes) -> None:
    assert_harmless(APPLICATION.post(body, {"Content-Type": content_type}))


@few
@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8), max_size=4).map("/".join))
def test_any_path_but_ours_is_404_or_a_redirect_to_none(path: str) -> None:
    answer = APPLICATION.send("POST", "/x/" + path.replace("?", "").replace("#", ""))
    assert answer.status_code == 404
