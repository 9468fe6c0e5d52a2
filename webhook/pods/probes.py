"""Make the probes of a Ray container, one of liveness and one of readiness.

Liveness is a slow backstop behind the start script. Every probe is an `exec`. Ray without
ray[default] never listens on HTTP, and admission cannot see whether an image has it, so an
`httpGet` would restart such a container for ever. A `tcpSocket` succeeds wherever the
sidecar of a service mesh accepts the connection.
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
"""Six failures in a row, a minute apart, take at least five minutes.

Shorter times killed busy heads (ray#63574, kuberay#4133).
"""

_READINESS: Final = {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 3}


def probes(role: Role, settings: Settings) -> Object:
    """Return the probes of a node, by the field of the container."""
    return {
        "livenessProbe": {**_exec(_liveness_script(role, settings)), **_BACKSTOP},
        "readinessProbe": {**_exec(_readiness_script(role)), **_READINESS},
    }


def _exec(script: str) -> Object:
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


@lru_cache(maxsize=1024)
def _liveness_script(role: Role, settings: Settings) -> str:
    """Return the script that asks Ray's own health endpoints on a node."""
    targets = [f"{settings.agent_port}/api/local_raylet_healthz"]
    if role == "head":
        targets.append(f"{settings.dashboard_port}/api/gcs_healthz")
    return health_script(targets)


def _readiness_script(role: Role) -> str:
    """Return the script by which a node is ready.

    On a head the GCS answers. On a worker there is a raylet, which is not so while it
    waits.
    """
    return gcs_script() if role == "head" else raylet_script()
