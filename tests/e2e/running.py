"""Several Ray Jobs that run beside each other, in namespaces of their own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.controlplane.client import path
from tests.e2e.ray_job import RayJob

if TYPE_CHECKING:
    from tests.e2e.ray_job import Cluster, Object

_NAMESPACES = path("v1", "namespaces")


class Jobs:
    """What runs for the tests of one file.

    Attributes:
        running: The Jobs that were started.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._namespaces: list[str] = []
        self.running: list[RayJob] = []

    def namespace(self) -> str:
        """Make a namespace, and return its name."""
        name = f"life-{secrets.token_hex(4)}"
        self._cluster.admin.create(_NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self._namespaces.append(name)
        return name

    def start(self, job: Object) -> RayJob:
        """Apply a Job."""
        started = RayJob(self._cluster, job)
        started.apply()
        self.running.append(started)
        return started

    def close(self) -> None:
        """Delete all, and wait for nothing."""
        for name in self._namespaces:
            self._cluster.admin.delete(f"{_NAMESPACES}/{name}")
