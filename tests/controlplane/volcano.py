"""What Volcano's installer puts on a cluster, made fit for programs that run beside it. Values in, values out."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tests.controlplane.client import path

if TYPE_CHECKING:
    from collections.abc import Sequence

Object = dict[str, Any]

_KIND = "CustomResourceDefinition"
_REGISTRATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def registrations(installed: Sequence[Object]) -> list[Object]:
    """Return the webhook configurations."""
    return [each for each in installed if each["kind"] in _REGISTRATIONS]


def kinds(installed: Sequence[Object]) -> list[Object]:
    """Return the CustomResourceDefinitions."""
    return [each for each in installed if each["kind"] == _KIND]


def accounts(installed: Sequence[Object]) -> list[Object]:
    """Return everything else: namespaces, then who Volcano's programs are, what they may, and their settings."""
    rest = (each for each in installed if each["kind"] not in {*_REGISTRATIONS, _KIND})
    return sorted(rest, key=lambda each: each["kind"] != "Namespace")


def without_admission(installed: Sequence[Object]) -> list[Object]:
    """Return everything but the webhook configurations."""
    return [each for each in installed if each["kind"] not in _REGISTRATIONS]


def list_of(each: Object) -> str:
    """Return the path of the list to which an object of the installer belongs."""
    return path(each["apiVersion"], each["kind"].lower() + "s", each["metadata"].get("namespace"))


def paths(installed: Sequence[Object]) -> list[str]:
    """Return the paths on which the webhooks are called, in the order of the installer.

    They are the program's `--enabled-admission` as well: a configuration without its admission refuses everything, an
    admission without its configuration keeps the program waiting for it.
    """
    return [
        webhook["clientConfig"]["service"]["path"] for each in registrations(installed) for webhook in each["webhooks"]
    ]


def at_url(registration: Object, url: str, ca: bytes) -> Object:
    """Return the webhook configuration with its Service replaced by a URL."""
    bundle = base64.b64encode(ca).decode()
    webhooks = [
        each | {"clientConfig": {"url": url + each["clientConfig"]["service"]["path"], "caBundle": bundle}}
        for each in registration["webhooks"]
    ]
    return registration | {"webhooks": webhooks}


def scheduler_conf(installed: Sequence[Object]) -> str:
    """Return the scheduler's configuration; it refuses to start without one. Without Volcano: nothing."""
    contents = [each["data"] for each in installed if each["kind"] == "ConfigMap"]
    return "".join(data.get("volcano-scheduler.conf", "") for data in contents)
