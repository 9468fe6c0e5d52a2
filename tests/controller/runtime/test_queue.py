from __future__ import annotations

import time
from collections import Counter
from threading import Lock, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from webhook.controller.runtime.backoff import Backoff
from webhook.controller.runtime.queue import FAST, SLOW, Pace, Queue

KEYS = st.sampled_from("abc")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class QueueLaws(RuleBasedStateMachine):
    """One thread plays all that reconcile, so that what a key owes is known at every moment."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = Queue(self.clock)
        self.owed: set[str] = set()
        """Added since it was last handed out."""
        self.later: dict[str, float] = {}
        self.working: set[str] = set()

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.owed.add(key)

    @rule(key=KEYS, seconds=st.integers(1, 10))
    def add_after(self, key: str, seconds: int) -> None:
        self.queue.add_after(key, seconds)
        self.later[key] = min(self.later.get(key, float("inf")), self.clock.now + seconds)

    @rule(seconds=st.integers(1, 10))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def get(self) -> None:
        due = {key for key, when in self.later.items() if when <= self.clock.now}
        self.owed |= due
        self.later = {key: when for key, when in self.later.items() if key not in due}
        key = self.queue.get(timeout=0)
        assert (key is None) == (not self.owed - self.working)
        if key is not None:
            assert key in self.owed
            assert key not in self.working
            self.owed.discard(key)
            self.working.add(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.working.discard(key)
        self.queue.done(key)

    @invariant()
    def nothing_waits_twice(self) -> None:
        assert len(self.queue) <= 3


TestQueueLaws = QueueLaws.TestCase
TestQueueLaws.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.lists(KEYS))
def test_keys_come_in_the_order_of_their_first_add(keys: list[str]) -> None:
    queue = Queue()
    for key in keys:
        queue.add(key)
    assert [queue.get(0) for _ in dict.fromkeys(keys)] == list(dict.fromkeys(keys))
    assert queue.get(0) is None


def test_many_threads_never_share_a_key_and_lose_none() -> None:
    queue, lock, busy, seen, wanted = Queue(), Lock(), Counter[str](), Counter[str](), 2000
    problems: list[str] = []

    def work() -> None:
        while (key := queue.get(timeout=5)) is not None:
            with lock:
                busy[key] += 1
                if busy[key] > 1:
                    problems.append(key)
                seen[key] += 1
            time.sleep(0)
            with lock:
                busy[key] -= 1
            queue.done(key)
            if key == "last":
                queue.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(wanted):
        queue.add(str(number % 7))
    queue.add("last")
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)
    assert not problems
    assert seen.keys() == {*map(str, range(7)), "last"}


def test_failures_of_one_key_are_tried_ever_later_and_forgotten_on_success() -> None:
    queue = Queue(Clock())
    pace = Pace(1, 5)
    assert [queue.retry("a", pace) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert queue.retry("b", pace) == 1
    queue.forget("a")
    assert queue.retry("a", pace) == 1


def test_a_key_that_waits_for_its_next_try_comes_at_once_when_there_is_news() -> None:
    queue = Queue(Clock())
    queue.retry("a", SLOW)
    assert queue.get(0) is None
    queue.add("a")
    assert queue.get(0) == "a"


def test_a_thread_is_woken_by_what_is_due_and_by_what_comes() -> None:
    queue = Queue()
    queue.add_after("a", 0.05)
    assert queue.get(timeout=5) == "a"
    got: list[str | None] = []
    waiting = Thread(target=lambda: got.append(queue.get(timeout=5)))
    waiting.start()
    queue.add("b")
    waiting.join(timeout=5)
    assert got == ["b"]


def test_a_closed_queue_gives_nothing_and_takes_nothing() -> None:
    queue = Queue()
    queue.add("a")
    waiting: list[str | None] = []
    queue.close()
    queue.add("b")
    queue.add_after("c", 0)
    assert (queue.get(0), waiting, len(queue)) == (None, [], 1)


@pytest.mark.parametrize("pace", [FAST, SLOW])
def test_a_pace_stays_within_its_bound_for_ever(pace: Pace) -> None:
    assert pace.delay(10_000) == pace.longest


def test_backoff_grows_to_its_bound_with_full_jitter_and_starts_over() -> None:
    backoff = Backoff(0.5, 4, jitter=lambda: 1.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1, 2, 4, 4]
    backoff.reset()
    assert backoff.next() == 0.5
    assert Backoff(jitter=lambda: 0.0).next() == 0
