from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.apiserver.front import client, over_http
from tests.apiserver.memory import Apiserver
from webhook.controller.runtime.events import InvolvedObject, Note, Recorder
from webhook.k8s.paths import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object

JOB = InvolvedObject("batch.volcano.sh/v1alpha1", "Job", "default", "demo", "uid-1")
START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
QUOTA = Note("service-quota", "The quota is full.")
MISTAKE = Note("two-heads", "There are two heads.", once=True)


class Recording:
    def __init__(self, url: str, apiserver: Apiserver) -> None:
        self.apiserver, self.url, self.time = apiserver, url, START
        self.recorder = self.another()

    def another(self) -> Recorder:
        return Recorder(client(self.url), "me", now=lambda: self.time)

    def events(self) -> list[Object]:
        return self.apiserver.all(EVENTS)

    def writes(self) -> list[str]:
        return [verb for verb, _ in self.apiserver.writes("events")]


@pytest.fixture
def it() -> Iterator[Recording]:
    apiserver = Apiserver()
    with over_http(apiserver) as front:
        yield Recording(front.url, apiserver)


def test_an_event_is_what_kubectl_shows(it: Recording) -> None:
    it.recorder.record(JOB, QUOTA)
    (event,) = it.events()
    assert (event["reason"], event["type"], event["count"]) == ("ServiceQuota", "Warning", 1)
    assert event["involvedObject"] == {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "namespace": "default",
        "name": "demo",
        "uid": "uid-1",
    }
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T12:00:00Z"


def test_the_same_within_an_hour_is_one_event_with_a_count_that_is_told_ever_more_seldom(it: Recording) -> None:
    for _ in range(17):
        it.time += timedelta(minutes=1)
        it.recorder.record(JOB, QUOTA)
    (event,) = it.events()
    assert event["count"] == 16
    assert it.writes() == ["create", *["patch"] * 4]
    it.time += timedelta(hours=1)
    it.recorder.record(JOB, QUOTA)
    assert sorted(each["count"] for each in it.events()) == [1, 16]


def test_another_message_reason_or_job_is_another_event(it: Recording) -> None:
    it.recorder.record(JOB, QUOTA)
    it.recorder.record(JOB, replace(QUOTA, message="The quota is fuller."))
    it.recorder.record(JOB, replace(QUOTA, code="service-refused"))
    it.recorder.record(replace(JOB, uid="uid-2"), QUOTA)
    assert len(it.events()) == 4


def test_a_mistake_is_said_once_whatever_the_hour_and_whoever_leads(it: Recording) -> None:
    for _ in range(3):
        it.recorder.record(JOB, MISTAKE)
        it.time += timedelta(hours=1)
        it.another().record(JOB, MISTAKE)
    assert len(it.events()) == 1
    assert "patch" not in it.writes()


def test_a_new_leader_goes_on_with_the_event_of_the_old(it: Recording) -> None:
    for _ in range(4):
        it.recorder.record(JOB, QUOTA)
    it.time += timedelta(minutes=5)
    it.another().record(JOB, QUOTA)
    (event,) = it.events()
    assert (event["count"], event["lastTimestamp"]) == (4, "2026-01-01T12:05:00Z")


def test_an_event_that_was_forgotten_is_made_again(it: Recording) -> None:
    it.recorder.record(JOB, QUOTA)
    it.apiserver.drop(EVENTS, it.events()[0]["metadata"]["name"])
    it.recorder.record(JOB, QUOTA)
    (event,) = it.events()
    assert event["count"] == 2


def test_a_failure_to_say_so_is_no_failure(it: Recording) -> None:
    it.apiserver.fail(403, "create")
    it.recorder.record(JOB, QUOTA)
    assert it.events() == []


def test_a_long_message_is_cut_to_what_the_api_takes(it: Recording) -> None:
    it.recorder.record(JOB, replace(QUOTA, message="x" * 2000))
    assert len(it.events()[0]["message"]) == 1024
