"""A Ray node on the network of its host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.pods.additions import Additions
from webhook.reasons import Code, finding

if TYPE_CHECKING:
    from webhook.pods.node import RayPod

_RESOLVES_NO_SERVICE: Final = frozenset({"ClusterFirst", "Default"})
"""With hostNetwork, both mean the host's own resolver."""


def additions(pod: RayPod) -> Additions:
    """Return the warning that a worker cannot resolve the head's Service."""
    policy = pod.spec.get("dnsPolicy") or "ClusterFirst"
    if pod.role != "worker" or not pod.is_on_host_network or policy not in _RESOLVES_NO_SERVICE:
        return Additions()
    return Additions(findings=[finding(Code.HOST_NETWORK_DNS, found=policy)])
