"""PID 1 ends when Ray has died, and not when it is merely slow. All containers run at once: the patience is seconds."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.scripts.container import Running, prepare, start, until
from tests.volcano_pods import container_of, injected, pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.scripts.heads import Head

IN_TIME = 40.0
"""Seconds in which a dead Ray must have ended its container (design: Health)."""

IDLE = ("sleep", "1000")
POLITE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
LEAVING = ("sh", "-c", 'until [ -e "$FAKE_RAY/gone" ]; do sleep 0.1; done; sleep 3; exit 0')


@dataclass(frozen=True)
class Death:
    name: str
    role: str
    process: str
    number: signal.Signals = signal.SIGKILL
    command: tuple[str, ...] = ()
    at_once: bool = False
    """Before PID 1 can have seen it."""


DEATHS = [
    Death("plain head, raylet killed", "head", "raylet"),
    Death("plain head, raylet stopped as `ray stop` does", "head", "raylet", signal.SIGTERM),
    Death("plain head, GCS killed", "head", "gcs_server"),
    Death("plain worker, raylet stopped as `ray stop` does", "worker", "raylet", signal.SIGTERM),
    Death("plain worker, raylet killed", "worker", "raylet"),
    Death("head with a command, raylet killed", "head", "raylet", command=IDLE),
    Death("head with a command, GCS stopped", "head", "gcs_server", signal.SIGTERM, command=IDLE),
    Death("worker with a command, raylet killed", "worker", "raylet", command=IDLE),
    Death("a raylet that dies as it is born", "head", "raylet", command=IDLE, at_once=True),
    Death("a command that takes SIGTERM for success", "head", "raylet", command=POLITE),
    Death("a command that ignores SIGTERM", "head", "raylet", command=STUBBORN),
]


@dataclass(frozen=True)
class Ended:
    status: int
    seconds: float
    log: str


def _start(
    folder: pytest.TempPathFactory, shell: str, role: str, command: tuple[str, ...], env: dict[str, str]
) -> Running:
    made = container_of(injected(pod(role, command=list(command) or None)))
    return start(made, prepare(folder.mktemp("container") / "c"), shell=shell, env=env)


def _kill(one: Running, death: Death) -> float:
    if not death.at_once:
        until(lambda: "volray: Ray is up" in one.log, what="a watched Ray")
    one.kill(death.process, death.number)
    return time.monotonic()


@pytest.fixture(scope="module", params=["dash", "bash"])
def one_shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    return name


@pytest.fixture(scope="module")
def deaths(one_shell: str, tmp_path_factory: pytest.TempPathFactory, open_port: str) -> Iterator[dict[str, Ended]]:
    """Every container of the table, killed at the same time and waited for."""
    env = {"VOLRAY_ADDRESS": open_port}
    running = {death.name: _start(tmp_path_factory, one_shell, death.role, death.command, env) for death in DEATHS}
    try:
        killed = {death.name: _kill(running[death.name], death) for death in DEATHS}
        ended: dict[str, Ended] = {}

        def all_ended() -> bool:
            for name, one in running.items():
                if name not in ended and one.process.poll() is not None:
                    ended[name] = Ended(one.process.returncode, time.monotonic() - killed[name], one.log)
            return len(ended) == len(running)

        until(all_ended, 2 * IN_TIME, "the end of every container")
        yield ended
    finally:
        for one in running.values():
            one.close()


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.name)
def test_a_dead_ray_ends_the_container_in_time_and_not_with_success(deaths: dict[str, Ended], death: Death) -> None:
    ended = deaths[death.name]
    assert ended.seconds <= IN_TIME, ended.log
    assert ended.status == 1, ended.log


@pytest.mark.parametrize("death", [death for death in DEATHS if death.command], ids=lambda death: death.name)
def test_the_log_says_why_the_container_ended(deaths: dict[str, Ended], death: Death) -> None:
    assert "has ended: ending this container" in deaths[death.name].log


@dataclass(frozen=True)
class Life:
    name: str
    role: str
    stopped: tuple[str, ...]
    command: tuple[str, ...] = ()


LIVES = [
    Life("plain head, raylet and GCS without a time slice", "head", ("raylet", "gcs_server")),
    Life("head with a command, raylet and GCS without a time slice", "head", ("raylet", "gcs_server"), IDLE),
    Life("plain worker, raylet without a time slice", "worker", ("raylet",)),
]

SLOW = 12.0
"""Seconds for which nothing moves: longer than PID 1 takes for a dead one."""


@pytest.fixture(scope="module")
def lives(one_shell: str, tmp_path_factory: pytest.TempPathFactory, open_port: str) -> Iterator[dict[str, Running]]:
    env = {"VOLRAY_ADDRESS": open_port}
    running = {life.name: _start(tmp_path_factory, one_shell, life.role, life.command, env) for life in LIVES}
    try:
        for life in LIVES:
            for process in life.stopped:
                running[life.name].kill(process, signal.SIGSTOP)
        end = time.monotonic() + SLOW
        until(
            lambda: time.monotonic() > end or any(one.process.poll() is not None for one in running.values()),
            2 * SLOW,
        )
        yield running
    finally:
        for one in running.values():
            one.close()


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_a_slow_ray_does_not_end_the_container(lives: dict[str, Running], life: Life) -> None:
    assert lives[life.name].process.poll() is None, lives[life.name].log


def test_a_command_that_stops_ray_as_its_last_act_keeps_its_status(
    one_shell: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one = _start(tmp_path_factory, one_shell, "head", LEAVING, {})
    try:
        one.kill("raylet", signal.SIGTERM)
        (one.folder / "gone").touch()
        assert one.wait() == 0, one.log
    finally:
        one.close()


def test_a_plain_node_hands_sigterm_to_ray_at_once(one_shell: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    one = _start(tmp_path_factory, one_shell, "head", (), {})
    try:
        until(lambda: one.pid("raylet"), what="a raylet")
        one.signal(signal.SIGTERM)
        assert one.wait(5) == 1
    finally:
        one.close()


DRAINING = """#!{python}
import os, signal, time
from pathlib import Path
folder = Path(os.environ["FAKE_RAY"])
def drain(*_):
    (folder / "drains").touch()
    while not (folder / "drained").exists():
        time.sleep(0.05)
    os._exit(5)
signal.signal(signal.SIGTERM, drain)
(folder / "up").touch()
while True:
    signal.pause()
"""
"""A `ray start --block` that ends with 5 once it has taken leave of its GCS."""


def _told_to_end(run: Callable[..., Running], address: str) -> Running:
    one = run("worker", env={"VOLRAY_ADDRESS": address}, before={"bin/ray": DRAINING.format(python=sys.executable)})
    until((one.folder / "up").exists, what="ray start")
    one.signal(signal.SIGTERM)
    until((one.folder / "drains").exists, what="SIGTERM has arrived")
    return one


def test_a_worker_takes_leave_of_a_head_that_lives(run: Callable[..., Running], closed_port: tuple[Head, str]) -> None:
    head, address = closed_port
    head.listen()
    one = _told_to_end(run, address)
    before = head.accepted
    until(lambda: head.accepted >= before + 5, what="five looks at the head")
    (one.folder / "drained").touch()
    assert one.wait() == 5, one.log


def test_a_worker_whose_head_is_gone_ends_without_leave(
    run: Callable[..., Running], closed_port: tuple[Head, str]
) -> None:
    head, address = closed_port
    head.listen()
    one = _told_to_end(run, address)
    head.close()
    assert one.wait(10) == 1, one.log
    assert "no head is left to take leave of" in one.log
