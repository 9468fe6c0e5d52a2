"""The part of an apiserver that certificates need.

certs has no client of its own. Whoever wires it up passes any object with these three
methods, which `webhook.k8s.client.Client` has. Its errors derive from `ClusterError`, so
that certs can tell a lost race from a missing object without knowing the client.
"""

from __future__ import annotations

import base64
from typing import Any, Final, Protocol, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON gives it."""

FIELD_MANAGER: Final = "volray"
"""Under this name the apiserver records which fields volray wrote."""


class Api(Protocol):
    """Reads and writes objects by their path. Each method raises ClusterError."""

    def get(self, path: str) -> Object:
        """Return the object."""

    def put(self, path: str, body: Object) -> Object:
        """Replace the object if its `metadata.resourceVersion` is the newest, else raise 409."""

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        """Change the object. The content type names the kind of patch."""


def written_by_us(path: str) -> str:
    """Return the path with our field manager, for a write."""
    return f"{path}?fieldManager={FIELD_MANAGER}"


def base64_text(content: bytes) -> str:
    """Return bytes as they stand in the JSON of an object."""
    return base64.b64encode(content).decode("ascii")
