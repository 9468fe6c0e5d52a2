from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from webhook.pods import scripts

if TYPE_CHECKING:
    from webhook.names import Role

CASES = [
    (role, beside, wait_nodes) for role in ("head", "worker") for beside in (True, False) for wait_nodes in (0, 1, 2)
]

JOIN = 'env RAY_NUM_REDIS_GET_RETRIES="${{RAY_NUM_REDIS_GET_RETRIES:-{}}}" ${{early:+"$py" -c "$early"}} '


def text(role: Role, *, beside: bool = True, wait_nodes: int = 0, wait_head: int = 1800) -> str:
    return scripts.start_script(role, "ray start X", beside=beside, wait_head=wait_head, wait_nodes=wait_nodes)


@pytest.mark.parametrize(("role", "beside", "wait_nodes"), CASES)
def test_no_script_holds_what_the_kubelet_expands_or_what_was_to_be_filled_in(
    role: Role, beside: bool, wait_nodes: int
) -> None:
    whole = text(role, beside=beside, wait_nodes=wait_nodes)
    assert "$$" not in whole
    assert "$(" not in whole
    assert not re.search(r"@[A-Z_]+@", whole)
    assert "XX" not in whole
    assert whole.endswith('exit "$rc"\n')
    assert "\n\n" not in whole
    assert not whole.startswith("\n")


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_starts_before_the_command_or_is_the_command(role: Role) -> None:
    joining = JOIN.format(900) if role == "worker" else ""
    assert f"\nfirst 'ray start' {joining}ray start X\n" in text(role, beside=True)
    assert "set -- " not in text(role, beside=True).replace("set -- env", "")
    assert f"\nset -- {joining}ray start X\n" in text(role, beside=False)
    assert "first 'ray start'" not in text(role, beside=False)


@pytest.mark.parametrize("beside", [True, False])
def test_only_a_worker_waits_for_the_head(beside: bool) -> None:
    assert "' 7\n" in text("worker", beside=beside, wait_head=7)
    assert 'first "waiting for the head" "$py"' in text("worker", beside=beside)
    assert "waiting for the head" not in text("head", beside=beside)


@pytest.mark.parametrize("beside", [True, False])
def test_without_a_limit_a_worker_waits_for_ever(beside: bool) -> None:
    assert "' 0\n" in scripts.start_script("worker", "ray start X", beside=beside)


@pytest.mark.parametrize(("wait_head", "tries"), [(1800, 900), (3, 1), (1, 1), (0, 1_000_000)])
@pytest.mark.parametrize("beside", [True, False])
def test_a_worker_looks_for_the_heads_raylet_as_long_as_it_waits_for_the_head(
    beside: bool, wait_head: int, tries: int
) -> None:
    assert f"{JOIN.format(tries)}ray start X\n" in text("worker", beside=beside, wait_head=wait_head)
    assert "RETRIES" not in text("head", beside=beside, wait_head=wait_head)


@pytest.mark.parametrize(("role", "beside", "wait_nodes"), CASES)
def test_only_a_heads_command_waits_for_more_than_one_node(role: Role, beside: bool, wait_nodes: int) -> None:
    waits = (role, beside, wait_nodes) == ("head", True, 2)
    whole = text(role, beside=beside, wait_nodes=wait_nodes)
    assert ("' 2\n" in whole) is waits
    assert ('first "waiting for nodes" "$py"' in whole) is waits


def test_a_heads_command_does_not_wait_for_nodes_by_default() -> None:
    assert "waiting for nodes" not in scripts.start_script("head", "ray start X", beside=True)


@pytest.mark.parametrize(("role", "beside", "wait_nodes"), CASES)
def test_python_is_looked_for_only_where_something_waits(role: Role, beside: bool, wait_nodes: int) -> None:
    waits = role == "worker" or (beside and wait_nodes == 2)
    assert ("|| py=python3" in text(role, beside=beside, wait_nodes=wait_nodes)) is waits


@pytest.mark.parametrize(
    ("role", "beside", "wait_nodes", "order"),
    [
        ("head", True, 0, "say() ended() ray=` ulimit lives() end() watch() first_'ray exec_3"),
        ("head", True, 2, "say() ray=` py= lives() watch() first_'ray guard=guarded waiting_for_nodes"),
        ("worker", True, 0, "say() ray=` py= waiting_for_the_head lives() watch() first_'ray"),
        ("worker", False, 0, "say() ray=` py= waiting_for_the_head lives() watch() ray_start_X"),
    ],
)
def test_a_script_defines_what_it_uses_and_waits_before_it_starts(
    role: Role, beside: bool, wait_nodes: int, order: str
) -> None:
    whole = text(role, beside=beside, wait_nodes=wait_nodes)
    places = [whole.index(mark.replace("_", " ")) for mark in order.split()]
    assert places == sorted(places)


@pytest.mark.parametrize(("role", "beside", "wait_nodes"), CASES)
def test_only_a_worker_that_is_nothing_else_is_killed_at_once_without_a_raylet(
    role: Role, beside: bool, wait_nodes: int
) -> None:
    at_once = role == "worker" and not beside
    whole = text(role, beside=beside, wait_nodes=wait_nodes)
    assert ("\nend() {\n  sleep 3\n" in whole) is at_once
    assert ("trap '' ALRM\n  kill -KILL \"$c\" 2>/dev/null\n  exit 3\n" in whole) is at_once
    assert ("\nend() {\n  sleep 5\n" in whole) is not at_once
    assert ('  kill -TERM "$c" 2>/dev/null\n  { sleep 15; kill -KILL "$c" 2>/dev/null; } &\n' in whole) is not at_once


@pytest.mark.parametrize(("beside", "seconds"), [(True, 10), (False, 300)])
def test_rays_processes_must_show_up_within_a_time(beside: bool, seconds: int) -> None:
    assert f'-lt {seconds} ] || end "$1"' in text("head", beside=beside)


def test_a_head_is_watched_for_its_gcs_too() -> None:
    assert "await raylet; a=$f; await gcs_server; b=$f" in text("head")
    assert "gcs_server" not in text("worker")
    assert "await raylet; a=$f\n" in text("worker")


@pytest.mark.parametrize(("role", "beside", "wait_nodes"), CASES)
def test_only_a_worker_that_is_nothing_else_takes_leave_of_its_head(role: Role, beside: bool, wait_nodes: int) -> None:
    leaves = role == "worker" and not beside
    whole = text(role, beside=beside, wait_nodes=wait_nodes)
    assert ("\nleft=\nleave() {" in whole) is leaves
    assert ("\ntrap 'got TERM; left=1; leave &' TERM\nguarded\n" in whole) is leaves
    assert ('[ -z "$left" ] || [ "$rc" -ne 137 ] || rc=1\nexit "$rc"\n' in whole) is leaves
    assert ("exec 3<&-\nguarded\n" in whole) is not leaves


def test_a_worker_is_ready_while_a_raylet_lives() -> None:
    whole = scripts.raylet_script()
    assert whole.startswith("lives() {")
    assert "\nlook() {" in whole
    assert whole.endswith("\nlook raylet\n")


def test_the_health_script_asks_each_target_by_rays_own_python() -> None:
    whole = scripts.health_script(["52365/a", "8265/b"])
    assert whole.startswith("ray=`command -v ray` || ray=\nl= py=;")
    assert '|| py=python3\nexec "$py" -I -S -c \'\n' in whole
    assert whole.endswith("\n' 52365/a 8265/b\n")
    assert "@" not in whole
    assert "$$" not in whole
    assert "$(" not in whole


@pytest.mark.parametrize("beside", [True, False])
def test_only_a_command_beside_ray_gets_its_limit_of_open_files_back(beside: bool) -> None:
    whole = text("head", beside=beside)
    assert "ulimit -Sn 65536" in whole
    assert ('{ ulimit -Sn "$files" 2>/dev/null; exec "$@"; } <&3' in whole) is beside
    assert ('\nexec "$@" <&3' in whole) is not beside


@pytest.mark.parametrize("beside", [True, False])
def test_only_a_command_beside_ray_may_start_ray_again(beside: bool) -> None:
    whole = text("head", beside=beside)
    assert ("a second raylet runs in this container" in whole) is beside
    assert ("do second; sleep 2" in whole) is beside
