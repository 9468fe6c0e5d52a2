from dataclasses import replace
from pathlib import Path

import pytest

from tests.images.build import REPOSITORY, Image, hash_of, images, volray_files
from tests.images.rays import NEWEST, NEWEST_PLAIN, RAYS, SELECTION, selection


@pytest.fixture
def image(tmp_path: Path) -> Image:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM a\n")
    start = Image(("docker.io/library/a:1",), dockerfile)
    return Image(("docker.io/library/b:1",), dockerfile, start, {"A": "1"}, "contents")


def test_the_key_is_the_same_for_the_same_image(image: Image) -> None:
    assert replace(image).key == image.key


def test_the_key_changes_with_everything_that_goes_into_the_image(image: Image) -> None:
    assert image.start
    others = [
        replace(image, names=("docker.io/library/c:1",)),
        replace(image, start=replace(image.start, contents="other")),
        replace(image, start=None),
        replace(image, arguments={"A": "2"}),
        replace(image, contents="other"),
    ]
    keys = {image.key, *(other.key for other in others)}
    image.dockerfile.write_text("FROM a\nUSER 1\n")
    keys.add(image.key)
    assert len(keys) == len(others) + 2


def test_volray_is_made_of_its_packages_and_metadata_and_of_nothing_compiled_here() -> None:
    files = {str(file.relative_to(REPOSITORY)) for file in volray_files()}

    assert {"pyproject.toml", "webhook/version.py", "README.md"} <= files
    assert [file for file in files if "__pycache__" in file or file.startswith("tests/")] == []


def test_the_hash_of_files_changes_with_their_contents_and_with_which_they_are() -> None:
    files = volray_files()
    assert hash_of(files) != hash_of(files[1:])


def test_each_image_stands_after_the_one_that_it_starts_from() -> None:
    before: list[Image] = []
    for image in images(RAYS).values():
        assert image.start is None or image.start in before
        before.append(image)


def test_only_the_images_of_the_chosen_rays_are_made_and_those_of_the_newest() -> None:
    always = set(images([]))
    chosen = selection({SELECTION: "2.40.0"}).rays

    assert set(images(chosen)) - always == {"ray-2.40.0"}
    assert {f"ray-{NEWEST}", f"ray-{NEWEST_PLAIN}"} <= always
