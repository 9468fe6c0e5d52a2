"""CronJob, JobTemplate and HyperJob: what is told about the Jobs that Volcano makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.jobs.jobs import asking, codes, job, labelled, task
from webhook.jobs.check import Report
from webhook.jobs.templates import check_made, jobs_made_of
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

CRON = ("batch.volcano.sh", "CronJob")
FLOW = ("flow.volcano.sh", "JobTemplate")
HYPER = ("training.volcano.sh", "HyperJob")

WRONG = job(task(replicas=2), plugins={"ray": ["--prot=1"], "svc": []})["spec"]
"""A Job with a mistake in a task, one in the plugin's flags, and a warning."""


def cron(spec: Any, name: str = "nightly", **metadata: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"jobTemplate": {"metadata": metadata, "spec": spec}}}


def flow(spec: Any) -> Object:
    return {"metadata": {"name": "step"}, "spec": spec}


def hyper(*specs: Any) -> Object:
    parts = [{"name": f"part{index}", "templateSpec": spec} for index, spec in enumerate(specs)]
    return {"metadata": {"name": "wide"}, "spec": {"replicatedJobs": parts}}


def report(document: Object, group: str, kind: str) -> Report | None:
    return check_made(jobs_made_of(document, group, kind), "team")


@pytest.mark.parametrize(
    ("document", "kind", "place"),
    [
        (cron(WRONG), CRON, "spec.jobTemplate.spec"),
        (flow(WRONG), FLOW, "spec"),
        (hyper(labelled()["spec"], WRONG), HYPER, "spec.replicatedJobs[part1].templateSpec"),
    ],
)
def test_a_template_is_judged_as_its_jobs_at_the_places_where_it_is_written(
    document: Object, kind: tuple[str, str], place: str
) -> None:
    found = report(document, *kind)
    assert found is not None
    assert [(each.code, each.place) for each in found.findings] == [
        (Code.HEAD_REPLICAS, f"{place}.tasks[head].replicas"),
        (Code.ONLY_OWN_PODS, f"{place}.plugins.svc"),
        (Code.UNKNOWN_FLAG, f"{place}.plugins.ray[0]"),
    ]


@pytest.mark.parametrize(("length", "expected"), [(45, []), (46, [Code.SERVICE_NAME])])
def test_the_name_of_a_scheduled_job_is_nine_longer(length: int, expected: list[Code]) -> None:
    found = report(cron(labelled()["spec"], "a" * length), *CRON)
    assert found is not None
    assert codes(found.findings) == expected


def test_a_schedule_may_decline_and_a_flow_cannot() -> None:
    spec = asking("--prot=1")["spec"]
    notes = {"ray.volcano.sh/adopt": "false"}
    assert report(cron(spec, annotations=notes), *CRON) == Report()
    in_flow = report({"metadata": {"annotations": notes}, "spec": spec}, *FLOW)
    assert in_flow is not None
    assert codes(in_flow.findings) == [Code.UNKNOWN_FLAG]


def test_a_template_of_another_job_is_left_alone() -> None:
    assert report(cron(job(task())["spec"]), *CRON) is None


@pytest.mark.parametrize(
    "document",
    [{}, {"spec": None}, {"spec": {"jobTemplate": 1}}, {"metadata": 1, "spec": []}, {"spec": {"replicatedJobs": 1}}],
)
@pytest.mark.parametrize("kind", [CRON, FLOW, HYPER])
def test_a_template_of_another_shape_is_left_alone(document: Object, kind: tuple[str, str]) -> None:
    assert report(document, *kind) is None


@pytest.mark.parametrize(("group", "kind"), [("batch", "CronJob"), ("batch.volcano.sh", "Job"), ("", "Pod")])
def test_no_other_kind_is_a_template(group: str, kind: str) -> None:
    assert jobs_made_of(cron(WRONG), group, kind) == []


def test_a_jobs_name_is_made_of_the_templates_even_where_that_is_generated() -> None:
    made = [
        *jobs_made_of({"metadata": {"generateName": "night-"}, "spec": {}}, *CRON),
        *jobs_made_of(flow({}), *FLOW),
        *jobs_made_of(hyper({}, {}), *HYPER),
    ]
    assert [one.job["metadata"]["name"] for one in made] == [
        "night--00000000",
        "f-step",
        "wide-part0-0",
        "wide-part1-0",
    ]
    assert all(one.job["apiVersion"] == "batch.volcano.sh/v1alpha1" and one.job["kind"] == "Job" for one in made)


def test_a_part_that_is_malformed_or_no_rays_hides_no_other() -> None:
    document = hyper({"tasks": "x"}, job(task())["spec"], WRONG)
    found = report(document, *HYPER)
    assert found is not None
    assert {each.place.partition(".templateSpec")[0] for each in found.findings} == {"spec.replicatedJobs[part2]"}


def test_a_name_is_told_where_it_is_and_an_ipv6_cluster_as_for_a_job() -> None:
    made = jobs_made_of(cron(labelled(task())["spec"], "a" * 60), *CRON)
    found = check_made(made, "team", ipv6=True)
    assert found is not None
    assert [(each.code, each.place) for each in found.findings] == [
        (Code.SERVICE_NAME, "metadata.name"),
        (Code.IPV6, "spec.jobTemplate.spec.tasks[head]"),
    ]
