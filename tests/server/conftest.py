from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.application import Application
from tests.server.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Process]]:
    """Starts `volray serve`; every process ends with the test, and its log is in the report of one that fails."""
    processes: list[Process] = []

    def begin(
        *options: str, cert_dir: Path | None = None, env: dict[str, str] | None = None, full_disk: bool = False
    ) -> Process:
        log_dir = tmp_path / f"process-{len(processes)}"
        process = Process(log_dir, cert_dir or tmp_path / "certs", options, env, full_disk=full_disk)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        request.node.add_report_section("teardown", f"volray serve, process {process.pid}", process.log())


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("server")
    process = Process(folder / "log", folder / "certs")
    process.wait_until_ready()
    yield process
    process.kill()


@pytest.fixture
def server(shared: Process, request: pytest.FixtureRequest) -> Iterator[Process]:
    """A running server for tests that leave it as they found it."""
    before = len(shared.log())
    yield shared
    request.node.add_report_section("teardown", "volray serve", shared.log()[before:])
