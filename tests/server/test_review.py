"""What POST /mutate answers: the protocol of admission.k8s.io/v1."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import jsonpatch
import orjson
import pytest

from tests import recordings
from tests.server.application import Application, patch_of
from tests.volcano_pods import pod
from webhook.admission.review import BODY_LIMIT
from webhook.pods.inject import inject
from webhook.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.names import Object

HEAD = "pod-create-minimal-head-0"
MIB = 1024 * 1024


def asking(subject: Object | None, **request: Any) -> Any:
    """A review of a pod's creation, with parts of the request replaced."""
    recorded = recordings.review(HEAD)
    recorded["request"].update({"object": subject, **request})
    return recorded


def padded(size: int) -> bytes:
    return recordings.body(HEAD).ljust(size)


@pytest.mark.parametrize("name", recordings.names("pod-create-*"))
def test_the_answer_is_the_injection_of_the_recorded_pod(name: str, application: Application) -> None:
    review = recordings.review(name)
    answer = application.post(recordings.body(name)).json()
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response = answer["response"]
    assert response["uid"] == review["request"]["uid"]
    assert response["allowed"] is True
    expected = inject(review["request"]["object"], review["request"]["namespace"])
    assert ("patch" in response) == ("patchType" in response) == bool(expected.operations)
    if expected.operations:
        assert response["patchType"] == "JSONPatch"
        assert patch_of(response) == list(expected.operations)


def test_a_patch_is_the_base64_of_a_json_patch_that_a_library_applies(application: Application) -> None:
    response = application.review(recordings.review(HEAD))
    patch = json.loads(base64.b64decode(response["patch"], validate=True))
    patched = jsonpatch.apply_patch(recordings.subject(HEAD), patch)
    assert patched["metadata"]["labels"]["ray.volcano.sh/node-type"] == "head"


WRONG_CONTENT_TYPES = ["text/plain", "application/yaml", "application/jsonx", "", "application/x-www-form-urlencoded"]
GOOD_CONTENT_TYPES = ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"]


@pytest.mark.parametrize("content_type", GOOD_CONTENT_TYPES)
def test_json_is_taken_whatever_its_charset_and_case(content_type: str, application: Application) -> None:
    assert application.post(recordings.body(HEAD), {"Content-Type": content_type}).status_code == 200


@pytest.mark.parametrize("content_type", WRONG_CONTENT_TYPES)
def test_another_content_type_is_415(content_type: str, application: Application) -> None:
    answer = application.post(recordings.body(HEAD), {"Content-Type": content_type})
    assert answer.status_code == 415
    assert answer.json() == {
        "reason": "content-type",
        "message": f"The content type is {content_type!r}. Send application/json.",
    }


def test_a_missing_content_type_is_415(application: Application) -> None:
    assert application.post(recordings.body(HEAD), {}).status_code == 415


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413), (8 * MIB, 413)])
def test_a_body_may_have_7_mib_and_no_byte_more(size: int, status: int, application: Application) -> None:
    assert BODY_LIMIT == 7 * MIB
    assert application.post(padded(size)).status_code == status


NOT_REVIEWS: dict[str, tuple[Any, str]] = {
    "a list": ([], "the body is [], not an object."),
    "null": (None, "the body is missing, not an object."),
    "no apiVersion": ({"kind": "AdmissionReview"}, "apiVersion is missing, not admission.k8s.io/v1."),
    "v1beta1": (
        {"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"},
        "apiVersion is admission.k8s.io/v1beta1, not admission.k8s.io/v1.",
    ),
    "another kind": (
        {"apiVersion": "admission.k8s.io/v1", "kind": "TokenReview"},
        "kind is TokenReview, not AdmissionReview.",
    ),
    "a number for a kind": (
        {"apiVersion": "admission.k8s.io/v1", "kind": 1},
        "kind is 1, not AdmissionReview.",
    ),
    "no request": (
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"},
        "request is missing, not an object.",
    ),
    "no uid": (asking({}, uid=None), "request.uid is missing, not a string."),
    "a uid that is a number": (asking({}, uid=1), "request.uid is 1, not a string."),
    "no kind of object": (asking({}, kind={}), "request.kind.kind is missing, not a string."),
    "an object that is a text": (asking({}, object="pod"), "request.object is pod, not an object."),
    "a namespace that is none": (asking({}, namespace=["a"]), "request.namespace is ['a'], not a string."),
    "an operation that is none": (asking({}, operation=None), "request.operation is missing, not a string."),
}


@pytest.mark.parametrize(("body", "sentence"), NOT_REVIEWS.values(), ids=NOT_REVIEWS)
def test_what_is_no_review_is_400_and_says_where(body: Any, sentence: str, application: Application) -> None:
    answer = application.post(json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json() == {
        "reason": "not-a-review",
        "message": f"{sentence} Send an AdmissionReview of admission.k8s.io/v1 with a request.",
    }


NOT_JSON = {
    "nothing": b"",
    "text": b"hello",
    "half a review": recordings.body(HEAD)[:-9],
    "no UTF-8": b'{"apiVersion": "\xff"}',
    "a lone surrogate": rb'{"apiVersion": "\ud800"}',
    "gzip": b"\x1f\x8b\x08\x00",
    "deeper than the parser goes": b"[" * 100_000,
    "two bodies": recordings.body(HEAD) * 2,
    "NaN": b'{"apiVersion": NaN}',
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_is_400(body: bytes, application: Application) -> None:
    answer = application.post(body)
    assert answer.status_code == 400
    assert answer.json()["reason"] == "not-json"


@pytest.mark.parametrize(
    "value", [b"[" * 1000 + b"]" * 1000, b'"' + b"a b-c " * MIB + b'"'], ids=["nested 1000 deep", "6 MiB long"]
)
def test_a_sentence_shows_little_of_what_is_wrong(value: bytes, application: Application) -> None:
    answer = application.post(b'{"apiVersion": ' + value + b"}")
    assert answer.status_code == 400
    assert len(answer.content) < 300


def test_an_object_that_no_json_can_be_made_of_again_is_400(application: Application) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = {"a": deep}
    review = asking(pod(env=[{"name": "A", "value": "a", "deep": deep}]))
    answer = application.post(json.dumps(review).encode())
    assert answer.status_code == 400
    assert "nested too deeply" in answer.json()["message"]


def test_another_kind_is_allowed_untouched_with_a_warning_for_whoever_wrote_the_rule(application: Application) -> None:
    kind = {"group": "", "version": "v1", "kind": "Service"}
    response = application.review(asking({"kind": "Service", "metadata": {}}, kind=kind))
    assert response["allowed"] is True
    assert not {"patch", "patchType"} & response.keys()
    assert " ".join(response["warnings"]) == "The object is a Service, not a Pod. Send only pods to this webhook."


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE", "CONNECT"])
@pytest.mark.parametrize("subject", [None, recordings.subject(HEAD)], ids=["object null", "object"])
def test_only_a_creation_is_looked_at(operation: str, subject: Object | None, application: Application) -> None:
    response = application.review(asking(subject, operation=operation, oldObject=recordings.subject(HEAD)))
    assert response["allowed"] is True
    assert not {"patch", "patchType"} & response.keys()
    assert response["auditAnnotations"]["reason"] == "not-create"


def test_a_creation_without_an_object_is_denied_in_a_sentence(application: Application) -> None:
    response = application.review(asking(None))
    assert response["allowed"] is False
    assert response["status"]["message"].startswith("pod.metadata is missing, not a map.")


def test_a_dry_run_is_answered_as_the_run_itself(application: Application) -> None:
    subject = recordings.subject(HEAD)
    assert application.review(asking(subject, dryRun=True)) == application.review(asking(subject))


def test_a_denied_pod_gets_status_422_and_every_mistake(application: Application) -> None:
    wrong = pod(flags="--port=x --nonsense=1")
    response = application.review(asking(wrong))
    assert response["allowed"] is False
    assert not {"patch", "patchType"} & response.keys()
    assert (response["status"]["code"], response["status"]["reason"]) == (422, "Invalid")
    for word in ("Job demo, task head:", "--port=x", "--nonsense"):
        assert word in response["status"]["message"]


def test_an_ipv6_cluster_is_refused_in_a_sentence() -> None:
    response = Application(ipv6=True).review(recordings.review(HEAD))
    assert response["allowed"] is False
    assert "This cluster gives pods IPv6 addresses first" in response["status"]["message"]
    assert response["auditAnnotations"]["reason"] == "ipv6"


@pytest.mark.parametrize(
    "subject",
    [
        pod("worker", spec={"hostNetwork": True, "dnsPolicy": "Default"}),
        pod(name="x" * 200, labels={"ray.volcano.sh/cluster": "true"}),
        pod("t" * 500, labels={"ray.volcano.sh/cluster": "true"}),
    ],
    ids=["several", "a long name", "a longer name"],
)
def test_a_warning_has_120_characters_at_most(subject: Object, application: Application) -> None:
    warnings = application.review(asking(subject))["warnings"]
    assert warnings
    assert all(0 < len(warning) <= 120 for warning in warnings)


AUDITED: dict[str, tuple[Object, dict[str, str]]] = {
    "head": (pod(), {"role": "head", "reason": "injected"}),
    "worker": (pod("worker"), {"role": "worker", "reason": "injected"}),
    "own": (pod(command=["ray", "start", "--head"]), {"role": "head", "reason": "injected-own"}),
    "other task": (pod("evaluator"), {"reason": "other-task"}),
    "denied": (pod(flags="--port=x"), {"reason": "bad-value"}),
}


@pytest.mark.parametrize(("subject", "expected"), AUDITED.values(), ids=AUDITED)
def test_audit_annotations_are_role_reason_and_version(
    subject: Object, expected: dict[str, str], application: Application
) -> None:
    assert application.review(asking(subject))["auditAnnotations"] == {**expected, "version": __version__}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/mutate", 405),
        ("PUT", "/mutate", 405),
        ("DELETE", "/mutate", 405),
        ("POST", "/", 404),
        ("POST", "/mutate/pods", 404),
        ("GET", "/livez", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/%00", 404),
    ],
)
def test_another_path_or_method_is_a_short_4xx(method: str, path: str, status: int, application: Application) -> None:
    answer = application.send(method, path, recordings.body(HEAD), {"Content-Type": "application/json"})
    assert answer.status_code == status
    assert len(answer.content) < 100


@pytest.mark.parametrize("drains", [False, True])
def test_only_while_draining_an_answer_closes_its_connection(drains: bool, application: Application) -> None:
    application.health.draining = drains
    for body in (recordings.body(HEAD), b"no review"):
        assert application.post(body).headers.get("connection") == ("close" if drains else None)


@pytest.fixture
def logged(capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[[], list[Any]]:
    """Reads what was logged since the last call, one JSON object a line."""
    return lambda: [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]


def test_a_review_is_one_line_with_what_its_owner_asks_for(
    application: Application, logged: Callable[[], list[Any]]
) -> None:
    review = recordings.review(HEAD)
    application.review(review)
    (line,) = logged()
    microseconds = line.pop("microseconds")
    assert isinstance(microseconds, int)
    assert 0 < microseconds < 5_000_000
    assert line.pop("time")
    assert line == {
        "event": "review",
        "webhook": "/mutate",
        "uid": review["request"]["uid"],
        "namespace": "default",
        "name": "minimal-head-0",
        "role": "head",
        "reason": "injected",
        "allowed": True,
    }


BREAKING = {"name": "a\nb\r\n\u2028c", "namespace": 'd"\n'}
LOGGED = [
    ("/mutate", recordings.review(HEAD), {}),
    ("/mutate-jobs", recordings.review("job-create-native-minimal"), {}),
    ("/validate-jobs", recordings.review("job-create-labelled-minimal"), {}),
    ("/mutate", recordings.review("pod-create-bj"), {"name": "bj-"}),  # a generateName
    (
        "/mutate",
        asking(pod(), name="a\nb\r\n\u2028c", namespace='d"\n'),
        {"name": "a\nb\r\n\u2028c", "namespace": 'd"\n'},
    ),
]


@pytest.mark.parametrize(("path", "review", "fields"), LOGGED)
def test_a_line_names_the_webhook_that_was_asked_and_the_object(
    path: str, review: Any, fields: dict[str, str], application: Application, logged: Callable[[], list[Any]]
) -> None:
    application.review(review, path)
    application.post(b"{", path=path)
    good, bad = logged()
    assert {"event": "review", "webhook": path, **fields}.items() <= good.items()
    assert {"event": "no-review", "webhook": path}.items() <= bad.items()


def test_a_denied_review_says_why(application: Application, logged: Callable[[], list[Any]]) -> None:
    message = application.review(asking(pod(flags="--port=x")))["status"]["message"]
    (line,) = logged()
    assert (line["allowed"], line["message"]) == (False, message)
