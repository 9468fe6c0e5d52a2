"""Probes: a slow backstop behind the start script, and readiness; added only where the user has none.

Nothing here is `httpGet`: whether an image has ray[default], without which Ray never listens on HTTP, cannot be seen
at admission, and a kubelet's httpGet would restart such a container for ever.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from webhook.script import health_script, raylet_script

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.roles import Role
    from webhook.settings import Settings

_BACKSTOP: Final = {
    "periodSeconds": 60,
    "timeoutSeconds": 15,
    "failureThreshold": 6,
    "initialDelaySeconds": 60,
}
"""Six failures in a row, a minute apart: five minutes at the least. Shorter ones killed busy heads (ray#63574,
kuberay#4133)."""

_READINESS: Final = {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3}


def probes(role: Role, settings: Settings) -> Object:
    """The probes of a node, by the field of the container."""
    return {
        "livenessProbe": {"exec": {"command": ["/bin/sh", "-c", _health(role, settings)]}, **_BACKSTOP},
        "readinessProbe": {**_ready(role, settings), **_READINESS},
    }


@lru_cache(maxsize=1024)
def _health(role: Role, settings: Settings) -> str:
    agent = f"{settings.agent_port}/api/local_raylet_healthz"
    gcs = f"{settings.dashboard_port}/api/gcs_healthz"
    return health_script([agent, gcs] if role == "head" else [agent])


def _ready(role: Role, settings: Settings) -> Object:
    """A head is ready when its GCS answers, a worker when it has a raylet (it has none while it waits)."""
    if role == "head":
        return {"tcpSocket": {"port": settings.port}}
    return {"exec": {"command": ["/bin/sh", "-c", raylet_script()]}}
