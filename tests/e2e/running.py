"""Several Ray Jobs that run beside each other, in namespaces of their own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.e2e.ray_job import RayJob

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster
    from tests.e2e.ray_job import Object


class Jobs:
    """What runs for the tests of one file.

    Attributes:
        running: The Jobs that were started.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._namespaces = ExitStack()
        self.running: list[RayJob] = []

    def namespace(self) -> str:
        """Make a namespace, and return its name."""
        return self._namespaces.enter_context(self._cluster.namespace())

    def start(self, job: Object) -> RayJob:
        """Apply a Job."""
        started = RayJob(self._cluster, job)
        started.apply()
        self.running.append(started)
        return started

    def close(self) -> None:
        """Delete all, and wait for nothing."""
        self._namespaces.close()
