"""The four Jobs of Volcano's documentation, with volray and without it; and a report of each, in `.run/reports`."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.applied import (
    DOCUMENTATION,
    apply,
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
from tests.controlplane.installed import CONTROLLER, Volray, documented, job_path
from tests.controlplane.reports import Reports, pods_of, stamps_of
from tests.controlplane.waiting import wait

Object = dict[str, Any]
Note = Callable[..., None]

FAMILIAR = {"gcs": 6379, "dashboard": 8265, "client-server": 10001}
PORTS = dict.fromkeys(DOCUMENTATION, FAMILIAR) | {
    "ray-cluster-custom": {"gcs": 6380, "dashboard": 8266, "client-server": 10002}
}
REPORTS = Path(__file__).parents[2] / ".run" / "reports"
SIDES = {"client-side": (), "server-side": ("--server-side",)}


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


@pytest.fixture(params=DOCUMENTATION)
def job(request: pytest.FixtureRequest, namespace: str) -> Object:
    return documentation(request.param, namespace)


@pytest.fixture
def ports(job: Object) -> dict[str, int]:
    return PORTS[job["metadata"]["name"]]


@pytest.fixture(scope="session")
def reports() -> Reports:
    return Reports(REPORTS)


@pytest.fixture
def note(reports: Reports, job: Object, volcano_version: str) -> Note:
    """Writes facts into the Job's report."""
    return partial(reports.note, job["metadata"]["name"], volcano_version)


@pytest.mark.volcano(*VERSIONS)
def test_it_is_adopted(volray: Volray, namespace: str, job: Object, ports: dict[str, int], note: Note) -> None:
    plane = volray.plane
    apply(plane, job)
    stored = plane.admin.get(job_path(job))
    made, found = pods(plane, job), service(plane, job)
    note(adopted=stamps_of(stored), pods=pods_of(made.values()), service=found["spec"])
    assert "ray" not in stored["spec"].get("plugins", {}), "Volcano sees no plugins.ray"
    assert "adopted" in [review["reason"] for review in volray.reviews(namespace)]
    for pod in made.values():
        assert "ray.volcano.sh/injected" in pod["metadata"]["annotations"]
        role = "head" if pod["metadata"]["annotations"]["volcano.sh/task-spec"].endswith("head") else "worker"
        assert pod["metadata"]["labels"]["ray.volcano.sh/node-type"] == role
        begun = "ray start --head" if role == "head" else 'ray start --address="$VOLRAY_ADDRESS"'
        assert [container["name"] for container in pod["spec"]["containers"] if _says(container, begun)]
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
    job = documented("ray-compute-job", namespace)
    apply(volray.plane, job)
    program = job["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["command"][2]
    (container,) = pods(volray.plane, job)["ray-compute-job-head-0"]["spec"]["containers"]
    assert _says(container, program)


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("side", SIDES)
def test_to_apply_the_same_file_again_changes_nothing_and_another_number_of_workers_scales(
    volray: Volray, job: Object, ports: dict[str, int], side: str, note: Note
) -> None:
    plane = volray.plane
    apply(plane, job, *SIDES[side])
    service(plane, job)
    settled(plane, job)
    before = edition(plane, job)
    apply(plane, job, *SIDES[side])
    after = edition(plane, job)
    larger = copy.deepcopy(job)
    larger["spec"]["tasks"][1]["replicas"] += 1
    apply(plane, larger, *SIDES[side])
    scaled = pods(plane, larger)
    names = ("generation", "resourceVersion")
    again = {"before": dict(zip(names, before, strict=True)), "after": dict(zip(names, after, strict=True))}
    note(**{f"applied again {side}": again, f"scaled {side}": sorted(scaled)})
    assert after == before
    assert {each["name"]: each["port"] for each in service(plane, job)["spec"]["ports"]} == ports


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_deleted_it_leaves_nothing_behind(
    volray: Volray, namespace: str, job: Object, cascade: str, note: Note
) -> None:
    plane = volray.plane
    apply(plane, job)
    head = service(plane, job)["metadata"]["name"]
    settled(plane, job)
    assert f"service/{head}" in left(plane, namespace)
    done = plane.kubectl("delete", "jobs.batch.volcano.sh", "--all", "-n", namespace, f"--cascade={cascade}")
    assert done.returncode == 0, done.stderr
    wait(lambda: left(plane, namespace) == [], "nothing is left")
    note(**{f"left after deletion in the {cascade}": left(plane, namespace)})


@pytest.mark.volcano(NEWEST)
def test_the_in_tree_plugin_never_acts_on_it(
    volray: Volray, namespace: str, job: Object, ports: dict[str, int]
) -> None:
    plane = volray.plane
    mark = plane.audit.mark()
    apply(plane, job)
    found = service(plane, job)
    assert {each["targetPort"] for each in found["spec"]["ports"]} == set(ports.values())
    settled(plane, job)
    assert not any(is_in_tree(pod) for pod in pods(plane, job).values())
    writes = plane.audit.writes(since=mark, namespace=namespace)
    name = found["metadata"]["name"]
    made = [write for write in writes if (write.resource, write.name) == ("services", name)]
    assert [(write.user, write.verb, write.code) for write in made] == [(CONTROLLER, "create", 201)]


class TestWithoutVolray:
    """What Volcano does by itself, beside which the rest of this file is to be read."""

    @pytest.fixture(scope="class")
    @staticmethod
    def plain(volray: Volray) -> Iterator[ControlPlane]:
        with volray.unregistered():
            yield volray.plane

    @pytest.mark.volcano(OLDEST)
    def test_a_volcano_without_the_plugin_refuses_it(self, plain: ControlPlane, job: Object) -> None:
        assert "unable to find job plugin: ray" in refusal(plain, job)

    @pytest.mark.volcano(*VERSIONS)
    @pytest.mark.parametrize("side", SIDES)
    def test_to_apply_the_same_file_again_is_refused(
        self, plain: ControlPlane, job: Object, side: str, volcano_version: str, note: Note
    ) -> None:
        if volcano_version == OLDEST:
            del job["spec"]["plugins"]["ray"]
        apply(plain, job, *SIDES[side])
        settled(plain, job)
        before = edition(plain, job)
        said = refusal(plain, job, *SIDES[side])
        note(**{f"plain Volcano, applied again {side}": said})
        assert 'admission webhook "validatejob.volcano.sh" denied the request' in said
        assert "job updates may not change fields other than" in said
        assert edition(plain, job) == before
