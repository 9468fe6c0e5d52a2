"""A worker waits for its head, a head's command for its nodes."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.scripts import heads
from tests.scripts.container import Running, until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.heads import Head


def test_a_worker_joins_once_its_head_listens(run: Callable[..., Running], closed_port: tuple[Head, str]) -> None:
    head, address = closed_port
    one = run("worker", env={"VOLRAY_ADDRESS": address})
    until(lambda: "volray: waiting for the head" in one.log, what="the worker's sentence")
    assert one.ray_argv is None
    head.listen()
    argv = until(lambda: one.ray_argv, what="ray start")
    assert argv[:3] == ["start", f"--address={address}", "--node-ip-address=127.0.0.1"]
    assert argv[-1] == "--block"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(heads.answer_as_sidecar, "the connection was closed without an answer", id="sidecar"),
        pytest.param(heads.answer_as_http, "no GCS answers there", id="http"),
    ],
)
def test_an_accepted_connection_is_no_head(
    run: Callable[..., Running], closed_port: tuple[Head, str], answer: Callable[[socket.socket], None], why: str
) -> None:
    head, address = closed_port
    head.answer = answer
    head.listen()
    one = run("worker", env={"VOLRAY_ADDRESS": address})
    until(lambda: head.accepted > 3, what="several looks at the head")
    assert one.log == f"volray: waiting for the head at {address} ({why})\n"
    assert one.ray_argv is None
    head.answer = heads.answer_as_gcs
    until(lambda: one.ray_argv, what="ray start")


def test_a_worker_behind_a_sidecar_waits_as_long_as_it_is_told_to(
    run: Callable[..., Running], closed_port: tuple[Head, str]
) -> None:
    head, address = closed_port
    head.answer = heads.answer_as_sidecar
    head.listen()
    one = run("worker", flags="--waitHead=2", env={"VOLRAY_ADDRESS": address})
    assert one.wait(10) == 1
    assert f"volray: no head at {address} in 2 s" in one.log


@pytest.mark.parametrize(("said", "tries"), [({}, "30"), ({"RAY_NUM_REDIS_GET_RETRIES": "7"}, "7")])
def test_ray_start_looks_for_the_heads_raylet_as_long_as_the_worker_waits(
    run: Callable[..., Running], open_port: str, said: dict[str, str], tries: str
) -> None:
    one = run("worker", flags="--waitHead=60", env={"VOLRAY_ADDRESS": open_port, **said})
    until(lambda: one.ray_argv, what="ray start")
    assert one.ray_environ["RAY_NUM_REDIS_GET_RETRIES"] == tries


GCS_CLIENT = """
import os
from pathlib import Path
class GcsClient:
    def __init__(self, address): assert address == os.environ["VOLRAY_ADDRESS"]
    def get_all_node_info(self, timeout):
        Path(os.environ["FAKE_RAY"], "asked").touch()
        text = Path(os.environ["FAKE_RAY"], "known").read_text()
        return {each: None for each in text.split()} if text != "broken" else 1 / 0
"""


@pytest.fixture
def ray_package(tmp_path: Path) -> dict[str, str]:
    """A package `ray` whose GCS knows the nodes that a file names."""
    private = tmp_path / "modules" / "ray" / "_private"
    private.mkdir(parents=True)
    (private / "utils.py").write_text("def get_all_node_info_until_retrieved(): ...\n")
    (private.parent / "_raylet.py").write_text(GCS_CLIENT)
    (private.parent / "scripts").mkdir()
    (private.parent / "scripts" / "scripts.py").touch()
    return {"PYTHONPATH": str(tmp_path / "modules")}


def test_ray_start_begins_when_the_gcs_knows_the_heads_raylet(
    run: Callable[..., Running], open_port: str, ray_package: dict[str, str]
) -> None:
    one = run("worker", env={"VOLRAY_ADDRESS": open_port, **ray_package}, before={"known": ""})
    until((one.folder / "asked").exists, what="a question to the GCS")
    assert one.ray_argv is None
    (one.folder / "known").write_text("head")
    argv = until(lambda: one.ray_argv, what="ray start")
    assert argv[:2] == ["start", f"--address={open_port}"]


def test_a_gcs_that_cannot_be_asked_is_left_to_ray_start(
    run: Callable[..., Running], open_port: str, ray_package: dict[str, str]
) -> None:
    one = run("worker", env={"VOLRAY_ADDRESS": open_port, **ray_package}, before={"known": "broken"})
    assert until(lambda: one.ray_argv, what="ray start")[0] == "start"


def test_a_ray_that_is_no_python_program_is_run_as_it_is(run: Callable[..., Running], open_port: str) -> None:
    program = '#!/bin/sh\nprintf "%s|" "$@" > "$FAKE_RAY/said"\n'
    one = run("worker", env={"VOLRAY_ADDRESS": open_port}, before={"bin/ray": program})
    said = until(lambda: (one.folder / "said").exists() and (one.folder / "said").read_text(), what="ray start")
    assert said.startswith(f"start|--address={open_port}|")


def test_a_waiting_worker_names_the_address_and_the_error(
    run: Callable[..., Running], closed_port: tuple[Head, str]
) -> None:
    one = run("worker", env={"VOLRAY_ADDRESS": closed_port[1]})
    until(lambda: one.log, what="the worker's sentence")
    assert one.log == f"volray: waiting for the head at {closed_port[1]} ([Errno 111] Connection refused)\n"


def test_a_worker_gives_up_after_its_time(run: Callable[..., Running], closed_port: tuple[Head, str]) -> None:
    one = run("worker", flags="--waitHead=1", env={"VOLRAY_ADDRESS": closed_port[1]})
    assert one.wait(10) == 1
    assert "giving up (--waitHead)" in one.log
    assert one.ray_argv is None


def test_a_name_that_does_not_resolve_is_waited_for(run: Callable[..., Running]) -> None:
    one = run("worker", env={"VOLRAY_ADDRESS": "no-such-host.invalid:6379"})
    until(lambda: "volray: waiting for the head" in one.log, what="the worker's sentence")
    assert one.process.poll() is None


def test_sigterm_ends_a_waiting_worker_at_once(run: Callable[..., Running], closed_port: tuple[Head, str]) -> None:
    one = run("worker", env={"VOLRAY_ADDRESS": closed_port[1]})
    until(lambda: one.log, what="the worker's sentence")
    one.signal(signal.SIGTERM)
    assert one.wait(2) == 143
    assert one.ray_argv is None


RAY_MODULE = """
import os, pathlib
def init(**_): pass
def nodes():
    there = int(pathlib.Path(os.environ["FAKE_RAY"], "nodes").read_text())
    return [{"Alive": True}] * there + [{"Alive": False}]
"""


@pytest.fixture
def ray_module(tmp_path: Path) -> dict[str, str]:
    """A module `ray` whose cluster has as many nodes as a file says."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "ray.py").write_text(RAY_MODULE)
    return {"PYTHONPATH": str(tmp_path / "modules")}


def test_a_heads_command_starts_when_the_nodes_are_alive(
    run: Callable[..., Running], ray_module: dict[str, str]
) -> None:
    one = run(flags="--waitNodes=3", env=ray_module, command=["echo", "ran"], before={"nodes": "2"})
    until(lambda: "volray: 2 of 3 Ray nodes are alive" in one.log, what="the head's sentence")
    assert one.output == b""
    (one.folder / "nodes").write_text("3")
    assert one.wait(10) == 0
    assert one.output == b"ran\n"


def test_python_safe_path_does_not_hide_rays_modules(run: Callable[..., Running], ray_module: dict[str, str]) -> None:
    """With it Python's path does not begin with the working directory, so its first entry has to stay."""
    env = {**ray_module, "PYTHONSAFEPATH": "1"}
    one = run(flags="--waitNodes=2", env=env, command=["echo", "ran"], before={"nodes": "2"})
    assert one.wait(10) == 0, one.log


def test_a_raylet_that_dies_while_its_head_waits_for_nodes_ends_the_container(
    run: Callable[..., Running], ray_module: dict[str, str]
) -> None:
    one = run(flags="--waitNodes=3", env=ray_module, command=["echo", "ran"], before={"nodes": "2"})
    until(lambda: "of 3 Ray nodes" in one.log and "Ray is up" in one.log, what="a watched head that waits")
    one.kill("raylet", signal.SIGKILL)
    assert one.wait(40) == 1
    assert "Ray's raylet or GCS has ended: ending this container" in one.log
    assert one.output == b""


def test_ray_is_said_to_be_up_once(run: Callable[..., Running], ray_module: dict[str, str]) -> None:
    command = ["sh", "-c", "sleep 3"]
    one = run(flags="--waitNodes=3", env=ray_module, command=command, before={"nodes": "2"})
    until(lambda: "Ray is up" in one.log, what="a watched head that waits")
    (one.folder / "nodes").write_text("3")
    assert one.wait(10) == 0
    assert one.log.count("Ray is up") == 1


def test_sigterm_ends_a_head_that_waits_for_nodes(run: Callable[..., Running], ray_module: dict[str, str]) -> None:
    one = run(flags="--waitNodes=3", env=ray_module, command=["echo", "ran"], before={"nodes": "2"})
    until(lambda: "of 3 Ray nodes" in one.log, what="the head's sentence")
    one.signal(signal.SIGTERM)
    assert one.wait(3) == 143
    assert one.output == b""


def test_an_image_without_ray_says_so(run: Callable[..., Running]) -> None:
    one = run(before={"bin/ray": None})
    assert one.wait(5) == 127
    assert "volray: there is no program named ray on this container's PATH" in one.log
    assert "env: [{name: PATH, value: FOLDER:" in one.log


def test_an_ipv6_address_is_refused_in_a_sentence(run: Callable[..., Running]) -> None:
    one = run(env={"VOLRAY_POD_IP": "fd00::1"})
    assert one.wait(5) == 1
    assert "volray: pod address fd00::1 is IPv6" in one.log


@pytest.mark.parametrize(
    "first_line",
    [
        f"#!{sys.executable}",
        "#!/usr/bin/env python3",
        f"#!{sys.executable} -s",
        "#!/bin/sh",
        "#!/no/such/python",
        "",
    ],
)
def test_an_interpreter_is_found_however_ray_is_installed(
    run: Callable[..., Running], open_port: str, first_line: str
) -> None:
    """Only the wait reads it: `ray` itself ends at once."""
    one = run(
        "worker",
        env={"VOLRAY_ADDRESS": open_port},
        before={"bin/ray": f"{first_line}\nimport sys; sys.exit(0)\n"},
    )
    one.wait(20)
    assert "waiting" not in one.log
    assert "not found" not in one.log.replace("import: not found", "")
