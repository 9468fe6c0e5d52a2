from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.pods.flags import Settings
from webhook.pods.probes import probes

if TYPE_CHECKING:
    from webhook.names import Role

TIMES = {
    "livenessProbe": {"periodSeconds": 60, "timeoutSeconds": 15, "failureThreshold": 6, "initialDelaySeconds": 60},
    "readinessProbe": {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 3},
}


@pytest.mark.parametrize(
    ("role", "ends"),
    [
        (
            "head",
            {
                "livenessProbe": "' 1/api/local_raylet_healthz 2/api/gcs_healthz\n",
                "readinessProbe": "speaks(2)\n'\n",
            },
        ),
        ("worker", {"livenessProbe": "' 1/api/local_raylet_healthz\n", "readinessProbe": "look raylet\n"}),
    ],
)
def test_a_slow_backstop_asks_agent_and_gcs_and_readiness_is_asked_often(role: Role, ends: dict[str, str]) -> None:
    """Every probe runs in the container: an image without ray[default] never answers a kubelet's httpGet, and a
    sidecar answers every tcpSocket. A busy Ray has five minutes to answer."""
    found = probes(role, Settings(agent_port=1, dashboard_port=2))
    for name, end in ends.items():
        shell, flag, script = found[name].pop("exec")["command"]
        assert (shell, flag) == ("/bin/sh", "-c")
        assert script.endswith(end)
    assert found == TIMES
