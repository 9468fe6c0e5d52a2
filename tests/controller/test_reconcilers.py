"""A controller with several reconcilers, of which each gets its own keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Thread

from tests.apiserver.front import client, over_http
from tests.apiserver.memory import Apiserver
from tests.controller.head_service.objects import job
from webhook.controller.metrics import Metrics
from webhook.controller.run import Controller, Options
from webhook.controller.runtime.cache import ObjectCache
from webhook.controller.runtime.lease import Election, Terms
from webhook.controller.runtime.reconciler import Outcome, Result, WatchedResource
from webhook.k8s.paths import JOBS, SERVICES

TERMS = Terms(lease=3, renew=2, retry=0.1, hurry=0.1)


def resource(name: str, path: str) -> WatchedResource:
    cache: ObjectCache[str] = ObjectCache(lambda body, _: str(body["metadata"]["resourceVersion"]))
    return WatchedResource(name, path, cache, lambda key: key)


@dataclass
class Noting:
    """Notes which keys it is asked to reconcile."""

    name: str
    resources: tuple[WatchedResource, ...]
    keys: list[str] = field(default_factory=list)

    def every_key(self) -> list[str]:
        return [key for key, _ in self.resources[0].cache.items()]

    def keys_to_resync(self) -> list[str]:
        return []

    def reconcile(self, key: str) -> Result:
        self.keys.append(key)
        return Result(Outcome.UNCHANGED)


def test_reconcilers_share_a_watch_and_have_keys_of_their_own() -> None:
    jobs = resource("jobs", JOBS)
    services = resource("services", SERVICES)
    first = Noting("first", (jobs,))
    second = Noting("second", (jobs, services))
    apiserver = Apiserver()
    apiserver.place(JOBS, job("before"))
    with over_http(apiserver) as front:
        election = Election(client(front.url), "volray-system", "volray-controller", "me", TERMS)
        options = Options("127.0.0.1", 0, "volray-controller", "volray-system", terms=TERMS)
        controller = Controller(client(front.url), election, [first, second], Metrics(), options)
        thread = Thread(target=controller.run)
        thread.start()
        try:
            apiserver.wait_for(lambda: first.keys == second.keys == ["default/before"], "what was there before")
            apiserver.place(JOBS, job("later", uid="later"))
            apiserver.wait_for(lambda: first.keys == second.keys == ["default/before", "default/later"], "both")
            apiserver.place(SERVICES, {"metadata": {"name": "svc", "namespace": "default"}})
            apiserver.wait_for(lambda: second.keys[2:] == ["default/svc"], "the second alone")
        finally:
            controller.stop.set()
            thread.join(timeout=10)
    assert len(first.keys) == 2
    assert (apiserver.count("list", JOBS), apiserver.count("list", SERVICES)) == (1, 1)
