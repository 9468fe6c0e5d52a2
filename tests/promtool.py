"""Prometheus' own judgement of the alert rules: `promtool test rules`, on counters as somebody would scrape them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Counter = Iterable[tuple[float, float]]
    """A counter's rises, in order: from which second on, which value. Before the first there is no such series."""

_RULES: Final = Path(__file__).parents[1] / "manifests" / "monitoring" / "alerts.yaml"


def promtool() -> Path | None:
    """Return the program, where there is one: on the PATH, or as the Makefile builds it."""
    if found := shutil.which("promtool"):
        return Path(found)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "volray" / "bin" / "promtool"
    return cache if cache.exists() else None


def assert_fires(
    program: Path, folder: Path, counters: Mapping[str, Counter], scrape: int, expected: Mapping[int, bool]
) -> None:
    """Assert whether VolrayWebhookUnreachable fires at some seconds, in a Prometheus that saw only these counters.

    Args:
        program: promtool.
        folder: Where the test's file may be written.
        counters: By series, as in an exposition: `name{label="value"}`.
        scrape: Seconds between two scrapes, and between two evaluations of the rule.
        expected: By the second of a question, whether the alert fires then.
    """
    last = max(expected)
    test: dict[str, Any] = {
        "interval": f"{scrape}s",
        "input_series": [
            {"series": name, "values": _values(list(counter), scrape, last)} for name, counter in counters.items()
        ],
        "promql_expr_test": [_question(second, fires=fires) for second, fires in expected.items()],
    }
    file = folder / "test.yaml"
    file.write_text(json.dumps({"rule_files": [str(_RULES)], "evaluation_interval": f"{scrape}s", "tests": [test]}))
    done = subprocess.run([program, "test", "rules", file], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def _values(rises: list[tuple[float, float]], scrape: int, last: int) -> str:
    return " ".join(_value(rises, second) for second in range(0, last + scrape, scrape))


def _value(rises: list[tuple[float, float]], second: int) -> str:
    so_far = [value for since, value in rises if since <= second]
    return f"{so_far[-1]:g}" if so_far else "_"


def _question(second: int, *, fires: bool) -> dict[str, Any]:
    return {
        "expr": 'min(ALERTS{alertname="VolrayWebhookUnreachable", alertstate="firing"})',
        "eval_time": f"{second}s",
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }
