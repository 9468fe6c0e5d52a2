"""Every recorded review of a Job through the application: what the two webhooks answer, and the Job that comes out."""

from __future__ import annotations

import asyncio
import base64
import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import jsonpatch
import pytest

from tests import recordings
from webhook.admission.app import create_app
from webhook.admission.health import Health
from webhook.admission.metrics import Metrics
from webhook.cli import documents

if TYPE_CHECKING:
    from tests.golden.files import Golden
    from webhook.names import Object

REVIEWS = recordings.names("job-*")
CREATED = [name for name in REVIEWS if name.startswith("job-create-")]
NATIVE = [name for name in CREATED if name.startswith(("job-create-native-", "job-create-ray-"))]


def answer(path: str, review: Any) -> Any:
    now = datetime.now(UTC)
    app = create_app(Metrics(), Health(now=lambda: now, not_after=lambda: now + timedelta(days=1)))

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://webhook") as client:
            return await client.post(path, json=review)

    response = asyncio.run(post())
    assert response.status_code == httpx.codes.OK
    found = response.json()["response"]
    assert found["uid"] == review["request"]["uid"]
    assert all(len(warning) <= 120 for warning in found.get("warnings", ()))
    return found


def patched(review: Any, response: Any) -> Object:
    found: Object = review["request"]["object"]
    if "patch" in response:
        found = jsonpatch.apply_patch(found, json.loads(base64.b64decode(response["patch"])))
    return found


def verdict(response: Any) -> Object:
    return {key: response[key] for key in ("allowed", "auditAnnotations", "warnings", "status") if key in response}


@pytest.mark.parametrize("name", REVIEWS)
def test_the_job_is_answered_as_expected(name: str, golden: Golden) -> None:
    review = recordings.review(name)
    mutated = answer("/mutate-jobs", review)
    shown: Object = {"mutated": verdict(mutated)}
    if mutated["allowed"]:
        after = deepcopy(review)
        after["request"]["object"] = patched(review, mutated)
        shown["validated"] = verdict(answer("/validate-jobs", after))
    if "patch" in mutated:
        shown["spec"] = patched(review, mutated)["spec"]
    golden.check(f"job-reviews/{name}.yaml", documents.dump(shown))


def defaulted(spec: Object) -> Object:
    """With the only default of Volcano's CRD that these files leave to it; the apiserver fills it in before us."""
    for body in spec["tasks"]:
        for container in body["template"]["spec"]["containers"]:
            for port in container.get("ports", ()):
                port.setdefault("protocol", "TCP")
    return spec


@pytest.mark.parametrize("name", CREATED)
def test_the_same_file_again_changes_nothing_of_an_adopted_job(name: str) -> None:
    """The recordings are Jobs that Volcano's webhook has completed: registered after it, we see them so, too."""
    review = recordings.review(name)
    live = patched(review, answer("/mutate-jobs", review))
    live["metadata"] |= {"uid": "1", "resourceVersion": "7"}
    file = json.loads(live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    again = {**deepcopy(live), "spec": {**deepcopy(live["spec"]), **defaulted(file["spec"])}}
    update = deepcopy(review)
    update["request"] |= {"operation": "UPDATE", "object": again, "oldObject": live}
    response = answer("/mutate-jobs", update)
    if response["auditAnnotations"]["reason"] == "not-a-ray-job":
        assert "patch" not in response
    else:
        assert patched(update, response)["spec"] == live["spec"]


@pytest.mark.parametrize("name", NATIVE)
def test_a_running_job_of_the_plugin_is_left_alone(name: str) -> None:
    """Annotated, scaled and on its way to deletion."""
    for change in ({"metadata": {"annotations": {"a": "b"}}}, {"spec": {"minAvailable": 2}}):
        review = recordings.review(name)
        old = review["request"]["object"]
        new = {
            key: {**value, **change.get(key, {})} if isinstance(value, dict) else value for key, value in old.items()
        }
        review["request"] |= {"operation": "UPDATE", "object": new, "oldObject": old}
        for path in ("/mutate-jobs", "/validate-jobs"):
            response = answer(path, review)
            assert (response["allowed"], "patch" in response, "warnings" in response) == (True, False, False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subResource": "status"}, "other-operation"),
        ({"operation": "DELETE", "object": None}, "other-operation"),
        ({"operation": "CONNECT"}, "other-operation"),
        ({"kind": {"group": "", "version": "v1", "kind": "Pod"}}, "not-a-job"),
        ({"kind": {"group": "batch", "version": "v1", "kind": "Job"}}, "not-a-job"),
    ],
)
@pytest.mark.parametrize("path", ["/mutate-jobs", "/validate-jobs"])
def test_any_other_request_is_allowed_as_it_is(path: str, change: Object, reason: str) -> None:
    review = recordings.review("job-create-native-no-head")
    review["request"] |= change
    response = answer(path, review)
    assert (response["allowed"], "patch" in response) == (True, False)
    assert response["auditAnnotations"]["reason"] == reason


@pytest.mark.parametrize("path", ["/mutate-jobs", "/validate-jobs"])
def test_a_job_on_its_way_out_is_never_held_up(path: str) -> None:
    review = recordings.review("job-create-labelled-minimal")
    old = review["request"]["object"]
    new = deepcopy(old)
    new["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    new["spec"]["tasks"][0]["replicas"] = 5
    review["request"] |= {"operation": "UPDATE", "object": new, "oldObject": old}
    response = answer(path, review)
    assert (response["allowed"], response["auditAnnotations"]["reason"]) == (True, "being-deleted")


def test_a_scaled_head_is_refused_and_a_scaled_worker_is_not() -> None:
    for task, allowed in ((0, False), (1, True)):
        review = recordings.review("job-create-labelled-minimal")
        old = review["request"]["object"]
        new = deepcopy(old)
        new["spec"]["tasks"][task]["replicas"] = 5
        review["request"] |= {"operation": "UPDATE", "object": new, "oldObject": old}
        response = answer("/validate-jobs", review)
        assert response["allowed"] is allowed
        assert "warnings" not in response


def scaled(replicas: dict[int, int | None], flags: str = "") -> Any:
    """What is answered to an update of the replicas of tasks, by their index."""
    review = recordings.review("job-create-labelled-minimal")
    old = review["request"]["object"]
    for task in old["spec"]["tasks"]:
        task["template"]["metadata"]["annotations"] = {"ray.volcano.sh/args": flags}
    new = deepcopy(old)
    for task, count in replicas.items():
        new["spec"]["tasks"][task]["replicas"] = count
    review["request"] |= {"operation": "UPDATE", "object": new, "oldObject": old}
    return answer("/validate-jobs", review)


@pytest.mark.parametrize("none", [0, None])
def test_a_head_scaled_to_nothing_is_refused(none: int | None) -> None:
    response = scaled({0: none})
    assert (response["allowed"], response["auditAnnotations"]["reason"]) == (False, "no-head-pod")
    assert response["status"]["message"].endswith(" Write replicas: 1.")


def test_a_job_scaled_below_its_wait_for_nodes_is_warned_of_and_not_refused() -> None:
    response = scaled({1: 0}, "--waitNodes=2")
    assert response["allowed"]
    assert "--waitNodes=2" in response["warnings"][0]
    assert "after a restart it would wait for ever." in " ".join(response["warnings"])


def test_the_final_name_is_judged_and_a_name_to_come_is_not() -> None:
    review = recordings.review("job-create-native-minimal")
    metadata = review["request"]["object"]["metadata"]
    del metadata["name"], review["request"]["name"]
    metadata["generateName"] = "7b-"
    mutated = answer("/mutate-jobs", review)
    assert mutated["allowed"]
    review["request"]["object"] = patched(review, mutated)
    review["request"]["object"]["metadata"]["name"] = "7b-x1x1x"
    judged = answer("/validate-jobs", review)
    assert (judged["allowed"], judged["auditAnnotations"]["reason"]) == (False, "service-name")


@pytest.mark.parametrize("path", ["/mutate-jobs", "/validate-jobs"])
def test_a_fault_of_ours_is_a_refusal_with_a_trace_for_the_log(
    path: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("webhook.admission.jobs.adopt", fail)
    monkeypatch.setattr("webhook.admission.jobs.judge", fail)
    response = answer(path, recordings.review("job-create-labelled-minimal"))
    assert (response["allowed"], response["auditAnnotations"]["reason"]) == (False, "internal")
    assert "RuntimeError: ours" in capfd.readouterr().out


def test_a_template_of_jobs_is_never_refused() -> None:
    review = recordings.review("job-create-native-no-head")
    job = review["request"]["object"]
    review["request"] |= {
        "kind": {"group": "batch.volcano.sh", "version": "v1alpha1", "kind": "CronJob"},
        "object": {"metadata": {"name": "nightly"}, "spec": {"jobTemplate": {"spec": job["spec"]}}},
    }
    response = answer("/validate-jobs", review)
    assert response["allowed"]
    assert "patch" not in response
    assert response["warnings"][0] == "The Jobs made from this will be refused."
    assert any("is the head" in warning for warning in response["warnings"])


def test_no_expectation_is_left_over() -> None:
    from tests.golden.files import FOLDER  # noqa: PLC0415

    assert sorted(path.stem for path in (FOLDER / "job-reviews").glob("*.yaml")) == REVIEWS
