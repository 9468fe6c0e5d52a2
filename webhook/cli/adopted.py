"""`volray adopted`, which lists the live Jobs that need volray.

They are to be seen before an upgrade or an uninstallation.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

import click

from webhook.errors import MalformedError, VolrayError
from webhook.jobs.job import VolcanoJob
from webhook.k8s.paths import JOBS, namespaced, query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.k8s.client import Api
    from webhook.names import Object

_PAGE: Final = 250
"""Jobs in one answer. They are a few megabytes, which an apiserver reads from its cache at once."""

_HEADINGS: Final = ("NAMESPACE", "NAME", "PHASE", "NODES")
_GAP: Final = "   "

_FINISHED: Final = frozenset({"Completed", "Failed", "Terminated"})
"""Phases after which Volcano makes no pod. Aborted is not among them, as such a Job can resume."""


@dataclass(frozen=True)
class Row:
    """A Job and how many Ray nodes it asks for."""

    namespace: str
    name: str
    phase: str
    nodes: int


def adopted_jobs(api: Api, namespace: str | None) -> Iterator[Row]:
    """Return the adopted Jobs that are not finished, in one namespace or (None) in all.

    Raises:
        ApiError: The apiserver refused the request or did not answer.
    """
    for job in _every_job(api, namespace):
        row = _adopted_job(job)
        if row is not None and row.phase not in _FINISHED:
            yield row


def _every_job(api: Api, namespace: str | None) -> Iterator[Object]:
    path = namespaced(JOBS, namespace) if namespace else JOBS
    token = None
    while True:
        page = api.get(query(path, {"limit": _PAGE, "continue": token}))
        yield from page.get("items") or ()
        metadata = page.get("metadata") or {}
        token = metadata.get("continue") or None
        if token is None:
            return


def _adopted_job(body: Object) -> Row | None:
    try:
        job = VolcanoJob.read(body)
    except MalformedError:
        return None
    # A Job that still has plugins.ray runs with the in-tree plugin.
    if job.asks_for_ray or not job.is_labelled:
        return None
    status = body.get("status") or {}
    state = status.get("state") or {}
    phase = state.get("phase") or "Pending"
    nodes = 0
    for task in job.tasks:
        if task.role is not None and task.is_node:
            nodes += task.replicas
    return Row(job.namespace, job.name, phase, nodes)


def table(rows: Iterable[Row]) -> str:
    """Return the rows below their headings, in columns as kubectl aligns them."""
    lines = [_HEADINGS]
    for row in rows:
        lines.append((row.namespace, row.name, row.phase, str(row.nodes)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned: list[str] = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        aligned.append(_GAP.join(cells).rstrip())
    return "\n".join(aligned)


@click.command()
@click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    help="Namespace to look in.",
)
@click.option(
    "-A",
    "--all-namespaces",
    is_flag=True,
    help="Look in all namespaces.",
)
def adopted(namespace: str, all_namespaces: bool) -> None:
    """List the live Jobs that volray runs.

    They were adopted from `plugins.ray` or made from labelled templates, and they are not finished.
    Without volray their next pods start without Ray. Before you uninstall volray, let them end.
    """
    from webhook.k8s.client import Client  # noqa: PLC0415 - half a second of imports

    try:
        client = Client.from_environment()
        found = adopted_jobs(client, None if all_namespaces else namespace)
        rows = sorted(found, key=astuple)
    except VolrayError as error:
        raise click.ClickException(str(error)) from error
    if rows:
        click.echo(table(rows))
    else:
        click.echo("No adopted Jobs found.", err=True)
