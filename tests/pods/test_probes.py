"""Which ports the probes ask. The golden files of tests/golden/pods hold the whole of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.pods.flags import Settings
from webhook.pods.probes import probes

if TYPE_CHECKING:
    from webhook.names import Role


@pytest.mark.parametrize(
    ("role", "backstop", "readiness"),
    [
        ("head", "' 1/api/local_raylet_healthz 2/api/gcs_healthz\n", "speaks(2)\n'\n"),
        ("worker", "' 1/api/local_raylet_healthz\n", "look raylet\n"),
    ],
)
def test_a_backstop_asks_agent_and_gcs_and_readiness_asks_often(role: Role, backstop: str, readiness: str) -> None:
    """An image without ray[default] never answers a kubelet's httpGet, and a sidecar answers every tcpSocket."""
    found = probes(role, Settings(agent_port=1, dashboard_port=2))
    for name, end, period, failures in (("livenessProbe", backstop, 60, 6), ("readinessProbe", readiness, 10, 3)):
        assert found[name]["exec"]["command"][2].endswith(end)
        assert (found[name]["periodSeconds"], found[name]["failureThreshold"]) == (period, failures)
