"""Adopted Jobs beside what else Volcano does to a Job: its other plugins, and its mutating webhook in either order."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import apply, cluster_of, documentation, edition, left, pods, refusal, service, settled
from tests.controlplane.build import NEWEST, VERSIONS
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.comparison import differences
from tests.controlplane.installed import MISSPELT, Volray, default, job_path, misspelt

Object = dict[str, Any]

MADE = {
    "env": set[str](),
    "ssh": {"secret/default-ssh"},
    "svc": {"service/default", "configmap/default-svc", "networkpolicy.networking.k8s.io/default"},
}
VARIABLES = {
    "env": {"VC_TASK_INDEX", "VK_TASK_INDEX"},
    "ssh": set[str](),
    "svc": {"VC_HEAD_HOSTS", "VC_HEAD_NUM", "VC_WORKER_HOSTS", "VC_WORKER_NUM"},
}
ASKED = [(), ("svc",), ("env", "ssh")]
OF_SVC = {"environment", "mounts", "volumes", "name in DNS", "other objects"}
"""The fields that the svc plugin fills."""

LAST = "zz.batch.ray.volcano.sh"
"""Sorts behind `volcano-…`."""


def made_for(plane: ControlPlane, job: Object) -> set[str]:
    """Return what is in the namespace for a Job beyond what every adopted Job has."""
    usual = {*pods(plane, job), f"{job['metadata']['name']}-head-svc"}
    return {
        name
        for name in left(plane, job["metadata"]["namespace"])
        if name.partition("/")[2] not in usual and not name.startswith(("job.", "podgroup."))
    }


@pytest.mark.volcano(*VERSIONS)
@pytest.mark.parametrize("plugins", ASKED, ids="+".join)
def test_of_the_other_plugins_those_run_that_were_asked_for(
    plane: ControlPlane, namespace: str, plugins: tuple[str, ...]
) -> None:
    job = default(namespace)
    job["spec"]["plugins"] |= {name: [] for name in plugins}
    apply(plane, job)
    service(plane, job)
    made = pods(plane, job).values()
    assert plane.admin.get(job_path(job))["spec"].get("plugins", {}) == {name: [] for name in plugins}
    assert made_for(plane, job) == set[str]().union(*(MADE[name] for name in plugins))
    for pod in made:
        (container,) = pod["spec"]["containers"]
        theirs = {each["name"] for each in container["env"] if each["name"].startswith(("VC_", "VK_"))}
        assert theirs == set[str]().union(*(VARIABLES[name] for name in plugins))
        assert bool(pod["spec"].get("subdomain")) is ("svc" in plugins)
        assert "ray.volcano.sh/injected" in pod["metadata"]["annotations"]


def test_an_argument_of_another_plugin_is_heard(plane: ControlPlane, namespace: str) -> None:
    job = default(namespace)
    job["spec"]["plugins"]["svc"] = ["--disable-network-policy=true"]
    assert "NetworkPolicy" not in apply(plane, job)
    service(plane, job)
    assert made_for(plane, job) == {"service/default", "configmap/default-svc"}


@pytest.mark.volcano(*VERSIONS)
class TestRegisteredAfterVolcano:
    """Volcano's webhook completes the Job before volray adopts it, and from 1.13 on adds svc where it sees ray."""

    NAMES = ("default", "ray-cluster-job")
    """Without svc and with it."""

    @pytest.fixture(scope="class")
    @staticmethod
    def last(volray: Volray) -> Iterator[ControlPlane]:
        with volray.registered_as(LAST):
            yield volray.plane

    def test_a_job_fares_alike_but_for_the_svc_that_volcano_adds(
        self, volray: Volray, namespace: str, volcano_version: str
    ) -> None:
        jobs = [documentation(name, namespace) for name in self.NAMES]
        before = [cluster_of(volray.plane, job) for job in jobs]
        with volray.registered_as(LAST):
            after = [cluster_of(volray.plane, job) for job in jobs]
        found = [{field for _, field, _ in differences(*pair)} for pair in zip(before, after, strict=True)]
        assert found == [OF_SVC if volcano_version == NEWEST else set(), set()]

    @pytest.mark.parametrize("arguments", [(), ("--server-side",)], ids=["client-side", "server-side"])
    def test_the_same_file_again_changes_nothing_and_mistakes_are_refused(
        self, last: ControlPlane, namespace: str, arguments: tuple[str, ...]
    ) -> None:
        job = default(namespace)
        apply(last, job, *arguments)
        settled(last, job)
        before = edition(last, job)
        apply(last, job, *arguments)
        assert edition(last, job) == before
        assert MISSPELT in refusal(last, misspelt(namespace, "wrong"), *arguments)
