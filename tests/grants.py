"""What a role of Kubernetes' RBAC grants, one right at a time."""

from __future__ import annotations

from typing import Any

Grant = tuple[str, str, str, str]


def grants(role: dict[str, Any]) -> set[Grant]:
    """Every (group, resource, name, verb) of a role; the name of a rule without names is `*`."""
    return {
        (group, resource, name, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or ["*"]
        for verb in rule["verbs"]
    }
