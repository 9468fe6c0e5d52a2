"""The files that the components read: certificates, keys, tokens, kubeconfigs, policies."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.authority import issue, new_authority
from tests.controlplane import commands
from tests.nodes.network import CONTROL_PLANE, KUBERNETES_SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.controlplane.commands import Layout

_LIFETIME = timedelta(days=1)
_HOSTS = ("127.0.0.1", "localhost", CONTROL_PLANE, KUBERNETES_SERVICE, "kubernetes.default.svc")


def write(at: Layout, scheduler_conf: str) -> dict[str, str]:
    """Write them all, and return every user's token."""
    tokens = {user: secrets.token_hex(16) for user in commands.users(at)}
    contents = {
        **_certificates(),
        "service-accounts.key": _signing_key(),
        "tokens.csv": commands.tokens(tokens).encode(),
        "audit-policy.json": json.dumps(commands.AUDIT_POLICY).encode(),
        "volcano-scheduler.conf": scheduler_conf.encode(),
    }
    for name, content in contents.items():
        at.file(name).write_bytes(content)
    _write_kubeconfigs(at, tokens)
    return tokens


def _write_kubeconfigs(at: Layout, tokens: Mapping[str, str]) -> None:
    for user, token in tokens.items():
        at.kubeconfig(user).write_text(commands.kubeconfig(at.apiserver, at.file("ca.crt"), token))


def _certificates() -> dict[str, bytes]:
    """Return one authority, and one leaf for whoever serves."""
    now = datetime.now(UTC)
    authority = new_authority(now, _LIFETIME)
    leaf = issue(authority, _HOSTS, now, _LIFETIME)
    return {"ca.crt": authority.certificate, "tls.crt": leaf.certificate, "tls.key": leaf.key}


def _signing_key() -> bytes:
    """Return the ServiceAccounts' key in SEC1: Kubernetes takes an EC key to verify with in no other format."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
