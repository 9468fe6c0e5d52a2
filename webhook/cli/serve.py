"""`volray serve`."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from certs.errors import CertificateError
from webhook.errors import VolrayError

if TYPE_CHECKING:
    from certs.renewal import Renewal

_PORT: Final = click.IntRange(0, 65535)

_EVERY_ADDRESS: Final = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on

# A program of one line, since what --sample prints is pasted into a shell.
_PRINT_PATCH: Final = (
    "import base64, json, sys; "
    'patch = base64.b64decode(json.load(sys.stdin)["response"]["patch"]); '
    "print(json.dumps(json.loads(patch), indent=2))"
)


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=_PORT,
    default=8443,
    show_default=True,
    help="Port for the apiserver (HTTPS).",
)
@click.option(
    "--side-port",
    type=_PORT,
    default=8080,
    show_default=True,
    help="Port for /livez, /readyz and /metrics (HTTP).",
)
@click.option(
    "--cert-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Directory of tls.crt and tls.key. volray creates and renews them. Without --ca-secret, a"
    " pair that has no ca.key beside it is your own, which volray reloads but never writes.",
)
@click.option(
    "--ca-secret",
    help="In a cluster: Secret that keeps the CA for all replicas.",
)
@click.option(
    "--webhook-configuration",
    help="With --ca-secret: MutatingWebhookConfiguration to write the CA bundle to.",
)
@click.option(
    "--validating-configuration",
    help="With --ca-secret: ValidatingWebhookConfiguration to write the CA bundle to.",
)
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="volray-system",
    show_default=True,
    show_envvar=True,
    help="In a cluster: namespace of the Service and of the Secret.",
)
@click.option(
    "--service",
    default="volray-webhook",
    show_default=True,
    help="In a cluster: Service of the webhook, which the certificate names.",
)
@click.option(
    "--drain-seconds",
    default=15.0,
    show_default=True,
    help="How many seconds to answer requests after SIGTERM.",
)
@click.option(
    "--sample",
    type=click.Path(exists=True, dir_okay=False),
    help="File with an AdmissionReview. Print a curl command that sends it to the server.",
)
def serve(  # noqa: PLR0913, PLR0917 - one argument for each option
    host: str,
    port: int,
    side_port: int,
    cert_dir: Path,
    ca_secret: str | None,
    webhook_configuration: str | None,
    validating_configuration: str | None,
    namespace: str,
    service: str,
    drain_seconds: float,
    sample: str | None,
) -> None:
    """Serve the admission webhook."""
    from webhook.admission.server import Serving, run  # noqa: PLC0415 - half a second of imports

    names = [f"{service}.{namespace}.svc", f"{service}.{namespace}"]
    # No client connects to an address that stands for every address.
    if host not in _EVERY_ADDRESS:
        names.append(host)
    configurations: dict[str, str] = {}
    if webhook_configuration:
        configurations["mutating"] = webhook_configuration
    if validating_configuration:
        configurations["validating"] = validating_configuration
    serving = Serving(host, port, side_port, cert_dir, drain_seconds, ipv6=_is_ipv6_cluster())
    try:
        renewal = _create_renewal(cert_dir, names, ca_secret, namespace, configurations)
        run(serving, renewal, partial(_print_curl, host, port, cert_dir, sample))
    except (VolrayError, CertificateError) as error:
        raise click.ClickException(str(error)) from error


def _is_ipv6_cluster() -> bool:
    """Return whether the pods of this cluster have IPv6 addresses first.

    Services and pods prefer the same family, and every pod has a Service's address in its
    environment.
    """
    return ":" in os.environ.get("KUBERNETES_SERVICE_HOST", "")


def _create_renewal(
    cert_dir: Path,
    names: list[str],
    ca_secret: str | None,
    namespace: str,
    configurations: dict[str, str],
) -> Renewal:
    """Return the renewal of a certificate for `names`, whose CA is in a Secret or in `cert_dir`."""
    from certs.renewal import Renewal, is_provided  # noqa: PLC0415
    from certs.store import DirectoryStore  # noqa: PLC0415

    directory = DirectoryStore(cert_dir)
    if ca_secret is None:
        provided = is_provided(directory.read())
        return Renewal(directory, directory, names, provided=provided)

    from certs.publish import publish_bundles  # noqa: PLC0415
    from certs.secret_store import SecretStore  # noqa: PLC0415
    from webhook.k8s.client import Client  # noqa: PLC0415 - half a second of imports

    client = Client.from_environment()
    publish = None
    if configurations:
        publish = partial(publish_bundles, client, configurations)
    secret = SecretStore(client, namespace, ca_secret)
    return Renewal(secret, directory, names, publish=publish)


def _print_curl(host: str, port: int, cert_dir: Path, sample: str | None) -> None:
    """Print a command that sends the sample to the server and prints the patch of the answer."""
    if sample is None:
        return
    url_host = f"[{host}]" if ":" in host else host
    curl = [
        "curl",
        "--silent",
        "--show-error",
        "--cacert",
        str(cert_dir / "ca.crt"),
        "--header",
        "Content-Type: application/json",
        "--data-binary",
        f"@{sample}",
        f"https://{url_host}:{port}/mutate",
    ]
    print_patch = [sys.executable, "-c", _PRINT_PATCH]
    command = f"{shlex.join(curl)} | {shlex.join(print_patch)}"
    click.echo(f"\nTo send a review to the server:\n\n{command}\n")
