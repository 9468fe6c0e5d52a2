"""Who wrote what: the apiserver's audit log, so that a test can say "and nothing was written"."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.controlplane.client import path
from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.controlplane.client import Api

_READS = frozenset({"get", "list", "watch"})
_DECISION = "authorization.k8s.io/decision"
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_FENCE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fence"}}


@dataclass(frozen=True)
class Write:
    """One request that could change something: create, update, patch, delete, deletecollection. Dry runs are none.

    Attributes:
        user: As whom, for example `system:serviceaccount:volray-system:volray-controller`.
        agent: The user agent's first word without its version, for example `vc-controller-manager`.
        credential: The token's id, by which two processes of one ServiceAccount differ; empty for a static token.
        verb: What.
        resource: Of what, with the subresource: `jobs`, `jobs/status`.
        namespace: Where; empty for what is in none.
        name: Of which; empty for a create under a generated name.
        code: The answer's HTTP status: a refused write counts, and this tells.
    """

    user: str
    agent: str
    credential: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


@dataclass(frozen=True)
class Asked:
    """One request of a ServiceAccount of volray's, reads included, as authorization sees it.

    Attributes:
        group: The API group; empty for the core.
        resource: Of what, with the subresource.
        name: Of which; empty where the path has none.
        verb: What.
        allowed: Whether RBAC allows it. A quota's refusal is a 403, too, and none of RBAC's.
    """

    group: str
    resource: str
    name: str
    verb: str
    allowed: bool


class Audit:
    """The audit log of one apiserver."""

    def __init__(self, log: Path, api: Api) -> None:
        self._log = log
        self._api = api

    def mark(self) -> int:
        """Return the present moment, for `writes(since=…)`."""
        self._catch_up()
        return self._log.stat().st_size

    def writes(
        self, *, since: int = 0, user: str = "", agent: str = "", credential: str = "", namespace: str = ""
    ) -> list[Write]:
        """Return the writes since a mark, in the order of the log; every filter that is given must hold."""
        self._catch_up()
        wanted = {"user": user, "agent": agent, "credential": credential, "namespace": namespace}
        return [
            write
            for write in _writes(self._lines(since))
            if all(getattr(write, name) == value for name, value in wanted.items() if value)
        ]

    def asked(self, user: str, *, since: int = 0) -> set[Asked]:
        """Return what a ServiceAccount of volray's asked for since a mark, or since the control plane started."""
        self._catch_up()
        events = self._lines(since)
        return {_asked(event) for event in events if event["user"]["username"] == user and "objectRef" in event}

    def _catch_up(self) -> None:
        """Wait until the log holds all requests answered so far: an answer may overtake its line in the log."""
        start = self._log.stat().st_size
        fence = self._api.request("POST", path("v1", "configmaps", "default"), _FENCE, parameters={"dryRun": "All"})
        identity = fence.headers["Audit-ID"].encode()
        wait(lambda: identity in self._tail(start), "the audit log caught up")

    def _tail(self, since: int) -> bytes:
        with self._log.open("rb") as log:
            log.seek(since)
            return log.read()

    def _lines(self, since: int) -> Iterator[dict[str, Any]]:
        return (json.loads(line) for line in self._tail(since).splitlines(keepends=True) if line.endswith(b"\n"))


def _writes(events: Iterator[dict[str, Any]]) -> Iterator[Write]:
    return (_write(event) for event in events if _is_write(event))


def _is_write(event: dict[str, Any]) -> bool:
    return "objectRef" in event and event["verb"] not in _READS and "dryRun=" not in event["requestURI"]


def _asked(event: dict[str, Any]) -> Asked:
    about = event["objectRef"]
    return Asked(
        group=about.get("apiGroup", ""),
        resource=_resource(about),
        name=about.get("name", ""),
        verb=event["verb"],
        allowed=event["annotations"][_DECISION] == "allow",
    )


def _resource(about: dict[str, str]) -> str:
    return "/".join(filter(None, [about["resource"], about.get("subresource")]))


def _write(event: dict[str, Any]) -> Write:
    about = event["objectRef"]
    return Write(
        user=event["user"]["username"],
        agent=event.get("userAgent", "").partition("/")[0],
        credential="".join(event["user"].get("extra", {}).get(_CREDENTIAL, ())),
        verb=event["verb"],
        resource=_resource(about),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )
