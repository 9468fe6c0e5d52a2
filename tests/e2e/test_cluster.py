"""The cluster itself: nodes, and volray in it as its users install it."""

from tests.controlplane.client import path
from tests.controlplane.installed import SYSTEM
from tests.e2e.cluster import NODES, Cluster, is_ready


def test_every_node_is_ready(cluster: Cluster) -> None:
    cluster.component("node-1-kubelet")
    names = [node["metadata"]["name"] for node in cluster.admin.items(path("v1", "nodes")) if is_ready(node)]
    assert names == [f"node-{number + 1}" for number in range(NODES)]


def test_both_replicas_of_both_programs_are_ready_in_a_restricted_namespace(cluster: Cluster) -> None:
    labels = cluster.admin.get(path("v1", "namespaces", name=SYSTEM))["metadata"]["labels"]
    pods = cluster.admin.items(path("v1", "pods", SYSTEM))
    ready = [pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods if is_ready(pod)]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert sorted(ready) == ["controller", "controller", "webhook", "webhook"]
