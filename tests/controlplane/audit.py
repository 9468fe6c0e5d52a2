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
class Request:
    """One request for an object or a list. Of volray's ServiceAccounts the log has the reads as well.

    Attributes:
        user: As whom, for example `system:serviceaccount:volray-system:volray-controller`.
        agent: The user agent's first word without its version, for example `vc-controller-manager`.
        credential: The token's id, by which two processes of one ServiceAccount differ; empty for a static token.
        verb: What.
        group: The API group; empty for the core.
        resource: Of what, with the subresource: `jobs`, `jobs/status`.
        namespace: Where; empty for what is in none.
        name: Of which; empty where the path has none.
        code: The answer's HTTP status: a refused write counts, and this tells.
        allowed: Whether RBAC allows it. A quota's refusal is a 403, too, and none of RBAC's.
        dry_run: Whether nothing was to be kept.
    """

    user: str
    agent: str
    credential: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    allowed: bool
    dry_run: bool

    @property
    def is_write(self) -> bool:
        return self.verb not in _READS and not self.dry_run


class Audit:
    """The audit log of one apiserver."""

    def __init__(self, log: Path, api: Api) -> None:
        self._log = log
        self._api = api

    def mark(self) -> int:
        """Return the present moment, for `since`."""
        self._catch_up()
        return self._log.stat().st_size

    def requests(self, *, since: int = 0, **wanted: str) -> list[Request]:
        """Return the requests since a mark, in the order of the log; every field that is given must be so."""
        self._catch_up()
        lines = self._tail(since).splitlines(keepends=True)
        found = _requests([json.loads(line) for line in lines if line.endswith(b"\n")])
        return [each for each in found if all(getattr(each, name) == value for name, value in wanted.items() if value)]

    def writes(self, *, since: int = 0, **wanted: str) -> list[Request]:
        """Return those that could change something: create, update, patch, delete, deletecollection."""
        return [each for each in self.requests(since=since, **wanted) if each.is_write]

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


def _requests(events: list[dict[str, Any]]) -> Iterator[Request]:
    for event in events:
        if about := event.get("objectRef"):
            yield Request(
                user=event["user"]["username"],
                agent=event.get("userAgent", "").partition("/")[0],
                credential="".join(event["user"].get("extra", {}).get(_CREDENTIAL, ())),
                verb=event["verb"],
                group=about.get("apiGroup", ""),
                resource="/".join(filter(None, [about["resource"], about.get("subresource")])),
                namespace=about.get("namespace", ""),
                name=about.get("name", ""),
                code=event.get("responseStatus", {}).get("code", 0),
                allowed=event.get("annotations", {}).get(_DECISION) == "allow",
                dry_run="dryRun=" in event["requestURI"],
            )
