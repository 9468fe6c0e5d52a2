"""From samples to medians with an interval, and from those to bars that hold or do not. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.e2e.bench.contenders import BY_HAND, IN_TREE, VOLRAY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.e2e.bench.rounds import Samples

_RESAMPLES: Final = 10_000
_TAIL: Final = 0.025
"""Of the resampled values, cut off on each side: an interval of 95 %."""


@dataclass(frozen=True)
class Estimate:
    """A value and the interval in which 95 % of the bootstrap's values lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bar:
    """What volray has to reach in a stage.

    Attributes:
        stage: Which.
        words: What is timed, for people.
        most: Seconds; with `against`, a share of that contender's median.
        against: The contender that is measured beside, or None for a bar in seconds.
    """

    stage: str
    words: str
    most: float
    against: str | None = None


BARS: Final = (
    Bar("start", "apply → 3 Ray nodes alive", 0.92, IN_TREE),
    Bar("delete-idle", "delete → pods gone, idle", 4),
    Bar("delete-busy", "delete → pods gone, with running actors", 9),
    Bar("restart", "worker lost, RestartJob → 3 nodes alive again", 0.45, IN_TREE),
    Bar("head-killed", "head killed → worker containers ended", 15),
    Bar("raylet-ended", "raylet ended by SIGTERM → container restarted", 40),
    Bar("example", "apply → `job.py` of the full example done", 1.1, BY_HAND),
    Bar("completed", "`job.py` done → Job Completed, worker pods gone", 9),
)


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured.

    Attributes:
        bar: The bar.
        seconds: Each contender's median.
        reached: volray's median, in the bar's terms.
    """

    bar: Bar
    seconds: dict[str, Estimate]
    reached: Estimate

    @property
    def holds(self) -> bool:
        return self.reached.value <= self.bar.most


def verdicts(samples: Samples) -> list[Verdict]:
    """Judge every bar for which volray, and whom it is compared with, were measured."""
    return [_verdict(bar, samples[bar.stage]) for bar in BARS if _is_measured(bar, samples)]


def _is_measured(bar: Bar, samples: Samples) -> bool:
    return {VOLRAY, bar.against or VOLRAY} <= set(samples.get(bar.stage, {}))


def _verdict(bar: Bar, by_contender: dict[str, list[float]]) -> Verdict:
    seconds = {contender: _estimate(median, values) for contender, values in by_contender.items()}
    if bar.against is None:
        return Verdict(bar, seconds, seconds[VOLRAY])
    ratio = _estimate(_ratio, by_contender[VOLRAY], by_contender[bar.against])
    return Verdict(bar, seconds, ratio)


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return median(ours) / median(theirs)


def _estimate(statistic: Callable[..., float], *samples: Sequence[float]) -> Estimate:
    """The statistic, and its interval by resampling each sample with replacement."""
    chance = random.Random(0)  # noqa: S311 - the same interval from the same samples
    values = sorted(
        statistic(*(chance.choices(sample, k=len(sample)) for sample in samples)) for _ in range(_RESAMPLES)
    )
    cut = int(_TAIL * _RESAMPLES)
    return Estimate(statistic(*samples), values[cut], values[-cut - 1])
