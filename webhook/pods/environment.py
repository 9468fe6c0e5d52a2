"""Environment variables and ports of a Ray container, added only where the user has none of that name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from webhook.pods.flags import DEFAULT_AGENT_PORT, RECONNECT, RECONNECT_STORED, flag_of
from webhook.pods.head_service import service_host
from webhook.pods.ray_start import fixed_ports
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.names import Object
    from webhook.pods.flags import Settings
    from webhook.pods.roles import Role

_FROM_POD_IP: Final[Object] = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}

DRAIN_SECONDS: Final = 5
"""Ray drains for 30 s by default, which loses against a pod's grace period of 30 s (measured: SIGKILL after 31.9 s)."""

SELF_CHECK_MILLISECONDS: Final = 5000
"""A raylet asks its GCS every minute whether it is still known. One whose head came back without its state within
`--reconnectSeconds` learns from that alone that its cluster is gone (measured: 53 s, and 7 s with 5000)."""

_CONNECT: Final = {
    "RAY_raylet_client_num_connect_attempts": "100",
    "RAY_raylet_client_connect_timeout_milliseconds": "100",
}
"""Ten seconds in all, as Ray's own 10 times 1000: a raylet looks at once for the socket that another thread of it has
still to open, and where it comes too early it sleeps for the whole pause (seen: a node up a second later)."""

_HEADS: Final = {"gcs": "port", "dashboard": "dashboard_port", "client-server": "client_port"}
"""The ports of the head's Service."""

_LONGEST_PORT_NAME: Final = 15
_SUFFIX: Final = "-ray"

_HTTP: Final = re.compile(r"\s*https?://", re.IGNORECASE)

_SHELL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_STORAGE: Final = "RAY_REDIS_ADDRESS"
_STORAGE_NAMESPACE: Final = "RAY_external_storage_namespace"
_LOG_TO_STDERR: Final = "RAY_LOG_TO_STDERR"
_API_GROUP: Final = "batch.volcano.sh"


def storage_namespace(metadata: Object, job: str, namespace: str) -> str:
    """Return the name under which a head keeps its state in Redis, one for each Job.

    Ray's default is the same for every cluster (`external_storage_namespace` in src/ray/common/ray_config_def.h,
    read from the environment by the GCS and by `ray start`), so two Jobs on one Redis would take over each other's
    actors and nodes. With the Job's uid, a restarted head finds its state and a new Job of the same name starts empty.

    A template that `volray inject` writes has no owner and gets the namespace and the name of the Job instead: there,
    a new Job of the same name finds the state of the old one.
    """
    for owner in metadata.get("ownerReferences") or ():
        group = (owner.get("apiVersion") or "").partition("/")[0]
        if owner.get("controller") and (group, owner.get("kind")) == (_API_GROUP, "Job") and owner.get("uid"):
            return str(owner["uid"])
    return f"{namespace}.{job}"


def environment(  # noqa: PLR0913 - what a container is, where it is, and who starts Ray in it
    role: Role,
    settings: Settings,
    container: Object,
    job: str,
    namespace: str,
    *,
    own: bool,
    storage: str,
    unknown: frozenset[str] = frozenset(),
) -> list[Object]:
    """The variables to add to a container.

    Args:
        role: Head or worker.
        settings: Ports and waits.
        container: Ray's container, whose own variables win.
        job: The Job's name.
        namespace: The Job's namespace.
        own: The container starts Ray itself, so that none of our scripts reads a variable.
        storage: The name for the state of a head that keeps it in Redis.
        unknown: Ports (fields of the settings) that only the running container knows. An address with a wrong port
            makes `ray.init()` fail after two minutes; without the variable it finds the Ray of its own container.
    """
    theirs = {variable["name"]: variable for variable in container.get("env") or ()}
    address = _address(role, theirs, job, namespace)
    wanted: dict[str, Any] = {"POD_IP": _FROM_POD_IP}
    if not own or address == _OUR_IP:
        wanted |= {"VOLRAY_POD_IP": _FROM_POD_IP}
    if not own:
        wanted |= {"VOLRAY_ADDRESS": f"{_script_address(role, job, namespace)}:{settings.port}"}
    wanted |= {
        "RAY_ADDRESS": f"{address}:{settings.port}",
        "RAY_API_SERVER_ADDRESS": f"http://{address}:{settings.dashboard_port}",
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(_reconnect(settings, theirs)),
        "RAY_raylet_liveness_self_check_interval_ms": str(SELF_CHECK_MILLISECONDS),
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(DRAIN_SECONDS),
    }
    for field in unknown & _ADDRESSES.keys():
        del wanted[_ADDRESSES[field]]
    if not _CONNECT.keys() & theirs.keys():
        wanted |= _CONNECT
    if settings.log_to_stderr:
        wanted |= {_LOG_TO_STDERR: "1"}
    if role == "head" and _STORAGE in theirs:
        wanted |= {_STORAGE_NAMESPACE: storage}
    return [_variable(name, value) for name, value in wanted.items() if name not in theirs]


_OUR_IP: Final = "$(VOLRAY_POD_IP)"
_ADDRESSES: Final = {"port": "RAY_ADDRESS", "dashboard_port": "RAY_API_SERVER_ADDRESS"}


def _variable(name: str, value: str | Object) -> Object:
    return {"name": name, "value": value} if isinstance(value, str) else {"name": name, "valueFrom": value}


def _address(role: Role, theirs: dict[str, Object], job: str, namespace: str) -> str:
    """The head's address; on the head its own, as a Service address there would need hairpin traffic."""
    if role == "worker":
        return service_host(job, namespace)
    user = theirs.get("POD_IP", {"valueFrom": _FROM_POD_IP})
    reference = (user.get("valueFrom") or {}).get("fieldRef") or {}
    return "$(POD_IP)" if reference.get("fieldPath") == "status.podIP" else _OUR_IP


def _script_address(role: Role, job: str, namespace: str) -> str:
    return _OUR_IP if role == "head" else service_host(job, namespace)


def _reconnect(settings: Settings, theirs: dict[str, Object]) -> int:
    """Seconds for which a node outlives its GCS: long where the head comes back with its state.

    Only the node's own variables can be seen here; a worker of such a head says `--reconnectSeconds`.
    """
    if settings.reconnect_seconds is not None:
        return settings.reconnect_seconds
    return RECONNECT_STORED if keeps_state(theirs) else RECONNECT


def keeps_state(variables: Mapping[str, Object]) -> bool:
    """Whether a head with these variables comes back with its state after a restart."""
    return _STORAGE in variables or variables.get("RAY_gcs_storage", {}).get("value") == "rocksdb"


def lost_names(container: Object) -> Iterable[Finding]:
    """Variables whose names dash drops on start: it keeps only names that are its own."""
    for variable in container.get("env") or ():
        if not _SHELL_NAME.fullmatch(variable["name"]):
            yield finding(Code.ENV_NAME_LOST, env=variable["name"])


def variable_findings(role: Role, settings: Settings, container: Object) -> Iterable[Finding]:
    """Return the warnings about variables that Ray takes otherwise than their author expects.

    Sources: ray#21592 and ray#53226 (RAY_ADDRESS serves `ray.init()`, which takes no HTTP address, and the Jobs API,
    which has had RAY_API_SERVER_ADDRESS for itself since), ray#24886 and ray#41164 (a worker process that logs to
    stderr writes no file, and the driver's output is read from those files).
    """
    name = container["name"]
    theirs = {variable["name"]: variable for variable in container.get("env") or ()}
    address = theirs.get("RAY_ADDRESS", {}).get("value") or ""
    if _HTTP.match(address):
        yield finding(Code.RAY_ADDRESS_HTTP, container=name, found=address)
    if role == "head" and settings.log_to_stderr and _LOG_TO_STDERR not in theirs:
        yield finding(Code.PRINTS_IN_POD_LOGS)


def ports(
    role: Role,
    settings: Settings,
    container: Object,
    *,
    own: bool,
    host_network: bool,
    unknown: frozenset[str] = frozenset(),
) -> list[Object]:
    """The ports to declare: each number that the container does not declare yet.

    The agent's is declared only where others must know of it: where the user chose it, and on the host's network,
    where the scheduler keeps two Ray nodes apart by it. A container that starts Ray itself has its metrics and agent
    where we cannot know, and maybe some of the Service's ports (`unknown`, fields of the settings).
    """
    wanted: dict[str, int] = {}
    if role == "head":
        wanted |= {name: getattr(settings, field) for name, field in _HEADS.items() if field not in unknown}
    if not own:
        wanted["metrics"] = settings.metrics_port
        if host_network or settings.agent_port != DEFAULT_AGENT_PORT:
            wanted["agent"] = settings.agent_port
    declared = container.get("ports") or ()
    numbers = {port["containerPort"] for port in declared if (port.get("protocol") or "TCP") == "TCP"}
    names = {port.get("name") for port in declared}
    return [_port(name, number, names) for name, number in wanted.items() if number not in numbers]


def _port(name: str, number: int, taken: set[str | None]) -> Object:
    other = name[: _LONGEST_PORT_NAME - len(_SUFFIX)].rstrip("-") + _SUFFIX
    free = next((candidate for candidate in (name, other) if candidate not in taken), None)
    return {**({"name": free} if free else {}), "containerPort": number, "protocol": "TCP"}


def taken_ports(role: Role, settings: Settings, others: Iterable[Object]) -> Iterable[Finding]:
    """Ray's ports on which another container of the pod listens: all of them share one address."""
    fixed = {port: field for field, port in fixed_ports(role, settings).items()}
    for container in others:
        for port in container.get("ports") or ():
            number = port["containerPort"]
            if number in fixed and (port.get("protocol") or "TCP") == "TCP":
                flag = flag_of(fixed[number])
                yield finding(Code.PORT_TAKEN, port=number, flag=flag, container=container["name"])
