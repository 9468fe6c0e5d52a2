from __future__ import annotations

import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.pods import container_of, injected, pod
from tests.scripts.container import Running, prepare, start, write_or_remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _namespaces() -> None:
    try:
        subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        try:
            subprocess.run(["unshare", "-Ur", "--pid", "--fork", "--mount-proc", "true"], check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("the start scripts are PID 1: this needs `unshare --pid` (Linux, root or user namespaces)")


@pytest.fixture(scope="module")
def open_port() -> Iterator[str]:
    """A head that listens: what a worker waits for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def closed_port() -> Iterator[tuple[socket.socket, str]]:
    """An address that refuses until somebody listens on the socket."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound, f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(params=["dash", "bash"])
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    return name


@pytest.fixture
def run(tmp_path: Path, shell: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Running]]:
    """Starts the container that volray makes of a task; its log stands in the report of a failed test."""
    running: list[Running] = []

    def _run(
        role: str = "head",
        *,
        flags: str = "",
        env: dict[str, str] | None = None,
        programs: Path | None = None,
        before: dict[str, str | None] | None = None,
        **container: Any,
    ) -> Running:
        made = container_of(injected(pod(role, flags=flags, **container)))
        folder = prepare(tmp_path / f"container-{len(running)}")
        for name, text in (before or {}).items():
            write_or_remove(folder / name, text)
        running.append(start(made, folder, shell=shell, env=env, programs=programs))
        return running[-1]

    yield _run
    for one in running:
        one.close()
        request.node.add_report_section("call", "container", one.log)
