"""The client of the apiserver that every part of volray uses.

It imports the `kubernetes` package, which takes half a second, so import this module only
where there is a cluster. Of that package volray uses configuration, credentials and the
connection. Objects stay plain dicts, since the package's models reject fields that they do
not know.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Protocol, Self

import orjson
import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException, OpenApiException

from certs.errors import ClusterError
from webhook.errors import VolrayError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object

_JSON: Final = "application/json"
_CONNECT_SECONDS: Final = 10
_ERRORS_FROM: Final = 400
_LONGEST_MESSAGE: Final = 300
_PIECE: Final = 65536

# Whatever the package and the libraries below it raise when there is no usable answer.
_NO_ANSWER: Final = (
    OpenApiException,
    urllib3.exceptions.HTTPError,
    config.ConfigException,
    OSError,
    ValueError,
)


class ApiError(VolrayError, ClusterError):
    """The apiserver refused a request or did not answer it.

    It is a `VolrayError` for the command line and the logs, and a `ClusterError` for certs,
    which knows nothing of webhook.

    Attributes:
        status: The HTTP status, or None when there was no answer.
        message: The apiserver's own words if it gave any, else the error's sentence.
    """

    def __init__(
        self, sentence: str, status: int | None = None, message: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.message = sentence if message is None else message


class Api(Protocol):
    """Reads and writes objects by their path. Each method raises ApiError."""

    def get(self, path: str) -> Object:
        """Return an object, or a list of objects for the path of a collection."""

    def post(self, path: str, body: Object) -> Object:
        """Create an object in the collection at a path."""

    def put(self, path: str, body: Object) -> Object:
        """Replace an object if its `metadata.resourceVersion` is the newest, else raise 409."""

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        """Change an object. The content type names the kind of patch."""

    def delete(self, path: str, body: Object) -> Object:
        """Delete an object if the `DeleteOptions` in the body permit it."""

    def stream(
        self, path: str, silence: float
    ) -> contextlib.AbstractContextManager[Iterator[Object]]:
        """Follow a watch and yield each of its events until it ends.

        Args:
            path: The collection, with the query that makes it a watch.
            silence: Seconds without a byte after which the connection counts as dead.
        """


class Client:
    """An apiserver over HTTPS. Several threads may use it.

    Failed requests are not repeated here, because each caller has its own way to ask again.

    Args:
        client: The package's client. A hook in its configuration may refresh the token.
        timeout: Seconds for one request.
    """

    def __init__(self, client: ApiClient, timeout: float = 10.0) -> None:
        self._client = client
        self._timeout = timeout

    @classmethod
    def from_environment(cls) -> Self:
        """Connect as the pod's service account, or outside a cluster as the kubeconfig says.

        Raises:
            ApiError: There is neither.
        """
        configuration = Configuration()
        # Without this urllib3 makes four timeouts out of one.
        configuration.retries = False
        try:
            _configure(configuration)
        except (config.ConfigException, OSError) as error:
            raise ApiError(
                f"Found neither a service account nor a kubeconfig ({error}). "
                "Run volray in a cluster, or set KUBECONFIG."
            ) from None
        return cls(ApiClient(configuration))

    def within(self, seconds: float) -> Client:
        """Return a client of the same apiserver with another limit for one request."""
        return Client(self._client, seconds)

    def get(self, path: str) -> Object:
        """Return the object at a path of the API."""
        return self._call("GET", path)

    def post(self, path: str, body: Object) -> Object:
        """Create an object in the collection at a path."""
        return self._call("POST", path, body, _JSON)

    def put(self, path: str, body: Object) -> Object:
        """Replace the object at a path."""
        return self._call("PUT", path, body, _JSON)

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        """Patch the object at a path."""
        return self._call("PATCH", path, body, content_type)

    def delete(self, path: str, body: Object) -> Object:
        """Delete the object at a path if the `DeleteOptions` in the body permit it."""
        return self._call("DELETE", path, body, _JSON)

    @contextlib.contextmanager
    def stream(self, path: str, silence: float) -> Iterator[Iterator[Object]]:
        """Follow a watch and yield each of its events until it ends.

        Args:
            path: The collection, with the query that makes it a watch.
            silence: Seconds without a byte after which the connection counts as dead.

        Raises:
            ApiError: With a status if the watch was refused, without one if the connection
                was lost.
        """
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = self._open(path, silence)
            yield _objects(response)
        except _NO_ANSWER as error:
            raise ApiError(f"The watch was lost ({type(error).__name__}).") from None
        finally:
            # A stream that is left in the middle must not go back into the pool.
            if response is not None:
                response.close()

    def _open(self, path: str, silence: float) -> urllib3.BaseHTTPResponse:
        response = self._send("GET", path, None, None, (_CONNECT_SECONDS, silence))
        if response.status >= _ERRORS_FROM:
            response.close()
            raise ApiError(
                f"The apiserver answered a watch with {response.status}.", response.status
            )
        return response

    def _call(
        self, method: str, path: str, body: object = None, content_type: str | None = None
    ) -> Object:
        request = f"{method} {path.partition('?')[0]}"
        try:
            response = self._send(method, path, body, content_type, self._timeout)
            content = response.data
        except _NO_ANSWER as error:
            # Without the cause, because http.client quotes a malformed token in its message.
            raise ApiError(f"The apiserver did not answer {request} ({_failure(error)}).") from None
        answer = _parsed(content)
        if response.status >= _ERRORS_FROM or not isinstance(answer, dict):
            message = _message(answer)
            raise ApiError(
                f"The apiserver answered {request} with {response.status} ({message}).",
                response.status,
                message,
            )
        return answer

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        content_type: str | None,
        timeout: float | tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": _JSON}
        if content_type is not None:
            headers["Content-Type"] = content_type
        # `auth_settings` makes the package read the token, and read it anew when it is due.
        request = self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        answer = self._client.call_api(*request, _request_timeout=timeout)
        response: urllib3.BaseHTTPResponse = answer.response
        return response


def _configure(configuration: Configuration) -> None:
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]


def _objects(response: urllib3.BaseHTTPResponse) -> Iterator[Object]:
    """Yield each line as an object.

    A last line without its end was cut off with the connection and is not used.
    """
    rest = b""
    for piece in response.stream(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield orjson.loads(line)


def _parsed(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except ValueError:
        return None


def _message(answer: object) -> str:
    message = None
    if isinstance(answer, dict):
        message = answer.get("message")
    return str(message or "no Kubernetes object")[:_LONGEST_MESSAGE]


def _failure(error: Exception) -> str:
    """Return why there was no answer, in words that cannot contain a token."""
    if isinstance(error, ApiException):
        return str(error.reason).replace("\n", ": ")
    if isinstance(error, urllib3.exceptions.HTTPError):
        return str(error)
    return type(error).__name__
