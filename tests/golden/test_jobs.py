"""Every recorded Job through `volray inject`: what comes out, and what is said of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from tests import recordings
from webhook.cli.main import main

if TYPE_CHECKING:
    from tests.golden.files import Golden

JOBS = recordings.names("job-create-*")


def _inject(text: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["inject", "-f", "-", *options], input=text)


def _job(name: str) -> str:
    """As its author wrote it, not as Volcano's webhook had completed it."""
    job = recordings.subject(name)
    applied = job["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/last-applied-configuration")
    return applied or json.dumps(job)


@pytest.mark.parametrize("name", JOBS)
def test_the_job_comes_out_as_expected(name: str, golden: Golden) -> None:
    result = _inject(_job(name))
    report = "".join(f"# {line}\n" for line in result.stderr.splitlines())
    golden.check(f"jobs/{name}.yaml", f"# exit status {result.exit_code}\n{report}{result.stdout}")


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_was_injected_stays_as_it_is(name: str) -> None:
    first = _inject(_job(name))
    if first.exit_code == 0:
        second = _inject(first.stdout)
        assert second.exit_code == 0
        assert second.stdout == first.stdout


def test_the_pods_of_a_job_come_out_as_expected(golden: Golden) -> None:
    golden.check("pods-of-a-job.yaml", _inject(_job("job-create-native-two-workers"), "--pods").stdout)


def test_no_expectation_is_left_over() -> None:
    from tests.golden.files import FOLDER  # noqa: PLC0415

    assert sorted(path.stem for path in (FOLDER / "jobs").glob("*.yaml")) == JOBS
