from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.volcano_pods import container_of, env_of, injected, pod
from webhook.errors import RefusedError
from webhook.pods.inject import inject
from webhook.reasons import Code
from webhook.version import __version__

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.pods.inject import Injection

OPT_IN = {"ray.volcano.sh/cluster": "true"}
START_ARGS = "ray.volcano.sh/start-args"
COMMAND = "ray.volcano.sh/command"
ROLE = "ray.volcano.sh/role"
CPU = {"limits": {"cpu": "1"}}
SHM = "/dev/shm"  # noqa: S108 - Ray's own path
STARTS_RAY = ["sh", "-c", "ray start --head --block"]


def refusal(original: Object, *, ipv6: bool = False) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        inject(original, "default", ipv6=ipv6)
    return caught.value


def sentences(original: Object) -> list[str]:
    return [mistake.text for mistake in refusal(original).mistakes]


def warnings(original: Object) -> list[str]:
    return [warning.text for warning in inject(original, "default").warnings]


def without(original: Object, *keys: str) -> Object:
    """The pod without these labels and annotations."""
    for place in ("labels", "annotations"):
        for key in keys:
            original["metadata"][place].pop(key, None)
    return original


def left_alone(injection: Injection) -> bool:
    return not injection.operations


def paths(injection: Injection) -> list[str]:
    return [operation["path"] for operation in injection.operations]


# Which pods


@pytest.mark.parametrize(("task", "role"), [("head", "head"), ("worker", "worker")])
def test_a_head_and_a_worker_are_injected(task: str, role: str) -> None:
    injection = inject(pod(task, resources=CPU), "default")
    assert (injection.role, injection.warnings) == (role, ())
    assert injection.reason.text == "Ray's start command, ports, probes and addresses were put in."


@pytest.mark.parametrize("missing", [["labels"], ["annotations"]])
def test_job_and_task_may_be_labels_or_annotations(missing: list[str]) -> None:
    original = pod()
    for place in missing:
        del original["metadata"][place]
    assert inject(original, "default").role == "head"


@pytest.mark.parametrize("key", ["volcano.sh/job-name", "volcano.sh/task-spec"])
def test_a_pod_without_job_or_task_is_left_alone(key: str) -> None:
    injection = inject(without(pod(labels=OPT_IN), key), "default")
    assert left_alone(injection)
    assert injection.role is None
    assert injection.reason.text == "The pod does not belong to a Volcano Job."


def test_another_task_is_left_alone() -> None:
    injection = inject(pod("logger", flags="--worker=a --worker=b --head=c"), "default")
    assert left_alone(injection)
    assert injection.warnings == ()
    assert (
        injection.reason.text
        == "Task logger is neither the head (c) nor a worker (a, b). Add --worker=logger if Ray should run there."
    )


def test_another_task_with_the_label_is_left_alone_with_a_warning() -> None:
    injection = inject(pod("logger", labels=OPT_IN), "default")
    assert left_alone(injection)
    assert injection.reason.code == "other-task"
    assert [warning.text for warning in injection.warnings] == [
        "Task logger carries ray.volcano.sh/cluster, but it is neither head nor worker: it is left alone. "
        "Add --worker=logger to ray.volcano.sh/args."
    ]


def test_another_task_with_wrong_flags_is_refused() -> None:
    assert str(refusal(pod("logger", flags="--prot=1"))) == (
        "Job demo, task logger: ray.volcano.sh/args: there is no flag --prot=1. Write --port."
    )


def test_a_pod_of_another_framework_is_left_alone() -> None:
    injection = inject(pod("worker", env=[{"name": "TF_CONFIG", "value": "{}"}]), "default")
    assert left_alone(injection)
    assert injection.reason.text == "Container worker has TF_CONFIG: another framework of Volcano runs here."


def test_whoever_opts_in_may_have_another_frameworks_variables() -> None:
    original = pod("worker", labels=OPT_IN, env=[{"name": "TF_CONFIG", "value": "{}"}])
    assert inject(original, "default").role == "worker"


def test_an_injected_pod_is_left_alone() -> None:
    injection = inject(pod(annotations={"ray.volcano.sh/injected": "0.0.7"}), "default")
    assert left_alone(injection)
    assert injection.reason.text == "It was injected before, by volray 0.0.7."


def test_a_pod_without_rays_container_and_label_is_left_alone() -> None:
    injection = inject(pod(name="main"), "default")
    assert left_alone(injection)
    assert injection.reason.text == "Task head has no container named head."


def test_a_pod_without_rays_container_names_its_own_task() -> None:
    injection = inject(pod("gpu", flags="--worker=gpu", name="main"), "default")
    assert injection.reason.text == "Task gpu has no container named worker."


def test_a_pod_left_alone_for_its_container_is_refused_for_its_flags() -> None:
    assert sentences(pod(name="main", flags="--port=x")) == [
        "ray.volcano.sh/args: --port=x is not a port from 1 to 65535. Write for example --port=6379."
    ]


def test_the_role_annotation_goes_before_the_tasks_name() -> None:
    assert inject(pod("master", annotations={ROLE: "head"}, name="head"), "default").role == "head"


@pytest.mark.parametrize(("task", "flags"), [("chief", "--head=chief"), ("gpu", "--worker=cpu --worker=gpu")])
def test_the_flags_name_the_tasks(task: str, flags: str) -> None:
    container = "head" if task == "chief" else "worker"
    assert inject(pod(task, flags=flags, name=container), "default").role == container


# Container


def test_the_only_container_is_rays_for_who_opted_in_with_a_warning() -> None:
    original = pod(labels=OPT_IN, name="main", resources=CPU)
    assert warnings(original) == [
        "Ray starts in main, the only container; none is named head. "
        "Rename it or say --headContainer=main in ray.volcano.sh/args."
    ]
    assert container_of(injected(original))["command"][0] == "/bin/sh"


def test_sidecars_do_not_count_as_containers() -> None:
    original = pod(labels=OPT_IN, name="istio-proxy", others=[{"name": "main"}])
    made = injected(original)
    assert container_of(made, "istio-proxy") == container_of(original, "istio-proxy")
    assert "command" in container_of(made, "main")


def test_several_containers_are_refused_by_their_names() -> None:
    error = refusal(pod("worker", labels=OPT_IN, name="a", others=[{"name": "b"}]))
    assert str(error) == (
        "Job demo, task worker: No container is named worker, and there are several: a, b. "
        "Name Ray's container worker, or say --workerContainer=NAME in the annotation ray.volcano.sh/args."
    )


def test_the_choice_of_a_container_is_warned_of_in_one_that_starts_ray_itself_too() -> None:
    original = pod(labels=OPT_IN, name="main", command=STARTS_RAY)
    assert [text[:20] for text in warnings(original)] == ["Ray starts in main, ", "The command contains"]


def test_rays_container_may_stand_anywhere() -> None:
    original = pod(name="logs", others=[{"name": "head"}, {"name": "more"}])
    made = injected(original)
    assert "command" in container_of(made, "head")
    assert [container_of(made, name) for name in ("logs", "more")] == [
        {"name": "logs", "image": "rayproject/ray:2.60.0"},
        {"name": "more"},
    ]


# What a pod gets


def test_a_bare_head_gets_everything_in_one_operation_each() -> None:
    injection = inject(pod(resources=CPU), "default")
    assert [(operation["op"], operation["path"]) for operation in injection.operations] == [
        ("add", "/metadata/labels/ray.volcano.sh~1node-type"),
        ("add", "/metadata/annotations/ray.volcano.sh~1injected"),
        ("add", "/spec/containers/0/command"),
        ("add", "/spec/containers/0/env"),
        ("add", "/spec/containers/0/ports"),
        ("add", "/spec/containers/0/livenessProbe"),
        ("add", "/spec/containers/0/readinessProbe"),
        ("add", "/spec/containers/0/volumeMounts"),
        ("add", "/spec/volumes"),
    ]


@pytest.mark.parametrize("task", ["head", "worker"])
def test_label_and_annotation_say_what_was_done(task: str) -> None:
    metadata = injected(pod(task))["metadata"]
    assert metadata["labels"]["ray.volcano.sh/node-type"] == task
    assert metadata["annotations"]["ray.volcano.sh/injected"] == __version__


def test_the_addresses_are_those_of_job_and_namespace() -> None:
    made = container_of(injected(pod("worker", job="big"), "team"))
    assert env_of(made)["RAY_ADDRESS"] == "big-head-svc.team.svc:6379"


def test_resources_and_start_args_reach_ray_start() -> None:
    original = pod(
        resources={"limits": {"cpu": "3", "nvidia.com/gpu": "2"}, "requests": {"memory": "1000Mi"}},
        annotations={START_ARGS: "--node-name=a --num-gpus=7"},
    )
    script = container_of(injected(original))["command"][2]
    for option in ("--num-cpus=3", "--num-gpus=7", "--memory=734003200", "--node-name=a"):
        assert f"  {option} \\\n" in script
    assert "--num-gpus=2" not in script


def test_the_users_command_is_kept_as_the_scripts_arguments() -> None:
    made = container_of(injected(pod(command=["python", "a b.py"], args=["--x", "$HOME"])))
    assert made["command"][3:] == ["volray"]
    assert made["args"] == ["python", "a b.py", "--x", "$HOME"]


def test_a_command_without_args_is_kept() -> None:
    made = container_of(injected(pod(command=["python"])))
    assert made["args"] == ["python"]


@pytest.mark.parametrize("args", [None, []])
def test_empty_args_without_a_command_go(args: list[str] | None) -> None:
    assert "args" not in container_of(injected(pod(args=args)))


def test_the_flags_reach_the_script() -> None:
    made = container_of(injected(pod("worker", flags="--waitHead=43")))
    assert "' 43\n" in made["command"][2]


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_the_users_probe_stays(probe: str) -> None:
    own: Any = {"exec": {"command": ["true"]}}
    made = container_of(injected(pod(**{probe: own})))
    assert made[probe] == own
    assert {"livenessProbe", "readinessProbe"} <= set(made)


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_a_null_probe_is_replaced(probe: str) -> None:
    nothing: Any = None
    assert container_of(injected(pod(**{probe: nothing})))[probe]["failureThreshold"] in {3, 6}


def test_another_container_gets_nothing() -> None:
    made = injected(pod(others=[{"name": "logs"}]))
    assert container_of(made, "logs") == {"name": "logs"}


@pytest.mark.parametrize(
    ("resources", "memory"),
    [
        ({"limits": {"memory": "2Gi"}}, {"medium": "Memory", "sizeLimit": "2Gi"}),
        ({"requests": {"memory": "2Gi"}}, {"medium": "Memory", "sizeLimit": "2Gi"}),
        ({}, {"medium": "Memory"}),
    ],
)
def test_shared_memory_is_a_volume_of_the_containers_memory(resources: Object, memory: Object) -> None:
    made = injected(pod(resources=resources))
    assert made["spec"]["volumes"] == [{"name": "ray-shm", "emptyDir": memory}]
    assert container_of(made)["volumeMounts"] == [{"name": "ray-shm", "mountPath": SHM}]


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["a"], "ray-shm"),
        (["ray-shm"], "ray-shm-0"),
        (["ray-shm", "ray-shm-0"], "ray-shm-1"),
        (["ray-shm-0", "ray-shm"], "ray-shm-1"),
        (["ray-shm-0"], "ray-shm"),
    ],
)
def test_the_volumes_name_is_free(names: list[str], name: str) -> None:
    made = injected(pod(spec={"volumes": [{"name": one, "emptyDir": {}} for one in names]}))
    assert [volume["name"] for volume in made["spec"]["volumes"]] == [*names, name]
    assert container_of(made)["volumeMounts"][-1]["name"] == name


@pytest.mark.parametrize("path", [SHM, f"{SHM}/"])
def test_the_users_own_shared_memory_stays(path: str) -> None:
    mount = {"name": "own", "mountPath": path}
    volumes = [{"name": "own", "emptyDir": {"medium": "Memory"}}]
    original = pod(volumeMounts=[mount], spec={"volumes": volumes}, resources={"requests": {"memory": "1000Mi"}})
    made = injected(original)
    assert made["spec"]["volumes"] == volumes
    assert container_of(made)["volumeMounts"] == [mount]
    assert "--object-store-memory" not in container_of(made)["command"][2]
    assert "--memory=734003200" in container_of(made)["command"][2]


@pytest.mark.parametrize("path", [f"{SHM}2", f"{SHM}X", "/dev", f"{SHM}/x"])
def test_another_mount_is_no_shared_memory(path: str) -> None:
    original = pod(volumeMounts=[{"name": "a", "mountPath": path}], spec={"volumes": [{"name": "a"}]})
    assert [mount["mountPath"] for mount in container_of(injected(original))["volumeMounts"]] == [path, SHM]


@pytest.mark.parametrize("host_network", [True, False])
def test_on_the_hosts_network_the_agents_port_is_declared(host_network: bool) -> None:
    made = container_of(injected(pod(spec={"hostNetwork": host_network})))
    assert ("agent" in {port["name"] for port in made["ports"]}) is host_network


@pytest.mark.parametrize("key", ["labels", "annotations"])
def test_metadata_that_is_null_is_made(key: str) -> None:
    original = pod()
    original["metadata"][key] = None
    made = injected(original)
    assert len(made["metadata"][key]) == 1


# The command modes


@pytest.mark.parametrize(
    "container",
    [
        {"command": STARTS_RAY, "own": True},
        {"command": ["entry.sh"], "own": True},
        {"args": ["serve"], "own": True},
        {"own": True},
    ],
)
def test_a_container_that_starts_ray_itself_gets_env_ports_and_label_only(container: dict[str, Any]) -> None:
    annotations = {COMMAND: "own"} if container.pop("own", False) else {}
    original = pod(annotations=annotations, **container)
    injection = inject(original, "default")
    assert injection.reason.text == "The command starts Ray itself: it stays, with addresses, ports and label."
    assert (injection.role, injection.warnings) == ("head", ())
    assert paths(injection) == [
        "/metadata/labels/ray.volcano.sh~1node-type",
        "/metadata/annotations/ray.volcano.sh~1injected",
        "/spec/containers/0/env",
        "/spec/containers/0/ports",
    ]
    made = container_of(injected(original))
    assert "VOLRAY_ADDRESS" not in env_of(made)
    assert [port["name"] for port in made["ports"]] == ["gcs", "dashboard", "client-server"]


def test_a_command_that_starts_ray_itself_is_known_by_its_words_with_a_warning() -> None:
    injection = inject(pod(command=STARTS_RAY), "default")
    assert injection.reason.code is Code.INJECTED_OWN
    assert [warning.code for warning in injection.warnings] == [Code.OWN_START]


def test_a_command_whose_comment_says_ray_start_gets_ray_from_volray() -> None:
    script = "# no ray start here: the plugin does it\nexec python train.py"
    made = container_of(injected(pod(command=["bash", "-c", script])))
    assert made["command"][:2] == ["/bin/sh", "-c"]
    assert made["args"] == ["bash", "-c", script]


def test_keep_puts_ray_beside_a_command_with_such_words_without_a_warning() -> None:
    original = pod(annotations={COMMAND: "keep"}, command=STARTS_RAY, resources=CPU)
    made = container_of(injected(original))
    assert made["args"] == STARTS_RAY
    assert {"livenessProbe", "readinessProbe"} <= made.keys()
    assert warnings(original) == []


MINDSPEED = ["bash", "-c", "ray start --head --port 6344 --dashboard-port=8260; ray status; python train.py"]


def test_the_ports_of_an_own_start_are_those_of_the_pod() -> None:
    made = container_of(injected(pod(command=MINDSPEED)))
    assert env_of(made)["RAY_ADDRESS"] == "$(POD_IP):6344"
    assert env_of(made)["RAY_API_SERVER_ADDRESS"] == "http://$(POD_IP):8260"
    declared = {port["name"]: port["containerPort"] for port in made["ports"]}
    assert declared == {"gcs": 6344, "dashboard": 8260, "client-server": 10001}


def test_where_a_port_of_an_own_start_cannot_be_read_no_wrong_address_is_given() -> None:
    original = pod(command=["sh", "-c", "ray start --head --port=$A --dashboard-port=$B"], annotations={COMMAND: "own"})
    made = container_of(injected(original))
    assert env_of(made).keys().isdisjoint({"RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"})
    assert [port["name"] for port in made["ports"]] == ["client-server"]
    assert [warning.code for warning in inject(original, "default").warnings] == [Code.OWN_PORT_UNREADABLE] * 2


def test_the_flags_ports_of_a_worker_that_starts_ray_itself_are_those_of_its_pod() -> None:
    made = container_of(injected(pod("worker", flags="--port=6344", command=["ray", "start", "--address=a:1"])))
    assert env_of(made)["RAY_ADDRESS"] == "demo-head-svc.default.svc:6344"


def test_start_args_beside_an_own_start_are_warned_of_and_not_judged() -> None:
    original = pod(annotations={COMMAND: "own", START_ARGS: "--head"})
    assert [warning.code for warning in inject(original, "default").warnings] == [Code.START_ARGS_UNUSED]


def test_a_worker_that_starts_ray_itself_gets_no_ports() -> None:
    assert "ports" not in container_of(injected(pod("worker", command=["ray", "start"])))


def test_replace_drops_the_users_command() -> None:
    original = pod(annotations={COMMAND: "replace"}, command=["python"], args=["a.py"])
    made = container_of(injected(original))
    assert "args" not in made
    assert "set -- ray start --head" in made["command"][2]


@pytest.mark.parametrize("container", [{"command": STARTS_RAY}, {"args": ["serve"]}])
def test_replace_drops_a_command_that_starts_ray_itself_and_args_alone(container: dict[str, Any]) -> None:
    made = container_of(injected(pod(annotations={COMMAND: "replace"}, **container)))
    assert "args" not in made
    assert made["command"][3:] == ["volray"]


def test_a_command_is_kept_by_name() -> None:
    original = pod(annotations={COMMAND: "keep"}, command=["python"])
    assert container_of(injected(original))["args"] == ["python"]


# Warnings


def test_without_cpus_a_warning_names_the_container() -> None:
    assert warnings(pod()) == [
        "Container head asks for no CPU: Ray will count all of the node's. "
        "Set resources.limits.cpu, or --num-cpus=N in ray.volcano.sh/start-args."
    ]


def test_whoever_says_the_number_of_cpus_is_not_warned() -> None:
    assert warnings(pod(annotations={START_ARGS: "--num-cpus=4"})) == []


def test_the_pods_own_resources_need_no_warning() -> None:
    assert warnings(pod(spec={"resources": CPU})) == []


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ({}, "ClusterFirst"),
        ({"dnsPolicy": None}, "ClusterFirst"),
        ({"dnsPolicy": "ClusterFirst"}, "ClusterFirst"),
        ({"dnsPolicy": "Default"}, "Default"),
    ],
)
def test_a_worker_on_the_hosts_network_that_cannot_resolve_the_head_is_warned_of(policy: Object, named: str) -> None:
    assert warnings(pod("worker", resources=CPU, spec={"hostNetwork": True, **policy})) == [
        f"hostNetwork with dnsPolicy {named} does not resolve the head's Service. "
        "Write dnsPolicy: ClusterFirstWithHostNet."
    ]


@pytest.mark.parametrize(
    ("task", "spec"),
    [
        ("head", {"hostNetwork": True, "dnsPolicy": "ClusterFirst"}),
        ("worker", {"hostNetwork": False, "dnsPolicy": "ClusterFirst"}),
        ("worker", {"dnsPolicy": "Default"}),
        ("worker", {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}),
        ("worker", {"hostNetwork": True, "dnsPolicy": "None"}),
    ],
)
def test_a_pod_that_resolves_the_head_is_not_warned_of(task: str, spec: Object) -> None:
    assert warnings(pod(task, resources=CPU, spec=spec)) == []


def test_a_worker_that_starts_ray_itself_is_warned_of_the_hosts_network_too() -> None:
    own = {COMMAND: "own"}
    found = warnings(pod("worker", annotations=own, command=["ray", "start"], spec={"hostNetwork": True}))
    assert [text[:11] for text in found] == ["hostNetwork"]


def test_a_variable_that_a_shell_may_drop_is_warned_of() -> None:
    assert warnings(pod(resources=CPU, env=[{"name": "a.b", "value": "c"}])) == [
        "Variable a.b may be missing in the processes: not every /bin/sh hands on such a name. "
        "Name it with letters, digits and underscores, no digit first."
    ]


def test_a_container_that_starts_ray_itself_has_no_shell_of_ours_to_drop_a_variable() -> None:
    own = {COMMAND: "own"}
    assert warnings(pod(annotations=own, command=STARTS_RAY, env=[{"name": "a.b", "value": "c"}])) == []


def test_start_args_of_another_ray_are_passed_on_and_warned_of() -> None:
    original = pod(resources=CPU, annotations={START_ARGS: "--storage=/mnt"})
    assert [warning.code for warning in inject(original, "default").warnings] == ["other-start-option"]
    assert "--storage=/mnt" in container_of(injected(original))["command"][2]


@pytest.mark.parametrize("container", [{}, {"command": STARTS_RAY}], ids=["started by volray", "own start"])
def test_doubts_about_variables_and_memory_reach_every_head(container: dict[str, Any]) -> None:
    env = [{"name": "RAY_ADDRESS", "value": "http://127.0.0.1:8265"}]
    resources = {"limits": {"cpu": "1", "memory": "512m"}}
    original = pod(flags="--logToStderr=true", env=env, resources=resources, **container)
    codes = {warning.code for warning in inject(original, "default").warnings}
    assert codes >= {"ray-address-http", "prints-in-pod-logs", "little-memory"}


@pytest.mark.parametrize("container", [{}, {"command": STARTS_RAY}], ids=["started by volray", "own start"])
def test_the_state_of_a_head_in_redis_is_kept_under_its_jobs_uid(container: dict[str, Any]) -> None:
    original = pod(env=[{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}], **container)
    name = "RAY_external_storage_namespace"
    assert env_of(container_of(injected(original, "team")))[name] == "team.demo"
    owner = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "name": "demo", "uid": "u-1", "controller": True}
    original["metadata"]["ownerReferences"] = [owner]
    assert env_of(container_of(injected(original, "team")))[name] == "u-1"


# Refusals


def test_a_refusal_names_job_task_field_what_was_found_and_what_to_write() -> None:
    error = refusal(pod("worker", job="big", flags="--prot=6380"))
    assert error.where == "Job big, task worker"
    assert str(error) == ("Job big, task worker: ray.volcano.sh/args: there is no flag --prot=6380. Write --port.")


def test_an_annotation_that_cannot_be_split_is_refused() -> None:
    assert sentences(pod(flags="--port='1")) == [
        'ray.volcano.sh/args cannot be split into words: "--port=\'1" (No closing quotation). '
        "Close the quotation, as a shell would want it."
    ]


@pytest.mark.parametrize("task", ["head", "logger"])
def test_an_unknown_role_is_refused(task: str) -> None:
    assert sentences(pod(task, annotations={ROLE: "boss"})) == [
        "The annotation ray.volcano.sh/role is 'boss'. Write head or worker, or leave it out."
    ]


@pytest.mark.parametrize("container", [{}, {"command": STARTS_RAY}])
def test_an_unknown_command_mode_is_refused(container: dict[str, Any]) -> None:
    assert sentences(pod(annotations={COMMAND: "drop"}, **container)) == [
        "The annotation ray.volcano.sh/command is 'drop'. "
        "Write keep (volray starts Ray beside it), own (it starts Ray itself) or replace (drop it), "
        "or leave the annotation out."
    ]


@pytest.mark.parametrize("command", [{}, {"command": None}, {"command": []}])
def test_args_without_a_command_are_refused(command: Object) -> None:
    assert sentences(pod(args=["serve"], **command)) == [
        "Container head has args but no command, so what they are given to is not known. "
        "Write the program as `command`, or ray.volcano.sh/command: replace to drop the args, or "
        "ray.volcano.sh/command: own if the image's entrypoint starts Ray."
    ]


@pytest.mark.parametrize("container", [{}, {"command": STARTS_RAY}])
def test_ipv6_is_refused(container: dict[str, Any]) -> None:
    error = refusal(pod(**container), ipv6=True)
    assert [mistake.text for mistake in error.mistakes] == [
        "This cluster gives pods IPv6 addresses first, where Ray's start was never tested. "
        "Use an IPv4 or an IPv4-first dual-stack cluster."
    ]


def test_a_pod_that_is_not_rays_is_left_alone_on_ipv6() -> None:
    assert left_alone(inject(pod("logger"), "default", ipv6=True))


def port_of(container: str) -> list[str]:
    return [
        f"Port 6379 of Ray (--port) is already the port of container {container}. "
        "Move Ray with --port=N in the annotation ray.volcano.sh/args, or move that container."
    ]


def test_a_port_of_another_container_is_refused() -> None:
    assert sentences(pod(others=[{"name": "cache", "ports": [{"containerPort": 6379}]}])) == port_of("cache")


def test_a_port_of_a_native_sidecar_is_refused() -> None:
    sidecar = {"name": "proxy", "restartPolicy": "Always", "ports": [{"containerPort": 6379}]}
    assert sentences(pod(spec={"initContainers": [{"name": "x"}, sidecar]})) == port_of("proxy")


@pytest.mark.parametrize("policy", [{}, {"restartPolicy": "Never"}])
def test_an_init_container_that_ends_keeps_no_port(policy: Object) -> None:
    once = {"name": "setup", "ports": [{"containerPort": 6379}], **policy}
    assert inject(pod(spec={"initContainers": [once]}), "default").role == "head"


def test_a_port_of_rays_own_container_is_not_taken() -> None:
    assert inject(pod(ports=[{"containerPort": 6379}]), "default").role == "head"


def test_a_pod_whose_container_starts_ray_itself_may_have_any_port() -> None:
    other = {"name": "cache", "ports": [{"containerPort": 6379}]}
    assert inject(pod(command=STARTS_RAY, others=[other]), "default").role == "head"


def test_worker_ports_on_a_fixed_port_are_refused() -> None:
    assert sentences(pod(annotations={START_ARGS: "--min-worker-port=10001"})) == [
        "ray.volcano.sh/start-args: port 10001 (--clientPort) lies among the worker ports 10001-19999. "
        "Choose --min-worker-port and --max-worker-port around it: Ray refuses to start otherwise."
    ]


def test_an_option_for_the_head_is_refused_on_a_worker() -> None:
    annotations = {START_ARGS: "--include-dashboard=false"}
    assert inject(pod("head", annotations=annotations), "default").role == "head"
    assert sentences(pod("worker", annotations=annotations)) == [
        "ray.volcano.sh/start-args: --include-dashboard is an option for the head: "
        "`ray start` refuses it on a worker. "
        "Leave it out of this template, or move it to the head's."
    ]


def test_what_is_no_pod_is_refused() -> None:
    error = refusal({"metadata": {}, "spec": {"containers": {}}})
    assert str(error) == ("pod.spec.containers is a map, not a list. Write what the Kubernetes API asks for.")


def test_every_mistake_is_refused_at_once() -> None:
    original = pod(
        flags="--prot=1",
        annotations={ROLE: "boss", COMMAND: "drop", START_ARGS: "--port=1 --num-cpus=x"},
        resources={"limits": {"cpu": "two"}},
        args=["serve"],
        others=[{"name": "cache", "ports": [{"containerPort": 6379}]}],
    )
    assert [mistake.code for mistake in refusal(original, ipv6=True).mistakes] == [
        "unknown-flag",
        "unknown-role",
        "ipv6",
        "unknown-command-mode",
        "owned-start-option",
        "bad-value",
        "bad-quantity",
        "port-taken",
        "args-without-command",
    ]


def test_several_containers_are_refused_with_the_other_mistakes() -> None:
    original = pod(labels=OPT_IN, flags="--prot=1", name="a", others=[{"name": "b"}])
    assert [mistake.code for mistake in refusal(original).mistakes] == ["unknown-flag", "several-containers"]


# Always

EVERY_KIND = [
    pod(),
    pod("worker"),
    pod("logger"),
    pod(command=STARTS_RAY),
    pod(command=["python"], args=["x"]),
    pod(
        env=[{"name": "A", "value": "b"}],
        ports=[{"containerPort": 1}],
        volumeMounts=[{"name": "a", "mountPath": "/a"}],
        spec={"volumes": [{"name": "a"}]},
    ),
]


@pytest.mark.parametrize("original", EVERY_KIND)
def test_the_pod_is_not_changed(original: Object) -> None:
    before = deepcopy(original)
    inject(original, "default")
    assert original == before


@pytest.mark.parametrize("original", EVERY_KIND)
def test_a_second_injection_changes_nothing(original: Object) -> None:
    assert left_alone(inject(injected(original), "default"))


@pytest.mark.parametrize("original", EVERY_KIND)
def test_the_same_pod_gives_the_same_patch(original: Object) -> None:
    assert inject(original, "default") == inject(deepcopy(original), "default")


def test_a_pod_without_rays_container_is_reported_with_its_role() -> None:
    left = inject(pod("head", name="main"), "default")
    assert (left.reason.code, left.role) == (Code.NO_RAY_CONTAINER, "head")


def test_a_mistake_beside_a_command_that_starts_ray_names_job_and_task() -> None:
    with pytest.raises(RefusedError, match=r"^Job demo, task head: "):
        inject(pod("head", flags="--nope=1", command=["ray", "start", "--head"]), "default")
