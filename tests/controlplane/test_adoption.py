"""Ray Jobs as people apply them, with volray installed as they install it: their fate, and that of others' Jobs."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.controlplane.build import NEWEST, VERSIONS
from tests.controlplane.client import path
from tests.controlplane.cluster import NODE, ControlPlane
from tests.controlplane.installed import CONTROLLER, Volray, default, documented, job_path, service_path
from tests.controlplane.waiting import wait

Object = dict[str, Any]

IN_TREE = "ray start --head --block"
FAMILIAR = {"gcs": 6379, "dashboard": 8265, "client-server": 10001}
THEIR_OWN = {"gcs": 6380, "dashboard": 8266, "client-server": 10002}


def with_own_command(namespace: str) -> Object:
    return documented("ray-compute-job", namespace)


def with_names_and_ports(namespace: str) -> Object:
    return documented("ray-cluster-custom", namespace)


def with_svc(namespace: str) -> Object:
    return documented("ray-cluster-job", namespace)


DOCUMENTED = [
    pytest.param(default, FAMILIAR, id="default"),
    pytest.param(with_svc, FAMILIAR, id="svc"),
    pytest.param(with_names_and_ports, THEIR_OWN, id="names-and-ports"),
    pytest.param(with_own_command, FAMILIAR, id="own-command"),
]


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


def apply(plane: ControlPlane, job: Object, *arguments: str) -> str:
    """Apply a file, and return what kubectl said about it."""
    done = plane.kubectl("apply", *arguments, "-f", "-", stdin=json.dumps(job))
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refusal(plane: ControlPlane, job: Object) -> str:
    done = plane.kubectl("apply", "-f", "-", stdin=json.dumps(job))
    assert done.returncode != 0, done.stdout
    return done.stderr


def pods(plane: ControlPlane, job: Object) -> dict[str, Object]:
    """Wait until the Job's pods are all there and bound, and return them by name."""
    count = sum(task["replicas"] for task in job["spec"]["tasks"])
    selector = f"volcano.sh/job-name={job['metadata']['name']}"

    def bound() -> list[Object]:
        found = plane.admin.items(path("v1", "pods", job["metadata"]["namespace"]), labelSelector=selector)
        assert [pod["spec"].get("nodeName") for pod in found] == [NODE] * count
        return found

    return {pod["metadata"]["name"]: pod for pod in wait(bound, f"{count} pods are bound")}


def service(plane: ControlPlane, job: Object) -> Object:
    wait(lambda: plane.admin.exists(service_path(job)), "there is the head Service")
    return plane.admin.get(service_path(job))


def edition(plane: ControlPlane, job: Object) -> tuple[int, str]:
    metadata = plane.admin.get(job_path(job))["metadata"]
    return metadata["generation"], metadata["resourceVersion"]


def settled(plane: ControlPlane, job: Object) -> Object:
    """Let the Job's pods run, so that Volcano has nothing more to write on it, and return it."""
    for name in pods(plane, job):
        plane.set_phase(job["metadata"]["namespace"], name, "Running")
    count = sum(task["replicas"] for task in job["spec"]["tasks"])

    def running() -> Object:
        found = plane.admin.get(job_path(job))
        status = found["status"]
        assert (status["state"]["phase"], status.get("running")) == ("Running", count)
        return found

    return wait(running, "the Job runs")


def left(plane: ControlPlane, namespace: str) -> list[str]:
    """What is in the namespace but Events and what Kubernetes puts into every namespace."""
    kinds = "jobs.batch.volcano.sh,podgroups.scheduling.volcano.sh,pods,services,configmaps,secrets,networkpolicies"
    done = plane.kubectl("get", kinds, "-n", namespace, "-o", "name")
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.split() if name != "configmap/kube-root-ca.crt"]


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize(("make", "ports"), DOCUMENTED)
def test_the_jobs_of_the_documentation_are_adopted(
    volray: Volray, namespace: str, make: Callable[[str], Object], ports: dict[str, int]
) -> None:
    plane, job = volray.plane, make(namespace)
    apply(plane, job)
    stored = plane.admin.get(job_path(job))
    assert "ray" not in stored["spec"].get("plugins", {}), "Volcano sees no plugins.ray"
    assert "adopted" in [review["reason"] for review in volray.reviews(namespace)]
    for pod in pods(plane, job).values():
        assert "ray.volcano.sh/injected" in pod["metadata"]["annotations"]
        role = "head" if pod["metadata"]["annotations"]["volcano.sh/task-spec"].endswith("head") else "worker"
        assert pod["metadata"]["labels"]["ray.volcano.sh/node-type"] == role
        begun = "ray start --head" if role == "head" else 'ray start --address="$VOLRAY_ADDRESS"'
        assert [container["name"] for container in pod["spec"]["containers"] if _says(container, begun)]
    found = service(plane, job)
    assert {port["name"]: (port["port"], port["targetPort"]) for port in found["spec"]["ports"]} == {
        name: (number, number) for name, number in ports.items()
    }
    head = job["spec"]["tasks"][0]["name"]
    assert found["spec"]["selector"]["volcano.sh/task-spec"] == head
    assert found["spec"]["publishNotReadyAddresses"]
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", stored["metadata"]["uid"], True)


def _says(container: Object, text: str) -> bool:
    return text in " ".join([*container.get("command", ()), *container.get("args", ())])


@pytest.mark.volcano(*VERSIONS)
def test_the_program_of_the_head_is_still_in_its_command(volray: Volray, namespace: str) -> None:
    job = with_own_command(namespace)
    apply(volray.plane, job)
    program = job["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["command"][2]
    (container,) = pods(volray.plane, job)["ray-compute-job-head-0"]["spec"]["containers"]
    assert _says(container, program)


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize(("make", "ports"), DOCUMENTED)
def test_to_apply_the_same_file_again_changes_nothing_and_another_number_of_workers_scales(
    volray: Volray, namespace: str, make: Callable[[str], Object], ports: dict[str, int], side: str
) -> None:
    plane, job = volray.plane, make(namespace)
    arguments = ["--server-side"] if side == "server" else []
    apply(plane, job, *arguments)
    service(plane, job)
    settled(plane, job)
    before = edition(plane, job)
    apply(plane, job, *arguments)
    assert edition(plane, job) == before
    larger = copy.deepcopy(job)
    larger["spec"]["tasks"][1]["replicas"] += 1
    apply(plane, larger, *arguments)
    pods(plane, larger)
    assert {each["name"]: each["port"] for each in service(plane, job)["spec"]["ports"]} == ports


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_a_deleted_job_leaves_nothing_behind(volray: Volray, namespace: str, cascade: str) -> None:
    plane, job = volray.plane, with_svc(namespace)
    apply(plane, job)
    service(plane, job)
    settled(plane, job)
    assert "service/ray-cluster-job-head-svc" in left(plane, namespace)
    done = plane.kubectl("delete", "jobs.batch.volcano.sh", "--all", "-n", namespace, f"--cascade={cascade}")
    assert done.returncode == 0, done.stderr
    wait(lambda: left(plane, namespace) == [], "nothing is left")


@pytest.mark.volcano(NEWEST)
@pytest.mark.parametrize(("make", "ports"), DOCUMENTED)
def test_the_in_tree_plugin_never_acts_on_an_adopted_job(
    volray: Volray, namespace: str, make: Callable[[str], Object], ports: dict[str, int]
) -> None:
    plane, job = volray.plane, make(namespace)
    mark = plane.audit.mark()
    apply(plane, job)
    found = service(plane, job)
    assert {each["targetPort"] for each in found["spec"]["ports"]} == set(ports.values())
    settled(plane, job)
    assert not any(_is_in_tree(pod) for pod in pods(plane, job).values())
    writes = plane.audit.writes(since=mark, namespace=namespace)
    name = found["metadata"]["name"]
    made = [write for write in writes if (write.resource, write.name) == ("services", name)]
    assert [(write.user, write.verb, write.code) for write in made] == [(CONTROLLER, "create", 201)]


def _is_in_tree(pod: Object) -> bool:
    return any(
        container.get("command", ["", "", ""])[-1].startswith(IN_TREE) for container in pod["spec"]["containers"]
    )


@pytest.mark.volcano(NEWEST)
def test_a_job_that_says_no_stays_the_in_tree_plugins(volray: Volray, namespace: str) -> None:
    plane, job = volray.plane, default(namespace)
    job["metadata"]["annotations"] = {"ray.volcano.sh/adopt": "false"}
    mark = plane.audit.mark()
    apply(plane, job)
    assert _is_in_tree(pods(plane, job)["default-head-0"])
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
    job = with_own_command(namespace)
    del job["spec"]["tasks"][0]["policies"]
    said = apply(volray.plane, job)
    assert "Warning: Task head has a command, but its end does not end the Job" in said
    assert volray.plane.admin.exists(job_path(job))


@pytest.mark.volcano(*VERSIONS)
def test_a_tensorflow_job_and_a_deployment_are_none_of_volrays_business(volray: Volray, namespace: str) -> None:
    plane, job = volray.plane, documented("tf", namespace)
    mark = plane.audit.mark()
    apply(plane, job)
    done = plane.kubectl("create", "deployment", "web", "--image=nginx", "-n", namespace)
    assert done.returncode == 0, done.stderr
    settled(plane, job)

    def of_both() -> list[Object]:
        found = plane.admin.items(path("v1", "pods", namespace))
        assert len(found) == 4
        return found

    found = wait(of_both, "the Deployment has its pod, too")
    assert not any("ray" in json.dumps(pod["metadata"].get("annotations", {})) for pod in found)
    done = plane.kubectl("annotate", "jobs.batch.volcano.sh/tf", "a=b", "-n", namespace)
    assert done.returncode == 0, done.stderr
    assert volray.reviews(namespace) == []
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []
