"""A run's report: JSON for machines, a table and a picture for the documentation."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from tests.e2e.bench.contenders import BY_HAND, IN_TREE, VOLRAY

if TYPE_CHECKING:
    from tests.e2e.bench.rounds import Samples
    from tests.e2e.bench.verdicts import Estimate, Verdict

_COLOURS: Final = {IN_TREE: "#b0b0b0", BY_HAND: "#7fa7c9", VOLRAY: "#2f6f4f"}
_ROW, _BAR, _LEFT, _WIDTH = 26, 18, 400, 900
"""Of the picture, in pixels."""


def as_json(samples: Samples, judged: list[Verdict]) -> str:
    """Every sample, every median with its interval, and whether each bar holds."""
    bars = [asdict(verdict) | {"holds": verdict.holds} for verdict in judged]
    return json.dumps({"seconds": samples, "bars": bars}, indent=1, ensure_ascii=False) + "\n"


def as_table(judged: list[Verdict]) -> str:
    """The bars as a Markdown table."""
    head = "| | in-tree plugin | by hand | volray | bar | reached |\n| --- | --- | --- | --- | --- | --- |\n"
    return head + "".join(map(_line, judged))


def as_picture(judged: list[Verdict]) -> str:
    """The medians as bars of an SVG, with their intervals as lines."""
    rows = [
        (verdict.bar.words, contender, verdict.seconds[contender])
        for verdict in judged
        for contender in _COLOURS
        if contender in verdict.seconds
    ]
    scale = (_WIDTH - _LEFT - 60) / max(estimate.high for _, _, estimate in rows)
    drawn = [_drawn(index, *row, scale) for index, row in enumerate(rows)]
    size = f'width="{_WIDTH}" height="{_ROW * len(rows) + _ROW}"'
    style = "<style>text { font: 12px sans-serif }</style>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}\n' + "".join(drawn) + "</svg>\n"


def _line(verdict: Verdict) -> str:
    bar = verdict.bar
    cells = [_seconds(verdict.seconds.get(contender)) for contender in (IN_TREE, BY_HAND, VOLRAY)]
    limit = f"≤ {bar.most:g} of {bar.against}" if bar.against else f"≤ {bar.most:g} s"
    reached = verdict.reached
    found = f"{reached.value:.2f} ({reached.low:.2f}-{reached.high:.2f})" if bar.against else cells[-1]
    return f"| {bar.words} | {' | '.join(cells)} | {limit} | {found}{'' if verdict.holds else ', not reached'} |\n"


def _seconds(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.1f} s ({estimate.low:.1f}-{estimate.high:.1f})"


def _drawn(index: int, words: str, contender: str, estimate: Estimate, scale: float) -> str:
    top = index * _ROW + _ROW // 2
    middle, foot = top + _BAR // 2, top + _BAR - 5
    low, high = (_LEFT + scale * each for each in (estimate.low, estimate.high))
    return (
        f'<text x="4" y="{foot}">{words}, {contender}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{scale * estimate.value:.0f}" height="{_BAR}"'
        f' fill="{_COLOURS[contender]}"/>'
        f'<line x1="{low:.0f}" x2="{high:.0f}" y1="{middle}" y2="{middle}" stroke="black"/>'
        f'<text x="{high + 6:.0f}" y="{foot}">{estimate.value:.1f} s</text>\n'
    )
