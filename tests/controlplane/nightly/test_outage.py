"""No webhook: what becomes of Ray Jobs that need pods then, on both versions of Volcano, and that nobody else notices.

One outage serves all tests, on three control planes at once. It ends after 170 seconds: by then Volcano has given up,
and more of it adds nothing. What was seen after five minutes is in `docs/operations.md`. Job `short` needs its pods
when 60 of these seconds are left.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.applied import kubectl, left, make_job, make_namespace, order, pods_of, settled
from tests.controlplane.build import NEWEST, OLDEST
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import Volray, default, documented, job_path
from tests.controlplane.waiting import wait
from tests.promtool import assert_fires

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole outage

RAY, HEALTHY, OTHERS, NEW = "ray", "healthy", "others", "new"
OUTAGE, SHORT, SCRAPE = 170, 60, 10
GIVES_UP, TOLERANCE = 165, 15  # a try less or more would be 82 or 328
LAST_PAUSE = 82
REJECTIONS = "apiserver_admission_webhook_rejection_count"
CALLS = "apiserver_admission_webhook_admission_duration_seconds_count"
OURS = re.compile(r'\{[^}]*name="[a-z.]+\.ray\.volcano\.sh"')


@dataclass
class Outage:
    """An outage on one control plane, as it went.

    Attributes:
        volray: What goes away and comes back.
        began: When the first pod of Job `long` was refused, by the clock of `time.time`.
        back: When the webhook was ready again, by the same clock.
        ready_after: Seconds in which everybody else's pods were there, by namespace.
        calls: How many calls of our webhooks the apiserver counted meanwhile, by namespace.
        refusal: What kubectl said about a new Ray Job.
        scrapes: What the apiserver said about our webhooks' rejections, by series: from which second on, how many.
    """

    volray: Volray
    began: float = 0
    back: float = 0
    ready_after: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    refusal: str = ""
    scrapes: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def plane(self) -> ControlPlane:
        return self.volray.plane

    def seconds(self) -> float:
        return time.time() - self.began

    def scrape(self) -> None:
        second = self.seconds()
        for series, value in counters(self.plane, REJECTIONS).items():
            self.scrapes.setdefault(series, []).append((second, value))

    def pods(self, job: str) -> list[Object]:
        return pods_of(self.plane, default(RAY, job))

    def state(self, job: str) -> Object:
        state: Object = self.plane.admin.get(job_path(default(RAY, job)))["status"]["state"]
        return state


def counters(plane: ControlPlane, metric: str) -> dict[str, float]:
    """Return the counters of the apiserver that are about our webhooks, by series."""
    lines = plane.admin.request("GET", "/metrics").text.splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line.startswith(metric) and OURS.search(line))
    return {series: float(value) for series, value in samples}


def everybody_else(outage: Outage, namespace: str) -> None:
    """Make a Deployment, a batch Job, a plain pod and a TensorFlow Job of Volcano, and wait for their pods."""
    plane, before = outage.plane, sum(counters(outage.plane, CALLS).values())
    began = time.monotonic()
    for arguments in ("create deployment web", "create job batch", "run bare"):
        kubectl(plane, *arguments.split(), "--image=nginx", "-n", namespace)
    kubectl(plane, "apply", "-f", "-", stdin=json.dumps(documented("tf", namespace)))
    wait(lambda: len(plane.admin.items(path("v1", "pods", namespace))) == 6, "all six pods are there", 60)
    outage.ready_after[namespace] = time.monotonic() - began
    outage.calls[namespace] = int(sum(counters(plane, CALLS).values()) - before)


def prepare(outage: Outage) -> None:
    for name in (RAY, HEALTHY, OTHERS, NEW):
        make_namespace(outage.plane, name)
    everybody_else(outage, HEALTHY)
    for name in ("long", "short"):
        settled(outage.plane, make_job(outage.plane, default(RAY, name)))


def go_away(outage: Outage) -> None:
    outage.volray.webhook.stop()
    everybody_else(outage, OTHERS)
    outage.refusal = outage.plane.kubectl("apply", "-f", "-", stdin=json.dumps(default(NEW))).stderr


def begin(outage: Outage) -> None:
    restart(outage, "long")
    pods = 'name="pods.ray.volcano.sh"'
    wait(lambda: any(pods in series for series in counters(outage.plane, REJECTIONS)), "a pod was refused")
    outage.began = time.time()


def restart(outage: Outage, job: str) -> None:
    """Let a Job that runs need new pods, as it does when one was evicted."""
    order(outage.plane.admin, default(RAY, job), "RestartJob")


def restart_short(outage: Outage) -> None:
    restart(outage, "short")


def come_back(outage: Outage) -> None:
    outage.volray.webhook.start()


def be_back(outage: Outage) -> None:
    outage.volray.webhook.wait_ready()
    outage.back = time.time()


@pytest.fixture(scope="module")
def outages() -> Iterator[dict[str, Outage]]:
    """Three outages at once, over by now: on each version of Volcano, and on one whose controllers try for ever."""
    with ExitStack() as planes:
        found = {
            name: Outage(Volray.install(planes.enter_context(ControlPlane.start(version))))
            for name, version in ((NEWEST, NEWEST), (OLDEST, OLDEST), ("patient", OLDEST))
        }
        controllers = found["patient"].plane.components["vc-controllers"]
        controllers.command = [*controllers.command, "--max-requeue-num=-1"]
        controllers.restart()
        for step in (prepare, go_away, begin):
            each(found, step)
        last_out(found)
        for step in (come_back, be_back):
            each(found, step)
        yield found


def each(outages: dict[str, Outage], step: Callable[[Outage], None]) -> None:
    for outage in outages.values():
        step(outage)


def last_out(outages: dict[str, Outage]) -> None:
    """Let the outage last, with a look at the apiservers' metrics now and then."""
    last = max(outages.values(), key=lambda outage: outage.began)
    for second in range(0, OUTAGE + SCRAPE, SCRAPE):
        wait(partial(is_later, last, second), f"second {second}", SCRAPE + 5)
        each(outages, Outage.scrape)
        if second == OUTAGE - SHORT:
            each(outages, restart_short)


def is_later(outage: Outage, second: int) -> bool:
    return outage.seconds() >= second


@pytest.fixture(params=[NEWEST, OLDEST])
def outage(request: pytest.FixtureRequest, outages: dict[str, Outage]) -> Outage:
    """The outage under Volcano as its installer starts it."""
    return outages[request.param]


@pytest.fixture
def patient(outages: dict[str, Outage]) -> Outage:
    return outages["patient"]


def stamp(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def test_a_job_is_terminated_after_its_fifteenth_try_and_stays_so(outage: Outage) -> None:
    state = outage.state("long")
    after = stamp(state["lastTransitionTime"]) - outage.began
    print(f"terminated after {after:.0f} s")
    assert state["phase"] == "Terminated"
    assert abs(after - GIVES_UP) <= TOLERANCE
    assert outage.pods("long") == []


def test_pods_that_were_refused_for_a_minute_come_by_themselves(outage: Outage) -> None:
    wait(lambda: len(outage.pods("short")) == 3, "the pods are there", LAST_PAUSE)
    found = outage.pods("short")
    after = max(stamp(pod["metadata"]["creationTimestamp"]) for pod in found) - outage.back
    print(f"{after:.0f} s after the webhook was back")
    assert all("ray.volcano.sh/injected" in pod["metadata"]["annotations"] for pod in found)


def test_a_job_outlives_the_outage_where_volcano_tries_for_ever(patient: Outage) -> None:
    assert patient.state("long")["phase"] in {"Pending", "Restarting"}
    patient.plane.components["vc-controllers"].restart()  # else its next try comes 164 s after the one before
    wait(lambda: len(patient.pods("long")) == 3, "the pods are there")


def test_a_new_ray_job_is_refused_in_a_sentence_that_names_the_webhook(outage: Outage) -> None:
    assert 'failed calling webhook "jobs.ray.volcano.sh"' in outage.refusal
    assert left(outage.plane, NEW) == []


def test_nobody_else_notices(outage: Outage) -> None:
    print(f"ready after {outage.ready_after[HEALTHY]:.1f} s before, {outage.ready_after[OTHERS]:.1f} s in the outage")
    assert outage.calls == {HEALTHY: 0, OTHERS: 0}


@pytest.mark.parametrize(("scrape", "latest"), [(10, 20), (30, 60), (60, 120)])
def test_the_alert_fires_well_before_the_job_is_terminated(
    outage: Outage, promtool: Path, tmp_path: Path, scrape: int, latest: int
) -> None:
    expected = {latest: True, latest + scrape: True, 150: True}
    assert_fires(promtool, tmp_path, outage.scrapes, scrape, expected)
