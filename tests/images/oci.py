"""Image tars in the OCI layout, as `ctr image import` takes them, made of folders without a container engine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MEDIA = "application/vnd.oci.image"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Config:
    """How an image's containers start.

    Attributes:
        user: `user[:group]`, by name or number; empty for root.
    """

    environment: tuple[tuple[str, str], ...] = (
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    )
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    workdir: str = "/"


def pack(folder: Path, tar: Path) -> None:
    """Make a layer of a folder's contents: of a whole root, or of the upper folder of an overlay mount."""
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as layer:
        for path in _below(folder):
            _add(layer, path, path.relative_to(folder))


def write(tar: Path, names: Sequence[str], layers: Sequence[Path], config: Config) -> None:
    """Write an image of layers that `pack` made, the lowest first.

    Args:
        tar: The file to write.
        names: Full references, with the registry's part: containerd takes them as they stand.
        layers: Layer tars. They go in uncompressed: packing and unpacking would cost more time than the disk is worth.
        config: How its containers start.
    """
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as image:
        descriptors = [_add_layer(image, layer) for layer in layers]
        described = _add_json(image, "config.v1+json", _image_config(config, descriptors))
        manifest = _document("manifest", config=described, layers=descriptors)
        listed = _add_json(image, "manifest.v1+json", manifest)
        listed["platform"] = _platform()
        named = [listed | {"annotations": {"io.containerd.image.name": name}} for name in names]
        _add_bytes(image, "index.json", _encoded(_document("index", manifests=named)))
        _add_bytes(image, "oci-layout", _encoded({"imageLayoutVersion": "1.0.0"}))


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(folders + files))


def _add(layer: tarfile.TarFile, path: Path, name: Path) -> None:
    status = path.lstat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:  # how overlayfs writes down that a file was removed
        layer.addfile(tarfile.TarInfo(str(name.with_name(_WHITEOUT + name.name))))
        return
    entry = layer.gettarinfo(path, str(name))
    entry.uname = entry.gname = ""  # the names of this machine's users, whom the image need not know
    entry.mtime = int(entry.mtime)
    if entry.isreg():
        with path.open("rb") as contents:
            layer.addfile(entry, contents)
        return
    layer.addfile(entry)
    if entry.isdir() and _hides_what_is_below(path):
        layer.addfile(tarfile.TarInfo(str(name / _OPAQUE)))


def _hides_what_is_below(folder: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(folder)


def _add_layer(image: tarfile.TarFile, layer: Path) -> dict[str, Any]:
    with layer.open("rb") as contents:
        digest = hashlib.file_digest(contents, "sha256").hexdigest()
        contents.seek(0)
        _add_stream(image, f"blobs/sha256/{digest}", contents, layer.stat().st_size)
    return _descriptor("layer.v1.tar", digest, layer.stat().st_size)


def _add_json(image: tarfile.TarFile, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    contents = _encoded(document)
    digest = hashlib.sha256(contents).hexdigest()
    _add_bytes(image, f"blobs/sha256/{digest}", contents)
    return _descriptor(kind, digest, len(contents))


def _add_bytes(image: tarfile.TarFile, name: str, contents: bytes) -> None:
    _add_stream(image, name, io.BytesIO(contents), len(contents))


def _add_stream(image: tarfile.TarFile, name: str, contents: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    image.addfile(entry, contents)


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": size}


def _document(kind: str, **members: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": f"{_MEDIA}.{kind}.v1+json", **members}


def _image_config(config: Config, layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **_platform(),
        "config": {
            "Env": [f"{name}={value}" for name, value in config.environment],
            "Entrypoint": list(config.entrypoint),
            "Cmd": list(config.cmd),
            "User": config.user,
            "WorkingDir": config.workdir,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }


def _platform() -> dict[str, str]:
    machine = platform.machine()
    return {"architecture": _ARCHITECTURES.get(machine, machine), "os": "linux"}


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
