"""What is in which script. That the scripts work is shown by running them, in tests/scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from webhook.pods import scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.names import Role


@dataclass(frozen=True)
class Case:
    role: Role
    beside: bool
    """A command runs beside Ray."""
    wait_nodes: int

    @property
    def is_worker(self) -> bool:
        return self.role == "worker"

    @property
    def is_nothing_else(self) -> bool:
        """A worker that only runs Ray takes leave of its head, and is killed at once without a raylet."""
        return self.is_worker and not self.beside

    @property
    def waits_for_nodes(self) -> bool:
        return not self.is_worker and self.beside and self.wait_nodes == 2

    def script(self, wait_head: int = 1800) -> str:
        waits = {"wait_head": wait_head, "wait_nodes": self.wait_nodes}
        return scripts.start_script(self.role, "ray start X", beside=self.beside, **waits)


ROLES: tuple[Role, ...] = ("head", "worker")
CASES = [Case(role, beside, nodes) for role in ROLES for beside in (True, False) for nodes in (0, 1, 2)]
JOIN = 'env RAY_NUM_REDIS_GET_RETRIES="${{RAY_NUM_REDIS_GET_RETRIES:-{}}}" ${{early:+"$py" -c "$early"}} '


def test_no_script_holds_what_the_kubelet_expands_or_what_was_to_be_filled_in() -> None:
    for whole in [*(case.script() for case in CASES), scripts.health_script(["1/a"]), scripts.raylet_script()]:
        assert not re.search(r"\$\$|\$\(|@[A-Z_]+@|XX|\n\n|^\n", whole)
    assert all(case.script().endswith('exit "$rc"\n') for case in CASES)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("\nfirst 'ray start' ", lambda case: case.beside),
        ("\nset -- ", lambda case: not case.beside),
        (f"{JOIN.format(900)}ray start X\n", lambda case: case.is_worker),
        ("RETRIES", lambda case: case.is_worker),
        ("' 1800\n", lambda case: case.is_worker),
        ('first "waiting for the head" "$py"', lambda case: case.is_worker),
        ("' 2\n", lambda case: case.waits_for_nodes),
        ('first "waiting for nodes" "$py"', lambda case: case.waits_for_nodes),
        ("|| py=python3", lambda case: case.is_worker or case.waits_for_nodes),
        ("\nend() {\n  sleep 3\n", lambda case: case.is_nothing_else),
        ("trap '' ALRM\n  kill -KILL \"$c\" 2>/dev/null\n  exit 3\n", lambda case: case.is_nothing_else),
        ("\nend() {\n  sleep 5\n", lambda case: not case.is_nothing_else),
        (
            '  kill -TERM "$c" 2>/dev/null\n  { sleep 15; kill -KILL "$c" 2>/dev/null; } &\n',
            lambda case: not case.is_nothing_else,
        ),
        ("\nleft=\nleave() {", lambda case: case.is_nothing_else),
        ("\ntrap 'got TERM; left=1; leave &' TERM\nguarded\n", lambda case: case.is_nothing_else),
        ('[ -z "$left" ] || [ "$rc" -ne 137 ] || rc=1\nexit "$rc"\n', lambda case: case.is_nothing_else),
        ("exec 3<&-\nguarded\n", lambda case: not case.is_nothing_else),
        ('-lt 10 ] || end "$1"', lambda case: case.beside),
        ('-lt 300 ] || end "$1"', lambda case: not case.beside),
        ("await raylet; a=$f; await gcs_server; b=$f", lambda case: not case.is_worker),
        ("await raylet; a=$f\n", lambda case: case.is_worker),
        ("gcs_server", lambda case: not case.is_worker),
        ("ulimit -Sn 65536", lambda _: True),
        ('{ ulimit -Sn "$files" 2>/dev/null; exec "$@"; } <&3', lambda case: case.beside),
        ('\nexec "$@" <&3', lambda case: not case.beside),
        ("a second raylet runs in this container", lambda case: case.beside),
        ("do second; sleep 2", lambda case: case.beside),
    ],
)
def test_each_script_has_its_own_parts_and_no_other(text: str, holds: Callable[[Case], bool]) -> None:
    assert [case for case in CASES if text in case.script()] == [case for case in CASES if holds(case)]


@pytest.mark.parametrize(("wait_head", "tries"), [(1800, 900), (3, 1), (1, 1), (0, 1_000_000)])
def test_a_worker_waits_for_the_head_and_looks_for_its_raylet_as_long(wait_head: int, tries: int) -> None:
    for case in CASES:
        waits = [f"' {wait_head}\n" in case.script(wait_head), JOIN.format(tries) in case.script(wait_head)]
        assert waits == [case.is_worker] * 2


def test_without_limits_a_worker_waits_for_ever_and_a_heads_command_for_no_node() -> None:
    assert "' 0\n" in scripts.start_script("worker", "ray start X", beside=True)
    assert "waiting for nodes" not in scripts.start_script("head", "ray start X", beside=True)


@pytest.mark.parametrize(
    ("case", "order"),
    [
        (Case("head", True, 0), "say() ended() ray=` ulimit lives() end() watch() first_'ray exec_3"),
        (Case("head", True, 2), "say() ray=` py= lives() watch() first_'ray guard=guarded waiting_for_nodes"),
        (Case("worker", True, 0), "say() ray=` py= waiting_for_the_head lives() watch() first_'ray"),
        (Case("worker", False, 0), "say() ray=` py= waiting_for_the_head lives() watch() ray_start_X"),
    ],
)
def test_a_script_defines_what_it_uses_and_waits_before_it_starts(case: Case, order: str) -> None:
    places = [case.script().index(mark.replace("_", " ")) for mark in order.split()]
    assert places == sorted(places)


def test_a_worker_is_ready_while_a_raylet_lives() -> None:
    assert re.fullmatch(r"lives\(\) \{.*\nlook\(\) \{.*\nlook raylet\n", scripts.raylet_script(), re.DOTALL)


def test_the_health_script_asks_each_target_by_rays_own_python() -> None:
    whole = scripts.health_script(["52365/a", "8265/b"])
    assert whole.startswith("ray=`command -v ray` || ray=\nl= py=;")
    assert '|| py=python3\nexec "$py" -I -S -c \'\n' in whole
    assert whole.endswith("\n' 52365/a 8265/b\n")
