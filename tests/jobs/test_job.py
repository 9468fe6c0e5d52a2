from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests import recordings
from tests.volcano_pods import container_of, env_of
from webhook.jobs import job as jobs
from webhook.jobs import standalone
from webhook.reasons import Code
from webhook.version import __version__

if TYPE_CHECKING:
    from webhook.jobs.standalone import InjectedJob
    from webhook.names import Object

OPT_IN = {"ray.volcano.sh/cluster": "true"}
ARGS = "ray.volcano.sh/args"
CPU = {"limits": {"cpu": "1"}}


def task(
    name: str | None,
    *,
    container: str | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    flags: str = "",
    spec: Object | None = None,
    **fields: Any,
) -> Object:
    notes = {**(annotations or {}), **({ARGS: flags} if flags else {})}
    metadata = {**({"labels": labels} if labels else {}), **({"annotations": notes} if notes else {})}
    containers = [{"name": container or name or "head", "resources": CPU}]
    template = {**({"metadata": metadata} if metadata else {}), "spec": {"containers": containers, **(spec or {})}}
    return {**({"name": name} if name else {}), "replicas": 1, "template": template, **fields}


def without_replicas(body: Object) -> Object:
    return {key: value for key, value in body.items() if key != "replicas"}


def job(*tasks: Object, name: str | None = "demo", metadata: Object | None = None, **spec: Any) -> Object:
    named = {"name": name} if name else {}
    return {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {**named, **(metadata or {})},
        "spec": {"minAvailable": 1, **spec, "tasks": list(tasks)},
    }


HEAD = task("head")
WORKER = task("worker", replicas=2)
NOT_ADOPTED: Object = {"annotations": {"ray.volcano.sh/adopt": "false"}}


def injected(whole: Object) -> InjectedJob:
    """An injected Job; the one given is not changed."""
    before = deepcopy(whole)
    found = standalone.inject_job(whole, "team")
    assert whole == before
    return found


def sentences(whole: Object) -> list[str]:
    return [mistake.text for mistake in jobs.mistakes(whole)]


def template(found: InjectedJob, index: int = 0) -> Object:
    inside: Object = found.job["spec"]["tasks"][index]["template"]
    return inside


@pytest.mark.parametrize(
    ("document", "is_job"),
    [
        ({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job"}, True),
        ({"apiVersion": "batch.volcano.sh/v1", "kind": "Job"}, True),
        ({"apiVersion": "batch/v1", "kind": "Job"}, False),
        ({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "CronJob"}, False),
        ({"apiVersion": "batch.volcano.sh.example/v1", "kind": "Job"}, False),
        ({"kind": "Job"}, False),
        ({"apiVersion": None, "kind": "Job"}, False),
        ({"apiVersion": "batch.volcano.sh/v1alpha1"}, False),
        ({}, False),
    ],
)
def test_a_volcano_job_is_known_by_its_group_and_kind(document: Object, is_job: bool) -> None:
    assert jobs.is_volcano_job(document) is is_job


def test_a_nameless_task_gets_the_name_that_volcano_gives_it() -> None:
    found = jobs.tasks_of(job(task(None), HEAD, task(None)))
    assert [one.name for one in found] == ["default0", "head", "default2"]
    assert [one.where for one in found] == ["task default0", "task head", "task default2"]
    assert found[1].body == HEAD


@pytest.mark.parametrize("spec", [{}, {"tasks": None}, {"tasks": []}])
def test_a_job_without_tasks_has_none(spec: Object) -> None:
    assert jobs.tasks_of({"spec": spec}) == []
    assert jobs.tasks_of({}) == []


@pytest.mark.parametrize(
    ("one", "role"),
    [
        (HEAD, "head"),
        (WORKER, "worker"),
        (task("logger"), None),
        (task("master", annotations={"ray.volcano.sh/role": "head"}), "head"),
        (task("chief", flags="--head=chief"), "head"),
    ],
)
def test_a_task_has_the_role_of_its_pods(one: Object, role: str | None) -> None:
    assert jobs.tasks_of(job(one))[0].role == role


def test_the_plugins_flags_count_for_every_task() -> None:
    whole = job(task("chief"), task("gpu", flags="--metricsPort=7"), plugins={"ray": ["--head=chief", "--worker=gpu"]})
    first, second = jobs.tasks_of(whole)
    assert (first.role, second.role) == ("head", "worker")
    assert first.parsed.given == {"head", "worker"}
    assert second.parsed.given == {"head", "worker", "metrics_port"}


def test_a_plugins_flag_with_a_space_stays_one_word() -> None:
    (found,) = jobs.tasks_of(job(HEAD, plugins={"ray": ["--head=a b"]}))
    assert found.parsed.settings.head == "a b"


# Left alone


@pytest.mark.parametrize(
    "whole",
    [
        job(),
        job(task("master"), WORKER),
        job(WORKER, plugins={"svc": []}),
        job(WORKER, plugins=None),
        job(task("ps"), task("worker"), plugins={"tensorflow": ["--ps=ps"], "svc": []}),
    ],
)
def test_a_job_without_plugin_label_or_head_is_left_alone(whole: Object) -> None:
    found = injected(whole)
    assert found.reason is not None
    assert found.reason.text == "The Job has neither plugins.ray, nor an opt-in label, nor a head task."
    assert (found.job, found.service, found.injections, found.refusals) == (whole, None, (), ())


def test_a_job_that_is_not_to_be_adopted_is_left_alone() -> None:
    found = injected(job(HEAD, metadata=NOT_ADOPTED, plugins={"ray": []}))
    assert found.reason is not None
    assert found.reason.text == "The Job says ray.volcano.sh/adopt: false: it is the in-tree plugin's."
    assert found.service is None


def test_a_job_that_was_injected_before_is_left_alone() -> None:
    note = {"ray.volcano.sh/injected": "0.0.7"}
    found = injected(job(HEAD, task("worker", annotations=note), plugins={"ray": []}))
    assert found.reason is not None
    assert found.reason.text == "It was injected before, by volray 0.0.7."
    assert found.service is None


@pytest.mark.parametrize("whole", [{}, {"spec": {}}, {"spec": {"tasks": [{"name": "x"}]}}])
def test_a_job_in_which_hardly_anything_stands_is_left_alone(whole: Object) -> None:
    reason = jobs.left_alone(whole)
    assert reason is not None
    assert reason.code == "not-a-ray-job"


@pytest.mark.parametrize("said", ["true", "", "False"])
def test_only_the_word_false_keeps_a_job_from_adoption(said: str) -> None:
    assert jobs.left_alone(job(HEAD, metadata={"annotations": {"ray.volcano.sh/adopt": said}})) is None


@pytest.mark.parametrize(
    "whole",
    [
        job(HEAD),
        job(task("x"), plugins={"ray": []}),
        job(task("x", labels=OPT_IN)),
        job(task("x"), task("y", labels=OPT_IN)),
        job(task("x"), HEAD),
        job(HEAD, metadata={"annotations": None}),
        job(task("x", labels=OPT_IN), metadata=NOT_ADOPTED),
    ],
)
def test_a_job_with_plugin_label_or_head_is_rays(whole: Object) -> None:
    assert jobs.left_alone(whole) is None


# Mistakes


@pytest.mark.parametrize(
    "whole",
    [
        job(HEAD),
        job(HEAD, WORKER),
        job(HEAD, task("worker", replicas=0)),
        job(HEAD, without_replicas(WORKER)),
        job(HEAD, WORKER, task("logger")),
        job(HEAD, task("worker", dependsOn={"name": ["head"]})),
        job(task("head", dependsOn={"name": ["setup"]}), WORKER, task("setup")),
        job(task("head", dependsOn=None), WORKER),
        job(HEAD, task("cpu"), task("gpu"), plugins={"ray": ["--worker=cpu", "--worker=gpu"]}),
        job(HEAD, plugins={"ray": ["--head=head", "--worker=worker"]}),
        job(HEAD, task("gpu"), plugins={"ray": ["--worker=worker", "--worker=gpu"]}),
        job(task("boss", annotations={"ray.volcano.sh/role": "head"}), plugins={"ray": ["--head=head"]}),
        job(HEAD, WORKER, plugins={"ray": ["--waitNodes=3"]}),
        job(HEAD, task("a"), task("b"), task("x"), plugins={"ray": ["--worker=a", "--worker=b", "--waitNodes=3"]}),
        job(HEAD, plugins={"ray": ["--waitNodes=1"]}),
        job(HEAD, task("worker", flags="--waitNodes=9")),
        job(task("head", flags="--metricsPort=1"), WORKER),
        job(task("head", flags="--port=1"), task("worker", flags="--port=1"), task("logger")),
    ],
)
def test_a_right_job_has_no_mistake(whole: Object) -> None:
    assert sentences(whole) == []


NAME_THE_HEAD = "Name the head's task {0}, say --head=NAME, or annotate its template ray.volcano.sh/role: head."


@pytest.mark.parametrize(
    ("whole", "sentence"),
    [
        (job(HEAD, name=None), "The Job has no metadata.name. Give it one: its pods and Service carry it."),
        (
            job(HEAD, name="a.b"),
            "The head's Service would be named a.b-head-svc, which no Service can be (it must be a DNS label that "
            "starts with a letter). Rename the Job: at most 54 of a-z, 0-9 and -, starting with a letter.",
        ),
        (
            job(task("a"), task("b"), plugins={"ray": []}),
            f"No task is the head: none of a, b is named head. {NAME_THE_HEAD.format('head')}",
        ),
        (
            job(task("a"), plugins={"ray": ["--head=boss"]}),
            f"No task is the head: none of a is named boss. {NAME_THE_HEAD.format('boss')}",
        ),
        (
            job(plugins={"ray": []}),
            f"No task is the head: none of (none) is named head. {NAME_THE_HEAD.format('head')}",
        ),
        (
            job(HEAD, task("b", annotations={"ray.volcano.sh/role": "head"}), WORKER),
            "Several tasks are heads: head, b. A Ray cluster has one; make the others workers.",
        ),
        (
            job(task("head", replicas=2)),
            "The head task head has replicas: 2. Write replicas: 1.",
        ),
        (
            job(HEAD, WORKER, plugins={"ray": ["--worker=worker", "--worker=gpu"]}),
            "--worker=gpu names no task; the tasks are head, worker. Correct or drop the flag.",
        ),
        *(
            (
                job(body, WORKER),
                "The head task head has replicas: 0 or leaves it out, which is 0 as well: no head is made. "
                "Write replicas: 1.",
            )
            for body in (task("head", replicas=0), task("head", replicas=None), without_replicas(HEAD))
        ),
        (
            job(HEAD, plugins={"ray": ["--head=head", "--worker=Worker"]}),
            "--worker=Worker names no task; the tasks are head. Correct or drop the flag.",
        ),
        (
            job(task("boss"), plugins={"ray": ["--head=head"]}),
            f"No task is the head: none of boss is named head. {NAME_THE_HEAD.format('head')}",
        ),
        (
            job(HEAD, WORKER, task("logger", replicas=7), plugins={"ray": ["--waitNodes=4"]}),
            "Task head waits for --waitNodes=4 Ray nodes, but the replicas of head and workers add up to 3: "
            "a head that starts waits for ever. Write --waitNodes=3 or less, or raise the replicas of a worker task.",
        ),
        (
            job(task("head", flags="--waitNodes=2"), without_replicas(WORKER)),
            "Task head waits for --waitNodes=2 Ray nodes, but the replicas of head and workers add up to 1: "
            "a head that starts waits for ever. Write --waitNodes=1 or less, or raise the replicas of a worker task.",
        ),
        (
            job(task("head", dependsOn={"name": ["worker"]}), WORKER),
            "The head task head depends on worker task worker, which is not ready before the head runs. "
            "Drop dependsOn: workers wait for the head by themselves, and --waitNodes=N makes the head wait for them.",
        ),
        (
            job(task("head", flags="--port=1"), WORKER),
            "Task head and task worker disagree on --port: 1 and 6379. "
            "Write the same ray.volcano.sh/args on every template of the Job.",
        ),
        (
            job(HEAD, task("worker", flags="--reconnectSeconds=600")),
            "Task worker and task head disagree on --reconnectSeconds: 600 and nothing. "
            "Write the same ray.volcano.sh/args on every template of the Job.",
        ),
        (
            job(HEAD, task("a", flags="--worker=a --worker=b"), task("b", flags="--worker=a --worker=b")),
            "Task a and task head disagree on --worker: a b and worker. "
            "Write the same ray.volcano.sh/args on every template of the Job.",
        ),
        (
            job(task("head", labels=OPT_IN), WORKER, metadata=NOT_ADOPTED),
            "The Job says ray.volcano.sh/adopt: false, but task head carries the label ray.volcano.sh/cluster. "
            "Drop the one or the other.",
        ),
    ],
)
def test_a_wrong_job_has_its_sentence(whole: Object, sentence: str) -> None:
    assert sentences(whole) == [sentence]


def test_a_worker_task_that_only_the_first_templates_flags_name_must_agree_with_them() -> None:
    whole = job(task("head", flags="--worker=gpu --port=1"), task("gpu"), task("logger"))
    assert [text.partition(". ")[0] for text in sentences(whole)] == [
        "Task head and task gpu disagree on --worker: gpu and worker",
        "Task head and task gpu disagree on --port: 1 and 6379",
    ]


def test_a_head_that_waits_for_several_workers_is_a_mistake_for_each() -> None:
    whole = job(
        task("head", dependsOn={"name": ["a", "b", "setup"]}),
        task("a"),
        task("b"),
        task("setup"),
        plugins={"ray": ["--worker=a", "--worker=b"]},
    )
    assert [text[:47] for text in sentences(whole)] == [
        "The head task head depends on worker task a, wh",
        "The head task head depends on worker task b, wh",
    ]


def test_a_worker_flag_that_is_wrong_names_no_task() -> None:
    whole = job(HEAD, task("a"), plugins={"ray": ["--worker=a", "--worker=b,c"]})
    assert sentences(whole) == []


def test_every_mistake_is_found_at_once() -> None:
    whole = job(
        task(
            "head",
            replicas=2,
            dependsOn={"name": ["worker"]},
            labels=OPT_IN,
            flags="--port=1 --worker=gpu --waitNodes=3",
        ),
        task("worker", annotations={"ray.volcano.sh/role": "worker"}),
        task("main", annotations={"ray.volcano.sh/role": "head"}),
        name="1",
        metadata=NOT_ADOPTED,
    )
    assert [mistake.code for mistake in jobs.mistakes(whole)] == [
        "service-name",
        "labelled-not-adopted",
        "two-heads",
        "head-replicas",
        "no-such-worker",
        "too-few-nodes",
        "head-waits-for-worker",
        "flags-disagree",
        "flags-disagree",
        "flags-disagree",
        "flags-disagree",
    ]


# Pods


def test_the_pod_of_a_task_is_as_volcano_makes_it() -> None:
    whole = job(
        task("head", labels={"team": "a"}, annotations={"note": "b"}, spec={"restartPolicy": "Never"}), queue="fast"
    )
    assert jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team", 3) == {
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
            "containers": [{"name": "head", "resources": CPU}],
            "restartPolicy": "Never",
        },
    }


def test_the_pod_of_another_task_has_no_label_of_ours() -> None:
    whole = job(task("logger"))
    made = jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")
    assert "ray.volcano.sh/cluster" not in made["metadata"]["labels"]
    assert made["metadata"]["name"] == "demo-logger-0"


@pytest.mark.parametrize("extra", [{}, {"queue": None, "schedulerName": None}])
def test_queue_and_scheduler_have_volcanos_defaults(extra: Object) -> None:
    whole = job(HEAD, **extra)
    made = jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")
    assert made["metadata"]["labels"]["volcano.sh/queue-name"] == "default"
    assert made["spec"]["schedulerName"] == "volcano"


@pytest.mark.parametrize(("own", "name"), [({}, "theirs"), ({"schedulerName": "ours"}, "ours")])
def test_the_scheduler_is_the_templates_or_else_the_jobs(own: Object, name: str) -> None:
    whole = job(task("head", spec=own), schedulerName="theirs")
    assert jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")["spec"]["schedulerName"] == name


def test_the_pods_annotation_holds_the_plugins_flags_and_its_own() -> None:
    whole = job(task("head", flags="--metricsPort=7"), plugins={"ray": ["--port=1", "--head=head"]})
    made = jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")
    assert made["metadata"]["annotations"][ARGS] == "--port=1 --head=head --metricsPort=7"


def test_every_pod_of_a_job_is_injected() -> None:
    whole = job(HEAD, task("worker", replicas=2), task("logger"), without_replicas(task("none")))
    made = standalone.pods_of(whole, "team")
    assert [one["metadata"]["name"] for one in made] == [
        "demo-head-0",
        "demo-worker-0",
        "demo-worker-1",
        "demo-logger-0",
    ]
    assert [one["metadata"]["labels"]["volcano.sh/task-index"] for one in made] == ["0", "0", "1", "0"]
    assert [one["metadata"]["labels"].get("ray.volcano.sh/node-type") for one in made] == [
        "head",
        "worker",
        "worker",
        None,
    ]
    assert env_of(container_of(made[1]))["RAY_ADDRESS"] == "demo-head-svc.team.svc:6379"


@pytest.mark.parametrize("none", [{"replicas": 0}, {"replicas": None}, {}], ids=["0", "null", "left out"])
def test_a_task_without_replicas_has_no_pods(none: Object) -> None:
    whole = job(HEAD, {**without_replicas(WORKER), **none})
    assert [one["metadata"]["name"] for one in standalone.pods_of(whole, "team")] == ["demo-head-0"]


# Volumes of the Job

SHM = "/dev/shm"  # noqa: S108 - Ray's own path
TMP = "/tmp"  # noqa: S108 - Ray's own path
NAMED = {"mountPath": SHM, "volumeClaimName": "fast"}
MADE = {"mountPath": TMP, "volumeClaim": {"accessModes": ["ReadWriteOnce"]}}
READ_ONLY = {"securityContext": {"readOnlyRootFilesystem": True}}
OWN_MOUNT = {"name": "data", "mountPath": "/data"}


def test_the_jobs_volumes_are_in_every_container_but_the_init_containers() -> None:
    spec = {
        "containers": [{"name": "head", "volumeMounts": [OWN_MOUNT]}, {"name": "sidecar"}],
        "initContainers": [{"name": "setup"}],
        "volumes": [{"name": "data"}],
    }
    whole = job(task("head", spec=spec), volumes=[NAMED, MADE])
    made = jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")["spec"]
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
    whole = job(HEAD, volumes=[NAMED, again, {**MADE, "volumeClaimName": ""}, {**MADE, "mountPath": "/b"}])
    (container,) = jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")["spec"]["containers"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [SHM, TMP, "/b"]


@pytest.mark.parametrize("volumes", [{}, {"volumes": None}, {"volumes": []}])
def test_without_volumes_of_the_job_a_pod_has_its_templates(volumes: Object) -> None:
    whole = job(task("head", spec={"volumes": None}), **volumes)
    made = jobs.pod_of(whole, jobs.tasks_of(whole)[0], "team")["spec"]
    assert made == {"schedulerName": "volcano", **whole["spec"]["tasks"][0]["template"]["spec"]}


def made_by_volcano(whole: Object) -> list[Object]:
    """The specs of the pods, by Volcano's rule: each claim once, into each container (`createJobPod`)."""
    made = []
    for body in whole["spec"]["tasks"]:
        spec = deepcopy(body["template"]["spec"])
        claims: set[str] = set()
        for index, volume in enumerate(whole["spec"].get("volumes") or []):
            claim = volume.get("volumeClaimName") or f"made-{index}"
            if claim not in claims:
                claims.add(claim)
                name = f"volcano-{index}"
                spec.setdefault("volumes", []).append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
                for container in spec["containers"]:
                    mount = {"name": name, "mountPath": volume["mountPath"]}
                    container.setdefault("volumeMounts", []).append(mount)
        made.append(spec)
    return made


VOLUMES = {
    "none": [],
    "shared memory": [NAMED],
    "tmp": [MADE],
    "tmp with a slash": [{**MADE, "mountPath": f"{TMP}/"}],
    "both": [NAMED, MADE],
    "both of one claim": [NAMED, {"mountPath": TMP, "volumeClaimName": "fast"}],
    "elsewhere": [{"mountPath": "/data", "volumeClaimName": "fast"}],
}


@pytest.mark.parametrize("volumes", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize(
    "container", [{}, READ_ONLY, {**READ_ONLY, "volumeMounts": [{**OWN_MOUNT, "mountPath": "/x"}]}]
)
def test_in_the_pods_of_a_written_job_each_path_is_mounted_once_and_each_mount_has_its_volume(
    volumes: list[Object], container: Object
) -> None:
    spec = {"containers": [{"name": "head", "resources": CPU, **container}, {"name": "side"}]}
    spec |= {"volumes": [{"name": "data"}]} if "volumeMounts" in container else {}
    found = injected(job(task("head", spec=spec), task("worker"), volumes=volumes))
    assert found.job["spec"]["volumes"] == volumes
    for made in made_by_volcano(found.job):
        names = [volume["name"] for volume in made["volumes"]]
        assert len(names) == len(set(names))
        for each in made["containers"]:
            mounts = each.get("volumeMounts", [])
            paths = [mount["mountPath"].rstrip("/") for mount in mounts]
            assert len(paths) == len(set(paths))
            assert {mount["name"] for mount in mounts} <= set(names)
        assert SHM in [mount["mountPath"] for mount in made["containers"][0]["volumeMounts"]]


def test_a_written_template_has_only_the_volumes_that_volcano_does_not_add() -> None:
    spec = {"containers": [{"name": "head", "resources": CPU, **READ_ONLY}, {"name": "side", "volumeMounts": []}]}
    whole = job(task("head", spec=spec), volumes=[NAMED, MADE])
    made = template(injected(whole))["spec"]
    assert "volumes" not in made
    assert "volumeMounts" not in made["containers"][0]
    assert made["containers"][1] == {"name": "side", "volumeMounts": []}

    data = {"mountPath": "/data", "volumeClaimName": "fast"}
    made = template(injected(job(task("head", spec={"volumes": [{"name": "x"}]}), volumes=[data])))["spec"]
    assert [volume["name"] for volume in made["volumes"]] == ["x", "ray-shm"]
    assert [mount["name"] for mount in made["containers"][0]["volumeMounts"]] == ["ray-shm"]


def test_the_pods_of_an_injected_job_show_its_volumes() -> None:
    for made in standalone.pods_of(job(HEAD, WORKER, volumes=[NAMED]), "team"):
        assert [mount["mountPath"] for mount in container_of(made)["volumeMounts"]] == [SHM]
        assert made["spec"]["volumes"] == [
            {"name": "demo-000000000000", "persistentVolumeClaim": {"claimName": "fast"}}
        ]


# Jobs


def test_an_injected_job_has_its_service_and_a_reason_for_each_task() -> None:
    found = injected(job(HEAD, WORKER, task("logger"), plugins={"ray": ["--port=7"]}))
    assert (found.reason, found.refusals) == (None, ())
    assert found.service is not None
    assert found.service["metadata"]["name"] == "demo-head-svc"
    assert found.service["metadata"]["namespace"] == "team"
    assert found.service["spec"]["ports"][0]["port"] == 7
    assert found.service["spec"]["selector"]["volcano.sh/task-spec"] == "head"
    assert [(name, one.reason.code) for name, one in found.injections] == [
        ("head", "injected"),
        ("worker", "injected"),
        ("logger", "other-task"),
    ]


def test_the_service_selects_the_head_wherever_it_stands() -> None:
    found = injected(job(WORKER, task("boss", annotations={"ray.volcano.sh/role": "head"}, container="head")))
    assert found.service is not None
    assert found.service["spec"]["selector"]["volcano.sh/task-spec"] == "boss"


def test_the_ray_plugin_goes_and_the_others_stay() -> None:
    whole = job(HEAD, plugins={"ray": [], "svc": [], "env": ["x"]}, queue="fast", minAvailable=2)
    assert injected(whole).job["spec"] == {
        "minAvailable": 2,
        "queue": "fast",
        "plugins": {"svc": [], "env": ["x"]},
        "tasks": injected(whole).job["spec"]["tasks"],
    }


@pytest.mark.parametrize("plugins", [{"plugins": {"ray": []}}, {"plugins": None}, {"plugins": {}}, {}])
def test_plugins_that_are_empty_go(plugins: Object) -> None:
    assert "plugins" not in injected(job(HEAD, **plugins)).job["spec"]


def test_what_the_user_wrote_on_job_task_and_template_stays() -> None:
    whole = job(
        task(
            "head",
            labels={"team": "a"},
            annotations={"note": "b", "ray.volcano.sh/role": "head"},
            flags="--metricsPort=7",
            spec={"nodeSelector": {"a": "b"}, "restartPolicy": "Never"},
            policies=[{"event": "TaskCompleted", "action": "CompleteJob"}],
            replicas=1,
        ),
        metadata={"labels": {"a": "b"}},
    )
    found = injected(whole)
    made = found.job["spec"]["tasks"][0]
    assert found.job["metadata"] == {"name": "demo", "labels": {"a": "b"}}
    assert (made["name"], made["replicas"], made["policies"]) == (
        "head",
        1,
        [{"event": "TaskCompleted", "action": "CompleteJob"}],
    )
    assert made["template"]["metadata"] == {
        "labels": {"team": "a", "ray.volcano.sh/node-type": "head"},
        "annotations": {
            "note": "b",
            "ray.volcano.sh/role": "head",
            ARGS: "--metricsPort=7",
            "ray.volcano.sh/injected": __version__,
        },
    }
    assert {key: made["template"]["spec"][key] for key in ("nodeSelector", "restartPolicy")} == {
        "nodeSelector": {"a": "b"},
        "restartPolicy": "Never",
    }
    assert "schedulerName" not in made["template"]["spec"]


def test_other_metadata_of_a_template_stays() -> None:
    one = task("head")
    one["template"]["metadata"] = {"name": "x", "labels": None, "annotations": None}
    assert template(injected(job(one)))["metadata"] == {
        "name": "x",
        "labels": {"ray.volcano.sh/node-type": "head"},
        "annotations": {"ray.volcano.sh/injected": __version__},
    }


def test_a_templates_own_scheduler_stays() -> None:
    assert template(injected(job(task("head", spec={"schedulerName": "mine"}))))["spec"]["schedulerName"] == "mine"


def test_a_label_of_volcanos_that_the_user_wrote_stays() -> None:
    labels = {"volcano.sh/queue-name": "fast"}
    made = template(injected(job(task("head", labels=labels), queue="fast")))
    assert made["metadata"]["labels"] == {**labels, "ray.volcano.sh/node-type": "head"}


def test_the_opt_in_label_goes_so_that_an_installed_volray_leaves_the_job_alone() -> None:
    made = template(injected(job(task("head", labels={**OPT_IN, "a": "b"}))))
    assert made["metadata"]["labels"] == {"a": "b", "ray.volcano.sh/node-type": "head"}


def test_the_plugins_flags_are_in_the_templates_and_need_no_annotation() -> None:
    made = template(injected(job(HEAD, plugins={"ray": ["--port=7"]})))
    assert list(made["metadata"]["annotations"]) == ["ray.volcano.sh/injected"]
    assert "--port=7" in made["spec"]["containers"][0]["command"][2]


def test_a_task_that_is_not_rays_stays_as_it_is() -> None:
    other = task("logger", labels={"a": "b"})
    assert injected(job(HEAD, other)).job["spec"]["tasks"][1] == other


def test_an_injected_job_stays_as_it_is() -> None:
    once = injected(job(HEAD, WORKER)).job
    assert injected(once).job == once


@pytest.mark.parametrize(
    ("whole", "texts"),
    [
        (
            {"metadata": {}},
            ["job.spec is missing, not a map. Write what the Kubernetes API asks for."],
        ),
        (
            job(HEAD, name=None),
            ["The Job has no metadata.name. Give it one: its pods and Service carry it."],
        ),
        (
            job(task("head", replicas=2)),
            ["Job demo: The head task head has replicas: 2. Write replicas: 1."],
        ),
        (
            job(
                task("head", replicas=2, annotations={"ray.volcano.sh/command": "drop"}),
                task("worker", flags="--prot=1"),
            ),
            [
                "Job demo: The head task head has replicas: 2. Write replicas: 1.",
                "Job demo, task head: The annotation ray.volcano.sh/command is 'drop'. "
                "Write keep (volray starts Ray beside it), own (it starts Ray itself) or replace (drop it), "
                "or leave the annotation out.",
                "Job demo, task worker: ray.volcano.sh/args: there is no flag --prot=1. Write --port.",
            ],
        ),
        (
            job(task("head", flags="--port='1")),
            [
                'Job demo, task head: ray.volcano.sh/args cannot be split into words: "--port=\'1" '
                "(No closing quotation). Close the quotation, as a shell would want it."
            ],
        ),
    ],
)
def test_a_wrong_job_is_refused_with_every_mistake_and_stays_as_it_is(whole: Object, texts: list[str]) -> None:
    found = injected(whole)
    assert [str(error) for error in found.refusals] == texts
    assert (found.job, found.service, found.injections, found.reason) == (whole, None, (), None)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            "--port='1",
            'ray.volcano.sh/args cannot be split into words: "--port=\'1" (No closing quotation). '
            "Close the quotation, as a shell would want it.",
        ),
        ("--prot=1", "ray.volcano.sh/args: there is no flag --prot=1. Write --port."),
    ],
)
def test_a_mistake_in_the_flags_is_one_of_the_task(flags: str, sentence: str) -> None:
    (found,) = jobs.tasks_of(job(task("head", flags=flags)))
    assert [mistake.text for mistake in found.parsed.mistakes] == [sentence]


# What was recorded from a cluster

INJECTED = {"head": "injected", "worker": "injected"}
CUSTOM = {"ray-head": "injected", "ray-worker": "injected"}
GPU_LEFT = {**INJECTED, "gpu-worker": "other-task"}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("annotated-custom", CUSTOM),
        ("labelled-minimal", INJECTED),
        ("minimal", INJECTED),
        ("native-command", INJECTED),
        ("native-custom", CUSTOM),
        ("native-docs-flag", INJECTED),
        ("native-gpu", INJECTED),
        ("native-minimal", INJECTED),
        ("native-no-head", "no-head"),
        ("native-sidecar", INJECTED),
        ("native-two-workers", GPU_LEFT),
        ("native-vllm", INJECTED),
        ("plain-command", INJECTED),
        ("plain-gpu", INJECTED),
        ("plain-sidecar", INJECTED),
        ("plain-two-workers", GPU_LEFT),
        ("plain-vllm", INJECTED),
        ("pt", "not-a-ray-job"),
        ("ray-cluster-custom", CUSTOM),
        ("ray-cluster-job", INJECTED),
        ("ray-compute-job", INJECTED),
        ("svc-minimal", INJECTED),
        ("tf", "not-a-ray-job"),
        ("unnamed", "not-a-ray-job"),
    ],
)
def test_a_recorded_job_is_injected_left_alone_or_refused(name: str, outcome: dict[str, str] | str) -> None:
    found = injected(recordings.subject(f"job-create-{name}"))
    refused = [mistake.code for error in found.refusals for mistake in error.mistakes]
    left = [found.reason.code] if found.reason else []
    if isinstance(outcome, str):
        assert [*refused, *left] == [outcome]
        assert found.service is None
    else:
        assert (refused, left) == ([], [])
        assert {task: one.reason.code for task, one in found.injections} == outcome
        assert found.service is not None
        assert "ray" not in json.dumps(found.job["spec"].get("plugins", {}))


def test_every_recorded_job_is_in_the_table() -> None:
    assert len(recordings.names("job-create-*")) == 24


def own_ports() -> Object:
    """After the documentation of MindSpeed-RL and verl for Ascend: their own `ray start`, on other ports."""
    whole = job(task("head"), task("worker", replicas=2), plugins={"ray": []})
    head, worker = (one["template"]["spec"]["containers"][0] for one in whole["spec"]["tasks"])
    head["command"] = ["bash", "-c", "ray start --head --port 6344 --dashboard-port=8260; ray status; python train.py"]
    worker["command"] = ["bash", "-c", "ray start --address=$VC_HEAD_HOSTS:6344 --block"]
    return whole


def test_the_ports_of_the_heads_own_start_are_those_of_all_pods_and_of_the_service() -> None:
    found = injected(own_ports())
    assert found.service is not None
    assert [port["port"] for port in found.service["spec"]["ports"]] == [6344, 8260, 10001]
    hosts = ("$(POD_IP)", "demo-head-svc.team.svc")
    for index, host in enumerate(hosts):
        container = template(found, index)["spec"]["containers"][0]
        assert env_of(container)["RAY_ADDRESS"] == f"{host}:6344"
        assert env_of(container)["RAY_API_SERVER_ADDRESS"] == f"http://{host}:8260"
    pods = standalone.pods_of(own_ports(), "team")
    assert [env_of(container_of(pod))["RAY_ADDRESS"].rpartition(":")[2] for pod in pods] == ["6344"] * 3


def test_a_job_without_any_node_is_told_of_its_flags_too() -> None:
    whole = job(task("foo"), task("bar"), plugins={"ray": ["--haed=foo"]})
    (refused,) = standalone.inject_job(whole, "team").refusals
    assert [mistake.code for mistake in refused.mistakes] == [Code.NO_HEAD, Code.UNKNOWN_FLAG]


def test_a_container_name_that_reads_as_flags_is_no_flag() -> None:
    """Kubernetes refuses such a name; a file has not met it yet."""
    whole = job(task("head", container="--head=a --head=b"), plugins={"ray": []})
    found = standalone.inject_job(whole, "team")
    assert found.service is not None
    assert found.service["spec"]["selector"]["volcano.sh/task-spec"] == "head"
