"""Each Job of this folder has the outcome beside it, and both ways to inject it make the same pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus import outcome

if TYPE_CHECKING:
    from tests.golden.files import Golden

NAMES = outcome.case_names()


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_is_the_one_beside_the_job(name: str, golden: Golden) -> None:
    golden.check_file(outcome.FOLDER / outcome.case(name).outcome_file, outcome.outcome(name))


def test_the_table_names_every_job_with_its_outcome(golden: Golden) -> None:
    golden.check_file(outcome.FOLDER / "README.md", outcome.index())


def test_no_outcome_is_left_over() -> None:
    found = sorted(path.name.removesuffix(".outcome.txt") for path in outcome.FOLDER.glob("*.outcome.txt"))
    assert found == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_job_says_whose_it_is(name: str) -> None:
    assert outcome.case(name).text.startswith("# ")
    assert outcome.case(name).description.endswith(".")


BY_DESIGN = {
    "host-network": "Volcano's webhook completes dnsPolicy, which volray inject --pods leaves out",
}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in BY_DESIGN])
def test_volray_inject_makes_the_pods_that_a_cluster_with_volray_makes(name: str) -> None:
    assert outcome.differences(name) == []
