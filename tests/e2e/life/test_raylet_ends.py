"""A raylet ends inside its pod, however that came: its container ends within 40 s, and Kubernetes starts it again.

Three Jobs run at once, two in one namespace and two of one name; in each it is another kind of pod whose raylet ends.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.controlplane.waiting import wait
from tests.e2e.jobs import IDLE, ray_job
from tests.e2e.processes import send
from tests.e2e.ray_job import Object, RayJob
from tests.e2e.running import Jobs
from tests.e2e.whole import END_SECONDS, wait_whole

pytestmark = pytest.mark.timeout(400)

NODES = 2


@dataclass(frozen=True)
class Victim:
    """A pod of one of the Jobs."""

    job: RayJob
    task: str

    @property
    def pod(self) -> str:
        return self.job.pod(self.task)

    def container(self) -> Object:
        found: Object = self.job.pods()[self.pod]["status"]["containerStatuses"][0]
        return found


@pytest.fixture(scope="module")
def victims(jobs: Jobs) -> list[Victim]:
    here, there = jobs.namespace(), jobs.namespace()
    return [
        Victim(jobs.start(ray_job(here, "one")), "worker"),
        Victim(jobs.start(ray_job(here, "other")), "head"),
        Victim(jobs.start(ray_job(there, "one", command=IDLE)), "head"),
    ]


def sent(number: signal.Signals) -> Callable[[Victim], None]:
    return lambda victim: send(victim.job, victim.pod, "raylet", number)


def ray_stop(victim: Victim) -> None:
    """In the background: it ends with the container, whenever that is."""
    victim.job.run(victim.pod, "sh", "-c", "ray stop >/dev/null 2>&1 &")


def wait_ended(victim: Victim, restarts: int) -> None:
    def ended() -> bool:
        now = victim.container()
        return now["restartCount"] > restarts or "running" not in now["state"]

    wait(ended, f"the container of {victim.pod} has ended", END_SECONDS)


def test_each_job_is_a_cluster_of_its_own(victims: list[Victim]) -> None:
    for victim in victims:
        wait_whole(victim.job, NODES)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(sent(signal.SIGKILL), id="SIGKILL"),
        pytest.param(sent(signal.SIGTERM), id="SIGTERM"),
        pytest.param(ray_stop, id="ray-stop"),
    ],
)
def test_a_raylet_that_ends_takes_its_container_along(victims: list[Victim], end: Callable[[Victim], None]) -> None:
    restarts = [victim.container()["restartCount"] for victim in victims]
    for victim in victims:
        end(victim)
    for victim, count in zip(victims, restarts, strict=True):
        wait_ended(victim, count)
    for victim in victims:
        wait_whole(victim.job, NODES)
