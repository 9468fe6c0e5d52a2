from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.pods.flags import Settings
from webhook.pods.probes import probes

if TYPE_CHECKING:
    from webhook.pods.roles import Role


def script_of(role: Role, settings: Settings) -> str:
    shell, flag, script = probes(role, settings)["livenessProbe"]["exec"]["command"]
    assert (shell, flag) == ("/bin/sh", "-c")
    return str(script)


@pytest.mark.parametrize("role", ["head", "worker"])
def test_the_backstop_is_slow(role: Role) -> None:
    liveness = {**probes(role, Settings())["livenessProbe"]}
    del liveness["exec"]
    assert liveness == {"periodSeconds": 60, "timeoutSeconds": 15, "failureThreshold": 6, "initialDelaySeconds": 60}
    assert liveness["periodSeconds"] * (liveness["failureThreshold"] - 1) >= 300


@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_probe_runs_in_the_container(role: Role) -> None:
    """An image without ray[default] never answers a kubelet's httpGet; a sidecar answers every tcpSocket."""
    found = probes(role, Settings())
    assert set(found) == {"livenessProbe", "readinessProbe"}
    assert all("exec" in probe and "httpGet" not in probe and "tcpSocket" not in probe for probe in found.values())


def test_a_heads_backstop_asks_agent_and_gcs_on_the_ports_of_the_flags() -> None:
    script = script_of("head", Settings(agent_port=1, dashboard_port=2))
    assert script.endswith("' 1/api/local_raylet_healthz 2/api/gcs_healthz\n")


def test_a_workers_backstop_asks_the_agent_alone() -> None:
    script = script_of("worker", Settings(agent_port=1, dashboard_port=2))
    assert script.endswith("' 1/api/local_raylet_healthz\n")


@pytest.mark.parametrize("role", ["head", "worker"])
def test_readiness_is_asked_often(role: Role) -> None:
    ready = {**probes(role, Settings())["readinessProbe"]}
    del ready["exec"]
    assert ready == {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 3}


@pytest.mark.parametrize(("role", "end"), [("head", "speaks(2)\n'\n"), ("worker", "look raylet\n")])
def test_a_head_is_ready_when_its_gcs_answers_and_a_worker_when_it_has_a_raylet(role: Role, end: str) -> None:
    shell, flag, script = probes(role, Settings())["readinessProbe"]["exec"]["command"]
    assert (shell, flag) == ("/bin/sh", "-c")
    assert script.endswith(end)
