"""The apiserver as the controller needs it: with POST, DELETE and streams beside what the certificates need."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urlencode

import orjson
import urllib3
from kubernetes import config
from kubernetes.client.exceptions import OpenApiException

from certs.secret_store import FIELD_MANAGER, ApiError, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.names import Object

NOT_FOUND: Final = 404
CONFLICT: Final = 409
GONE: Final = 410

JOBS: Final = "/apis/batch.volcano.sh/v1alpha1/jobs"
SERVICES: Final = "/api/v1/services"

_JSON: Final = "application/json"
_CONNECT_SECONDS: Final = 10
_ERRORS_FROM: Final = 400
_PIECE: Final = 65536


class Api(Protocol):
    """Objects at paths of the API. Each method returns what is answered, or raises ApiError."""

    def get(self, path: str) -> Object:
        """Read an object."""

    def post(self, path: str, body: Object) -> Object:
        """Create an object in a collection."""

    def put(self, path: str, body: Object) -> Object:
        """Replace an object; 409 when its `metadata.resourceVersion` is not the newest."""

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        """Change an object."""

    def delete(self, path: str, body: Object) -> Object:
        """Delete an object; the body holds preconditions."""

    def stream(self, path: str, silence: float) -> contextlib.AbstractContextManager[Iterator[Object]]:
        """Follow a watch: one object a line, until it ends."""


class Client(Cluster):
    """An apiserver over HTTPS, for several threads."""

    def within(self, seconds: float) -> Client:
        """The same apiserver, with another limit for one request."""
        return Client(self._client, seconds)

    def post(self, path: str, body: Object) -> Object:
        """Create an object in the collection at a path."""
        return self._call("POST", path, body, _JSON)

    def delete(self, path: str, body: Object) -> Object:
        """Delete the object at a path, if the `DeleteOptions` in the body let it."""
        return self._call("DELETE", path, body, _JSON)

    @contextlib.contextmanager
    def stream(self, path: str, silence: float) -> Iterator[Iterator[Object]]:
        """Read a watch line by line.

        Args:
            path: With the query that makes it a watch.
            silence: Seconds after which a connection on which nothing came is taken for dead.

        Raises:
            ApiError: With the status of a refused watch; without one when the connection is lost.
        """
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = self._open(path, silence)
            yield _objects(response)
        except (OpenApiException, urllib3.exceptions.HTTPError, config.ConfigException, OSError, ValueError) as error:
            raise ApiError(f"The watch was lost ({type(error).__name__}).") from None
        finally:
            if response is not None:
                response.close()  # a stream that is left in the middle is no connection for anybody else

    def _open(self, path: str, silence: float) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": _JSON}
        request = self._client.param_serialize("GET", path, header_params=headers, auth_settings=["BearerToken"])
        answer = self._client.call_api(*request, _request_timeout=(_CONNECT_SECONDS, silence))
        response: urllib3.BaseHTTPResponse = answer.response
        if response.status >= _ERRORS_FROM:
            response.close()
            raise ApiError(f"The apiserver answered a watch with {response.status}.", response.status)
        return response


def _objects(response: urllib3.BaseHTTPResponse) -> Iterator[Object]:
    """Each line as an object. A last line without its end was cut off with the connection: it is not used."""
    rest = b""
    for piece in response.stream(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield orjson.loads(line)


def query(path: str, parameters: Mapping[str, str | int | None]) -> str:
    """A path with parameters; those that are None are left out."""
    return f"{path}?{urlencode({name: value for name, value in parameters.items() if value is not None})}"


def namespaced(collection: str, namespace: str, name: str | None = None) -> str:
    """The path of an object, or of a collection in a namespace, from the collection's own."""
    root, _, resource = collection.rpartition("/")
    path = f"{root}/namespaces/{quote(namespace, safe='')}/{resource}"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def as_us(path: str) -> str:
    """A write under our name."""
    return query(path, {"fieldManager": FIELD_MANAGER})
