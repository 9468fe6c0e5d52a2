"""How the laws are tried: with the same examples each time, so that neither a build nor a mutant ends otherwise on a
second look; and without a clock, which a busy machine would be late by."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

LAW: Final = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
