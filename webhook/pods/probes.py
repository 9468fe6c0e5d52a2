"""Probes: a slow backstop behind the start script, and readiness; added only where the user has none.

Every probe is an `exec`. Whether an image has ray[default], without which Ray never listens on HTTP, cannot be seen
at admission, and a kubelet's httpGet would restart such a container for ever. A kubelet's tcpSocket succeeds wherever a
service mesh's sidecar accepts the connection.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from webhook.pods.scripts import gcs_script, health_script, raylet_script

if TYPE_CHECKING:
    from webhook.names import Object, Role
    from webhook.pods.flags import Settings

_BACKSTOP: Final = {
    "periodSeconds": 60,
    "timeoutSeconds": 15,
    "failureThreshold": 6,
    "initialDelaySeconds": 60,
}
"""Six failures in a row, a minute apart: five minutes at the least. Shorter ones killed busy heads (ray#63574,
kuberay#4133)."""

_READINESS: Final = {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 3}


def probes(role: Role, settings: Settings) -> Object:
    """The probes of a node, by the field of the container."""
    return {
        "livenessProbe": {"exec": {"command": ["/bin/sh", "-c", _health(role, settings)]}, **_BACKSTOP},
        "readinessProbe": {"exec": {"command": ["/bin/sh", "-c", _ready(role)]}, **_READINESS},
    }


@lru_cache(maxsize=1024)
def _health(role: Role, settings: Settings) -> str:
    agent = f"{settings.agent_port}/api/local_raylet_healthz"
    gcs = f"{settings.dashboard_port}/api/gcs_healthz"
    return health_script([agent, gcs] if role == "head" else [agent])


def _ready(role: Role) -> str:
    """Return the script by which a node is ready: a head's GCS answers, a worker has a raylet (not while it waits)."""
    return gcs_script() if role == "head" else raylet_script()
