"""The pod template against the Pod Security Standard `restricted`, rule by rule.

https://kubernetes.io/docs/concepts/security/pod-security-standards/: first baseline's, then restricted's own.
Every rule comes with a pod that breaks it, so that none of them holds for everything.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

Spec = dict[str, Any]

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def containers(spec: Spec) -> list[Spec]:
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [each for kind in kinds for each in spec.get(kind) or []]


def context(part: Spec) -> Spec:
    """The securityContext of a pod's spec or of a container."""
    found: Spec = part.get("securityContext") or {}
    return found


def contexts(spec: Spec) -> list[Spec]:
    return [context(part) for part in (spec, *containers(spec))]


def effective(spec: Spec, key: str) -> Iterator[Any]:
    """A field as it holds for each container: its own, else the pod's."""
    return (context(each).get(key, context(spec).get(key)) for each in containers(spec))


def capabilities(spec: Spec, key: str) -> list[list[str]]:
    return [(context(each).get("capabilities") or {}).get(key) or [] for each in containers(spec)]


def handlers(spec: Spec) -> Iterator[Spec]:
    """Every probe and lifecycle hook."""
    for each in containers(spec):
        hooks = each.get("lifecycle") or {}
        probes = (each.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe"))
        yield from (handler for handler in (*probes, *hooks.values()) if handler)


def has_known_selinux(options: Spec) -> bool:
    return options.get("type", "") in SELINUX_TYPES and not options.get("user") and not options.get("role")


@dataclass(frozen=True)
class Rule:
    name: str
    holds: Callable[[Spec], bool]
    broken_by: Callable[[Spec], object]  # changes a conforming spec into one that is against the rule


def own(spec: Spec) -> Spec:
    """The first container's securityContext, to be changed."""
    found: Spec = spec["containers"][0].setdefault("securityContext", {})
    return found


RULES = [
    Rule(
        "no host namespaces",
        lambda spec: not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        lambda spec: spec.update(hostNetwork=True),
    ),
    Rule(
        "no Windows host process",
        lambda spec: not any((each.get("windowsOptions") or {}).get("hostProcess") for each in contexts(spec)),
        lambda spec: own(spec).update(windowsOptions={"hostProcess": True}),
    ),
    Rule(
        "no privileged container",
        lambda spec: not any(each.get("privileged") for each in contexts(spec)),
        lambda spec: own(spec).update(privileged=True),
    ),
    Rule(
        "no host port",
        lambda spec: not any(port.get("hostPort") for each in containers(spec) for port in each.get("ports") or []),
        lambda spec: spec["containers"][0]["ports"][0].update(hostPort=8443),
    ),
    Rule(
        "no other host in probes and hooks",
        lambda spec: (
            not any(
                (handler.get(kind) or {}).get("host") for handler in handlers(spec) for kind in ("httpGet", "tcpSocket")
            )
        ),
        lambda spec: spec["containers"][0]["livenessProbe"]["httpGet"].update(host="10.0.0.1"),
    ),
    Rule(
        "AppArmor stays on",
        lambda spec: all(
            (each.get("appArmorProfile") or {}).get("type", "RuntimeDefault") in {"RuntimeDefault", "Localhost"}
            for each in contexts(spec)
        ),
        lambda spec: own(spec).update(appArmorProfile={"type": "Unconfined"}),
    ),
    Rule(
        "no SELinux user, role or foreign type",
        lambda spec: all(has_known_selinux(each.get("seLinuxOptions") or {}) for each in contexts(spec)),
        lambda spec: own(spec).update(seLinuxOptions={"type": "spc_t"}),
    ),
    Rule(
        "the default /proc mask",
        lambda spec: all(each.get("procMount", "Default") == "Default" for each in contexts(spec)),
        lambda spec: own(spec).update(procMount="Unmasked"),
    ),
    Rule(
        "safe sysctls only",
        lambda spec: {each["name"] for each in context(spec).get("sysctls") or []} <= SYSCTLS,
        lambda spec: spec["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    ),
    Rule(
        "no volume from the host",
        lambda spec: all(each.keys() - {"name"} <= VOLUMES for each in spec.get("volumes") or []),
        lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ),
    Rule(
        "no privilege escalation",
        lambda spec: all(context(each).get("allowPrivilegeEscalation") is False for each in containers(spec)),
        lambda spec: own(spec).pop("allowPrivilegeEscalation"),
    ),
    Rule(
        "no root by declaration",
        lambda spec: all(value is True for value in effective(spec, "runAsNonRoot")),
        lambda spec: own(spec).update(runAsNonRoot=False),
    ),
    Rule(
        "no root by number",
        lambda spec: not any(each.get("runAsUser") == 0 for each in contexts(spec)),
        lambda spec: own(spec).update(runAsUser=0),
    ),
    Rule(
        "a seccomp profile",
        lambda spec: all(
            (value or {}).get("type") in {"RuntimeDefault", "Localhost"} for value in effective(spec, "seccompProfile")
        ),
        lambda spec: spec["securityContext"].pop("seccompProfile"),
    ),
    Rule(
        "all capabilities dropped",
        lambda spec: all("ALL" in dropped for dropped in capabilities(spec, "drop")),
        lambda spec: own(spec).pop("capabilities"),
    ),
    Rule(
        "no capability added but NET_BIND_SERVICE",
        lambda spec: all(set(added) <= {"NET_BIND_SERVICE"} for added in capabilities(spec, "add")),
        lambda spec: own(spec)["capabilities"].update(add=["NET_ADMIN"]),
    ),
]

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@every_rule
@pytest.mark.parametrize("name", ["volray-webhook", "volray-controller"])
def test_the_pod_keeps_to(rule: Rule, name: str, objects: dict[str, Spec]) -> None:
    assert rule.holds(objects[f"Deployment/{name}"]["spec"]["template"]["spec"])


@every_rule
def test_a_pod_that_breaks_it_is_seen(rule: Rule, pod: Spec) -> None:
    spec = copy.deepcopy(pod["spec"])
    rule.broken_by(spec)

    assert not rule.holds(spec)


@every_rule
def test_an_init_container_that_says_nothing_is_judged_too(rule: Rule, pod: Spec) -> None:
    """What must be said on the container itself is missed there; what the pod says covers it."""
    spec = copy.deepcopy(pod["spec"])
    spec["initContainers"] = [{"name": "init", "image": "volray"}]

    assert rule.holds(spec) == (rule.name not in {"no privilege escalation", "all capabilities dropped"})
