from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.probes import probes
from webhook.settings import Settings

if TYPE_CHECKING:
    from webhook.roles import Role


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
def test_no_probe_is_the_kubelets_http(role: Role) -> None:
    """An image without ray[default] never answers on HTTP, and a kubelet would restart it for ever."""
    found = probes(role, Settings())
    assert set(found) == {"livenessProbe", "readinessProbe"}
    assert all("httpGet" not in probe for probe in found.values())


def test_a_heads_backstop_asks_agent_and_gcs_on_the_ports_of_the_flags() -> None:
    script = script_of("head", Settings(agent_port=1, dashboard_port=2))
    assert script.endswith("' 1/api/local_raylet_healthz 2/api/gcs_healthz\n")


def test_a_workers_backstop_asks_the_agent_alone() -> None:
    script = script_of("worker", Settings(agent_port=1, dashboard_port=2))
    assert script.endswith("' 1/api/local_raylet_healthz\n")


def test_a_head_is_ready_when_its_gcs_listens() -> None:
    assert probes("head", Settings(port=7))["readinessProbe"] == {
        "tcpSocket": {"port": 7},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }


def test_a_worker_is_ready_when_it_has_a_raylet() -> None:
    ready = probes("worker", Settings())["readinessProbe"]
    shell, flag, script = ready.pop("exec")["command"]
    assert (shell, flag) == ("/bin/sh", "-c")
    assert script.endswith("look raylet\n")
    assert ready == {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3}
