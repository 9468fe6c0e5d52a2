"""The whole controller over HTTP against an apiserver in memory: a Service's life, replicas, faults, and the writes."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.apiserver.front import client, over_http
from tests.apiserver.memory import Apiserver
from tests.controller.head_service.objects import job, owner, task
from webhook.controller.health import Health, SideServer
from webhook.controller.metrics import Metrics
from webhook.controller.run import Options, assemble
from webhook.controller.runtime.lease import Terms
from webhook.errors import NotLeadingError
from webhook.k8s.paths import EVENTS, JOBS, LEASES, SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object

QUICK = Terms(lease=3, renew=2, retry=0.1, hurry=0.1)
SVC = "demo-head-svc"


class Replica:
    def __init__(self, url: str, **options: Any) -> None:
        defaults: dict[str, Any] = {"terms": QUICK, "server_seconds": 20.0, "silence_seconds": 25.0}
        self.controller = assemble(
            client(url), Options("127.0.0.1", 0, "volray-controller", "volray-system", **{**defaults, **options})
        )
        self.error: NotLeadingError | None = None
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.controller.run()
        except NotLeadingError as error:
            self.error = error

    @property
    def leads(self) -> bool:
        return self.controller.election.is_leader

    def count(self, outcome: str) -> float:
        labels = {"outcome": outcome}
        registry = self.controller.metrics.registry
        return registry.get_sample_value("volray_controller_reconciles_total", labels) or 0

    def end(self) -> None:
        self.controller.stop.set()
        self.thread.join(timeout=10)
        assert not self.thread.is_alive()


class Cluster:
    def __init__(self) -> None:
        self.apiserver = Apiserver()
        self._stack = ExitStack()
        self.url = self._stack.enter_context(over_http(self.apiserver)).url
        self._replicas: list[Replica] = []

    def start(self, **options: Any) -> Replica:
        replica = Replica(self.url, **options)
        self._replicas.append(replica)
        return replica

    def leader(self, **options: Any) -> Replica:
        replica = self.start(**options)
        self.apiserver.wait_for(lambda: replica.leads, "leadership")
        return replica

    def close(self) -> None:
        for replica in self._replicas:
            replica.end()
        self._stack.close()

    def service(self, name: str = SVC) -> Object | None:
        return self.apiserver.find(SERVICES, name)

    def until_made(self, name: str = SVC) -> Object:
        self.apiserver.wait_for(lambda: self.service(name) is not None, name)
        found = self.service(name)
        assert found is not None
        return found

    def until_gone(self, name: str = SVC) -> None:
        self.apiserver.wait_for(lambda: self.service(name) is None, f"the end of {name}")

    def until_said(self, reason: str) -> Object:
        def said() -> list[Object]:
            return [event for event in self.apiserver.all(EVENTS) if event["reason"] == reason]

        self.apiserver.wait_for(lambda: bool(said()), reason)
        (event,) = said()
        return event

    def verbs(self) -> list[str]:
        """The writes of Services."""
        return [verb for verb, _ in self.apiserver.writes("services")]

    def settle(self, replica: Replica) -> None:
        """Another Job's Service comes only after everything before it."""
        self.apiserver.place(JOBS, job("last", uid="uid-last"))
        self.until_made("last-head-svc")
        self.apiserver.wait_for(lambda: replica.controller.waiting() == 0, "an empty queue")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


def test_a_job_s_life_costs_one_write_for_each_turn(cluster: Cluster) -> None:
    cluster.leader()
    cluster.apiserver.place(JOBS, job())
    made = cluster.until_made()
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    for phase in ("Pending", "Running", "Completing"):
        cluster.apiserver.place(JOBS, job(phase=phase))
    cluster.apiserver.place(JOBS, job(phase="Completed"))
    cluster.until_gone()
    cluster.apiserver.place(JOBS, job(phase="Restarting"))
    cluster.until_made()
    cluster.apiserver.place(JOBS, job(phase="Failed"))
    cluster.until_gone()
    assert cluster.verbs() == ["create", "delete", "create", "delete"]


def test_what_was_there_before_the_controller_is_put_right(cluster: Cluster) -> None:
    for name, phase in (("live", "Running"), ("over", "Failed"), ("ended", "Completed")):
        cluster.apiserver.place(JOBS, job(name, uid=name, phase=phase))
    unlabelled = {"name": "over-head-svc", "namespace": "default", "ownerReferences": [owner("over", "over")]}
    cluster.apiserver.place(SERVICES, {"metadata": unlabelled, "spec": {}})
    cluster.leader()
    cluster.until_made("live-head-svc")
    cluster.until_gone("over-head-svc")
    assert sorted(cluster.verbs()) == ["create", "delete"]


def test_a_service_that_lost_its_label_gets_it_back(cluster: Cluster) -> None:
    cluster.leader()
    cluster.apiserver.place(JOBS, job())
    made = cluster.until_made()
    cluster.apiserver.place(SERVICES, {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
    labels = {"a": "b", **made["metadata"]["labels"]}
    cluster.apiserver.wait_for(lambda: cluster.until_made()["metadata"]["labels"] == labels, "the label")
    assert cluster.verbs() == ["create", "update"]


def test_a_resync_with_nothing_new_costs_no_request_for_a_service(cluster: Cluster) -> None:
    replica = cluster.leader(resync_seconds=0.02)
    cluster.apiserver.place(JOBS, job())
    cluster.apiserver.place(JOBS, job("over", uid="over", phase="Failed"))
    cluster.until_made()
    cluster.settle(replica)
    before = len(cluster.apiserver.requests)
    start = replica.count("unchanged")
    cluster.apiserver.wait_for(lambda: replica.count("unchanged") > start + 20, "twenty looks")
    news = cluster.apiserver.requests[before:]
    assert [each for each in news if "/services" in each.path or "/jobs" in each.path] == []


def test_a_wrong_job_is_told_each_mistake_once(cluster: Cluster) -> None:
    replica = cluster.leader(resync_seconds=0.02)
    cluster.apiserver.place(JOBS, job("7b", tasks=[task("head", replicas=2)]))
    cluster.until_said("ServiceName")
    event = cluster.until_said("HeadReplicas")
    assert event["message"].startswith("tasks[head].replicas: The head task head has 2 replicas")
    cluster.settle(replica)
    start = replica.count("unchanged")
    cluster.apiserver.wait_for(lambda: replica.count("unchanged") > start + 10, "ten looks")
    assert len(cluster.apiserver.writes("events")) == 2


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (403, 'services "x" is forbidden: exceeded quota: q, requested: services=1, used: services=0', "ServiceQuota"),
        (403, "forbidden: User cannot create resource services", "ServiceRefused"),
        (400, 'admission webhook "policy" denied the request: no', "ServiceRefused"),
        (422, "Service is invalid", "ServiceRefused"),
    ],
)
def test_a_refusal_becomes_an_event_and_is_tried_again_slowly(
    cluster: Cluster, status: int, message: str, reason: str
) -> None:
    replica = cluster.leader()
    cluster.apiserver.fail(status, "create", "/services", message=message)
    cluster.apiserver.place(JOBS, job())
    event = cluster.until_said(reason)
    assert message in event["message"]
    cluster.settle(replica)
    assert cluster.service() is None
    assert replica.count("refused") == 1


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_what_passes_by_itself_is_tried_again_at_once_and_not_told(cluster: Cluster, status: int) -> None:
    cluster.leader()
    cluster.apiserver.fail(status, "create", "/services", times=3)
    cluster.apiserver.place(JOBS, job())
    cluster.until_made()
    assert cluster.apiserver.all(EVENTS) == []


def test_a_fault_on_one_job_keeps_no_other_waiting(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = cluster.leader(threads=1)
    (reconciler,) = replica.controller.reconcilers
    reconcile = reconciler.reconcile

    def broken(key: str) -> Any:
        if key == "default/bad":
            raise ZeroDivisionError
        return reconcile(key)

    monkeypatch.setattr(reconciler, "reconcile", broken)
    cluster.apiserver.place(JOBS, job("bad", uid="bad"))
    cluster.apiserver.place(JOBS, job())
    cluster.until_made()
    assert cluster.service("bad-head-svc") is None


def test_a_burst_with_an_apiserver_that_comes_and_goes_ends_in_one_service_for_each_live_job(cluster: Cluster) -> None:
    cluster.leader()
    cluster.apiserver.fail(500, "create", times=20)
    cluster.apiserver.fail(503, "watch", times=3)
    for number in range(60):
        cluster.apiserver.place(JOBS, job(f"j{number}", uid=f"uid-j{number}"))
        if number % 20 == 10:
            cluster.apiserver.compact()
        if number % 3 == 0:
            cluster.apiserver.place(JOBS, job(f"j{number}", uid=f"uid-j{number}", phase="Completed"))
        elif number % 3 == 1:
            cluster.apiserver.drop(JOBS, f"j{number}")
    live = {f"j{number}-head-svc" for number in range(60) if number % 3 == 2}

    # A Service of a Job that was dropped in the middle of its making has nobody to collect it but this.
    def ended() -> bool:
        uids = {each["metadata"]["uid"] for each in cluster.apiserver.all(JOBS)}
        names = {
            each["metadata"]["name"]
            for each in cluster.apiserver.all(SERVICES)
            if each["metadata"]["ownerReferences"][0]["uid"] in uids
        }
        return names == live

    cluster.apiserver.wait_for(ended, "one Service for each")


def test_of_two_one_acts_and_the_other_follows_when_the_lease_is_given_back(cluster: Cluster) -> None:
    first = cluster.leader()
    second = cluster.start()
    cluster.apiserver.place(JOBS, job())
    cluster.until_made()
    assert not second.leads
    first.end()
    assert first.error is None
    cluster.apiserver.wait_for(lambda: second.leads, "the second")
    cluster.apiserver.drop(SERVICES, SVC)
    cluster.until_made()
    assert cluster.verbs() == ["create"] * 2
    lease = cluster.apiserver.find(LEASES, "volray-controller", "volray-system")
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 1


def test_who_loses_the_lease_ends_with_an_error_and_writes_nothing_more(cluster: Cluster) -> None:
    replica = cluster.leader()
    cluster.apiserver.place(JOBS, job())
    cluster.until_made()
    cluster.apiserver.fail(500, "update", "/leases", times=10_000)
    cluster.apiserver.wait_for(lambda: replica.error is not None, "the loss")
    cluster.apiserver.drop(SERVICES, SVC)
    cluster.apiserver.place(JOBS, job("other", uid="other"))
    replica.thread.join(timeout=10)
    assert cluster.verbs() == ["create"]


def test_who_was_stopped_past_the_lease_does_not_write(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = cluster.leader()
    now = replica.controller.election.clock
    monkeypatch.setattr(replica.controller.election, "clock", lambda: now() + 60)
    cluster.apiserver.place(JOBS, job())
    cluster.apiserver.wait_for(lambda: replica.error is not None, "the loss")
    assert cluster.verbs() == []


def test_a_key_at_work_is_finished_before_the_lease_is_given_back(cluster: Cluster) -> None:
    replica = cluster.leader()
    order: list[str] = []

    def slowly(request: Any) -> None:
        if request.verb == "create" and "/services" in request.path:
            replica.controller.stop.set()
            order.append("create")
        elif request.verb == "update" and "holderIdentity" not in request.body["spec"]:
            order.append("release")

    cluster.apiserver.faults.append(slowly)
    cluster.apiserver.place(JOBS, job())
    replica.thread.join(timeout=10)
    assert order == ["create", "release"]
    assert cluster.service() is not None
    assert replica.error is None


def test_without_volcano_it_is_alive_but_not_ready_and_stands_for_no_election(cluster: Cluster) -> None:
    cluster.apiserver.fail(404, "list", "/jobs", times=10_000)
    replica = cluster.start()
    cluster.apiserver.wait_for(lambda: cluster.apiserver.count("list", JOBS) > 1, "two tries")
    assert replica.controller.health.unready() == ["the first lists are not there yet"]
    assert replica.controller.health.stuck() == []
    assert cluster.apiserver.find(LEASES, "volray-controller", "volray-system") is None


class TestSidePort:
    @contextmanager
    def side(self) -> Iterator[tuple[Any, str]]:
        state = {"synced": True, "now": 0.0}
        health = Health(lambda: bool(state["synced"]), clock=lambda: float(state["now"]))
        metrics = Metrics()
        metrics.queue_depth.set(3)
        server = SideServer("127.0.0.1", 0, health, metrics)
        server.start()
        try:
            yield (health, state), f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()

    def ask(self, url: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_a_loop_that_is_quiet_beats_and_one_that_is_stuck_does_not(self) -> None:
        with self.side() as ((health, state), url):
            beat = health.loop("watch jobs", 10)
            health.loop("election", 10)
            state["now"] = 10
            assert self.ask(f"{url}/livez") == (200, "ok\n")
            beat()
            state["now"] = 11
            assert self.ask(f"{url}/livez") == (503, "election has been silent for 11 s\n")
            health.ended("election")
            assert self.ask(f"{url}/livez")[0] == 200

    def test_ready_means_that_the_lists_are_there(self) -> None:
        with self.side() as ((health, state), url):
            assert self.ask(f"{url}/readyz") == (200, "ok\n")
            state["synced"] = False
            health.stopping = True
            assert self.ask(f"{url}/readyz") == (503, "stopping\nthe first lists are not there yet\n")

    def test_metrics_tell_depth_and_leadership(self) -> None:
        with self.side() as (_, url):
            status, text = self.ask(f"{url}/metrics?x=y")
            assert status == 200
            assert "volray_controller_queue_depth 3.0" in text
            assert "volray_controller_leader 0.0" in text
            assert self.ask(f"{url}/other")[0] == 404
