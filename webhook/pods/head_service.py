"""The head's Service: its name, its address and the object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from webhook.names import JOB_NAME, JOB_NAMESPACE, NODE_TYPE, PREFIX, TASK_SPEC
from webhook.pods.flags import PORT_FLAGS
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.pods.flags import Settings

_LONGEST: Final = 63
_PLACE: Final = "metadata.name"
_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def service_name(job: str) -> str:
    """Return the Service's name, which is that of the in-tree plugin so that addresses in use go on working."""
    return f"{job}-head-svc"


def service_host(job: str, namespace: str) -> str:
    """Return the host name, which resolves in every cluster because a pod's search list ends in its domain."""
    return f"{service_name(job)}.{namespace}.svc"


def name_mistakes(job: str) -> Iterable[Finding]:
    """Yield the mistake of a Job's name that gives no valid name for the Service.

    A Service is a DNS-1035 label, and a Job a DNS-1123 subdomain.
    """
    service = service_name(job)
    if len(service) > _LONGEST:
        why = f"it has {len(service)} characters, and {_LONGEST} are allowed"
        yield finding(Code.SERVICE_NAME, place=_PLACE, service=service, why=why)
    elif not _DNS_1035.fullmatch(service):
        why = "it must be a DNS label that starts with a letter"
        yield finding(Code.SERVICE_NAME, place=_PLACE, service=service, why=why)


def head_service(job: str, namespace: str, head_task: str, settings: Settings) -> Object:
    """Return the Service, without the owner that only a Job in the apiserver has.

    The selector is the in-tree plugin's. Target ports are numbers, because a user's port of the same
    number and another name would leave the Service pointing at nothing. Addresses are published before
    the head is ready, without which workers waited about 100 s (kuberay#2157).

    The two ports that speak gRPC carry `appProtocol: tcp`, as KubeRay's do. A service mesh then passes their bytes on.
    Without it a mesh detects HTTP/2, and answers in place of a GCS that is not there.
    """
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
            "ports": _service_ports(settings),
            "publishNotReadyAddresses": True,
        },
    }


def _service_ports(settings: Settings) -> list[Object]:
    ports: list[Object] = []
    for flag, port in PORT_FLAGS:
        if not port.in_service:
            continue
        number = getattr(settings, flag.field)
        described: Object = {
            "name": port.name,
            "port": number,
            "targetPort": number,
            "protocol": "TCP",
        }
        if port.speaks_grpc:
            described["appProtocol"] = "tcp"
        ports.append(described)
    return ports
