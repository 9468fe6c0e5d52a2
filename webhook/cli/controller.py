"""`volray controller`."""

from __future__ import annotations

import click

from webhook.errors import VolrayError


@click.command()
@click.option(
    "--side-host",
    default="127.0.0.1",
    show_default=True,
    help="Address of the side port.",
)
@click.option(
    "--side-port",
    type=click.IntRange(0, 65535),
    default=8081,
    show_default=True,
    help="Port for /livez, /readyz and /metrics (HTTP).",
)
@click.option(
    "--lease",
    default="volray-controller",
    show_default=True,
    help="Name of the Lease that decides which replica acts.",
)
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="volray-system",
    show_default=True,
    show_envvar=True,
    help="Namespace of the Lease.",
)
@click.option(
    "--all-jobs",
    is_flag=True,
    help="Include Jobs without the opt-in label whose head task has a head container.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 32),
    default=2,
    show_default=True,
    help="How many Jobs to reconcile at the same time.",
)
def controller(
    side_host: str,
    side_port: int,
    lease: str,
    namespace: str,
    all_jobs: bool,
    workers: int,
) -> None:
    """Keep a Service for the head of every Ray Job in the cluster."""
    from webhook.controller.run import Options, run  # noqa: PLC0415 - half a second of imports

    options = Options(side_host, side_port, lease, namespace, all_jobs, workers)
    try:
        run(options)
    except VolrayError as error:
        raise click.ClickException(str(error)) from error
