"""Ray behind a sidecar that accepts every connection, and whose network is dropped for the first seconds.

Istio's is such a one (istio#36540, kuberay#973, kuberay#1005). For each kind of sidecar a cluster and a worker without
a head run beside each other.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import pytest

from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.injector import registered, serving
from tests.controlplane.waiting import wait
from tests.e2e import sidecar
from tests.e2e.cluster import Cluster
from tests.e2e.jobs import ray_job, task
from tests.e2e.ray_job import RayJob
from tests.e2e.sidecar import Injector, Kind
from tests.e2e.whole import wait_whole

Object = dict[str, Any]

NODES = 3
START_SECONDS = 180
"""Two clusters start at once, the first seconds without a network."""

WAIT_SECONDS = 45
NOWHERE = {"nodeSelector": {"kubernetes.io/hostname": "nowhere"}}
STARTUP = {"httpGet": {"path": "/api/version", "port": "dashboard"}, "periodSeconds": 2, "failureThreshold": 100}
"""A probe of the user's own, of the kind that a sidecar passes on."""

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Behind:
    """What runs behind one kind of sidecar."""

    kind: Kind
    whole: RayJob
    headless: RayJob


@pytest.fixture(scope="module")
def all_behind(cluster: Cluster) -> Iterator[dict[str, Behind]]:
    """Start everything at once: what waits costs nothing."""
    if cluster.plane is None:
        pytest.skip("the injector of sidecars runs beside the apiserver, which an existing cluster cannot call")
    with ExitStack() as stack:
        yield {kind: started(cluster, cluster.plane, kind, stack) for kind in get_args(Kind)}


def started(cluster: Cluster, plane: ControlPlane, kind: Kind, stack: ExitStack) -> Behind:
    """Start both Jobs in a namespace whose pods get the sidecar, until the stack is closed."""
    url = stack.enter_context(serving(Injector(kind).review, plane.ca.parent))
    selector = {"namespaceSelector": {"matchLabels": {sidecar.LABEL: kind}}}
    stack.enter_context(registered(plane, f"istio-sidecar-injector-{kind}", url, selector))
    namespace = stack.enter_context(cluster.namespace({sidecar.LABEL: kind}))
    wait(lambda: is_injected(cluster, namespace), "pods get a sidecar")
    behind = Behind(kind, RayJob(cluster, whole(namespace)), RayJob(cluster, headless(namespace)))
    behind.whole.apply()
    behind.headless.apply()
    return behind


@pytest.fixture(params=get_args(Kind))
def behind(request: pytest.FixtureRequest, all_behind: dict[str, Behind]) -> Behind:
    return all_behind[request.param]


def is_injected(cluster: Cluster, namespace: str) -> bool:
    """Tell it by a pod of which nothing is kept."""
    spec = {"containers": [{"name": "any", "image": "any"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}
    made = cluster.admin.create(path("v1", "pods", namespace), pod, dryRun="All")
    return any(each["name"] == "istio-init" for each in made["spec"].get("initContainers", ()))


def whole(namespace: str) -> Object:
    head = task("head", startupProbe=STARTUP)
    return ray_job(namespace, "whole", head, task("worker", replicas=NODES - 1))


def headless(namespace: str) -> Object:
    tasks = task("head", spec=NOWHERE), task("worker")
    return ray_job(namespace, "headless", *tasks, flags=[f"--waitHead={WAIT_SECONDS}"], min_available=1)


def status(pod: Object, container: str) -> Object:
    """Return what the kubelet says about one container of a pod, {} as long as that is nothing."""
    found = pod.get("status", {}).get("containerStatuses", [])
    return next((each for each in found if each["name"] == container), {})


def test_the_sidecar_is_there_and_the_probes_go_through_it(behind: Behind) -> None:
    job = behind.whole
    pod = wait(lambda: job.pods().get(job.pod("head"), {}), "there is a head", START_SECONDS)
    natives = [each["name"] for each in pod["spec"]["initContainers"] if each.get("restartPolicy") == "Always"]
    containers = {each["name"]: each for each in pod["spec"]["containers"]}
    assert (sidecar.NAME in natives, sidecar.NAME in containers) == (behind.kind == "native", behind.kind == "ordinary")
    head = containers["head"]
    assert head["startupProbe"]["httpGet"]["path"] == "/app-health/head/startupz"
    assert "exec" in head["livenessProbe"]


def test_a_head_and_its_workers_are_a_cluster(behind: Behind) -> None:
    job = behind.whole
    wait_whole(job, NODES, START_SECONDS)
    wait(lambda: all(map(job.is_ready, job.pods())), "all are ready", START_SECONDS)
    assert set(job.restarts().values()) == {0}


def test_a_worker_waits_for_its_head_as_long_as_it_is_told_to(behind: Behind) -> None:
    job = behind.headless
    worker = job.pod("worker")

    def first_end() -> Object:
        """The first: a container that has ended is started again at once, and its next end is WAIT_SECONDS away."""
        found = status(job.pods().get(worker, {}), "worker")
        ends = [found.get(state, {}).get("terminated") for state in ("state", "lastState")]
        assert any(ends), found
        assert found["restartCount"] <= 1
        end: Object = next(filter(None, ends))
        return end

    end = wait(first_end, f"{worker} gives up", WAIT_SECONDS + START_SECONDS)
    begun, ended = (datetime.fromisoformat(end[at]) for at in ("startedAt", "finishedAt"))
    waited = (ended - begun).total_seconds()
    giving_up = rf"^volray: no head at {job.name}-head-svc\.\S+ in {WAIT_SECONDS} s \(.+\): giving up \(--waitHead\)$"
    assert (end["exitCode"], waited >= WAIT_SECONDS) == (1, True), f"after {waited} s: {end}"
    assert re.search(giving_up, end["message"], re.MULTILINE), end["message"]
    assert "nothing at" in job.kubectl("logs", worker, "-c", sidecar.NAME), "the sidecar accepted its connections"
