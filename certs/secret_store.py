"""The Secret in which all replicas keep the CA."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import TYPE_CHECKING

from certs.api import base64_text, written_by_us
from certs.errors import CertificateError, ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from certs.api import Api, Object
    from certs.store import Files

# A replica that loses a race starts over from the winner's state, in which there is
# mostly nothing left to change. So this many losses in a row mean that something is wrong.
_TRIES = 20


class SecretStore:
    """Keep files in a Secret that several replicas change.

    The Secret must exist, empty at first, as the manifests have it. Then the only right
    that volray needs is to update this one Secret. RBAC cannot limit a right to create
    to one name.

    Args:
        api: The apiserver of the Secret.
        namespace: The Secret's namespace.
        name: The Secret's name.
    """

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._label = f"{namespace}/{name}"
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{name}"

    def read(self) -> Files:
        """Return the Secret's data, decoded.

        Raises:
            CertificateError: There is no such Secret.
            ClusterError: The apiserver refused the request or did not answer.
        """
        return _files_of(self._secret())

    def update(self, change: Callable[[Files], Files]) -> Files:
        """Replace the data by what `change` makes of it, and return the new data.

        Nothing is sent when `change` changes nothing.

        Raises:
            CertificateError: There is no such Secret, or others kept changing it.
            ClusterError: The apiserver refused the request or did not answer.
        """
        for _ in range(_TRIES):
            secret = self._secret()
            before = _files_of(secret)
            after = change(dict(before))
            if after == before or self._replace(secret, after):
                return after
        raise CertificateError(
            f"Secret {self._label} changed under each of {_TRIES} attempts to update it."
        )

    def _secret(self) -> Object:
        try:
            return self._api.get(self._path)
        except ClusterError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise CertificateError(
                f"There is no Secret {self._label}. Apply volray's manifests, which contain it."
            ) from error

    def _replace(self, secret: Object, files: Files) -> bool:
        """Send the Secret as it was read with new data.

        Returns:
            False when another replica has changed the Secret since it was read.
        """
        data = {name: base64_text(content) for name, content in files.items()}
        try:
            self._api.put(written_by_us(self._path), {**secret, "data": data})
        except ClusterError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True


def _files_of(secret: Object) -> Files:
    data = secret.get("data") or {}
    return {name: base64.b64decode(content) for name, content in data.items()}
