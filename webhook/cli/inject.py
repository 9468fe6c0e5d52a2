"""`volray inject`."""

from __future__ import annotations

from typing import BinaryIO

import click

from webhook.cli.stream import rewrite_stream


@click.command()
@click.option(
    "-f",
    "--filename",
    type=click.File("rb"),
    required=True,
    help="Manifest in YAML or JSON. A - reads standard input.",
)
@click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    help="Namespace of the objects that name none.",
)
@click.option(
    "--pods",
    is_flag=True,
    help="Print the pods that Volcano would make of a Job instead of the Job.",
)
def inject(filename: BinaryIO, namespace: str, pods: bool) -> None:
    """Print pods and Jobs as the webhook would change them.

    The output is for a cluster without volray. A Volcano Job gets Ray in each of its templates and
    a Service for its head. Objects other than pods and Jobs stay as they are.

    Standard error reports what became of each object. If an object has a mistake, no manifest is
    printed and the exit status is 1.
    """
    try:
        text = filename.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"The file is not valid UTF-8 ({error.reason}). Save it as UTF-8."
        ) from error
    result = rewrite_stream(text, namespace, as_pods=pods)
    for line in result.report:
        click.echo(line, err=True)
    if result.wrong:
        raise SystemExit(1)
    # As bytes, so that no platform changes the line ends.
    click.echo(result.text.encode(), nl=False)
