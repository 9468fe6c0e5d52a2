from __future__ import annotations

import pytest

from tests.images import build
from tests.images.rays import NEWEST, NEWEST_PLAIN, RAYS, SELECTION, Ray, UnknownRayError, selection


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


@pytest.mark.parametrize("ray", RAYS, ids=str)
def test_the_images_of_all_rays_share_every_layer_but_the_last(ray: Ray) -> None:
    images = build.images([ray])
    newest, this = images[f"ray-{NEWEST}"].image, images[f"ray-{ray}"].image
    assert this.layers[:-1] == newest.layers[:-1]


def test_only_the_images_of_the_chosen_rays_are_made_and_those_of_the_newest() -> None:
    assert set(build.images(selection({SELECTION: "2.40.0"}).rays)) - set(build.images([])) == {"ray-2.40.0"}
    assert {f"ray-{NEWEST}", f"ray-{NEWEST_PLAIN}"} <= set(build.images([]))
