"""The environment variables of a Ray container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from webhook.pods.additions import Additions
from webhook.pods.flags import RECONNECT, RECONNECT_STORED
from webhook.pods.head_service import service_host
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.names import Object
    from webhook.pods.node import Identity, RayPod

_FROM_POD_IP: Final[Object] = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
_OUR_IP: Final = "$(VOLRAY_POD_IP)"

DRAIN_SECONDS: Final = 5
"""Ray drains for 30 s by default. That is as long as a pod's grace period, after which the kubelet
sends SIGKILL (seen after 31.9 s)."""

SELF_CHECK_MILLISECONDS: Final = 5000
"""How often a raylet asks its GCS whether it is still known, once a minute by default.

A raylet whose head came back without its state within `--reconnectSeconds` learns from that alone
that its cluster is gone (seen after 53 s with the default, after 7 s with 5000).
"""

_CONNECT: Final = {
    "RAY_raylet_client_num_connect_attempts": "100",
    "RAY_raylet_client_connect_timeout_milliseconds": "100",
}
"""How often and how long a raylet looks for the socket that another thread of it has still to open.

Ray's own values are 10 times 1000 ms. A raylet that looks too early sleeps for the whole pause, and
with 100 ms the node is up a second sooner (seen).
"""

_ADDRESSES: Final = {"port": "RAY_ADDRESS", "dashboard_port": "RAY_API_SERVER_ADDRESS"}
"""The variables that hold an address with a port, by the field of Settings."""

_STORAGE: Final = "RAY_REDIS_ADDRESS"
_STORAGE_NAMESPACE: Final = "RAY_external_storage_namespace"
_LOG_TO_STDERR: Final = "RAY_LOG_TO_STDERR"
_JOB_GROUP: Final = "batch.volcano.sh"

_HTTP: Final = re.compile(r"\s*https?://", re.IGNORECASE)
_SHELL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def additions(pod: RayPod) -> Additions:
    """Return the variables of the node, with warnings about the user's own."""
    return Additions(env=_wanted_variables(pod), findings=list(_variable_warnings(pod)))


def _wanted_variables(pod: RayPod) -> dict[str, str | Object]:
    settings = pod.settings
    address = _ray_address(pod)
    wanted: dict[str, str | Object] = {"POD_IP": _FROM_POD_IP}
    # The scripts read variables of their own, so a user's POD_IP or RAY_ADDRESS cannot break them.
    if not pod.starts_ray or address == _OUR_IP:
        wanted["VOLRAY_POD_IP"] = _FROM_POD_IP
    if not pod.starts_ray:
        own_address = _OUR_IP if pod.role == "head" else _head_host(pod.identity)
        wanted["VOLRAY_ADDRESS"] = f"{own_address}:{settings.port}"
    wanted["RAY_ADDRESS"] = f"{address}:{settings.port}"
    wanted["RAY_API_SERVER_ADDRESS"] = f"http://{address}:{settings.dashboard_port}"
    wanted["RAY_gcs_rpc_server_reconnect_timeout_s"] = str(_reconnect_seconds(pod))
    wanted["RAY_raylet_liveness_self_check_interval_ms"] = str(SELF_CHECK_MILLISECONDS)
    wanted["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = str(DRAIN_SECONDS)
    # An address with a wrong port makes ray.init() fail after two minutes. Without the variable it
    # finds the Ray of its own container.
    for setting, variable in _ADDRESSES.items():
        if setting in pod.unknown_ports:
            del wanted[variable]
    # The two belong together, so a user who sets one keeps Ray's default for the other.
    if _CONNECT.keys().isdisjoint(pod.variables):
        wanted |= _CONNECT
    if settings.log_to_stderr:
        wanted[_LOG_TO_STDERR] = "1"
    if pod.role == "head" and _STORAGE in pod.variables:
        wanted[_STORAGE_NAMESPACE] = _storage_namespace(pod)
    return wanted


def _ray_address(pod: RayPod) -> str:
    """Return the head's address for Ray's own variables.

    On the head that is its own address, because a Service address there would need hairpin traffic.
    """
    if pod.role == "worker":
        return _head_host(pod.identity)
    user = pod.variables.get("POD_IP")
    if user is None:
        return "$(POD_IP)"
    reference = (user.get("valueFrom") or {}).get("fieldRef") or {}
    if reference.get("fieldPath") == "status.podIP":
        return "$(POD_IP)"
    return _OUR_IP


def _head_host(identity: Identity) -> str:
    return service_host(identity.job, identity.namespace)


def _reconnect_seconds(pod: RayPod) -> int:
    """Return how long a node outlives its GCS, which is long where the head keeps its state.

    Only the node's own variables can be seen here. Adoption writes `--reconnectSeconds` into the
    workers' templates for such a head.
    """
    if pod.settings.reconnect_seconds is not None:
        return pod.settings.reconnect_seconds
    return RECONNECT_STORED if keeps_state(pod.variables) else RECONNECT


def keeps_state(variables: Mapping[str, Object]) -> bool:
    """Return whether a head with these variables comes back with its state after a restart."""
    if _STORAGE in variables:
        return True
    return variables.get("RAY_gcs_storage", {}).get("value") == "rocksdb"


def _storage_namespace(pod: RayPod) -> str:
    """Return the name under which a head keeps its state in Redis, one for each Job.

    Ray's default is the same for every cluster (`external_storage_namespace` in
    src/ray/common/ray_config_def.h, read from the environment by the GCS and by `ray start`), so
    two Jobs on one Redis would take over each other's actors and nodes. With the Job's uid, a
    restarted head finds its state and a new Job of the same name starts empty.

    A template that `volray inject` writes has no owner and gets the namespace and the name of the
    Job instead. There, a new Job of the same name finds the state of the old one.
    """
    for owner in pod.metadata.get("ownerReferences") or ():
        group = (owner.get("apiVersion") or "").partition("/")[0]
        is_job = (group, owner.get("kind")) == (_JOB_GROUP, "Job")
        if is_job and owner.get("controller") and owner.get("uid"):
            return str(owner["uid"])
    return f"{pod.identity.namespace}.{pod.identity.job}"


def _variable_warnings(pod: RayPod) -> Iterator[Finding]:
    """Yield the warnings about variables that Ray does not take as their author expects.

    Sources: ray#21592 and ray#53226 (RAY_ADDRESS serves `ray.init()`, which takes no HTTP address,
    and the Jobs API, which has had RAY_API_SERVER_ADDRESS for itself since), ray#24886 and
    ray#41164 (a worker process that logs to stderr writes no file, and the driver's output is read
    from files).
    """
    address = pod.variables.get("RAY_ADDRESS", {}).get("value") or ""
    if _HTTP.match(address):
        yield finding(Code.RAY_ADDRESS_HTTP, container=pod.container["name"], found=address)
    logs_to_stderr = pod.settings.log_to_stderr and _LOG_TO_STDERR not in pod.variables
    if pod.role == "head" and logs_to_stderr:
        yield finding(Code.PRINTS_IN_POD_LOGS)
    if pod.starts_ray:
        return
    # dash keeps only variables whose names are names of its own.
    for name in pod.variables:
        if not _SHELL_NAME.fullmatch(name):
            yield finding(Code.ENV_NAME_LOST, env=name)
