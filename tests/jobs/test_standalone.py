"""Jobs written for a cluster without volray."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest

from tests import recordings
from tests.jobs.jobs import ARGS, OPT_IN, codes, job, read, task
from tests.jobs.test_volcano import MADE, NAMED, OWN_MOUNT, SHM, TMP
from tests.volcano_pods import container_of, env_of
from webhook.jobs.standalone import inject_job, left_alone
from webhook.reasons import Code
from webhook.version import __version__

if TYPE_CHECKING:
    from webhook.jobs.standalone import InjectedJob
    from webhook.names import Object

HEAD = task("head")
WORKER = task("worker", replicas=2)
NOT_ADOPTED = {"ray.volcano.sh/adopt": "false"}
CPU = {"limits": {"cpu": "1"}}
READ_ONLY = {"securityContext": {"readOnlyRootFilesystem": True}}


def injected(whole: Object) -> InjectedJob:
    """An injected Job. The one given is not changed."""
    before = deepcopy(whole)
    found = inject_job(whole, "team")
    assert whole == before
    return found


def written(whole: Object) -> Object:
    found = injected(whole)
    assert found.job is not None
    return found.job


def template(whole: Object, index: int = 0) -> Object:
    inside: Object = written(whole)["spec"]["tasks"][index]["template"]
    return inside


def pods(whole: Object) -> tuple[Object, ...]:
    return inject_job(whole, "team", with_pods=True).pods


def without_replicas(body: Object) -> Object:
    return {key: value for key, value in body.items() if key != "replicas"}


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
    assert found.reason.code is Code.NOT_A_RAY_JOB
    assert (found.job, found.service, found.injections, found.report.findings) == (None, None, (), ())


def test_a_job_that_is_not_to_be_adopted_is_left_alone() -> None:
    found = injected(job(HEAD, notes=NOT_ADOPTED, plugins={"ray": []}))
    assert found.reason is not None
    assert found.reason.code is Code.NOT_ADOPTED
    assert found.service is None


def test_a_job_that_was_injected_before_is_left_alone() -> None:
    note = {"ray.volcano.sh/injected": "0.0.7"}
    found = injected(job(HEAD, task("worker", notes=note), plugins={"ray": []}))
    assert found.reason is not None
    assert (found.reason.code, found.reason.fields) == (Code.ALREADY_INJECTED, (("version", "0.0.7"),))
    assert found.service is None


@pytest.mark.parametrize("plugin", ["tensorflow", "pytorch", "mpi"])
def test_a_job_of_another_framework_is_left_alone_unless_it_asks(plugin: str) -> None:
    reason = injected(job(HEAD, WORKER, plugins={plugin: []})).reason
    assert reason is not None
    assert (reason.code, dict(reason.fields)) == (Code.OTHER_PLUGIN, {"plugin": plugin})
    assert injected(job(HEAD, WORKER, plugins={plugin: [], "ray": []})).reason is None


@pytest.mark.parametrize("said", ["true", "", "False"])
def test_only_the_word_false_keeps_a_job_from_adoption(said: str) -> None:
    assert left_alone(read(job(HEAD, notes={"ray.volcano.sh/adopt": said}))) is None


@pytest.mark.parametrize(
    "whole",
    [
        job(HEAD),
        job(task("x"), plugins={"ray": []}),
        job(task("x", labels=OPT_IN)),
        job(task("x"), task("y", labels=OPT_IN)),
        job(task("x"), HEAD),
        job(task("x", labels=OPT_IN), notes=NOT_ADOPTED),
    ],
)
def test_a_job_with_plugin_label_or_head_is_rays(whole: Object) -> None:
    assert left_alone(read(whole)) is None


def test_every_pod_of_a_job_is_injected() -> None:
    whole = job(HEAD, task("worker", replicas=2), task("logger"), without_replicas(task("none")))
    made = pods(whole)
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
    assert [one["metadata"]["name"] for one in pods(whole)] == ["demo-head-0"]


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
    found = written(job(task("head", spec=spec), task("worker"), volumes=volumes))
    assert found["spec"]["volumes"] == volumes
    for made in made_by_volcano(found):
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
    made = template(whole)["spec"]
    assert "volumes" not in made
    assert "volumeMounts" not in made["containers"][0]
    assert made["containers"][1] == {"name": "side", "volumeMounts": []}

    data = {"mountPath": "/data", "volumeClaimName": "fast"}
    made = template(job(task("head", spec={"volumes": [{"name": "x"}]}), volumes=[data]))["spec"]
    assert [volume["name"] for volume in made["volumes"]] == ["x", "ray-shm"]
    assert [mount["name"] for mount in made["containers"][0]["volumeMounts"]] == ["ray-shm"]


def test_the_pods_of_an_injected_job_show_its_volumes() -> None:
    for made in pods(job(HEAD, WORKER, volumes=[NAMED])):
        assert [mount["mountPath"] for mount in container_of(made)["volumeMounts"]] == [SHM]
        assert made["spec"]["volumes"] == [
            {"name": "demo-000000000000", "persistentVolumeClaim": {"claimName": "fast"}}
        ]


# Jobs


def test_the_namespace_is_the_jobs_or_else_the_one_given() -> None:
    whole = job(HEAD)
    del whole["metadata"]["namespace"]
    found = inject_job(whole, "other", with_pods=True)
    assert found.service is not None
    assert {one["metadata"]["namespace"] for one in (found.service, *found.pods)} == {"other"}
    assert inject_job(whole, "other").pods == ()


def test_an_injected_job_has_its_service_and_a_reason_for_each_task() -> None:
    found = injected(job(HEAD, WORKER, task("logger"), plugins={"ray": ["--port=7"]}))
    assert (found.reason, found.report.mistakes) == (None, ())
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
    found = injected(job(WORKER, task("boss", notes={"ray.volcano.sh/role": "head"}, container={"name": "head"})))
    assert found.service is not None
    assert found.service["spec"]["selector"]["volcano.sh/task-spec"] == "boss"


def test_the_ray_plugin_goes_and_the_others_stay() -> None:
    whole = job(HEAD, plugins={"ray": [], "svc": [], "env": ["x"]}, queue="fast", minAvailable=2)
    assert written(whole)["spec"] == {
        "minAvailable": 2,
        "queue": "fast",
        "plugins": {"svc": [], "env": ["x"]},
        "tasks": written(whole)["spec"]["tasks"],
    }


@pytest.mark.parametrize("plugins", [{"plugins": {"ray": []}}, {"plugins": None}, {"plugins": {}}, {}])
def test_plugins_that_are_empty_go(plugins: Object) -> None:
    assert "plugins" not in written(job(HEAD, **plugins))["spec"]


def test_what_the_user_wrote_on_job_task_and_template_stays() -> None:
    whole = job(
        task(
            "head",
            labels={"team": "a"},
            notes={"note": "b", "ray.volcano.sh/role": "head"},
            flags="--metricsPort=7",
            spec={"nodeSelector": {"a": "b"}, "restartPolicy": "Never"},
            policies=[{"event": "TaskCompleted", "action": "CompleteJob"}],
            replicas=1,
        ),
    )
    whole["metadata"]["labels"] = {"a": "b"}
    found = written(whole)
    made = found["spec"]["tasks"][0]
    assert found["metadata"] == {"name": "demo", "namespace": "team", "labels": {"a": "b"}}
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
    assert template(job(one))["metadata"] == {
        "name": "x",
        "labels": {"ray.volcano.sh/node-type": "head"},
        "annotations": {"ray.volcano.sh/injected": __version__},
    }


def test_a_templates_own_scheduler_stays() -> None:
    assert template(job(task("head", spec={"schedulerName": "mine"})))["spec"]["schedulerName"] == "mine"


def test_a_label_of_volcanos_that_the_user_wrote_stays() -> None:
    labels = {"volcano.sh/queue-name": "fast"}
    made = template(job(task("head", labels=labels), queue="fast"))
    assert made["metadata"]["labels"] == {**labels, "ray.volcano.sh/node-type": "head"}


def test_the_opt_in_label_goes_so_that_an_installed_volray_leaves_the_job_alone() -> None:
    made = template(job(task("head", labels={**OPT_IN, "a": "b"})))
    assert made["metadata"]["labels"] == {"a": "b", "ray.volcano.sh/node-type": "head"}


def test_the_plugins_flags_are_in_the_templates_and_need_no_annotation() -> None:
    made = template(job(HEAD, plugins={"ray": ["--port=7"]}))
    assert list(made["metadata"]["annotations"]) == ["ray.volcano.sh/injected"]
    assert "--port=7" in made["spec"]["containers"][0]["command"][2]


def test_a_task_that_is_not_rays_stays_as_it_is() -> None:
    other = task("logger", labels={"a": "b"})
    assert written(job(HEAD, other))["spec"]["tasks"][1] == other


def test_an_injected_job_is_left_alone() -> None:
    again = injected(written(job(HEAD, WORKER)))
    assert again.reason is not None
    assert again.reason.code is Code.ALREADY_INJECTED


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
    refused = codes(found.report.mistakes)
    left = [found.reason.code] if found.reason else []
    if isinstance(outcome, str):
        assert [*refused, *left] == [outcome]
        assert found.service is None
    else:
        assert (refused, left) == ([], [])
        assert {task: one.reason.code for task, one in found.injections} == outcome
        assert found.service is not None
        assert found.job is not None
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
        container = template(own_ports(), index)["spec"]["containers"][0]
        assert env_of(container)["RAY_ADDRESS"] == f"{host}:6344"
        assert env_of(container)["RAY_API_SERVER_ADDRESS"] == f"http://{host}:8260"
    addresses = [env_of(container_of(pod))["RAY_ADDRESS"] for pod in pods(own_ports())]
    assert [address.rpartition(":")[2] for address in addresses] == ["6344"] * 3


def test_a_wrong_job_is_reported_with_every_mistake_and_not_written() -> None:
    nameless = job(task(replicas=2), task("worker", flags="--prot=1"), plugins={"ray": ["--waitNodes=x"]})
    del nameless["metadata"]["name"]
    found = injected(nameless)
    assert codes(found.report.findings) == [
        Code.NO_JOB_NAME,
        Code.HEAD_REPLICAS,
        Code.BAD_VALUE,
        Code.UNKNOWN_FLAG,
    ]
    assert (found.job, found.service, found.injections, found.reason) == (None, None, (), None)


def test_a_written_job_has_the_warnings_of_an_applied_one_and_the_svc_that_its_templates_use() -> None:
    """J3 and J11: the report is the webhook's."""
    whole = job(task(container={"command": ["echo", "$VC_HEAD_HOSTS"]}), WORKER, plugins={"ray": []})
    assert codes(injected(whole).report.findings) == [Code.SVC_ADDED, Code.NEVER_ENDS]
    assert written(whole)["spec"]["plugins"] == {"svc": ["--disable-network-policy=true"]}


def test_a_worker_without_the_label_gets_no_ray_and_a_warning() -> None:
    found = injected(job(task(labels=OPT_IN), WORKER))
    assert [name for name, _ in found.injections] == ["head"]
    assert codes(found.report.findings) == [Code.UNLABELLED_NODE]
    assert written(job(task(labels=OPT_IN), WORKER))["spec"]["tasks"][1] == WORKER


def test_the_host_dns_of_a_pod_is_left_to_volcano() -> None:
    assert "dnsPolicy" not in template(job(task(spec={"hostNetwork": True})))["spec"]


def test_a_container_name_that_reads_as_flags_is_no_flag() -> None:
    """Kubernetes refuses such a name; a file has not met it yet."""
    whole = job(task("head", container={"name": "--head=a --head=b"}), plugins={"ray": []})
    found = inject_job(whole, "team")
    assert found.service is not None
    assert found.service["spec"]["selector"]["volcano.sh/task-spec"] == "head"
