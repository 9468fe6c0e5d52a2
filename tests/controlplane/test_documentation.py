"""The four Jobs of Volcano's documentation, with volray and without it; and a report of each, in `.run/reports`."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import (
    DOCUMENTATION,
    apply,
    delete_all,
    documentation,
    edition,
    is_in_tree,
    left,
    pods,
    refusal,
    service,
    settled,
)
from tests.controlplane.build import NEWEST, OLDEST, VERSIONS
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import CONTROLLER, Volray, declined, default
from tests.controlplane.reports import note, pods_of, stamps_of

Object = dict[str, Any]

FAMILIAR = {"gcs": 6379, "dashboard": 8265, "client-server": 10001}
PORTS = dict.fromkeys(DOCUMENTATION, FAMILIAR) | {
    "ray-cluster-custom": {"gcs": 6380, "dashboard": 8266, "client-server": 10002}
}
SIDES = {"client-side": (), "server-side": ("--server-side",)}
CASCADES = {"client-side": "foreground", "server-side": "background"}


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", DOCUMENTATION)
def test_a_job_of_the_documentation_is_adopted_applied_again_scaled_and_deleted(
    volray: Volray, namespace: str, name: str, side: str, volcano_version: str
) -> None:
    plane, job = volray.plane, documentation(name, namespace)
    mark = plane.audit.mark()
    apply(plane, job, *SIDES[side])
    stored = settled(plane, job)
    made, found = pods(plane, job), service(plane, job)
    note(name, volcano_version, adopted=stamps_of(stored), pods=pods_of(made.values()), service=found["spec"])
    assert "adopted" in [review["reason"] for review in volray.reviews(namespace)]
    check_adopted(stored, made)
    check_service(found, stored, PORTS[name])
    assert services_made_by(plane, mark, found) == [(CONTROLLER, "create", 201)]

    before = edition(plane, job)
    apply(plane, job, *SIDES[side])
    assert edition(plane, job) == before, "the same file again changes nothing"

    larger = copy.deepcopy(job)
    larger["spec"]["tasks"][1]["replicas"] += 1
    apply(plane, larger, *SIDES[side])
    note(name, volcano_version, **{f"scaled {side}": sorted(pods(plane, larger))})
    assert service(plane, job) == found

    assert f"service/{found['metadata']['name']}" in left(plane, namespace)
    delete_all(plane, namespace, CASCADES[side])


def check_adopted(job: Object, pods: dict[str, Object]) -> None:
    assert "ray" not in job["spec"].get("plugins", {}), "Volcano sees no plugins.ray"
    for pod in pods.values():
        assert not is_in_tree(pod)
        assert "ray.volcano.sh/injected" in pod["metadata"]["annotations"]
        role = "head" if pod["metadata"]["annotations"]["volcano.sh/task-spec"].endswith("head") else "worker"
        assert pod["metadata"]["labels"]["ray.volcano.sh/node-type"] == role
        begun = "ray start --head" if role == "head" else 'ray start --address="$VOLRAY_ADDRESS"'
        assert begun in words_of(pod)
    program = "".join(job["spec"]["tasks"][0]["template"]["spec"]["containers"][0].get("command", [])[2:])
    assert program in words_of(pods[f"{job['metadata']['name']}-{job['spec']['tasks'][0]['name']}-0"])


def words_of(pod: Object) -> str:
    (container,) = pod["spec"]["containers"]
    return " ".join([*container.get("command", ()), *container.get("args", ())])


def check_service(found: Object, job: Object, ports: dict[str, int]) -> None:
    numbers = {port["name"]: (port["port"], port["targetPort"]) for port in found["spec"]["ports"]}
    assert numbers == {name: (number, number) for name, number in ports.items()}
    assert found["spec"]["selector"]["volcano.sh/task-spec"] == job["spec"]["tasks"][0]["name"]
    assert found["spec"]["publishNotReadyAddresses"]
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", job["metadata"]["uid"], True)


def services_made_by(plane: ControlPlane, since: int, service: Object) -> list[tuple[str, str, int]]:
    metadata = service["metadata"]
    writes = plane.audit.writes(since=since, namespace=metadata["namespace"])
    ours = [write for write in writes if (write.resource, write.name) == ("services", metadata["name"])]
    return [(write.user, write.verb, write.code) for write in ours]


@pytest.mark.volcano(NEWEST)
def test_a_job_that_says_no_stays_the_in_tree_plugins(volray: Volray, namespace: str) -> None:
    plane, job = volray.plane, declined(default(namespace))
    mark = plane.audit.mark()
    apply(plane, job)
    assert is_in_tree(pods(plane, job)["default-head-0"])
    managers = {each["manager"] for each in service(plane, job)["metadata"]["managedFields"]}
    assert managers == {"vc-controller-manager"}
    assert volray.reviews(namespace) == []
    assert plane.audit.writes(since=mark, user=CONTROLLER, namespace=namespace) == []


class TestWithoutVolray:
    """What Volcano does by itself, beside which the rest of this file is to be read."""

    @pytest.fixture(scope="class")
    @staticmethod
    def plain(volray: Volray) -> Iterator[ControlPlane]:
        with volray.unregistered():
            yield volray.plane

    @pytest.mark.volcano(OLDEST)
    def test_a_volcano_without_the_plugin_refuses_it(self, plain: ControlPlane, namespace: str) -> None:
        assert "unable to find job plugin: ray" in refusal(plain, default(namespace))

    @pytest.mark.volcano(*VERSIONS)
    @pytest.mark.parametrize("side", SIDES)
    def test_to_apply_the_same_file_again_is_refused(
        self, plain: ControlPlane, namespace: str, side: str, volcano_version: str
    ) -> None:
        job = default(namespace)
        if volcano_version == OLDEST:
            del job["spec"]["plugins"]["ray"]
        apply(plain, job, *SIDES[side])
        settled(plain, job)
        before = edition(plain, job)
        said = refusal(plain, job, *SIDES[side])
        assert 'admission webhook "validatejob.volcano.sh" denied the request' in said
        assert "job updates may not change fields other than" in said
        assert edition(plain, job) == before
