import hashlib
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.images import oci
from tests.images.oci import Config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "file").write_text("contents")
    (folder / "a").symlink_to("b/file")
    os.link(folder / "b" / "file", folder / "b" / "link")
    return folder


def packed(folder: Path) -> tarfile.TarFile:
    tar = folder.parent / "layer.tar"
    oci.pack(folder, tar)
    return tarfile.open(tar)


def test_a_layer_is_the_folder_s_contents_in_order(folder: Path) -> None:
    with packed(folder) as layer:
        assert layer.getnames() == ["a", "b", "b/file", "b/link"]
        assert [layer.getmember(name).linkname for name in ("a", "b/link")] == ["b/file", "b/file"]


def test_a_layer_names_no_user_of_this_machine(folder: Path) -> None:
    with packed(folder) as layer:
        assert {(each.uname, each.gname) for each in layer} == {("", "")}


def test_what_overlayfs_notes_as_removed_is_removed_from_the_image(folder: Path) -> None:
    os.mknod(folder / "b" / "gone", stat.S_IFCHR, 0)

    with packed(folder) as layer:
        assert "b/.wh.gone" in layer.getnames()
        assert "b/gone" not in layer.getnames()


def read(image: tarfile.TarFile, descriptor: dict[str, Any]) -> Any:
    contents = blob(image, descriptor)
    assert hashlib.sha256(contents).hexdigest() == descriptor["digest"].removeprefix("sha256:")
    return json.loads(contents)


def blob(image: tarfile.TarFile, descriptor: dict[str, Any]) -> bytes:
    file = image.extractfile("blobs/" + descriptor["digest"].replace(":", "/"))
    assert file is not None
    contents = file.read()
    assert len(contents) == descriptor["size"]
    return contents


def test_an_image_leads_from_its_names_to_its_layers_and_config(folder: Path, tmp_path: Path) -> None:
    layer, target = tmp_path / "layer.tar", tmp_path / "image.tar"
    oci.pack(folder, layer)
    oci.write(target, ["r/a:1", "r/b:2"], [layer], Config((("A", "1"),), ("e",), ("c",), "1:2", "/w"))

    with tarfile.open(target) as image:
        index = image.extractfile("index.json")
        assert index is not None
        listed = json.load(index)["manifests"]
        manifest = read(image, listed[0])
        config = read(image, manifest["config"])

        assert [each["annotations"]["io.containerd.image.name"] for each in listed] == ["r/a:1", "r/b:2"]
        assert [blob(image, each) for each in manifest["layers"]] == [layer.read_bytes()]
        assert config["rootfs"]["diff_ids"] == [each["digest"] for each in manifest["layers"]]
        assert config["config"] == {
            "Env": ["A=1"], "Entrypoint": ["e"], "Cmd": ["c"], "User": "1:2", "WorkingDir": "/w"
        }  # fmt: skip
