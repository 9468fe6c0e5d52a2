from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.controller.head_service.objects import ALL, LABELLED, job, ray_job, task
from webhook.controller.head_service.observed import FINISHED, job_key, read_service, service_key
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

UNLABELLED = [task("head", labelled=False), task("worker", labelled=False)]
NO: dict[str, Any] = {"annotations": {"ray.volcano.sh/adopt": "false"}}


@pytest.mark.parametrize(
    ("body", "with_label", "with_all"),
    [
        (job(), True, True),
        (job(tasks=UNLABELLED), False, True),
        (job(tasks=UNLABELLED, plugins={"ray": []}), False, False),
        (job(tasks=UNLABELLED, plugins={"svc": []}), False, True),
        (job(tasks=UNLABELLED, plugins={"pytorch": []}), False, False),
        (job(tasks=UNLABELLED, **NO), False, False),
        (job(tasks=[task("master", labelled=False), task("worker", labelled=False)]), False, False),
        (job(tasks=[{"name": "head", "template": {"spec": {"containers": [{"name": "x"}]}}}]), False, False),
        (job(tasks=[]), False, False),
        ({"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {}}, False, False),
        ({"metadata": {"name": "a", "namespace": "b", "uid": "c"}}, False, False),
        (job(tasks=[{"name": "head"}]), False, False),
        (job(tasks=[{"name": "head", "template": {"spec": {"containers": [{"name": "head"}]}}}]), False, True),
    ],
    ids=[
        "labelled",
        "by name",
        "in-tree",
        "with svc",
        "pytorch",
        "not adopted",
        "no head",
        "no head container",
        "no task",
        "no tasks",
        "no spec",
        "no template",
        "no metadata",
    ],
)
def test_which_jobs_are_ours(body: Object, with_label: bool, with_all: bool) -> None:
    assert (LABELLED(body, None) is not None, ALL(body, None) is not None) == (with_label, with_all)


def test_a_job_that_volray_inject_made_has_its_service_already() -> None:
    head = task("head", labelled=False, notes={"ray.volcano.sh/injected": "0.1.0"})
    assert ALL(job(tasks=[head]), None) is None


def test_the_head_s_flags_make_its_service() -> None:
    flags = "--head=ray-head --worker=w --port=6380"
    head = ray_job(tasks=[task("ray-head", flags=flags), task("w", flags=flags)]).head
    assert head is not None
    assert (head.task, head.settings.port) == ("ray-head", 6380)


def test_a_head_that_starts_ray_itself_has_its_service_on_the_ports_of_its_command() -> None:
    head = task("head")
    head["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "ray start --head --port=6344; python a.py"]
    found = ray_job(tasks=[head, task("worker")]).head
    assert found is not None
    assert (found.settings.port, found.settings.dashboard_port) == (6344, 8265)


@pytest.mark.parametrize(
    ("body", "has_head", "codes"),
    [
        (job(tasks=[task("head", replicas=2)]), True, {Code.HEAD_REPLICAS}),
        (job(tasks=[task("head", replicas=0)]), True, {Code.NO_HEAD_POD}),
        (job(tasks=[task("head", replicas=None)]), True, {Code.NO_HEAD_POD}),
        (job(tasks=[task("head", flags="--waitNodes=3"), task("worker")]), True, {Code.TOO_FEW_NODES}),
        (job(tasks=[task("worker")]), False, {Code.NO_HEAD}),
        (job(name="7b"), False, {Code.SERVICE_NAME}),
        (job(name="a" * 60), False, {Code.SERVICE_NAME}),
        (job(tasks=[task("head", flags="--prot=1")]), False, {Code.UNKNOWN_FLAG}),
        (job(tasks=[task("head"), task("worker", flags="--port=1")]), True, {Code.FLAGS_DISAGREE}),
        (job(tasks=[task("head"), task("worker", flags="--metricsPort=x")]), True, {Code.BAD_VALUE}),
        (job(tasks=[task("head", labelled=False), task("worker")]), False, {Code.HEAD_NOT_LABELLED}),
        (job(**NO), False, {Code.LABELLED_NOT_ADOPTED}),
    ],
    ids=[
        "replicas",
        "replicas 0",
        "replicas left out",
        "more awaited than there are",
        "none",
        "digit",
        "long",
        "flag",
        "disagree",
        "worker's flag",
        "unlabelled",
        "not adopted",
    ],
)
def test_a_mistake_is_found_and_keeps_the_service_away_only_where_it_leaves_it_open(
    body: Object, has_head: bool, codes: set[Code]
) -> None:
    found = LABELLED(body, None)
    assert found is not None
    assert (found.head is not None, codes <= {mistake.code for mistake in found.findings}) == (has_head, True)
    assert len(found.findings) == len(set(found.findings))


def test_flags_that_repeat_the_defaults_are_no_mistake_of_a_lone_head() -> None:
    assert ray_job(tasks=[task("head", flags="--head=head --worker=worker")]).findings == ()


def test_a_volume_of_the_job_is_no_mistake() -> None:
    body = job()
    body["spec"]["volumes"] = [{"mountPath": "/dev/shm", "volumeClaimName": "fast"}]  # noqa: S108 - Ray's own path
    found = LABELLED(body, None)
    assert found is not None
    assert found.findings == ()


@pytest.mark.parametrize("phase", sorted(FINISHED))
def test_nobody_is_told_of_findings_in_a_job_that_is_over(phase: str) -> None:
    found = ray_job(phase=phase, tasks=[task("head", replicas=2)])
    assert found.is_finished
    assert not found.findings


def test_a_change_of_status_alone_is_no_change_but_for_the_phase() -> None:
    before = ray_job(phase="Running")
    body = job(phase="Running", resourceVersion="99")
    body["status"]["running"] = 3
    assert LABELLED(body, None) == LABELLED(body, before) == before


def test_a_reading_is_taken_over_only_from_the_same_job_and_spec() -> None:
    before = ray_job()
    worse = [task("head", replicas=2)]
    for body in (job(uid="uid-2", tasks=worse), job(generation=2, tasks=worse), job(tasks=worse, **NO)):
        assert LABELLED(body, before) == LABELLED(body, None) != before


def test_a_restarted_job_is_read_in_full_again() -> None:
    finished = ray_job(phase="Failed", tasks=[task("head", replicas=2)])
    body = job(phase="Pending", tasks=[task("head", replicas=2)])
    assert LABELLED(body, finished) == LABELLED(body, None)


def test_little_is_kept_of_a_service() -> None:
    kept = read_service({"metadata": {"name": "a", "managedFields": [1]}, "spec": {"type": "ClusterIP", "x": 1}})
    assert kept == {"metadata": {"name": "a"}, "spec": {"type": "ClusterIP"}}


def test_keys_lead_from_service_to_job_and_back() -> None:
    assert job_key(service_key("ns/demo")) == "ns/demo"
    assert job_key("ns/other") is None
