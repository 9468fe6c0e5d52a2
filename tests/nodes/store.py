"""The images that every node has from its start: imported once into a store in the cache, which the nodes share."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests import cache
from tests.controlplane.components import Component, accepts
from tests.images.buildah import Storage
from tests.nodes import config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PAUSE_DOCKERFILE: Final = Path(__file__).with_name("pause.Dockerfile")
_SNAPSHOTS: Final = f"{config.SNAPSHOTS}/snapshots"
_NEVER_WRITTEN: Final = "io.containerd.content.v1.content/blobs"
_WRITTEN: Final = ("io.containerd.metadata.v1.bolt/meta.db", f"{config.SNAPSHOTS}/metadata.db")


def template(pause: Path, archives: Sequence[Path]) -> Path:
    """Return the root folder of a containerd that has the archives' images, and what holds a pod together.

    Args:
        pause: The program that is process 1 of each pod.
        archives: OCI archives. Layers that an earlier store had are not unpacked again.
    """
    stores = cache.folder("nodes")
    stores.mkdir(parents=True, exist_ok=True)
    target = stores / f"images-{_key([pause, *archives])}"
    with cache.only_one(stores / ".lock"):
        if not target.exists():
            with TemporaryDirectory(prefix=".images-", dir=stores) as temporary:
                root = Path(temporary) / "root"
                _begin(root, sorted(stores.glob("images-*"), key=lambda each: each.stat().st_mtime))
                _import(root, pause, archives)
                root.rename(target)
        cache.touch(target)
        cache.forget(stores.glob("*images-*"), keep=[target])
    return target


def share(template: Path, root: Path) -> None:
    """Give a node's containerd the store as its root; only its databases are copied, all else is mounted read-only."""
    for file in _WRITTEN:
        (root / file).parent.mkdir(parents=True)
        shutil.copyfile(template / file, root / file)
    snapshots = (f"{_SNAPSHOTS}/{each.name}" for each in (template / _SNAPSHOTS).iterdir())
    for folder in (_NEVER_WRITTEN, *snapshots):
        (root / folder).mkdir(parents=True)
        subprocess.run(["mount", "-o", "bind,ro", template / folder, root / folder], check=True, timeout=10)


def _begin(root: Path, earlier: Sequence[Path]) -> None:
    """Begin with the newest earlier store, if any: its files are never written to again, so they may be the same."""
    if not earlier:
        return
    subprocess.run(["cp", "-al", earlier[-1], root], check=True, timeout=300)
    for file in _WRITTEN:
        (root / file).unlink()
        shutil.copyfile(earlier[-1] / file, root / file)


def _import(root: Path, pause: Path, archives: Sequence[Path]) -> None:
    with TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        with _containerd(scratch, root) as socket:
            for archive in (_pause_image(pause, scratch), *archives):
                _ctr(socket, "images", "import", archive)


def _ctr(socket: Path, *arguments: str | Path) -> None:
    """Speak to a containerd about what the kubelet uses of it."""
    command = ["ctr", "--address", socket, "--namespace", "k8s.io", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)


@contextmanager
def _containerd(folder: Path, root: Path) -> Iterator[Path]:
    file, socket = folder / "containerd.toml", folder / "containerd.sock"
    file.write_text(config.containerd_toml(folder, root))
    command = config.containerd(folder)
    component = Component("containerd", command, folder / "log", ready=lambda: accepts(socket))
    component.start()
    try:
        component.wait_ready()
        yield socket
    finally:
        component.stop()


def _pause_image(program: Path, folder: Path) -> Path:
    """Build the image of what holds a pod together, and return its archive."""
    context, archive = folder / "pause", folder / "pause.tar"
    context.mkdir()
    shutil.copy(program, context / "pause")
    with Storage.temporary(folder) as storage:
        storage.build(config.PAUSE, _PAUSE_DOCKERFILE, context, {})
        storage.save(config.PAUSE, [config.PAUSE], archive)
    return archive


def _key(files: Sequence[Path]) -> str:
    """Return what tells these files from others, without reading gigabytes at each start."""
    seen = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:12]
