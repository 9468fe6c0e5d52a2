"""Builds the images of the tests on a node: `python -m tests.images.build`, as root on Linux.

Each image comes from a Dockerfile, volray's from the repository's own, as `docker build` would make
it. A small Debian takes the place of the image that they start from. The user's cache keeps an OCI
archive of each image, and an image is built again only if something that it is made of changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import yaml

from tests import cache
from tests.images import base, buildah
from tests.images.buildah import Storage
from tests.images.rays import NEWEST, NEWEST_PLAIN, RAYS, Ray, UnknownRayError, selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

REPOSITORY: Final = Path(__file__).parents[2]

_HERE: Final = Path(__file__).parent
_PROGRAMS: Final = (*buildah.PROGRAMS, "debootstrap")
_ALWAYS: Final = (NEWEST, NEWEST_PLAIN)
_MORE_TAGS: Final = (f"{NEWEST.version}-py311", "latest-py311-cpu", "latest-py311-cpu-aarch64")
"""Of the newest Ray: those that the documentation's Jobs name."""


@dataclass(frozen=True)
class Image:
    """An image, described by all that goes into it.

    Attributes:
        names: The whole references by which manifests and Dockerfiles ask for it.
        dockerfile: What it is built from.
        start: The image that its FROM lines name. None stands for `scratch`.
        arguments: Values for the Dockerfile's ARGs.
        contents: What else decides about the image. It is a part of the key, and not used otherwise.
    """

    names: tuple[str, ...]
    dockerfile: Path
    start: Image | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    contents: str = ""

    @property
    def key(self) -> str:
        """A hash that changes with anything that goes into the image."""
        start = self.start.key if self.start else ""
        arguments = sorted(self.arguments.items())
        parts = (self.names, self.dockerfile.read_text(), start, arguments, self.contents)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def images(rays: Iterable[Ray]) -> dict[str, Image]:
    """Return the images of these Rays, and those that every run needs, by short names.

    Each stands after the image that it starts from. `ray-2.60.0` is like the published image: Ray
    with its dashboard, in a virtual environment of user 1000. `ray-2.60.0-plain` is without the
    extras of `ray[default]`, as in vLLM's images, and `ray-without-bash` without bash, curl and wget.
    """
    debian = Image(
        _references("python:3.11-slim", "volray-e2e/sidecar:1"),
        _HERE / "base.Dockerfile",
        contents=f"{base.SUITE} {base.PACKAGES} {base.LEFT_OUT}",
    )
    volray = Image(
        _references(_name_in_deployment()),
        REPOSITORY / "Dockerfile",
        debian,
        contents=hash_of(volray_files()),
    )
    found = {"base": debian, "volray": volray}
    for ray in (*_ALWAYS, *rays):
        arguments = {"RAY": ray.requirement, "PINS": " ".join(ray.pins)}
        names = _references(*_ray_names(ray))
        found[f"ray-{ray}"] = Image(names, _HERE / "ray.Dockerfile", debian, arguments)
    newest = found[f"ray-{NEWEST}"]
    found["ray-without-bash"] = Image(
        _references(f"volray-e2e/ray-without-bash:{NEWEST.version}"),
        _HERE / "ray-without-bash.Dockerfile",
        newest,
        {"RAY_IMAGE": newest.names[0]},
    )
    return found


def built() -> Mapping[str, Path]:
    """Return the archives of the images that this run needs, by the short names of `images`.

    Raises:
        NotBuiltError: One is not in the cache.
    """
    needed = images(selection().rays)
    archives = {name: _archive(image) for name, image in needed.items()}
    missing = [name for name, archive in archives.items() if not archive.exists()]
    if missing:
        raise cache.NotBuiltError(
            f"There is no image of {', '.join(missing)} in {_cache()}. Build them with `make images`, as root."
        )
    return archives


def build(needed: Mapping[str, Image]) -> None:
    """Build the images that are not in the cache, and remove from it what no Ray here needs.

    Raises:
        subprocess.CalledProcessError: An image could not be built.
    """
    _cache().mkdir(parents=True, exist_ok=True)
    lock = _cache() / ".lock"
    with cache.only_one(lock):
        missing = {name: image for name, image in needed.items() if not _archive(image).exists()}
        if missing:
            with Storage.temporary(_cache()) as storage:
                _build_each(storage, missing)
        keep = {_archive(image) for image in images(RAYS).values()}
        cache.forget(_cache().iterdir(), keep=keep | {lock})
    print(f"{len(needed)} images are in {_cache()}, {len(missing)} of them built now")


def volray_files() -> list[Path]:
    """Return the files of which volray's image is made: those that .dockerignore lets in."""
    found: list[Path] = []
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source = REPOSITORY / line.removeprefix("!")
            found += source.rglob("*") if source.is_dir() else [source]
    return sorted(each for each in found if each.is_file() and "__pycache__" not in each.parts)


def hash_of(files: Sequence[Path]) -> str:
    """Return a hash of the files' places in the repository and their contents."""
    found = hashlib.sha256()
    for file in files:
        contents = hashlib.sha256(file.read_bytes()).hexdigest()
        found.update(f"{file.relative_to(REPOSITORY)} {contents}\n".encode())
    return found.hexdigest()


def _build_each(storage: Storage, missing: Mapping[str, Image]) -> None:
    """Build images one after another, keeping in the storage only what others start from."""
    present: set[str] = set()
    for name, image in missing.items():
        print(f"{name}: building", flush=True)
        started = time.monotonic()
        if image.start and image.start.key not in present:
            storage.load(image.start.names[0], _archive(image.start))
            present.add(image.start.key)
        with TemporaryDirectory(dir=storage.folder) as folder:
            context = _context(image, Path(folder))
            storage.build(image.names[0], image.dockerfile, context, image.arguments)
        storage.save(image.names[0], image.names, _archive(image))
        if any(other.start == image for other in missing.values()):
            present.add(image.key)
        else:
            storage.remove(image.names[0])
        print(f"{name}: built in {time.monotonic() - started:.0f} s into {_archive(image)}")


def _context(image: Image, folder: Path) -> Path:
    """Return the folder that the Dockerfile's COPY and ADD read."""
    if image.dockerfile.parent == REPOSITORY:
        return REPOSITORY
    context = folder / "context"
    context.mkdir()
    if image.start is None:
        base.write_root(context / "root.tar", folder)
    return context


def _references(*names: str) -> tuple[str, ...]:
    """Return whole references: the kubelet asks containerd for `a:1` as `docker.io/library/a:1`."""
    whole = [name if "/" in name else f"library/{name}" for name in names]
    return tuple(f"docker.io/{name}" for name in whole)


def _ray_names(ray: Ray) -> list[str]:
    if ray == NEWEST:
        return [ray.image, *(f"rayproject/ray:{tag}" for tag in _MORE_TAGS)]
    return [ray.image]


def _name_in_deployment() -> str:
    """Return the name by which volray's own manifests ask for its image."""
    deployment = yaml.safe_load((REPOSITORY / "manifests/base/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    image: str = container["image"]
    return image


def _cache() -> Path:
    return cache.folder("images")


def _archive(image: Image) -> Path:
    """Return where the cache has an image, by a name that a person recognizes as well."""
    readable = image.names[0].rpartition("/")[2].replace(":", "-")
    return _cache() / f"{readable}-{image.key}.tar"


def _obstacles() -> list[str]:
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    found = [f"there is no `{program}` on the PATH" for program in missing]
    return found if os.geteuid() == 0 else ["only root may mount and change roots", *found]


def main() -> int:
    """Build what this run needs."""
    if obstacles := _obstacles():
        print(f"Images cannot be built here: {'; '.join(obstacles)}.", file=sys.stderr)
        return 1
    try:
        build(images(selection().rays))
    except UnknownRayError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"An image could not be built. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
