"""`volray serve`, `volray controller` and `volray inject`."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from certs.errors import CertificateError
from webhook.cli.adopted import adopted
from webhook.cli.inject import inject_stream
from webhook.errors import VolrayError
from webhook.version import __version__

if TYPE_CHECKING:
    from certs.renewal import Renewal

_SERVICE: Final = "volray-webhook"
_ANY_HOST: Final = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on

_PORT: Final = click.IntRange(0, 65535)

_DECODE: Final = (
    "import base64, json, sys; "
    'print(json.dumps(json.loads(base64.b64decode(json.load(sys.stdin)["response"]["patch"])), indent=2))'
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="volray")
def main() -> None:
    """Ray clusters out of Volcano Jobs."""


main.add_command(adopted)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, default=8443, show_default=True, help="Port for the apiserver, HTTPS.")
@click.option(
    "--side-port", type=_PORT, default=8080, show_default=True, help="Port for /livez, /readyz and /metrics, HTTP."
)
@click.option(
    "--cert-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of tls.crt and tls.key. A pair without ca.key beside it is somebody else's: used and watched only.",
)
@click.option("--ca-secret", help="In a cluster: Secret that keeps the CA for every replica.")
@click.option("--webhook-configuration", help="In a cluster: MutatingWebhookConfiguration that gets the CA bundle.")
@click.option(
    "--validating-configuration", help="In a cluster: ValidatingWebhookConfiguration that gets the CA bundle, too."
)
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="volray-system",
    show_default=True,
    help="In a cluster: namespace of the Secret and the Service.",
)
@click.option("--service", default=_SERVICE, show_default=True, help="In a cluster: name of the Service.")
@click.option("--drain-seconds", default=15.0, show_default=True, help="How long requests are answered after SIGTERM.")
@click.option(
    "--sample", type=click.Path(exists=True, dir_okay=False), help="Print a curl line that sends this review."
)
def serve(  # noqa: PLR0913, PLR0917 - one argument an option
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
    from webhook.admission.server import Serving, run  # noqa: PLC0415 - `volray inject` needs no server

    hosts = [f"{service}.{namespace}.svc", f"{service}.{namespace}", *({host} - _ANY_HOST)]
    serving = Serving(host, port, side_port, cert_dir, drain_seconds, ipv6=_is_ipv6_cluster())
    configurations = {"mutating": webhook_configuration, "validating": validating_configuration}
    try:
        renewal = _renewal(cert_dir, hosts, ca_secret, namespace, configurations)
        run(serving, renewal, partial(_say_curl, serving.host, port, cert_dir, sample))
    except (VolrayError, CertificateError) as error:
        raise click.ClickException(str(error)) from error


def _is_ipv6_cluster() -> bool:
    """Services and pods of a cluster have the same family first, and every pod is told a Service's address."""
    return ":" in os.environ.get("KUBERNETES_SERVICE_HOST", "")


def _renewal(
    cert_dir: Path, hosts: list[str], ca_secret: str | None, namespace: str, configurations: dict[str, str | None]
) -> Renewal:
    from certs.renewal import Renewal, is_provided  # noqa: PLC0415
    from certs.store import DirectoryStore  # noqa: PLC0415

    directory = DirectoryStore(cert_dir)
    if ca_secret is None:
        return Renewal(directory, directory, hosts, provided=is_provided(directory.read()))
    from certs.publish import publish_bundles  # noqa: PLC0415
    from certs.secret_store import SecretStore  # noqa: PLC0415
    from webhook.k8s.client import Client  # noqa: PLC0415 - half a second of imports

    client = Client.from_environment()
    named = {kind: name for kind, name in configurations.items() if name}
    publish = partial(publish_bundles, client, named) if named else None
    return Renewal(SecretStore(client, namespace, ca_secret), directory, hosts, publish=publish)


def _say_curl(host: str, port: int, cert_dir: Path, sample: str | None) -> None:
    if sample is None:
        return
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}/mutate"
    curl = ["curl", "--silent", "--show-error", "--cacert", str(cert_dir / "ca.crt"), "--header"]
    curl += ["Content-Type: application/json", "--data-binary", f"@{sample}", url]
    click.echo(f"\nSend it a review:\n\n{shlex.join(curl)} | {shlex.join([sys.executable, '-c', _DECODE])}\n")


@main.command()
@click.option("--side-host", default="127.0.0.1", show_default=True, help="Address for the side port.")
@click.option(
    "--side-port", type=_PORT, default=8081, show_default=True, help="Port for /livez, /readyz and /metrics, HTTP."
)
@click.option("--lease", default="volray-controller", show_default=True, help="Lease that decides which replica acts.")
@click.option(
    "--namespace", envvar="POD_NAMESPACE", default="volray-system", show_default=True, help="Namespace of the Lease."
)
@click.option(
    "--all-jobs", is_flag=True, help="Jobs without the opt-in label too, if their head is a Ray head by name."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 32), help="Jobs looked at at a time.")
def controller(side_host: str, side_port: int, lease: str, namespace: str, all_jobs: bool, workers: int) -> None:
    """Keep the head Service of every Ray Job in the cluster."""
    from webhook.controller.run import Options, run  # noqa: PLC0415 - half a second of imports

    try:
        run(Options(side_host, side_port, lease, namespace, all_jobs, workers))
    except VolrayError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("-f", "--filename", type=click.File("rb"), required=True, help="YAML; - is standard input.")
@click.option("-n", "--namespace", default="default", show_default=True, help="For objects that name none.")
@click.option("--pods", is_flag=True, help="Print the pods that Volcano would make of a Job instead of the Job.")
def inject(filename: BinaryIO, namespace: str, pods: bool) -> None:
    """Print pods and Jobs as the webhook would make them.

    A Volcano Job comes out with Ray in every template and with its head Service, for a cluster without volray. What
    is neither pod nor Job passes through. Standard error says what became of each; the exit status is 1, and nothing
    is printed, when one is wrong.
    """
    try:
        text = filename.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"This is no UTF-8 ({error.reason}). Save it as UTF-8.") from error
    result = inject_stream(text, namespace, as_pods=pods)
    for line in result.report:
        click.echo(line, err=True)
    if result.wrong:
        raise SystemExit(1)
    click.echo(result.text.encode(), nl=False)
