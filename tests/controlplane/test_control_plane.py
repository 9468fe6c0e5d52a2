"""The harness itself, and the few facts about Volcano that other tests stand on."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.controlplane.build import NEWEST, OLDEST, VERSIONS
from tests.controlplane.client import Api, RefusedError, path
from tests.controlplane.cluster import NODE, ControlPlane
from tests.controlplane.components import listens
from tests.controlplane.waiting import wait

Object = dict[str, Any]

JOBS = "batch.volcano.sh/v1alpha1"
SECONDS_TO_START = 15
ROOT = Path(__file__).parents[2]


def job(name: str, *, plugins: Object | None = None) -> Object:
    container = {"name": "main", "image": "python:3.11", "resources": {"requests": {"cpu": "1"}}}
    return {
        "apiVersion": JOBS,
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "schedulerName": "volcano",
            "minAvailable": 2,
            "plugins": plugins or {},
            "tasks": [_task("head", container), _task("worker", container)],
        },
    }


def _task(name: str, container: Object) -> Object:
    template = {"spec": {"containers": [container | {"name": name}], "restartPolicy": "Never"}}
    return {"name": name, "replicas": 1, "template": template}


def pods(plane: ControlPlane, namespace: str, count: int = 2) -> list[Object]:
    """Wait for the namespace's pods to be bound, and return them."""

    def bound() -> list[Object]:
        found = plane.admin.items(path("v1", "pods", namespace))
        assert [pod["spec"].get("nodeName") for pod in found] == [NODE] * count
        return found

    return wait(bound, f"{count} pods are bound")


@pytest.mark.volcano(*VERSIONS)
def test_a_job_gets_a_pod_group_and_its_pods_are_bound(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.admin.create(path(JOBS, "jobs", namespace), job("plain"))
    found = pods(control_plane, namespace)
    (group,) = control_plane.admin.items(path("scheduling.volcano.sh/v1beta1", "podgroups", namespace))
    assert group["spec"]["minMember"] == 2
    assert [pod["metadata"]["name"] for pod in found] == ["plain-head-0", "plain-worker-0"]
    volumes = [volume["name"] for volume in found[0]["spec"]["volumes"]]
    assert any(name.startswith("kube-api-access-") for name in volumes), "no ServiceAccount token, as on a cluster"


@pytest.mark.volcano(*VERSIONS)
def test_a_job_whose_pods_run_is_running_and_goes_away_in_the_foreground(
    control_plane: ControlPlane, namespace: str
) -> None:
    jobs = path(JOBS, "jobs", namespace)
    control_plane.admin.create(jobs, job("runs"))
    for pod in pods(control_plane, namespace):
        control_plane.set_phase(namespace, pod["metadata"]["name"], "Running")
    wait(lambda: control_plane.admin.get(f"{jobs}/runs")["status"]["state"]["phase"] == "Running", "the Job runs")
    control_plane.admin.delete(f"{jobs}/runs", propagationPolicy="Foreground")
    wait(lambda: not control_plane.admin.exists(f"{jobs}/runs"), "the Job is gone")
    assert control_plane.admin.items(path("v1", "pods", namespace)) == []


@pytest.mark.volcano(OLDEST)
def test_the_oldest_volcano_refuses_the_ray_plugin(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(RefusedError, match="unable to find job plugin: ray"):
        control_plane.admin.create(path(JOBS, "jobs", namespace), job("ray", plugins={"ray": []}))


@pytest.mark.volcano(NEWEST)
def test_the_newest_volcano_has_the_ray_plugin_and_it_makes_the_head_service(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.admin.create(path(JOBS, "jobs", namespace), job("ray", plugins={"ray": []}))
    service = path("v1", "services", namespace, "ray-head-svc")
    wait(lambda: control_plane.admin.exists(service), "the in-tree plugin made the head Service")


def test_a_service_account_is_who_it_is_and_may_what_its_roles_say(control_plane: ControlPlane, namespace: str) -> None:
    token = control_plane.token(namespace, "default")
    api = control_plane.api(token)
    secrets = path("v1", "secrets", namespace)
    with pytest.raises(RefusedError, match=f"system:serviceaccount:{namespace}:default.* cannot list"):
        api.items(secrets)
    done = control_plane.kubectl(
        "create",
        "rolebinding",
        "reader",
        "--clusterrole=admin",
        f"--serviceaccount={namespace}:default",
        "-n",
        namespace,
    )
    assert done.returncode == 0, done.stderr
    wait(lambda: _may_list(api, secrets), "the role counts")
    done = control_plane.kubectl("get", "secrets", kubeconfig=control_plane.kubeconfig_for(token, namespace))
    assert "No resources found" in done.stderr


def _may_list(api: Api, secrets: str) -> bool:
    try:
        return api.items(secrets) == []
    except RefusedError:
        return False


def test_writes_are_counted_and_reads_are_not(control_plane: ControlPlane, namespace: str) -> None:
    api = control_plane.api(control_plane.token(namespace, "default"), agent="volray-controller/0.1")
    mark = control_plane.audit.mark()
    with pytest.raises(RefusedError):
        api.items(path("v1", "pods", namespace))
    assert control_plane.audit.writes(since=mark, agent="volray-controller") == []
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}
    with pytest.raises(RefusedError, match="403"):
        api.create(path("v1", "pods", namespace), pod)
    (write,) = control_plane.audit.writes(since=mark, user=f"system:serviceaccount:{namespace}:default")
    assert (write.verb, write.resource, write.namespace, write.code) == ("create", "pods", namespace, 403)


@pytest.mark.volcano(*VERSIONS)
def test_volcano_writes_under_its_own_names(control_plane: ControlPlane, namespace: str) -> None:
    mark = control_plane.audit.mark()
    control_plane.admin.create(path(JOBS, "jobs", namespace), job("plain"))
    pods(control_plane, namespace)
    writes = control_plane.audit.writes(since=mark, agent="vc-controller-manager", namespace=namespace)
    assert {write.user for write in writes} == {"system:serviceaccount:volcano-system:volcano-controllers"}
    assert [write.code for write in writes if write.resource == "pods"] == [201, 201]
    assert [write for write in writes if write.code == 403] == [], "the installer's roles are enough"


@pytest.fixture
def own_plane() -> Iterator[ControlPlane]:
    """A control plane without Volcano, for a test that breaks it."""
    with ControlPlane.start(None, admission_plugins=["OwnerReferencesPermissionEnforcement"]) as plane:
        yield plane


def test_components_are_paused_resumed_killed_and_started_again(own_plane: ControlPlane) -> None:
    apiserver, etcd = own_plane.components["apiserver"], own_plane.components["etcd"]
    apiserver.pause()
    with pytest.raises(httpx.ReadTimeout):
        own_plane.admin.request("GET", "/readyz", seconds=0.5)
    apiserver.resume()
    wait(lambda: own_plane.admin.request("GET", "/readyz").is_success, "it answers again")
    etcd.kill()
    etcd.start()
    apiserver.restart()
    assert own_plane.admin.exists(path("v1", "nodes", name=NODE))


def test_extra_admission_is_in_force(own_plane: ControlPlane) -> None:
    plane = own_plane
    plane.kubectl("create", "clusterrolebinding", "editor", "--clusterrole=edit", "--serviceaccount=default:default")
    owner = plane.admin.create(path("v1", "configmaps", "default"), _config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": owner["metadata"]["uid"]}
    owned = _config_map("owned", ownerReferences=[reference | {"blockOwnerDeletion": True}])
    api = plane.api(plane.token("default", "default"))

    def refused() -> bool:
        with pytest.raises(RefusedError) as caught:
            api.create(path("v1", "configmaps", "default"), owned)
        return "cannot set blockOwnerDeletion" in str(caught.value)

    wait(refused, "the owner reference is refused")


def _config_map(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


@pytest.mark.parametrize("version", VERSIONS)
def test_it_starts_in_time_and_leaves_nothing(version: str) -> None:
    started = time.monotonic()
    with ControlPlane.start(version) as plane:
        took = time.monotonic() - started
        pids = [component.pid for component in plane.components.values()]
        ports = [port for component in plane.components.values() for port in component.ports]
        assert all(map(listens, ports))
        folder = plane.kubeconfig.parent
    others = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    print(f"Volcano {version}: up in {took:.1f} s, on a machine with work for {others:.1f} of its like")
    assert took < SECONDS_TO_START * others
    assert not any(map(listens, ports))
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not folder.exists()


def test_nothing_is_left_after_an_exception_but_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plane = ControlPlane.start(None)
    pids = [component.pid for component in plane.components.values()]

    def fail() -> None:
        with plane:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert (plane.logs / "apiserver.log").exists()
    assert list(plane.logs.parent.iterdir()) == [plane.logs]


def test_nothing_is_left_when_the_tests_are_killed_outright(tmp_path: Path) -> None:
    program = (
        "from tests.controlplane.cluster import ControlPlane; import signal;"
        "plane = ControlPlane.start(None);"
        "print(*(component.pid for component in plane.components.values()), flush=True); signal.pause()"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as started:
        assert started.stdout
        pids = started.stdout.readline().split()
        started.kill()
    assert len(pids) == 4
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "every component died with the tests")
