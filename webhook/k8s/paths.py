"""Where objects are in the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from certs.api import FIELD_MANAGER

if TYPE_CHECKING:
    from collections.abc import Mapping

JOBS: Final = "/apis/batch.volcano.sh/v1alpha1/jobs"
SERVICES: Final = "/api/v1/services"
EVENTS: Final = "/api/v1/events"
LEASES: Final = "/apis/coordination.k8s.io/v1/leases"


def query(path: str, parameters: Mapping[str, str | int | None]) -> str:
    """Return a path with parameters. Those that are None are left out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given)}"


def namespaced(collection: str, namespace: str, name: str | None = None) -> str:
    """Return the path of an object, or without a name that of its collection in a namespace.

    Args:
        collection: The path of the collection over all namespaces, `JOBS` for example.
        namespace: The namespace.
        name: The object's name.
    """
    root, _, resource = collection.rpartition("/")
    path = f"{root}/namespaces/{quote(namespace, safe='')}/{resource}"
    if name is None:
        return path
    return f"{path}/{quote(name, safe='')}"


def as_us(path: str) -> str:
    """Return the path of a write that the apiserver records under our name."""
    return query(path, {"fieldManager": FIELD_MANAGER})
