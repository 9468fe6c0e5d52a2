"""The pods that Volcano makes of a Job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.jobs.jobs import ARGS, OPT_IN, asking, job, read, task
from webhook.jobs.volcano import pod_of

if TYPE_CHECKING:
    from webhook.names import Object


def pod(whole: Object, index: int = 0) -> Object:
    """A pod of the first task."""
    found = read(whole)
    return pod_of(found, found.tasks[0], index)


def test_the_pod_of_a_task_is_as_volcano_makes_it() -> None:
    whole = job(task("head", labels={"team": "a"}, notes={"note": "b"}, spec={"restartPolicy": "Never"}), queue="fast")
    assert pod(whole, 3) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "demo-head-3",
            "namespace": "team",
            "labels": {
                "team": "a",
                "volcano.sh/job-name": "demo",
                "volcano.sh/task-spec": "head",
                "volcano.sh/task-index": "3",
                "volcano.sh/queue-name": "fast",
                "volcano.sh/job-namespace": "team",
            },
            "annotations": {
                "note": "b",
                "volcano.sh/job-name": "demo",
                "volcano.sh/task-spec": "head",
                "volcano.sh/task-index": "3",
                "volcano.sh/queue-name": "fast",
            },
        },
        "spec": {
            "schedulerName": "volcano",
            "containers": task()["template"]["spec"]["containers"],
            "restartPolicy": "Never",
        },
    }


def test_the_pod_of_another_task_has_no_label_of_ours() -> None:
    whole = job(task("logger"))
    made = pod(whole)
    assert "ray.volcano.sh/cluster" not in made["metadata"]["labels"]
    assert made["metadata"]["name"] == "demo-logger-0"


@pytest.mark.parametrize("extra", [{}, {"queue": None, "schedulerName": None}])
def test_queue_and_scheduler_have_volcanos_defaults(extra: Object) -> None:
    whole = job(task(), **extra)
    made = pod(whole)
    assert made["metadata"]["labels"]["volcano.sh/queue-name"] == "default"
    assert made["spec"]["schedulerName"] == "volcano"


@pytest.mark.parametrize(("own", "name"), [({}, "theirs"), ({"schedulerName": "ours"}, "ours")])
def test_the_scheduler_is_the_templates_or_else_the_jobs(own: Object, name: str) -> None:
    whole = job(task("head", spec=own), schedulerName="theirs")
    assert pod(whole)["spec"]["schedulerName"] == name


def test_the_pod_of_a_node_has_label_and_flags_as_after_adoption() -> None:
    whole = asking("--port=1", "--head=head", tasks=[task(flags="--metricsPort=7", container={"name": "ray"})])
    made = pod(whole)["metadata"]
    assert made["annotations"][ARGS] == "--port=1 --head=head --metricsPort=7 --headContainer=ray"
    assert made["labels"].items() >= OPT_IN.items()


def test_a_job_that_is_left_to_the_plugin_is_not_adopted() -> None:
    whole = job(task(), plugins={"ray": []}, notes={"ray.volcano.sh/adopt": "false"})
    assert pod(whole)["metadata"]["labels"].keys().isdisjoint(OPT_IN)


@pytest.mark.parametrize(
    ("own", "policy"),
    [
        ({"hostNetwork": True}, "ClusterFirstWithHostNet"),
        ({"hostNetwork": True, "dnsPolicy": "Default"}, "Default"),
        ({"hostNetwork": False}, None),
        ({}, None),
    ],
)
def test_on_the_hosts_network_volcano_fills_in_the_dns_policy(own: Object, policy: str | None) -> None:
    assert pod(job(task(spec=own)))["spec"].get("dnsPolicy") == policy


# Volumes of the Job

SHM = "/dev/shm"  # noqa: S108 - Ray's own path
TMP = "/tmp"  # noqa: S108 - Ray's own path
NAMED = {"mountPath": SHM, "volumeClaimName": "fast"}
MADE = {"mountPath": TMP, "volumeClaim": {"accessModes": ["ReadWriteOnce"]}}
OWN_MOUNT = {"name": "data", "mountPath": "/data"}


def test_the_jobs_volumes_are_in_every_container_but_the_init_containers() -> None:
    spec = {
        "containers": [{"name": "head", "volumeMounts": [OWN_MOUNT]}, {"name": "sidecar"}],
        "initContainers": [{"name": "setup"}],
        "volumes": [{"name": "data"}],
    }
    whole = job(task("head", spec=spec), volumes=[NAMED, MADE])
    made = pod(whole)["spec"]
    shared = [
        {"mountPath": SHM, "name": "demo-000000000000"},
        {"mountPath": TMP, "name": "demo-000000000001"},
    ]
    assert made["containers"] == [
        {"name": "head", "volumeMounts": [OWN_MOUNT, *shared]},
        {"name": "sidecar", "volumeMounts": shared},
    ]
    assert made["initContainers"] == [{"name": "setup"}]
    assert made["volumes"] == [
        {"name": "data"},
        {"name": "demo-000000000000", "persistentVolumeClaim": {"claimName": "fast"}},
        {"name": "demo-000000000001", "persistentVolumeClaim": {"claimName": "demo-pvc-000000000001"}},
    ]


def test_a_claim_that_is_named_twice_is_mounted_once_and_each_claim_to_be_made_is_mounted() -> None:
    again = {"mountPath": "/again", "volumeClaimName": "fast"}
    whole = job(task(), volumes=[NAMED, again, {**MADE, "volumeClaimName": ""}, {**MADE, "mountPath": "/b"}])
    (container,) = pod(whole)["spec"]["containers"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [SHM, TMP, "/b"]


@pytest.mark.parametrize("volumes", [{}, {"volumes": None}, {"volumes": []}])
def test_without_volumes_of_the_job_a_pod_has_its_templates(volumes: Object) -> None:
    whole = job(task("head", spec={"volumes": None}), **volumes)
    made = pod(whole)["spec"]
    assert made == {"schedulerName": "volcano", **whole["spec"]["tasks"][0]["template"]["spec"]}
