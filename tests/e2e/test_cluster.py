"""The cluster itself: volray runs in it as its users install it, and the smallest Job becomes a Ray cluster."""

from tests.controlplane.client import path
from tests.controlplane.installed import SYSTEM, documented
from tests.e2e.cluster import NODES, Cluster, is_ready


def test_every_node_is_ready(cluster: Cluster) -> None:
    cluster.component("node-1-kubelet")
    names = [node["metadata"]["name"] for node in cluster.admin.items(path("v1", "nodes")) if is_ready(node)]
    assert names == [f"node-{number + 1}" for number in range(NODES)]


def test_both_replicas_of_both_programs_are_ready_in_a_restricted_namespace(cluster: Cluster) -> None:
    labels = cluster.admin.get(path("v1", "namespaces", name=SYSTEM))["metadata"]["labels"]
    ready = [pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in cluster.pods(SYSTEM) if is_ready(pod)]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert sorted(ready) == ["controller", "controller", "webhook", "webhook"]


def test_the_documentations_job_becomes_a_ray_cluster_of_three_nodes(cluster: Cluster, namespace: str) -> None:
    cluster.apply(documented("ray-cluster-job", namespace))
    cluster.wait_ray_nodes(namespace, "ray-cluster-job", 3)
