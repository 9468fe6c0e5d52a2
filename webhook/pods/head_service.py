"""Make the head's Service, its name and its address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from webhook.names import JOB_NAME, JOB_NAMESPACE, NODE_TYPE, PREFIX, TASK_SPEC
from webhook.pods.flags import PORT_FLAGS
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object
    from webhook.pods.flags import Settings

_LONGEST_LABEL: Final = 63
_NAME_PLACE: Final = "metadata.name"
_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def service_name(job: str) -> str:
    """Return the Service's name.

    It is that of the in-tree plugin, so that addresses in use go on working.
    """
    return f"{job}-head-svc"


def service_host(job: str, namespace: str) -> str:
    """Return the Service's host name.

    It resolves in every cluster, because the search list of a pod ends in the cluster's
    domain.
    """
    return f"{service_name(job)}.{namespace}.svc"


def name_mistakes(job: str) -> Iterator[Finding]:
    """Yield the mistake of a Job's name that gives no valid name for the Service.

    A Service's name is a DNS-1035 label. A Job's may be any DNS-1123 subdomain.
    """
    service = service_name(job)
    if len(service) > _LONGEST_LABEL:
        why = f"it has {len(service)} characters, and {_LONGEST_LABEL} are allowed"
    elif not _DNS_1035.fullmatch(service):
        why = "it must be a DNS label that starts with a letter"
    else:
        return
    yield finding(Code.SERVICE_NAME, place=_NAME_PLACE, service=service, why=why)


def head_service(job: str, namespace: str, head_task: str, settings: Settings) -> Object:
    """Return the Service, without the owner that only a Job in the apiserver has.

    The selector is the in-tree plugin's. Target ports are numbers, because a user's port of
    the same number and another name would leave the Service pointing at nothing. Addresses
    are published before the head is ready, without which workers waited about 100 s
    (kuberay#2157).

    The two ports that speak gRPC carry `appProtocol: tcp`, as KubeRay's do, so that a
    service mesh passes their bytes on. Without it a mesh detects HTTP/2 and answers in
    place of a GCS that is not there.
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
