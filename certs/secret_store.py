"""The apiserver: the Secret that keeps the CA, and the caBundle that clients trust.

Imports the `kubernetes` package, so import this module only where there is a cluster. Objects are plain
dicts: the package's models reject the fields that they do not know.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Protocol, Self

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException, OpenApiException

from certs.authority import split_bundle
from webhook.errors import CertificateError, ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from certs.store import Files

Object = dict[str, Any]

FIELD_MANAGER = "volray"

_CONFLICT, _NOT_FOUND = 409, 404
_ERRORS_FROM = 400
_TRIES = 20  # a lost race means that another replica won it, and then there is mostly nothing left to change
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
_STRATEGIC_MERGE = "application/strategic-merge-patch+json"
_CERT_MANAGER = ("inject-ca-from", "inject-ca-from-secret", "inject-apiserver-ca")


class ApiError(ClusterError):
    """The apiserver refused a request or did not answer it.

    Attributes:
        status: The HTTP status; None when there was no answer.
        message: The apiserver's own words, where it had any.
    """

    def __init__(self, sentence: str, status: int | None = None, message: str | None = None) -> None:
        self.status = status
        self.message = sentence if message is None else message
        super().__init__(sentence)


class Api(Protocol):
    """What is needed of an apiserver. Each method returns the object that it answers, or raises ApiError."""

    def get(self, path: str) -> Object:
        """Read an object."""

    def put(self, path: str, body: Object) -> Object:
        """Replace an object; 409 when its `metadata.resourceVersion` is not the newest."""

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        """Change an object; the content type names the kind of patch."""


class Cluster:
    """An apiserver over HTTPS.

    Args:
        client: A configured client; its token may be refreshed through the configuration's hook.
        timeout: Seconds for one request. Failed ones are not repeated here: whoever asks, asks again later.
    """

    def __init__(self, client: ApiClient, timeout: float = 10.0) -> None:
        self._client = client
        self._timeout = timeout

    @classmethod
    def from_environment(cls) -> Self:
        """Connect as the pod's service account, or outside a cluster as the kubeconfig says.

        Raises:
            ClusterError: There is neither.
        """
        configuration = Configuration()
        configuration.retries = False  # or urllib3 makes four timeouts out of one
        try:
            _configure(configuration)
        except (config.ConfigException, OSError) as error:
            raise ApiError(f"No cluster to talk to: neither a service account nor a kubeconfig ({error}).") from None
        return cls(ApiClient(configuration))

    def get(self, path: str) -> Object:
        """Read the object at a path of the API."""
        return self._call("GET", path)

    def put(self, path: str, body: Object) -> Object:
        """Replace the object at a path of the API."""
        return self._call("PUT", path, body, "application/json")

    def patch(self, path: str, body: Object | list[Object], content_type: str) -> Object:
        """Patch the object at a path of the API."""
        return self._call("PATCH", path, body, content_type)

    def _call(self, method: str, path: str, body: object = None, content_type: str | None = None) -> Object:
        request = f"{method} {path.partition('?')[0]}"
        try:
            status, answer = self._exchange(method, path, body, content_type)
        except (
            OpenApiException,
            urllib3.exceptions.HTTPError,
            config.ConfigException,
            OSError,
            ValueError,
        ) as error:
            # Without the cause: http.client quotes a malformed token in its message.
            raise ApiError(f"The apiserver did not answer {request} ({_failure(error)}).") from None
        if status >= _ERRORS_FROM or not isinstance(answer, dict):
            message = _message(answer)
            raise ApiError(f"The apiserver answered {request} with {status} ({message}).", status, message)
        return answer

    def _exchange(self, method: str, path: str, body: object, content_type: str | None) -> tuple[int, object]:
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
        # `auth_settings` is what makes the client read the token, and read it anew when it is due.
        request = self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = self._client.call_api(*request, _request_timeout=self._timeout)
        return response.status, _parsed(response.read())  # type: ignore[no-untyped-call]


class SecretStore:
    """A `Store` in a Secret, shared by the replicas: the loser of a race starts over from the winner's state.

    The Secret has to exist, empty at first, as the manifests have it: then the right to update this one
    Secret is all that RBAC has to grant (a right to create cannot be limited to a name).

    Args:
        api: Where the Secret is.
        namespace: Its namespace.
        name: Its name.
    """

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._label = f"{namespace}/{name}"
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{name}"

    def read(self) -> Files:
        """Return the Secret's data, decoded.

        Raises:
            CertificateError: There is no such Secret.
            ClusterError: The apiserver refused or did not answer.
        """
        return _decoded(self._get())

    def update(self, change: Callable[[Files], Files]) -> Files:
        """Replace the data by what `change` makes of it; one that changes nothing is not sent.

        Raises:
            CertificateError: There is no such Secret, or others kept changing it.
            ClusterError: The apiserver refused or did not answer.
        """
        for _ in range(_TRIES):
            secret = self._get()
            before = _decoded(secret)
            after = change(dict(before))
            if after == before or self._put(secret, after):
                return after
        raise CertificateError(f"Secret {self._label} changed under each of {_TRIES} attempts to update it.")

    def _get(self) -> Object:
        try:
            return self._api.get(self._path)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            raise CertificateError(
                f"There is no Secret {self._label}: apply volray's manifests, which bring it along."
            ) from error

    def _put(self, secret: Object, files: Files) -> bool:
        """Send the Secret with the resourceVersion that was read; False when that is no longer the newest."""
        data = {name: _encoded(content) for name, content in files.items()}
        try:
            self._api.put(f"{self._path}?fieldManager={FIELD_MANAGER}", {**secret, "data": data})
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            return False
        return True


def publish_bundles(api: Api, configurations: Mapping[str, str], bundle: bytes) -> bool:
    """Put a bundle into each of some configurations, `mutating` or `validating`, by kind and name.

    One that cannot be written does not keep the others from it: their webhooks would fail for nothing.

    Returns:
        Whether the bundle is what the apiserver has now, in all of them.

    Raises:
        CertificateError: The bundle is empty.
        ClusterError: The apiserver refused one, or did not answer; the first of such errors.
    """
    published, errors = [], []
    for kind, name in configurations.items():
        try:
            published.append(publish_bundle(api, name, bundle, kind))
        except ClusterError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return all(published)


def publish_bundle(api: Api, configuration_name: str, bundle: bytes, kind: str = "mutating") -> bool:
    """Put a bundle into every `caBundle` of a webhook configuration where another one is.

    A configuration into which cert-manager injects is left alone: the two would overwrite each other.

    Args:
        api: Where the configuration is.
        configuration_name: Its name.
        bundle: PEM.
        kind: `mutating` or `validating`.

    Returns:
        Whether the bundle is what the apiserver has now, in all webhooks of the configuration.

    Raises:
        CertificateError: The bundle is empty, and would make the apiserver trust its own roots instead.
        ClusterError: The apiserver refused or did not answer.
    """
    if not split_bundle(bundle):
        raise CertificateError("An empty CA bundle is not published.")
    path, wanted = f"{_CONFIGURATIONS.format(kind=kind)}/{configuration_name}", _encoded(bundle)
    configuration = api.get(path)
    differing = _differing(configuration, wanted)
    if differing and not _is_injected(configuration):
        patch = {"webhooks": [{"name": name, "clientConfig": {"caBundle": wanted}} for name in differing]}
        api.patch(f"{path}?fieldManager={FIELD_MANAGER}", patch, _STRATEGIC_MERGE)
        configuration = api.get(path)
    return bool(configuration.get("webhooks")) and not _differing(configuration, wanted)


def _configure(configuration: Configuration) -> None:
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]


def _differing(configuration: Object, wanted: str) -> list[str]:
    webhooks = configuration.get("webhooks") or []
    return [webhook["name"] for webhook in webhooks if webhook["clientConfig"].get("caBundle") != wanted]


def _is_injected(configuration: Object) -> bool:
    annotations = configuration["metadata"].get("annotations") or {}
    return any(f"cert-manager.io/{name}" in annotations for name in _CERT_MANAGER)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _decoded(secret: Object) -> Files:
    return {name: base64.b64decode(content) for name, content in (secret.get("data") or {}).items()}


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _message(answer: object) -> str:
    message = answer.get("message") if isinstance(answer, dict) else None
    return str(message or "no Kubernetes object")[:300]


def _failure(error: Exception) -> str:
    """Say why in words that cannot hold a token: only the network's own."""
    if isinstance(error, ApiException):
        return str(error.reason).replace("\n", ": ")
    return str(error) if isinstance(error, urllib3.exceptions.HTTPError) else type(error).__name__
