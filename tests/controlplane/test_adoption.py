"""Ray Jobs as people apply them, with volray installed as they install it: their fate, and that of others' Jobs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.controlplane.applied import apply, edition, is_in_tree, left, pods, refusal, service, settled
from tests.controlplane.build import NEWEST, VERSIONS
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import CONTROLLER, Volray, default, documented, job_path
from tests.controlplane.waiting import wait

Object = dict[str, Any]


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


@pytest.mark.volcano(NEWEST)
def test_a_job_that_says_no_stays_the_in_tree_plugins(volray: Volray, namespace: str) -> None:
    plane, job = volray.plane, default(namespace)
    job["metadata"]["annotations"] = {"ray.volcano.sh/adopt": "false"}
    mark = plane.audit.mark()
    apply(plane, job)
    assert is_in_tree(pods(plane, job)["default-head-0"])
    managers = {each["manager"] for each in service(plane, job)["metadata"]["managedFields"]}
    assert managers == {"vc-controller-manager"}
    assert volray.reviews(namespace) == []
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []


@pytest.mark.volcano(NEWEST)
@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_a_job_from_before_the_installation_is_annotated_scaled_and_deleted(
    volray: Volray, namespace: str, cascade: str
) -> None:
    plane, job = volray.plane, default(namespace)
    mark = plane.audit.mark()
    with volray.unregistered():
        apply(plane, job)
        spec = settled(plane, job)["spec"]
        before = service(plane, job)
    done = plane.kubectl("annotate", "jobs.batch.volcano.sh/default", "a=b", "-n", namespace)
    assert done.returncode == 0, done.stderr
    job["spec"]["tasks"][1]["replicas"] = 3
    scale = json.dumps([{"op": "replace", "path": "/spec/tasks/1/replicas", "value": 3}])
    done = plane.kubectl("patch", "jobs.batch.volcano.sh/default", "-n", namespace, "--type=json", "-p", scale)
    assert done.returncode == 0, done.stderr
    assert not any("ray.volcano.sh/injected" in pod["metadata"]["annotations"] for pod in pods(plane, job).values())
    spec["tasks"][1]["replicas"] = 3
    assert plane.admin.get(job_path(job))["spec"] == spec
    assert service(plane, job) == before
    done = plane.kubectl("delete", "jobs.batch.volcano.sh", "default", "-n", namespace, f"--cascade={cascade}")
    assert done.returncode == 0, done.stderr
    wait(lambda: left(plane, namespace) == [], "nothing is left")
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []


def _without_a_head(job: Object) -> None:
    job["spec"]["tasks"][0]["name"] = "master"


def _with_two_replicas_of_the_head(job: Object) -> None:
    job["spec"]["tasks"][0]["replicas"] = 2


def _with_a_misspelt_flag(job: Object) -> None:
    job["spec"]["plugins"]["ray"] = ["--prot=6380"]


def _with_a_name_that_no_service_can_have(job: Object) -> None:
    job["metadata"]["name"] = "7b-vllm"


def _with_a_head_that_waits_for_its_workers(job: Object) -> None:
    job["spec"]["tasks"][0]["dependsOn"] = {"name": ["worker"]}


WRONG = [
    (_without_a_head, "No task is the head: none of master, worker is named head."),
    (_with_two_replicas_of_the_head, "The head task head has replicas: 2. Write replicas: 1."),
    (_with_a_misspelt_flag, "there is no flag --prot=6380. Write --port."),
    (_with_a_name_that_no_service_can_have, "named 7b-vllm-head-svc, which no Service can be"),
    (_with_a_head_that_waits_for_its_workers, "The head task head depends on worker task worker"),
]


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize(("spoil", "sentence"), WRONG)
def test_a_wrong_job_is_refused_in_a_sentence_and_leaves_nothing_behind(
    volray: Volray, namespace: str, spoil: Callable[[Object], None], sentence: str
) -> None:
    job = default(namespace)
    spoil(job)
    assert sentence in refusal(volray.plane, job)
    assert left(volray.plane, namespace) == []


@pytest.mark.volcano(*VERSIONS)
def test_every_mistake_of_a_job_is_said_at_once(volray: Volray, namespace: str) -> None:
    job = default(namespace)
    _with_two_replicas_of_the_head(job)
    _with_a_misspelt_flag(job)
    said = refusal(volray.plane, job)
    assert "replicas: 2" in said
    assert "--prot" in said


@pytest.mark.volcano(*VERSIONS)
def test_changed_settings_of_an_adopted_job_are_refused_in_a_sentence(volray: Volray, namespace: str) -> None:
    plane, job = volray.plane, default(namespace)
    apply(plane, job)
    settled(plane, job)
    before = edition(plane, job)
    job["spec"]["plugins"]["ray"] = ["--port=7000"]
    assert 'admission webhook "jobs.ray.volcano.sh" denied' in refusal(plane, job)
    assert edition(plane, job) == before


@pytest.mark.volcano(*VERSIONS)
def test_a_doubtful_job_is_made_with_a_warning(volray: Volray, namespace: str) -> None:
    job = documented("ray-compute-job", namespace)
    del job["spec"]["tasks"][0]["policies"]
    said = apply(volray.plane, job)
    assert "Warning: Task head has a command, but its end does not end the Job" in said
    assert volray.plane.admin.exists(job_path(job))
