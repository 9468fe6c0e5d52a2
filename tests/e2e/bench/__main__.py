"""`make e2e-bench`: the in-tree plugin, volray and hand-made YAML side by side; JSON, a table, a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from tests.e2e.bench import report
from tests.e2e.bench.rounds import PARTS, Bench
from tests.e2e.bench.verdicts import verdicts
from tests.e2e.cluster import opened

_ROUNDS: Final = 9


@click.command()
@click.option("--rounds", default=_ROUNDS, show_default=True, help="How often each stage is measured.")
@click.option("--part", type=click.Choice(PARTS), multiple=True, default=PARTS, help="Only this; may be repeated.")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".run/bench"),
    show_default=True,
    help="Where bench.json, bench.md and bench.svg go.",
)
def main(rounds: int, part: tuple[str, ...], into: Path) -> None:
    """Measure what a user of Ray on Volcano waits for."""
    into.mkdir(parents=True, exist_ok=True)
    with opened() as cluster:
        bench = Bench(cluster, _say, part)
        for _ in range(rounds):
            bench.round()
            judged = verdicts(bench.samples)
            (into / "bench.json").write_text(report.as_json(bench.samples, judged))
            (into / "bench.md").write_text(report.as_table(judged))
            (into / "bench.svg").write_text(report.as_picture(judged))
    _say(report.as_table(judged))
    sys.exit(not all(verdict.holds for verdict in judged))


def _say(text: str) -> None:
    click.echo(text)


if __name__ == "__main__":
    main()
