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

from tests.controlplane.applied import delete, make_job, pods, settled
from tests.controlplane.build import VERSIONS
from tests.controlplane.client import Api, RefusedError, path
from tests.controlplane.cluster import NODE, ControlPlane
from tests.controlplane.components import listens
from tests.controlplane.installed import default
from tests.controlplane.waiting import wait, with_others

Object = dict[str, Any]

SECONDS_TO_START = 15
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def plane(volcano_version: str) -> Iterator[ControlPlane]:
    """A control plane with Volcano and without volray."""
    with ControlPlane.start(volcano_version) as started:
        yield started


@pytest.mark.volcano(*VERSIONS)
def test_a_job_gets_a_pod_group_runs_and_goes_away_and_volcano_writes_under_its_own_names(
    plane: ControlPlane, namespace: str
) -> None:
    mark, job = plane.audit.mark(), default(namespace)
    del job["spec"]["plugins"]
    make_job(plane, job)
    found = pods(plane, job)
    (group,) = plane.admin.items(path("scheduling.volcano.sh/v1beta1", "podgroups", namespace))
    assert group["spec"]["minMember"] == job["spec"]["minAvailable"]
    volumes = [volume["name"] for volume in found["default-head-0"]["spec"]["volumes"]]
    assert any(name.startswith("kube-api-access-") for name in volumes), "no ServiceAccount token, as on a cluster"
    settled(plane, job)
    delete(plane, job)
    assert plane.admin.items(path("v1", "pods", namespace)) == []
    writes = plane.audit.writes(since=mark, agent="vc-controller-manager", namespace=namespace)
    assert {write.user for write in writes} == {"system:serviceaccount:volcano-system:volcano-controllers"}
    made = [write.code for write in writes if (write.resource, write.verb) == ("pods", "create")]
    assert made == [201] * len(found)
    assert [write for write in writes if write.code == 403] == [], "the installer's roles are enough"


def test_a_service_account_is_who_it_is_and_may_what_its_roles_say(plane: ControlPlane, namespace: str) -> None:
    token = plane.token(namespace, "default")
    api = plane.api(token)
    secrets = path("v1", "secrets", namespace)
    with pytest.raises(RefusedError, match=f"system:serviceaccount:{namespace}:default.* cannot list"):
        api.items(secrets)
    binding = ["rolebinding", "reader", "--clusterrole=admin", f"--serviceaccount={namespace}:default"]
    assert plane.kubectl("create", *binding, "-n", namespace).returncode == 0
    wait(lambda: _may_list(api, secrets), "the role counts")
    done = plane.kubectl("get", "secrets", kubeconfig=plane.kubeconfig_for(token, namespace))
    assert "No resources found" in done.stderr


def _may_list(api: Api, secrets: str) -> bool:
    try:
        return api.items(secrets) == []
    except RefusedError:
        return False


def test_writes_are_counted_and_reads_are_not(plane: ControlPlane, namespace: str) -> None:
    api = plane.api(plane.token(namespace, "default"), agent="volray-controller/0.1")
    mark = plane.audit.mark()
    with pytest.raises(RefusedError):
        api.items(path("v1", "pods", namespace))
    assert plane.audit.writes(since=mark, agent="volray-controller") == []
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}
    with pytest.raises(RefusedError, match="403"):
        api.create(path("v1", "pods", namespace), pod)
    (write,) = plane.audit.writes(since=mark, user=f"system:serviceaccount:{namespace}:default")
    assert (write.verb, write.resource, write.namespace, write.code) == ("create", "pods", namespace, 403)


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    """A control plane without Volcano, for tests that break it."""
    with ControlPlane.start(None, admission_plugins=["OwnerReferencesPermissionEnforcement"]) as plane:
        yield plane


def test_extra_admission_is_in_force(own_plane: ControlPlane) -> None:
    plane, maps = own_plane, path("v1", "configmaps", "default")
    plane.kubectl("create", "clusterrolebinding", "editor", "--clusterrole=edit", "--serviceaccount=default:default")
    owner = plane.admin.create(maps, _config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": owner["metadata"]["uid"]}
    owned = _config_map("owned", ownerReferences=[reference | {"blockOwnerDeletion": True}])
    api = plane.api(plane.token("default", "default"))

    def refused() -> bool:
        with pytest.raises(RefusedError) as caught:
            api.create(maps, owned)
        return "cannot set blockOwnerDeletion" in str(caught.value)

    wait(refused, "the owner reference is refused")


def _config_map(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


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


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("version", VERSIONS)
def test_it_starts_in_time_and_leaves_nothing(version: str) -> None:
    started = time.monotonic()
    with ControlPlane.start(version) as plane:
        took = time.monotonic() - started
        pids = [component.pid for component in plane.components.values()]
        ports = [port for component in plane.components.values() for port in component.ports]
        assert all(map(listens, ports))
        folder = plane.kubeconfig.parent
    print(f"Volcano {version}: up in {took:.1f} s")
    assert took < with_others(SECONDS_TO_START)
    assert not any(map(listens, ports))
    assert alive(pids) == []
    assert not folder.exists()


def test_nothing_is_left_after_an_exception_but_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plane = ControlPlane.start(None)
    pids = [component.pid for component in plane.components.values()]
    with pytest.raises(RuntimeError), plane:
        raise RuntimeError
    assert alive(pids) == []
    assert (plane.logs / "apiserver.log").exists()
    assert list(plane.logs.parent.iterdir()) == [plane.logs]


def test_nothing_is_left_when_the_tests_are_killed_outright(tmp_path: Path) -> None:
    program = (
        "from tests.controlplane.cluster import ControlPlane; import signal;"
        "plane = ControlPlane.start(None);"
        "print(*(component.pid for component in plane.components.values()), flush=True); signal.pause()"
    )
    command, environment = [sys.executable, "-c", program], os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as started:
        assert started.stdout
        pids = [int(pid) for pid in started.stdout.readline().split()]
        started.kill()
    assert len(pids) == 4
    wait(lambda: not alive(pids), "every component died with the tests")
