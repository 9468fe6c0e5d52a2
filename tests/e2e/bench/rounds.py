"""The rounds: in each, every contender runs every stage that it has, in an order that turns from round to round."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tests.controlplane.client import path
from tests.e2e.bench import contenders, stages
from tests.e2e.bench.contenders import BY_HAND, IN_TREE, NODES, VOLRAY
from tests.e2e.ray_job import RayJob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.e2e.cluster import Cluster

Samples = dict[str, dict[str, list[float]]]
"""Seconds by stage, by contender."""

RARELY: Final = 9
"""The in-tree plugin's slow stages have bars in seconds, not in its terms: every ninth round shows them beside."""

PARTS: Final = ("whole", "head", "raylet", "example")
"""A cluster that is restarted as a whole, one that loses its head, one that loses a raylet, and the example."""


class Bench:
    """All rounds on one cluster.

    Attributes:
        samples: What was measured so far.
    """

    def __init__(self, cluster: Cluster, say: Callable[[str], None], parts: Collection[str] = PARTS) -> None:
        self._cluster = cluster
        self._say = say
        self._parts = parts
        self._rounds = 0
        self.samples: Samples = defaultdict(lambda: defaultdict(list))

    def round(self) -> None:
        """Run one more round; every contender's turn in a namespace of its own."""
        turns = [self._in_tree, self._volray, self._by_hand]
        first = self._rounds % len(turns)
        for turn in turns[first:] + turns[:first]:
            with self._cluster.namespace() as namespace:
                turn(namespace)
        self._rounds += 1

    def _in_tree(self, namespace: str) -> None:
        self._run(IN_TREE, namespace, "whole")
        if self._rounds % RARELY == 0:
            self._run(IN_TREE, namespace, "head", "raylet")

    def _volray(self, namespace: str) -> None:
        self._run(VOLRAY, namespace, *PARTS)

    def _by_hand(self, namespace: str) -> None:
        self._run(BY_HAND, namespace, "example")

    def _run(self, contender: str, namespace: str, *parts: str) -> None:
        run = {"whole": self._whole, "head": self._head, "raylet": self._raylet, "example": self._example}
        for part in parts:
            if part in self._parts:
                run[part](contender, namespace)

    def _whole(self, contender: str, namespace: str) -> None:
        """Start, lose a worker, delete while idle."""
        job = RayJob(self._cluster, contenders.cluster(contender, namespace, "whole"))
        self._take(contender, "start", stages.start(job))
        self._take(contender, "restart", stages.lost_worker(job))
        self._take(contender, "delete-idle", stages.delete(job))

    def _head(self, contender: str, namespace: str) -> None:
        """Lose the head; delete what the workers come back to."""
        job = self._started(contender, namespace, "head")
        self._take(contender, "head-killed", stages.killed_head(job))
        stages.delete(job)

    def _raylet(self, contender: str, namespace: str) -> None:
        """Lose a raylet (which the in-tree plugin never notices), delete with actors."""
        job = self._started(contender, namespace, "raylet")
        if contender == VOLRAY:
            self._take(contender, "raylet-ended", stages.ended_raylet(job))
            job.wait_nodes(NODES, stages.PATIENCE)
        stages.occupy(job)
        self._take(contender, "delete-busy", stages.delete(job))

    def _started(self, contender: str, namespace: str, name: str) -> RayJob:
        job = RayJob(self._cluster, contenders.lone(contender, namespace, name))
        self._take(contender, "start", stages.start(job))
        return job

    def _example(self, contender: str, namespace: str) -> None:
        job = RayJob(self._cluster, contenders.example(contender, namespace, "example"))
        code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": contenders.CODE}}
        data = {"job.py": contenders.JOB_PY}
        self._cluster.admin.create(path("v1", "configmaps", namespace), code | {"data": data})
        if contender == BY_HAND:
            self._cluster.admin.create(path("v1", "services", namespace), contenders.service(job.job))
        self._take(contender, "example", stages.example_done(job))
        if contender == BY_HAND:
            stages.delete(job)
        else:
            self._take(contender, "completed", stages.completed(job))

    def _take(self, contender: str, stage: str, seconds: float) -> None:
        self._say(f"{contender:15} {stage:13} {seconds:6.1f} s")
        self.samples[stage][contender].append(seconds)
