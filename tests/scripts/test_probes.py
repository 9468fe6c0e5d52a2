"""The probes' own commands, run against servers that answer as each Ray does."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts import heads
from tests.scripts.container import environment
from tests.volcano_pods import container_of, injected, pod

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

Object = dict[str, Any]


class Healthy(http.server.BaseHTTPRequestHandler):
    """Ray 2.52 and later: 200 at the health endpoint, for whoever asks."""

    path_of_health = "/api/gcs_healthz"

    def do_GET(self) -> None:
        self.send_response(self.status())
        self.end_headers()
        self.wfile.write(b"success")

    def status(self) -> int:
        return 200 if self.path == self.path_of_health else 404

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class NeedsUserAgent(Healthy):
    """The dashboard of Ray 2.9.0 to 2.51.1 fails on a request without a User-Agent (ray#41503, ray#59042)."""

    def status(self) -> int:
        return super().status() if self.headers.get("User-Agent") else 500


class WithoutEndpoint(Healthy):
    """The dashboard of Ray 1.13 and older has no health endpoint."""

    def status(self) -> int:
        return 404


class Ill(Healthy):
    """Any Ray whose GCS does not answer its dashboard."""

    def status(self) -> int:
        return 503


class Broken(Healthy):
    """A dashboard that fails."""

    def status(self) -> int:
        return 500


class Silent(Healthy):
    """A sidecar with nothing behind it: the connection is closed without an answer."""

    def handle(self) -> None:
        self.close_connection = True


@contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def probed(container: Object, probe: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command: list[str] = container[probe]["exec"]["command"]
    own = environment(container, "127.0.0.1")
    env = {"PATH": os.environ["PATH"], **own, **variables}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)


def head(flags: str) -> Object:
    return container_of(injected(pod("head", flags=flags)))


@pytest.mark.parametrize(
    ("handler", "healthy"),
    [
        pytest.param(Healthy, True, id="Ray 2.52 and later"),
        pytest.param(NeedsUserAgent, True, id="Ray 2.9.0 to 2.51.1"),
        pytest.param(WithoutEndpoint, True, id="Ray 1.13 and older"),
        pytest.param(Silent, True, id="a sidecar with nothing behind it"),
        pytest.param(Ill, False, id="a GCS that does not answer"),
        pytest.param(Broken, False, id="a dashboard that fails"),
    ],
)
def test_a_head_is_restarted_only_for_a_failure_of_its_own(
    handler: type[http.server.BaseHTTPRequestHandler], healthy: bool
) -> None:
    with served(handler) as port, refusing_port() as agent:
        done = probed(head(f"--dashboardPort={port} --agentPort={agent}"), "livenessProbe", {})
    assert (done.returncode == 0) is healthy, done.stderr


def test_a_head_that_never_listens_on_http_is_healthy() -> None:
    """Ray without ray[default], or with --include-dashboard=false."""
    with refusing_port() as dashboard, refusing_port() as agent:
        done = probed(head(f"--dashboardPort={dashboard} --agentPort={agent}"), "livenessProbe", {})
    assert done.returncode == 0, done.stderr


@contextmanager
def refusing_port() -> Iterator[int]:
    with heads.bound_port() as (_, port):
        yield port


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        pytest.param(heads.answer_as_gcs, True, id="a GCS"),
        pytest.param(heads.answer_as_sidecar, False, id="a sidecar with nothing behind it"),
        pytest.param(heads.answer_as_http, False, id="a server of something else"),
    ],
)
def test_a_head_is_ready_when_its_gcs_answers(answer: Callable[[socket.socket], None], ready: bool) -> None:
    with heads.listening_head() as listening:
        listening.answer = answer
        done = probed(head(""), "readinessProbe", {"VOLRAY_ADDRESS": listening.address})
    assert (done.returncode == 0) is ready, done.stderr


def test_a_head_whose_gcs_does_not_listen_is_not_ready() -> None:
    with refusing_port() as port:
        assert probed(head(f"--port={port}"), "readinessProbe", {}).returncode == 1
