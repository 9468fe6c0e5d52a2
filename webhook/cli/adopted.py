"""`volray adopted`: the live Jobs that need volray, to be seen before an upgrade or an uninstallation."""

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
"""Jobs in one answer: some megabytes, which an apiserver reads from its cache at once."""

_HEADINGS: Final = ("NAMESPACE", "NAME", "PHASE", "NODES")

_FINISHED: Final = frozenset({"Completed", "Failed", "Terminated"})
"""Phases after which no pod comes; an aborted Job may be resumed."""


@dataclass(frozen=True)
class Row:
    """A Job, and how many Ray nodes it asks for."""

    namespace: str
    name: str
    phase: str
    nodes: int


def adopted_jobs(api: Api, namespace: str | None) -> Iterator[Row]:
    """The adopted Jobs that are not finished, of one namespace or (None) of all.

    Raises:
        ApiError: The apiserver refused or did not answer.
    """
    for job in _jobs(api, namespace):
        row = _row(job)
        if row and row.phase not in _FINISHED:
            yield row


def _jobs(api: Api, namespace: str | None) -> Iterator[Object]:
    path = namespaced(JOBS, namespace) if namespace else JOBS
    token = ""
    while True:
        page = api.get(query(path, {"limit": _PAGE, "continue": token or None}))
        yield from page.get("items") or ()
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token:
            return


def _row(job: Object) -> Row | None:
    try:
        read = VolcanoJob.read(job)
    except MalformedError:
        return None
    if read.asks_for_ray or not read.is_labelled:
        return None
    phase = ((job.get("status") or {}).get("state") or {}).get("phase") or "Pending"
    nodes = 0
    for task in read.tasks:
        if task.role is not None and task.is_node:
            nodes += task.replicas
    return Row(read.namespace, read.name, phase, nodes)


def table(rows: Iterable[Row]) -> str:
    """Columns as kubectl aligns them."""
    lines = [_HEADINGS, *(tuple(map(str, astuple(row))) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Iterable[str], widths: list[int]) -> str:
    return "   ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


@click.command()
@click.option("-n", "--namespace", default="default", show_default=True, help="Where to look.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Look everywhere.")
def adopted(namespace: str, all_namespaces: bool) -> None:
    """List the live Jobs that volray runs.

    They were made from `plugins.ray` or from labelled templates and are not finished. Without volray their next pods
    come without Ray: let them end, or keep volray, before you uninstall it.
    """
    from webhook.k8s.client import Client  # noqa: PLC0415 - half a second of imports

    try:
        rows = sorted(adopted_jobs(Client.from_environment(), None if all_namespaces else namespace), key=astuple)
    except VolrayError as error:
        raise click.ClickException(str(error)) from error
    click.echo(table(rows) if rows else "No adopted Jobs found.", err=not rows)
