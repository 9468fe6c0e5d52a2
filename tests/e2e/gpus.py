"""GPUs that are not there: enough for a scheduler, and for a Ray that is told how many it has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.controlplane.client import path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cluster import Cluster

GPU: Final = "nvidia.com/gpu"


@contextmanager
def fake_gpus(cluster: Cluster, count: int) -> Iterator[None]:
    """Let one node say for a while that it has so many.

    A kubelet keeps what it finds under a name that is none of its own, and makes it allocatable.
    """
    node = cluster.admin.items(path("v1", "nodes"))[0]["metadata"]["name"]
    _announce(cluster, node, str(count))
    try:
        yield
    finally:
        _announce(cluster, node, None)


def _announce(cluster: Cluster, node: str, count: str | None) -> None:
    amounts = {"capacity": {GPU: count}, "allocatable": {GPU: count}}
    cluster.admin.patch(path("v1", "nodes", name=node) + "/status", {"status": amounts})
