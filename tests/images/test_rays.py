from __future__ import annotations

import pytest

from tests.images.rays import RAYS, SELECTION, UnknownRayError, selection


def test_without_a_choice_two_older_rays_are_tested_briefly_and_none_in_full() -> None:
    chosen = selection({})
    assert [str(ray) for ray in chosen.briefly] == ["2.9.3", "2.47.1"]
    assert chosen.in_full == ()


@pytest.mark.parametrize(
    ("asked", "tested"),
    [
        pytest.param("all", list(map(str, RAYS)), id="all"),
        pytest.param("2.40.0", ["2.40.0"], id="one"),
        pytest.param("2.9.3", ["2.9.3", "2.9.3-plain"], id="with-and-without-default"),
    ],
)
def test_what_is_asked_for_is_tested_in_full(asked: str, tested: list[str]) -> None:
    chosen = selection({SELECTION: asked})
    assert [str(ray) for ray in chosen.in_full] == tested
    assert chosen.briefly == ()


def test_a_ray_that_is_not_in_the_list_is_an_error_that_names_the_list() -> None:
    with pytest.raises(UnknownRayError, match=r"no tests of Ray 2\.41\.0\. Use RAY=all or one of 2\.9\.3, 2\.24\.0, "):
        selection({SELECTION: "2.41.0"})
