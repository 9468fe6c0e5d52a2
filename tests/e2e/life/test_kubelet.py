"""A node is lost: its kubelet says nothing more, and what runs there runs on."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.controlplane.client import path
from tests.controlplane.components import Component
from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.running import Jobs
from tests.e2e.small import pod_spec, small_job
from tests.e2e.whole import wait_whole

LOST_SECONDS = 120
"""Until Kubernetes gives a node up: 50 s by default, and then a second for the pods."""

AT_ONCE = {
    "key": "node.kubernetes.io/unreachable",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 1,
}
"""Instead of the five minutes after which Kubernetes evicts a pod from a lost node."""


ALIVE = "import ray; ray.init(); print('alive:', sum(node['Alive'] for node in ray.nodes()))"


def by_pods(cluster: Cluster) -> list[str]:
    """Return the nodes' names, first the one on which the fewest other pods would be lost."""
    pods = Counter(pod["spec"].get("nodeName") for pod in cluster.admin.items(path("v1", "pods")))
    return sorted((node["metadata"]["name"] for node in cluster.admin.items(path("v1", "nodes"))), key=pods.__getitem__)


@contextmanager
def stopped(component: Component) -> Iterator[None]:
    component.stop()
    try:
        yield
    finally:
        component.start()
        component.wait_ready()


@pytest.mark.timeout(400)
def test_a_worker_on_a_lost_node_works_on_until_it_is_replaced(cluster: Cluster, jobs: Jobs) -> None:
    lost, kept, *_ = by_pods(cluster)
    component = cluster.component(f"{lost}-kubelet")
    spec = small_job(jobs.namespace(), "lost")
    for task, node in (("head", kept), ("worker", lost)):
        pod_spec(spec, task)["nodeSelector"] = {"kubernetes.io/hostname": node}
    pod_spec(spec, "worker")["tolerations"] = [AT_ONCE]
    job = jobs.start(spec)
    wait_whole(job, 2)
    worker = job.pod("worker")
    before = job.pods()[worker]["metadata"]["uid"]
    with stopped(component):
        wait(lambda: "deletionTimestamp" in job.pods()[worker]["metadata"], f"{worker} is given up", LOST_SECONDS)
        assert "alive: 2\n" in job.python(job.pod("head"), ALIVE), "its Ray node knows nothing of that"
    wait(lambda: before not in [pod["metadata"]["uid"] for pod in job.pods().values()], f"{worker} is gone", 90)
    wait_whole(job, 2)
