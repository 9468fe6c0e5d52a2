"""Reading a Job."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.jobs.jobs import OPT_IN, asking, job, labelled, read, task
from tests.server.application import Application
from webhook.errors import MalformedError
from webhook.jobs.job import VolcanoJob, is_volcano_job
from webhook.pods.flag_parser import read_flags

if TYPE_CHECKING:
    from webhook.names import Object

WORKER = task("worker", replicas=2)


@pytest.mark.parametrize(
    ("document", "is_job"),
    [
        ({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job"}, True),
        ({"apiVersion": "batch.volcano.sh/v1", "kind": "Job"}, True),
        ({"apiVersion": "batch/v1", "kind": "Job"}, False),
        ({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "CronJob"}, False),
        ({"apiVersion": "batch.volcano.sh.example/v1", "kind": "Job"}, False),
        ({"apiVersion": None, "kind": "Job"}, False),
        ({"apiVersion": "batch.volcano.sh/v1alpha1"}, False),
        ({}, False),
    ],
)
def test_a_volcano_job_is_known_by_its_group_and_kind(document: Object, is_job: bool) -> None:
    assert is_volcano_job(document) is is_job


@pytest.mark.parametrize("document", [{}, {"metadata": {}, "spec": None}, {"metadata": {}, "spec": {"tasks": [{}]}}])
def test_an_object_of_another_shape_is_malformed(document: Object) -> None:
    with pytest.raises(MalformedError):
        VolcanoJob.read(document)


def test_a_nameless_task_gets_the_name_that_volcano_gives_it() -> None:
    nameless = {key: value for key, value in task().items() if key != "name"}
    found = read(job(nameless, task(), nameless))
    assert [one.name for one in found.tasks] == ["default0", "head", "default2"]


@pytest.mark.parametrize("tasks", [{}, {"tasks": None}, {"tasks": []}])
def test_a_job_without_tasks_has_none(tasks: Object) -> None:
    assert VolcanoJob.read({"metadata": {}, "spec": tasks}).tasks == ()


@pytest.mark.parametrize(
    ("one", "role"),
    [
        (task(), "head"),
        (WORKER, "worker"),
        (task("logger"), None),
        (task("master", notes={"ray.volcano.sh/role": "head"}), "head"),
        (task("chief", flags="--head=chief"), "head"),
    ],
)
def test_a_task_has_the_role_of_its_pods(one: Object, role: str | None) -> None:
    assert read(job(one)).tasks[0].role == role


def test_the_plugins_flags_count_for_every_task_beside_its_own() -> None:
    tasks = [task("chief"), task("gpu", flags="--metricsPort=7")]
    first, second = read(asking("--head=chief", "--worker=gpu", tasks=tasks)).tasks
    assert (first.role, second.role) == ("head", "worker")
    assert set(first.written.given) == {"head", "worker"}
    assert set(second.written.given) == {"head", "worker", "metrics_port"}


@pytest.mark.parametrize(
    ("whole", "nodes"),
    [
        (job(task(), WORKER), []),
        (asking(tasks=[task(), WORKER, task("logger")]), ["head", "worker"]),
        (job(task(labels=OPT_IN), WORKER), ["head"]),
        (labelled(task(), task("logger")), ["head", "logger"]),
    ],
)
def test_the_tasks_that_volray_runs_are_those_with_the_label_or_a_role_in_a_job_that_asks(
    whole: Object, nodes: list[str]
) -> None:
    assert [one.name for one in read(whole).tasks if one.is_node] == nodes


def test_an_update_of_a_job_with_three_tasks_reads_each_text_of_flags_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects with three templates each, and the pods of each are judged."""
    texts: list[str] = []
    split = shlex.split

    def counted(text: str) -> list[str]:
        texts.append(text)
        return split(text)

    read_flags.cache_clear()
    monkeypatch.setattr(shlex, "split", counted)
    shared = "--worker=a --worker=b"
    tasks = [task(flags=f"{shared} --waitNodes=2"), *(task(name, flags=shared) for name in ("a", "b"))]
    old, new = labelled(*tasks), labelled(*tasks)
    new["spec"]["tasks"][1]["replicas"] = 2
    request = {
        "uid": "1",
        "kind": {"group": "batch.volcano.sh", "version": "v1alpha1", "kind": "Job"},
        "operation": "UPDATE",
        "object": new,
        "oldObject": old,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    answer = Application().review(review, "/validate-jobs")
    assert answer["auditAnnotations"]["reason"] == "job-judged"
    assert sorted(filter(None, texts)) == [shared, f"{shared} --waitNodes=2"]
