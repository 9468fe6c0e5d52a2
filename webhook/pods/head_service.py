"""The head's Service: its name, its address, its object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from webhook.names import JOB_NAME, JOB_NAMESPACE, NODE_TYPE, PREFIX, TASK_SPEC
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.pods.flags import Settings

_LONGEST: Final = 63
_GRPC_PORTS: Final = ("gcs", "client-server")
_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def service_name(job: str) -> str:
    """The name that Volcano's in-tree plugin gives the Service, so that addresses in use go on working."""
    return f"{job}-head-svc"


def service_host(job: str, namespace: str) -> str:
    """Resolved by every cluster's DNS, whatever its domain: a pod's search list ends in it."""
    return f"{service_name(job)}.{namespace}.svc"


def name_mistakes(job: str) -> Iterable[Finding]:
    """A Job may be called what no Service can be: a Service is a DNS-1035 label, a Job a DNS-1123 subdomain."""
    service = service_name(job)
    if len(service) > _LONGEST:
        yield finding(Code.SERVICE_NAME, service=service, why=f"{len(service)} characters of {_LONGEST}")
    elif not _DNS_1035.fullmatch(service):
        yield finding(Code.SERVICE_NAME, service=service, why="it must be a DNS label that starts with a letter")


def head_service(job: str, namespace: str, head_task: str, settings: Settings) -> Object:
    """The Service, without the owner that only the apiserver's Job has.

    The selector is the in-tree plugin's. Target ports are numbers: by name, a user's port of the same number and
    another name leaves the Service pointing at nothing. Addresses are published before the head is ready: workers
    waited about 100 s without (kuberay#2157).

    The two ports that speak gRPC carry `appProtocol: tcp`, as KubeRay's do. A service mesh then passes their bytes on.
    Without it a mesh detects HTTP/2, and answers in place of a GCS that is not there.
    """
    ports = {
        "gcs": settings.port,
        "dashboard": settings.dashboard_port,
        "client-server": settings.client_port,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(job),
            "namespace": namespace,
            "labels": {f"{PREFIX}/job": job, NODE_TYPE: "head"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {JOB_NAME: job, JOB_NAMESPACE: namespace, TASK_SPEC: head_task},
            "ports": [_service_port(name, port) for name, port in ports.items()],
            "publishNotReadyAddresses": True,
        },
    }


def _service_port(name: str, port: int) -> Object:
    described: Object = {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}
    if name in _GRPC_PORTS:
        described["appProtocol"] = "tcp"
    return described
