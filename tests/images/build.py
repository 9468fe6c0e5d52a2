"""Builds the images of the tests on a node: `python -m tests.images.build`, as root on Linux, without a registry.

Each image comes from a Dockerfile, volray's from the repository's own. A small Debian stands in for the images that
they start from. What is built stands in the user's cache, step by step, as with Docker. Of the Rays in `rays`, only
those are built that the run is asked for, and the newest, which other tests use.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests import cache
from tests.images import root
from tests.images.oci import Config
from tests.images.plan import Image, bootstrapped, from_dockerfile
from tests.images.rays import NEWEST, NEWEST_PLAIN, RAYS, Ray, UnknownRayError, selection
from tests.images.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# The kubelet asks containerd for "busybox" as "docker.io/library/busybox": whoever imports must use the whole name.
_DEFAULT_REGISTRY = "docker.io"

_REPOSITORY = Path(__file__).parents[2]
_ALWAYS = (NEWEST, NEWEST_PLAIN)
_MORE_TAGS = (f"{NEWEST.version}-py311", "latest-py311-cpu", "latest-py311-cpu-aarch64")
_PACKAGES = ("ca-certificates", "curl", "iproute2", "procps", "python3", "python3-pip", "python3-venv", "wget")


@dataclass(frozen=True)
class Named:
    """An image, and the names by which manifests ask for it."""

    image: Image
    names: tuple[str, ...]

    @property
    def references(self) -> list[str]:
        """Its names as containerd keeps them."""
        return [f"{_DEFAULT_REGISTRY}/{name if '/' in name else f'library/{name}'}" for name in self.names]


def images(rays: Iterable[Ray]) -> dict[str, Named]:
    """Return the images of these Rays, and what every run needs, by short names.

    `ray-2.60.0` is like the published image: Ray with its dashboard in a virtual environment of user 1000.
    `ray-2.60.0-plain` is without the extras of `ray[default]`, as in vLLM's images, and `ray-without-bash` without
    bash, curl and wget. `sidecar` has what the stand-in for Istio's sidecar needs (tests/e2e/sidecar.py).
    """
    debian = bootstrapped("bookworm", _PACKAGES, Config(cmd=("/bin/bash",)))
    python = from_dockerfile(_folder("python"), {"debian:bookworm": debian}, {})
    volray = from_dockerfile(_REPOSITORY, {"python:3.11-slim": python}, {})
    without_bash = from_dockerfile(_folder("ray-without-bash"), {"ray": _ray(python, NEWEST)}, {})
    sidecar = bootstrapped("bookworm", ("nftables", "python3"), Config(cmd=("/bin/bash",)))
    found = {
        "volray": Named(volray, (_volray(),)),
        "debian": Named(debian, ("debian:bookworm",)),
        "sidecar": Named(sidecar, ("volray-e2e/sidecar:1",)),
        "ray-without-bash": Named(without_bash, (f"volray-e2e/ray-without-bash:{NEWEST.version}",)),
    }
    for ray in (*_ALWAYS, *rays):
        found[f"ray-{ray}"] = Named(_ray(python, ray), _names(ray))
    return found


def built() -> Mapping[str, Path]:
    """Return the tars of the images that this run needs, by the short names of `images`.

    Raises:
        NotBuiltError: One is not in the cache.
    """
    tars = {name: _tar(name, named.image) for name, named in images(selection().rays).items()}
    missing = [name for name, tar in tars.items() if not tar.exists()]
    if missing:
        raise cache.NotBuiltError(f"no image of {', '.join(missing)} in {_cache()}: `make images` builds them, as root")
    return tars


def build(name: str, named: Named) -> Path:
    """Build an image into the cache, unless it is there, and return its tar."""
    target = _tar(name, named.image)
    with _alone() as store:
        if target.exists():
            print(f"{name}: in {target}")
            return target
        print(f"{name}: building", flush=True)
        started = time.monotonic()
        store.write(target, named.references, named.image)
        print(f"{name}: built in {time.monotonic() - started:.0f} s into {target}")
    return target


def forget(but: Mapping[Path, Image]) -> None:
    """Remove what none of these images is made of, once it is some hours old.

    Args:
        but: The images that stay, by their tars.
    """
    with _alone() as store:
        cache.forget(_cache().glob("*.tar"), keep=but)
        cache.forget(store.folder.iterdir(), keep={part for image in but.values() for part in store.parts(image)})


@contextmanager
def _alone() -> Iterator[Store]:
    store = Store(_cache() / "layers")
    store.folder.mkdir(parents=True, exist_ok=True)
    with cache.only_one(_cache() / ".lock"):
        yield store


def _ray(python: Image, ray: Ray) -> Image:
    arguments = {"RAY": ray.requirement, "PINS": " ".join(ray.pins)}
    return from_dockerfile(_folder("ray"), {"python:3.11": python}, arguments)


def _names(ray: Ray) -> tuple[str, ...]:
    """Return the names of a Ray's image; the newest has those in the documentation's Jobs as well."""
    if ray == NEWEST:
        return (ray.image, *(f"rayproject/ray:{tag}" for tag in _MORE_TAGS))
    return (ray.image,)


def _volray() -> str:
    """Return the name by which volray's own manifests ask for its image."""
    deployment = yaml.safe_load((_REPOSITORY / "manifests" / "base" / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    image: str = container["image"]
    return image


def _folder(name: str) -> Path:
    return Path(__file__).parent / name


def _cache() -> Path:
    return cache.folder("images")


def _tar(name: str, image: Image) -> Path:
    return _cache() / f"{name}-{image.key}.tar"


def _obstacles() -> list[str]:
    missing = [f"there is no `{program}` on the PATH" for program in root.PROGRAMS if not shutil.which(program)]
    return missing if os.geteuid() == 0 else ["only root may mount and change roots", *missing]


def main() -> int:
    """Build what this run needs, and keep what another of this working copy may need."""
    if obstacles := _obstacles():
        print(f"Images cannot be built here: {'; '.join(obstacles)}.", file=sys.stderr)
        return 1
    try:
        needed = images(selection().rays)
    except UnknownRayError as error:
        print(error, file=sys.stderr)
        return 1
    for name, named in needed.items():
        build(name, named)
    forget(but={_tar(name, named.image): named.image for name, named in images(RAYS).items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
