"""Every recorded pod through the application and through the command line, against a file that a person can read."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import jsonpatch
import pytest
from click.testing import CliRunner

from tests import recordings
from webhook.admission.app import create_app
from webhook.admission.health import Health
from webhook.admission.metrics import Metrics
from webhook.cli import documents
from webhook.cli.main import main

if TYPE_CHECKING:
    from tests.golden.files import Golden
    from webhook.names import Object

PODS = recordings.names("pod-create-*")

NOISE = ("managedFields", "ownerReferences", "tolerations")
"""What the apiserver and Volcano put into every pod, and no expectation is about."""


def _post(body: bytes) -> Any:
    now = datetime.now(UTC)
    app = create_app(Metrics(), Health(now=lambda: now, not_after=lambda: now + timedelta(days=1)))

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://webhook") as client:
            return await client.post("/mutate", content=body, headers={"Content-Type": "application/json"})

    response = asyncio.run(post())
    assert response.status_code == httpx.codes.OK
    return response.json()["response"]


def _patched(pod: Object, response: Any) -> Object:
    if "patch" not in response:
        assert "patchType" not in response
        return pod
    assert response["patchType"] == "JSONPatch"
    patched: Object = jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))
    return patched


def _readable(pod: Object) -> Object:
    return {
        "metadata": {key: value for key, value in pod["metadata"].items() if key not in NOISE},
        "spec": {key: value for key, value in pod["spec"].items() if key not in NOISE},
    }


def _expectation(response: Any, pod: Object) -> str:
    verdict = {key: response[key] for key in ("allowed", "auditAnnotations", "warnings", "status") if key in response}
    shown = {"verdict": verdict, **({"pod": _readable(pod)} if "patch" in response else {})}
    return documents.dump(shown)


@pytest.mark.parametrize("name", PODS)
def test_the_pod_comes_out_of_the_application_as_expected(name: str, golden: Golden) -> None:
    response = _post(recordings.body(name))
    assert response["uid"] == recordings.review(name)["request"]["uid"]
    assert all(len(warning) <= 120 for warning in response.get("warnings", ()))
    golden.check(f"pods/{name}.yaml", _expectation(response, _patched(recordings.subject(name), response)))


@pytest.mark.parametrize("name", PODS)
def test_a_pod_that_comes_back_is_left_alone(name: str) -> None:
    review = recordings.review(name)
    review["request"]["object"] = _patched(recordings.subject(name), _post(recordings.body(name)))
    assert "patch" not in _post(json.dumps(review).encode())


@pytest.mark.parametrize("name", PODS)
def test_the_command_line_makes_the_same_pod(name: str) -> None:
    pod = recordings.subject(name)
    result = CliRunner().invoke(main, ["inject", "-f", "-"], input=json.dumps(pod))
    assert result.exit_code == 0, result.output
    assert documents.load(result.stdout) == _patched(pod, _post(recordings.body(name)))


def test_the_same_review_gives_the_same_bytes() -> None:
    assert all(_post(recordings.body(name)) == _post(recordings.body(name)) for name in PODS)


def test_no_expectation_is_left_over() -> None:
    from tests.golden.files import FOLDER  # noqa: PLC0415

    assert sorted(path.stem for path in (FOLDER / "pods").glob("*.yaml")) == PODS
