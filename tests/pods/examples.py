"""A pod for each outcome of reading and injecting pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.pods.nodes import COMMAND, CPU, OPT_IN, OWN, ROLE, SHM, START_ARGS
from tests.volcano_pods import pod
from webhook.errors import RefusedError
from webhook.pods.inject import inject
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.reasons import Finding

SERVE: Final = [{"name": "cache", "ports": [{"containerPort": 6379}]}]
SHARED: Final[Object] = {"medium": "Memory", "sizeLimit": "1Gi"}


def with_options(text: str, task: str = "head", **written: Any) -> Object:
    return pod(task, annotations={START_ARGS: text}, **written)


def memory(limit: str, **written: Any) -> Object:
    return pod(resources={"limits": {"memory": limit}}, **written)


PODS: Final[dict[Code, Object]] = {
    Code.INJECTED: pod(resources=CPU),
    Code.INJECTED_OWN: pod(annotations=OWN),
    Code.NOT_VOLCANO: {"metadata": {}, "spec": {"containers": []}},
    Code.OTHER_TASK: pod("logger"),
    Code.OTHER_FRAMEWORK: pod(env=[{"name": "TF_CONFIG", "value": "{}"}]),
    Code.ALREADY_INJECTED: pod(annotations={"ray.volcano.sh/injected": "0.3.0"}),
    Code.NO_RAY_CONTAINER: pod(name="main"),
    Code.ONLY_CONTAINER: pod(name="main", labels=OPT_IN, command=["ray", "start"]),
    Code.LABELLED_OTHER_TASK: pod("logger", labels=OPT_IN),
    Code.OWN_START: pod(command=["ray", "start"]),
    Code.OWN_PORT_UNREADABLE: pod(command=["ray", "start", "--head", "--port=$PORT"]),
    Code.OWN_PORT_DIFFERS: pod(command=["ray", "start", "--head", "--port=7"], flags="--port=8"),
    Code.START_ARGS_UNUSED: with_options("--head", command=["ray", "start"]),
    Code.NO_CPU: pod(),
    Code.HOST_NETWORK_DNS: pod("worker", spec={"hostNetwork": True}),
    Code.ENV_NAME_LOST: pod(env=[{"name": "a.b", "value": "c"}]),
    Code.OTHER_START_OPTION: with_options("--storage=/mnt"),
    Code.LITTLE_MEMORY: memory("512m"),
    Code.SMALL_SHM: memory(
        "16Gi",
        volumeMounts=[{"name": "dshm", "mountPath": SHM}],
        spec={"volumes": [{"name": "dshm", "emptyDir": SHARED}]},
    ),
    Code.MOUNT_WITHOUT_VOLUME: pod(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
    Code.RAY_ADDRESS_HTTP: pod(env=[{"name": "RAY_ADDRESS", "value": "http://127.0.0.1:8265"}]),
    Code.PRINTS_IN_POD_LOGS: pod(flags="--logToStderr"),
    Code.MALFORMED: {"metadata": {}, "spec": {}},
    Code.UNREADABLE: pod(flags="--port='1"),
    Code.UNKNOWN_FLAG: pod(flags="--prot=1"),
    Code.MISSING_VALUE: pod(flags="--port"),
    Code.BAD_VALUE: pod(flags="--port=x"),
    Code.REPEATED_FLAG: pod(flags="--port=1 --port=2"),
    Code.SAME_PORT: pod(flags="--port=8265"),
    Code.PORT_TAKEN: pod(others=SERVE),
    Code.PORT_AMONG_WORKERS: with_options("--min-worker-port=10000"),
    Code.UNKNOWN_ROLE: pod(annotations={ROLE: "boss"}),
    Code.UNKNOWN_COMMAND_MODE: pod(annotations={COMMAND: "drop"}),
    Code.SEVERAL_CONTAINERS: pod(name="a", labels=OPT_IN, others=[{"name": "b"}]),
    Code.ARGS_WITHOUT_COMMAND: pod(args=["serve"]),
    Code.UNKNOWN_START_OPTION: with_options("bogus"),
    Code.HEAD_START_OPTION: with_options("--include-dashboard=true", "worker"),
    Code.OWNED_START_OPTION: with_options("--port=1"),
    Code.BAD_QUANTITY: memory("2GB"),
    Code.IPV6: pod(),
}


def findings_for(code: Code) -> tuple[Finding, ...]:
    """Return everything that volray says of the pod for a code."""
    try:
        injection = inject(PODS[code], "team", ipv6=code is Code.IPV6)
    except RefusedError as error:
        return error.mistakes
    return (injection.reason, *injection.warnings)
