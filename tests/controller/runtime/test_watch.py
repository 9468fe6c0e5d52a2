"""List and watch against an apiserver in memory over HTTP, and its faults."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.apiserver.front import client, over_http
from tests.apiserver.memory import Apiserver, Change
from webhook.controller.runtime.backoff import Backoff
from webhook.controller.runtime.cache import ObjectCache
from webhook.controller.runtime.watch import Watch
from webhook.k8s.paths import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object


class Followed:
    """A watch in a thread, and all that it told."""

    def __init__(self, **options: Any) -> None:
        self.apiserver = Apiserver()
        self.told: list[str] = []
        self.restarts: list[str] = []
        self.beats = 0
        self.cache: ObjectCache[str] = ObjectCache(lambda body, _: body["spec"].get("value"))
        self.cache.subscribe(self.told.append)
        self.stop = Event()
        self._options = options
        self._stack = ExitStack()

    def start(self) -> None:
        url = self._stack.enter_context(over_http(self.apiserver)).url
        options = {"backoff": Backoff(0.01, 0.05), **self._options}
        self.watch = Watch(
            client(url), SERVICES, self.cache, beat=self._beat, restarted=self.restarts.append, **options
        )
        self._thread = Thread(target=self.watch.run, args=(self.stop,), daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        self.beats += 1

    def put(self, name: str, value: str) -> Object:
        return self.apiserver.place(SERVICES, service(name, value))

    def known(self) -> dict[str, str]:
        return {key.partition("/")[2]: value for key, value in self.cache.items()}

    def until(self, **expected: str) -> None:
        self.apiserver.wait_for(lambda: self.known() == expected, f"{expected} (is {self.known()})")

    def until_watching(self) -> None:
        self.apiserver.wait_for(lambda: self.apiserver.count("watch") > 0, "a watch")

    def close(self) -> None:
        self.stop.set()
        self.apiserver.cut()
        self._stack.close()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()


@pytest.fixture
def followed() -> Iterator[Followed]:
    followed = Followed(server_seconds=20.0, silence_seconds=25.0)
    yield followed
    followed.close()


def service(name: str, value: str = "1", **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}, "spec": {"value": value}}


def test_what_is_there_and_what_comes_changes_and_goes_is_known(followed: Followed) -> None:
    followed.put("a", "1")
    followed.start()
    followed.until(a="1")
    followed.put("b", "1")
    followed.put("a", "2")
    followed.until(a="2", b="1")
    followed.apiserver.drop(SERVICES, "a")
    followed.until(b="1")
    assert followed.watch.synced
    assert followed.apiserver.count("list") == 1
    assert not followed.restarts


def test_a_list_comes_in_pages_and_counts_when_it_is_whole(followed: Followed) -> None:
    followed.apiserver.page = 2
    for number in range(5):
        followed.put(f"s{number}", "1")
    followed.apiserver.fail(500, "list")
    followed.start()
    followed.until(**{f"s{number}": "1" for number in range(5)})
    assert followed.apiserver.count("list") == 4
    assert followed.apiserver.requests[0].query["limit"] == "500"


def test_a_list_that_breaks_off_between_pages_is_no_deletion(followed: Followed) -> None:
    for name in ("a", "b", "c"):
        followed.put(name, "1")
    followed.start()
    followed.until(a="1", b="1", c="1")
    followed.until_watching()
    followed.apiserver.page = 1
    followed.told.clear()
    pages = iter([None, {"code": 410, "message": "the continue token has expired"}])
    followed.apiserver.faults.append(lambda request: next(pages, None) if request.verb == "list" else None)
    followed.apiserver.compact()
    followed.apiserver.place("/api/v1/other", service("x"))
    followed.apiserver.compact()
    followed.apiserver.wait_for(lambda: followed.apiserver.count("list") == 6, "two lists")
    followed.put("d", "1")
    followed.until(a="1", b="1", c="1", d="1")
    assert followed.told == ["default/d"]


def test_a_selector_goes_with_list_and_watch() -> None:
    followed = Followed(selector="ours", server_seconds=20.0, silence_seconds=25.0)
    followed.apiserver.place(SERVICES, service("a", ours="x"))
    followed.put("b", "1")
    followed.start()
    followed.until(a="1")
    followed.apiserver.place(SERVICES, service("c", ours="x"))
    followed.put("d", "1")
    followed.until(a="1", c="1")
    followed.close()


def test_a_deletion_that_nobody_told_shows_in_the_next_list(followed: Followed) -> None:
    followed.put("a", "1")
    followed.put("b", "1")
    followed.start()
    followed.until(a="1", b="1")
    followed.until_watching()
    with followed.apiserver.changed:
        followed.apiserver.drop(SERVICES, "a")
        followed.put("b", "2")
        followed.apiserver.compact()
    followed.until(b="2")
    assert followed.told[-2:] == ["default/a", "default/b"]
    assert followed.restarts[-1] in {"410", "ended early"}


@pytest.mark.parametrize("status", [410, 429, 500, 503, 504])
def test_a_refused_watch_is_followed_by_a_list(followed: Followed, status: int) -> None:
    followed.put("a", "1")
    followed.apiserver.fail(status, "watch")
    followed.start()
    followed.apiserver.wait_for(lambda: followed.apiserver.count("list") == 2, "the second list")
    followed.put("a", "2")
    followed.until(a="2")
    assert followed.restarts == [str(status)]


def test_a_lost_connection_goes_on_where_it_broke(followed: Followed) -> None:
    followed.put("a", "1")
    followed.start()
    followed.until(a="1")
    followed.until_watching()
    followed.apiserver.cut()
    followed.put("a", "2")
    followed.until(a="2")
    followed.apiserver.wait_for(lambda: followed.apiserver.count("watch") > 1, "the second watch")
    assert followed.apiserver.count("list") == 1


def test_a_bookmark_moves_the_version_from_which_it_goes_on(followed: Followed) -> None:
    followed.put("a", "1")
    followed.start()
    followed.until(a="1")
    for _ in range(3):
        newest = followed.apiserver.place("/api/v1/other", service("x"))
    followed.put("a", "2")
    followed.until(a="2")
    latest = followed.apiserver.place("/api/v1/other", service("y"))["metadata"]["resourceVersion"]
    followed.apiserver.cut()
    followed.apiserver.wait_for(lambda: followed.apiserver.count("watch") > 1, "the second watch")
    versions = [int(each.query["resourceVersion"]) for each in followed.apiserver.requests if each.verb == "watch"]
    assert versions == sorted(versions)
    assert int(newest["metadata"]["resourceVersion"]) < versions[-1] <= int(latest)


def test_an_event_that_comes_twice_causes_no_work(followed: Followed) -> None:
    followed.start()
    followed.until_watching()
    for _ in range(3):
        followed.put("a", "1")
    followed.put("b", "1")
    followed.until(a="1", b="1")
    assert followed.told == ["default/a", "default/b"]


def test_a_server_that_stalls_is_noticed() -> None:
    followed = Followed(server_seconds=20.0, silence_seconds=0.2)
    followed.put("a", "1")
    followed.apiserver.stalled = True
    followed.start()
    followed.until(a="1")
    followed.put("a", "2")
    followed.apiserver.wait_for(lambda: "lost" in followed.restarts, "the loss")
    followed.apiserver.stalled = False
    followed.until(a="2")
    assert followed.apiserver.count("list") == 1
    followed.close()


def test_a_watch_that_ends_in_its_time_goes_on_without_a_list_or_a_pause() -> None:
    followed = Followed(server_seconds=1.0, silence_seconds=5.0)
    followed.start()
    followed.apiserver.wait_for(lambda: followed.apiserver.count("watch") == 2, "the second watch")
    assert not followed.restarts
    assert followed.apiserver.count("list") == 1
    assert {each.query.get("timeoutSeconds") for each in followed.apiserver.requests if each.verb == "watch"} == {"1"}
    followed.close()


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_however_quickly_it_is_refused_it_does_not_run_hot(verb: str) -> None:
    pauses: list[float] = []

    class Pausing(Event):
        """Notes the pauses and does not make them."""

        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0)
            if len(pauses) == 30:
                self.set()
            return self.is_set()

    apiserver = Apiserver()
    apiserver.fail(500, verb, times=10_000)
    cache: ObjectCache[str] = ObjectCache(lambda body, _: str(body))
    with over_http(apiserver) as front:
        Watch(client(front.url), SERVICES, cache, backoff=Backoff(jitter=lambda: 1.0)).run(Pausing())
    assert pauses[:7] == [0.5, 1, 2, 4, 8, 16, 30]
    assert set(pauses[7:]) == {30}


def test_an_object_that_cannot_be_read_or_an_event_without_sense_ends_no_thread(followed: Followed) -> None:
    followed.start()
    followed.until_watching()
    followed.apiserver.place(SERVICES, {"metadata": {"name": "bad", "namespace": "default"}})
    followed.put("a", "1")
    followed.until(a="1")
    with followed.apiserver.changed:
        followed.apiserver.version += 1
        nameless = {"metadata": {"resourceVersion": str(followed.apiserver.version)}}
        followed.apiserver.history.append(Change(SERVICES, "ADDED", nameless, None))
        followed.apiserver.changed.notify_all()
    followed.apiserver.wait_for(lambda: "fault" in followed.restarts, "the fault")
    followed.put("a", "2")
    followed.until(a="2")
    assert followed.beats > 3
