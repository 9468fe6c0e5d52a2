"""A kubelet that runs nothing, as a program: `kubelet.py URL CA-FILE TOKEN NODE`.

It does the one thing without which nothing ever goes away: a pod on its node that is to terminate is deleted for good.
Without it a foreground deletion, a Job that is restarted and a namespace would wait for ever.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_PODS = "/api/v1/pods"
_PAUSE = 0.2


def follow(client: httpx.Client, node: str) -> None:
    """End the node's terminating pods until the watch ends, as it does when the apiserver goes or after minutes."""
    for pod in _changes(client, node):
        if "deletionTimestamp" in pod["metadata"]:
            _end(client, pod["metadata"])


def _changes(client: httpx.Client, node: str) -> Iterator[dict[str, Any]]:
    """Watch from nothing: the pods that are there come first."""
    parameters = {"watch": "1", "fieldSelector": f"spec.nodeName={node}"}
    with client.stream("GET", _PODS, params=parameters, timeout=httpx.Timeout(10, read=None)) as response:
        response.raise_for_status()
        events = map(json.loads, response.iter_lines())
        yield from (event["object"] for event in events if event["type"] in {"ADDED", "MODIFIED"})


def _end(client: httpx.Client, pod: dict[str, str]) -> None:
    now = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["uid"]}}
    client.request("DELETE", f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}", json=now)


def main(url: str, ca: str, token: str, node: str) -> None:
    """Follow the apiserver's watch for as long as it is let live, through every absence of the apiserver."""
    with httpx.Client(
        base_url=url,
        verify=ssl.create_default_context(cafile=ca),
        headers={"Authorization": f"Bearer {token}", "User-Agent": "kubelet"},
        trust_env=False,
    ) as client:
        while True:
            with suppress(httpx.HTTPError):
                follow(client, node)
            time.sleep(_PAUSE)


if __name__ == "__main__":
    main(*sys.argv[1:])
