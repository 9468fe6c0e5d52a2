"""The image that `make images` built from the repository's Dockerfile."""

from __future__ import annotations

import json
import os
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import KUBECONFIG
from tests.images import build

ROOT = Path(__file__).parents[2]
OWN = "opt/volray"

Object = dict[str, Any]

pytestmark = pytest.mark.skipif(KUBECONFIG in os.environ, reason="the image of an existing cluster is not built here")


@pytest.fixture(scope="module")
def archive() -> Path:
    return build.built()["volray"]


@pytest.fixture(scope="module")
def manifest(archive: Path) -> Object:
    """The image's list of its configuration and layers."""
    with tarfile.open(archive) as contents:
        index = json.load(_file(contents, "./index.json"))
        (listed,) = index["manifests"]
        found: Object = json.load(_blob(contents, listed))
    return found


@pytest.fixture(scope="module")
def configuration(archive: Path, manifest: Object) -> Object:
    """How the image's containers start."""
    with tarfile.open(archive) as contents:
        found: Object = json.load(_blob(contents, manifest["config"]))["config"]
    return found


@pytest.fixture(scope="module")
def last_layer(archive: Path, manifest: Object) -> dict[str, tarfile.TarInfo]:
    """The files that the Dockerfile adds to its base image, by path."""
    with (
        tarfile.open(archive) as contents,
        tarfile.open(fileobj=_blob(contents, manifest["layers"][-1])) as layer,
    ):
        return {each.name: each for each in layer}


def _blob(contents: tarfile.TarFile, described: Object) -> Any:
    return _file(contents, "./blobs/" + described["digest"].replace(":", "/"))


def _file(contents: tarfile.TarFile, name: str) -> Any:
    found = contents.extractfile(name)
    assert found is not None
    return found


def test_the_user_is_the_deployment_s_and_not_root(configuration: Object) -> None:
    deployment = yaml.safe_load((ROOT / "manifests/base/deployment.yaml").read_text())
    context = deployment["spec"]["template"]["spec"]["securityContext"]

    assert configuration["User"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["runAsUser"] != 0


def test_the_entry_point_is_the_project_s_script(configuration: Object, last_layer: dict[str, tarfile.TarInfo]) -> None:
    (script,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    program = f"{OWN}/bin/{script}"

    assert configuration["Entrypoint"] == [f"/{program}"]
    assert last_layer[program].mode & 0o555 == 0o555


def test_the_image_adds_one_folder_of_root_s_to_its_base(last_layer: dict[str, tarfile.TarInfo]) -> None:
    outside = [name for name in last_layer if not f"{name}/".startswith(("opt/", f"{OWN}/"))]
    owners = {(each.uid, each.gid) for each in last_layer.values()}

    assert outside == []
    assert owners == {(0, 0)}


def test_a_read_only_root_is_enough(configuration: Object, last_layer: dict[str, tarfile.TarInfo]) -> None:
    modules = {Path(name) for name in last_layer if name.endswith(".py") and "/site-packages/" in name}
    compiled = [name for name in last_layer if "/site-packages/" in name and name.endswith(".pyc")]

    assert "PYTHONDONTWRITEBYTECODE=1" in configuration["Env"]
    assert len(compiled) == len(modules)
    assert "Volumes" not in configuration


def test_no_installer_and_nothing_of_the_build_is_left(last_layer: dict[str, tarfile.TarInfo]) -> None:
    packages = {Path(name).parts[5] for name in last_layer if "/site-packages/" in name}

    assert {"webhook", "certs"} <= packages
    assert packages & {"pip", "setuptools", "wheel", "hatchling"} == set()


def test_the_history_tells_nothing_of_where_it_was_built(archive: Path, manifest: Object) -> None:
    with tarfile.open(archive) as contents:
        history = json.load(_blob(contents, manifest["config"]))["history"]
    assert [each for each in history if "pip.conf" in str(each) or "://" in str(each)] == []
