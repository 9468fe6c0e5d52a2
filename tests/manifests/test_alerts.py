"""The alert rule, as Prometheus judges it, on the apiserver's counters as they were in an outage and are in health."""

from pathlib import Path

import pytest

from tests.promtool import assert_fires

TERMINATED = 165
WINDOW = 180


def refused(name: str = "pods", error_type: str = "calling_webhook_error", code: str = "503") -> str:
    return (
        f'apiserver_admission_webhook_rejection_count{{error_type="{error_type}",name="{name}.ray.volcano.sh",'
        f'operation="CREATE",rejection_code="{code}",type="admit"}}'
    )


def tries(before: int = 0, since: float = 1) -> list[tuple[float, float]]:
    """Return how often one pod was refused, by seconds: Volcano tries again after 5 ms and doubles that 15 times."""
    return [(since + 0.005 * (2**number - 1), before + number + 1) for number in range(16)]


@pytest.mark.parametrize(("scrape", "latest"), [(15, 30), (30, 60), (60, 120)])
@pytest.mark.parametrize("before", [0, 7], ids=["the first outage", "another outage"])
def test_it_fires_well_before_a_job_is_terminated_and_until_then(
    promtool: Path, tmp_path: Path, before: int, scrape: int, latest: int
) -> None:
    counter = ([(0, before)] if before else []) + tries(before)
    expected = dict.fromkeys(range(latest, TERMINATED, scrape), True)
    assert_fires(promtool, tmp_path, {refused(): counter}, scrape, expected)


@pytest.mark.parametrize("name", ["jobs", "validation.jobs"])
def test_it_fires_when_a_ray_job_cannot_be_applied(promtool: Path, tmp_path: Path, name: str) -> None:
    assert_fires(promtool, tmp_path, {refused(name): [(1, 1)]}, 30, {60: True})


def test_it_ends_when_the_webhook_is_back(promtool: Path, tmp_path: Path) -> None:
    back = 60
    counter = [rise for rise in tries() if rise[0] < back]
    assert_fires(promtool, tmp_path, {refused(): counter}, 30, {back: True, back + WINDOW + 60: False})


@pytest.mark.parametrize(
    "counters",
    [
        pytest.param({}, id="nothing was ever refused"),
        pytest.param({refused(): [(0, 16)]}, id="an outage long ago"),
        pytest.param({refused("jobs", "no_error", "400"): [(0, 1), (40, 5)]}, id="wrong Jobs are refused"),
        pytest.param({refused().replace("ray.volcano", "istio"): tries()}, id="somebody else's webhook is away"),
    ],
)
def test_it_is_silent_in_health(promtool: Path, tmp_path: Path, counters: dict[str, list[tuple[float, float]]]) -> None:
    seconds = range(WINDOW + 60, 600, 30) if refused() in counters else range(0, 600, 30)
    assert_fires(promtool, tmp_path, counters, 30, dict.fromkeys(seconds, False))
