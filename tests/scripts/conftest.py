from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.container import Running, prepare, start, write_or_remove
from tests.scripts.heads import Head, bound_port, listening_head
from tests.volcano_pods import container_of, injected, pod

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
    """A head whose GCS answers: what a worker waits for."""
    with listening_head() as head:
        yield head.address


@pytest.fixture
def closed_port() -> Iterator[tuple[Head, str]]:
    """A head whose address refuses until it listens."""
    with bound_port() as (bound, _):
        head = Head(bound)
        yield head, head.address


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
        limit: tuple[int, int] | None = None,
        **container: Any,
    ) -> Running:
        made = container_of(injected(pod(role, flags=flags, **container)))
        folder = prepare(tmp_path / f"container-{len(running)}")
        for name, text in (before or {}).items():
            write_or_remove(folder / name, text)
        running.append(start(made, folder, shell=shell, env=env, programs=programs, limit=limit))
        return running[-1]

    yield _run
    for one in running:
        one.close()
        request.node.add_report_section("call", "container", one.log)
