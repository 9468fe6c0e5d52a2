"""Puts the CA bundle into the webhook configurations, where the apiserver looks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certs.api import base64_text, written_by_us
from certs.authority import split_bundle
from certs.errors import CertificateError, ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certs.api import Api, Object

_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"

# Finds each webhook of a configuration by its name, so that a patch can leave the others alone.
_STRATEGIC_MERGE = "application/strategic-merge-patch+json"

# The annotations by which cert-manager's injector is asked to fill in `caBundle`.
_CERT_MANAGER = frozenset(
    {
        "cert-manager.io/inject-ca-from",
        "cert-manager.io/inject-ca-from-secret",
        "cert-manager.io/inject-apiserver-ca",
    }
)


def publish_bundles(api: Api, configurations: Mapping[str, str], bundle: bytes) -> bool:
    """Put a bundle into several webhook configurations.

    A configuration that cannot be written does not keep the others from getting the
    bundle, since their webhooks would fail for no reason.

    Args:
        api: The apiserver of the configurations.
        configurations: Names by kind, which is `mutating` or `validating`.
        bundle: PEM.

    Returns:
        Whether all configurations now have the bundle.

    Raises:
        CertificateError: The bundle is empty.
        ClusterError: The apiserver refused one of the requests or did not answer it. The
            first of several errors is raised.
    """
    published = []
    errors = []
    for kind, name in configurations.items():
        try:
            published.append(publish_bundle(api, name, bundle, kind))
        except ClusterError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return all(published)


def publish_bundle(
    api: Api, configuration_name: str, bundle: bytes, kind: str = "mutating"
) -> bool:
    """Put a bundle into every `caBundle` of one webhook configuration that differs from it.

    A configuration into which cert-manager injects is left alone, because the two would
    overwrite each other.

    Args:
        api: The apiserver of the configuration.
        configuration_name: Its name.
        bundle: PEM.
        kind: `mutating` or `validating`.

    Returns:
        Whether all webhooks of the configuration now have the bundle. False without webhooks.

    Raises:
        CertificateError: The bundle is empty. It would make the apiserver trust its own
            roots instead.
        ClusterError: The apiserver refused a request or did not answer it.
    """
    if not split_bundle(bundle):
        raise CertificateError("An empty CA bundle is not published.")
    path = f"{_CONFIGURATIONS.format(kind=kind)}/{configuration_name}"
    wanted = base64_text(bundle)
    configuration = api.get(path)
    differing = _webhooks_without(configuration, wanted)
    if differing and not _is_injected(configuration):
        changes = [{"name": name, "clientConfig": {"caBundle": wanted}} for name in differing]
        api.patch(written_by_us(path), {"webhooks": changes}, _STRATEGIC_MERGE)
        # Read it back: only what the apiserver says now counts as published.
        configuration = api.get(path)
    has_webhooks = bool(configuration.get("webhooks"))
    return has_webhooks and not _webhooks_without(configuration, wanted)


def _webhooks_without(configuration: Object, wanted: str) -> list[str]:
    """Return the names of the webhooks whose `caBundle` is not the one that is wanted."""
    webhooks = configuration.get("webhooks") or []
    return [hook["name"] for hook in webhooks if hook["clientConfig"].get("caBundle") != wanted]


def _is_injected(configuration: Object) -> bool:
    annotations = configuration["metadata"].get("annotations") or {}
    return not _CERT_MANAGER.isdisjoint(annotations)
