"""The apiserver's HTTP as tests want it: JSON in and out, one exception."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class RefusedError(Exception):
    """The apiserver said no.

    Attributes:
        code: The HTTP status.
        status: The Status object, or {} when it was none.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.code = response.status_code
        self.status: Object = _json(response)
        super().__init__(f"{self.code}: {self.status.get('message', response.text)}")


def path(api_version: str, plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """Return where the apiserver keeps an object, or a list of them: `path("v1", "pods", "default")`."""
    root = "/api" if "/" not in api_version else "/apis"
    within = f"namespaces/{namespace}/" if namespace else ""
    return f"{root}/{api_version}/{within}{plural}" + (f"/{name}" if name else "")


class Api:
    """One user's way to the apiserver.

    Args:
        url: The apiserver, or a proxy that speaks for somebody.
        ca: The file with its authority; None for a proxy without TLS.
        token: Who speaks; empty where the proxy knows.
        agent: As which user agent; an audit log can be asked for it.
    """

    def __init__(self, url: str, ca: Path | None, token: str, agent: str = "test") -> None:
        speaker = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(ca)) if ca else False,
            headers=speaker | {"User-Agent": agent},
            trust_env=False,  # nothing on the loopback goes through a proxy
        )

    def get(self, path: str, **parameters: str) -> Object:
        """Return an object.

        Raises:
            RefusedError: There is none (404), or it is none of this user's business (403); so with all that follow.
        """
        return _json(self.request("GET", path, parameters=parameters))

    def exists(self, path: str) -> bool:
        """Tell whether there is such an object."""
        try:
            self.get(path)
        except RefusedError as error:
            if error.code != httpx.codes.NOT_FOUND:
                raise
            return False
        return True

    def items(self, path: str, **parameters: str) -> list[Object]:
        """Return the items of a list; `labelSelector="a=b"` and the like are parameters."""
        items: list[Object] = self.get(path, **parameters)["items"]
        return items

    def create(self, path: str, body: Object, **parameters: str) -> Object:
        """Post an object to the path of its list, and return what became of it."""
        return _json(self.request("POST", path, body, parameters=parameters))

    def replace(self, path: str, body: Object) -> Object:
        """Put an object."""
        return _json(self.request("PUT", path, body))

    def patch(self, path: str, body: Object | list[Object], content_type: str = MERGE, **parameters: str) -> Object:
        """Patch an object; `/status` at the end of the path patches its status."""
        return _json(self.request("PATCH", path, body, content_type, parameters))

    def delete(self, path: str, **parameters: str) -> None:
        """Delete an object, or with the path of a list all in it; `propagationPolicy="Foreground"` is a parameter."""
        self.request("DELETE", path, parameters=parameters)

    def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
        parameters: dict[str, str] | None = None,
        *,
        seconds: float = 30,
    ) -> httpx.Response:
        """Send a request as it is.

        Raises:
            RefusedError: The answer is 400 or more.
            httpx.TransportError: There is no answer.
        """
        headers = {"Content-Type": content_type} if body is not None else {}
        response = self._client.request(method, path, json=body, headers=headers, params=parameters, timeout=seconds)
        if response.is_error:
            raise RefusedError(response)
        return response

    def close(self) -> None:
        """End its connections."""
        self._client.close()


def _json(response: httpx.Response) -> Object:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
