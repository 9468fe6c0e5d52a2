"""A Volcano Job with Ray in it, as it runs: its pods, its Ray nodes, and what is said in its logs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from tests.controlplane.applied import order
from tests.controlplane.client import RefusedError, path
from tests.controlplane.installed import job_path, service_path
from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster

Object = dict[str, Any]

START_SECONDS: Final = 90
"""Until Ray's nodes are all alive; 13 s on an idle machine of two cores, several times that beside other clusters."""

_DASHBOARD: Final = 8265


class RayJob:
    """One Job on one cluster.

    Args:
        cluster: Where it runs, or will.
        job: As a user writes it, with its name and namespace.
    """

    def __init__(self, cluster: Cluster, job: Object) -> None:
        self.cluster = cluster
        self.job = job
        self.name: str = job["metadata"]["name"]
        self.namespace: str = job["metadata"]["namespace"]

    def apply(self) -> str:
        """Apply it as its user would, and return what kubectl said."""
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(self.job))

    def delete(self) -> None:
        """Delete it without waiting until its pods are gone."""
        self.kubectl("delete", "jobs.batch.volcano.sh", self.name, "--wait=false")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in its namespace, which must succeed, and return both outputs."""
        done = self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run(self, pod: str, *argv: str) -> str:
        """Run a program in a pod's first container, which must succeed, and return both outputs."""
        return self.kubectl("exec", pod, "--", *argv)

    def python(self, pod: str, code: str) -> str:
        """Run a Python program in a pod, in Ray's own interpreter, and return both outputs."""
        return self.run(pod, "python", "-c", code)

    def log_so_far(self, pod: str, **parameters: str) -> str:
        """Return a pod's log, "" as long as there is none; `previous="true"` is a parameter."""
        try:
            at = path("v1", "pods", self.namespace, pod) + "/log"
            return self.cluster.admin.request("GET", at, parameters=parameters).text
        except RefusedError:
            return ""

    def pod(self, task: str, index: int = 0) -> str:
        """Return the name that Volcano gives a pod."""
        return f"{self.name}-{task}-{index}"

    def pods(self) -> dict[str, Object]:
        """Return the pods that are there, by name; terminating ones, too."""
        selector = f"volcano.sh/job-name={self.name}"
        found = self.cluster.admin.items(path("v1", "pods", self.namespace), labelSelector=selector)
        return {pod["metadata"]["name"]: pod for pod in found}

    def is_ready(self, pod: str) -> bool:
        """Tell whether a pod is ready."""
        conditions = self.pods().get(pod, {}).get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def restarts(self) -> dict[str, int]:
        """Return how often each pod's containers were started again."""
        return {name: sum(each["restartCount"] for each in _containers(pod)) for name, pod in self.pods().items()}

    def phase(self) -> str:
        """Return the Job's phase, or "" as long as it has none."""
        status = self.cluster.admin.get(job_path(self.job)).get("status", {})
        return str(status.get("state", {}).get("phase", ""))

    def has_service(self) -> bool:
        """Tell whether its head Service is there."""
        return self.cluster.admin.exists(service_path(self.job))

    def nodes(self, *, head: str = "", port: int = _DASHBOARD) -> list[Object]:
        """Return the Ray nodes that the head's dashboard calls alive, each with its `raylet`.

        Asked through the apiserver's proxy, so the test's machine needs no way to the pods. Without a dashboard that
        answers there are none. It remembers what it answered to a URL for two seconds, so that no URL is the same.
        """
        pod = head or self.pod("head")
        nodes = path("v1", "pods", self.namespace, f"{pod}:{port}") + "/proxy/nodes"
        try:
            summary = self.cluster.admin.get(nodes, view="summary", at=str(time.monotonic()))["data"]["summary"]
        except RefusedError:
            return []
        return [node for node in summary if node["raylet"].get("state") == "ALIVE"]

    def wait_nodes(self, count: int, seconds: float = START_SECONDS, *, head: str = "", port: int = _DASHBOARD) -> None:
        """Wait until exactly so many Ray nodes are alive."""
        wait(
            lambda: len(self.nodes(head=head, port=port)) == count,
            f"{count} Ray nodes of {self.name} are alive",
            seconds,
        )

    def wait_phase(self, phase: str, seconds: float = START_SECONDS) -> None:
        """Wait until the Job is in a phase."""

        def reached() -> bool:
            assert (found := self.phase()) == phase, f"{self.name} is {found}"
            return True

        wait(reached, f"{self.name} is {phase}", seconds)

    def wait_log(self, pod: str, text: str, seconds: float = START_SECONDS, **parameters: str) -> None:
        """Wait until a pod's log holds a text; the parameters are those of `log_so_far`."""

        def said() -> bool:
            log = self.log_so_far(pod, **parameters)
            assert text in log, log[-2000:]
            return True

        wait(said, f"{pod} says {text!r}", seconds)

    def wait_exit(self, pod: str, code: int, seconds: float = START_SECONDS) -> Object:
        """Wait until a pod's first container has ended with an exit status, and return how; it may run again since."""

        def ended() -> Object:
            statuses = _containers(self.pods().get(pod, {}))
            ends = [_end(status[state]) for status in statuses[:1] for state in ("state", "lastState")]
            assert code in [end.get("exitCode") for end in ends], ends
            return next(end for end in ends if end.get("exitCode") == code)

        return wait(ended, f"{pod} has ended with {code}", seconds)

    def delete_pod(self, pod: str, seconds: float) -> Object:
        """Delete a pod, wait until it is gone, and return how its first container ended.

        What is last seen of it comes from a watch that begins before the deletion, so nothing is missed.
        """
        pods = path("v1", "pods", self.namespace)
        found = self.cluster.admin.get(f"{pods}/{pod}")["metadata"]
        self.cluster.admin.delete(f"{pods}/{pod}")
        wait(lambda: self._uid(pod) != found["uid"], f"{pod} is gone", seconds)
        history = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": found["resourceVersion"]}
        events = self.cluster.admin.request(
            "GET", pods, parameters={**history, "fieldSelector": f"metadata.name={pod}"}
        ).text.splitlines()
        last = next(event for event in map(json.loads, events) if event["type"] == "DELETED")
        return _end(_containers(last["object"])[0]["state"])

    def _uid(self, pod: str) -> str:
        found = self.pods().get(pod)
        return str(found["metadata"]["uid"]) if found else ""

    def command(self, action: str) -> None:
        """Order an action for the Job as `vcctl` does: `AbortJob`, `ResumeJob`, `RestartJob`."""
        order(self.cluster.admin, self.job, action)


def _containers(pod: Object) -> list[Object]:
    found: list[Object] = pod.get("status", {}).get("containerStatuses", [])
    return found


def _end(state: Object) -> Object:
    found: Object = state.get("terminated", {})
    return found
