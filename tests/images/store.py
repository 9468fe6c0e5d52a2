"""Keeps made layers, so that only the steps whose inputs changed are run again."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.images import oci, root
from tests.images.context import Files
from tests.images.plan import Bootstrap, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.images.plan import Image, Layer


@dataclass(frozen=True)
class Store:
    """A folder of layers and images, each of which appears whole or not at all.

    A layer stands there as a folder `<key>`, and, once it is part of an image, as `<key>.layer.tar` too.
    """

    folder: Path

    def write(self, target: Path, names: Sequence[str], image: Image) -> None:
        """Write an image's tar, and make the layers that are not there yet.

        Raises:
            subprocess.CalledProcessError: A step failed.
        """
        layers = [self._packed(layer) for layer in image.layers]
        with self._scratch() as scratch:
            oci.write(scratch / "tar", names, layers, image.config)
            (scratch / "tar").rename(target)

    def parts(self, image: Image) -> Iterator[Path]:
        """Return where everything stands that an image is made of."""
        for layer in _all(image.layers):
            yield from (self._place(layer), self._packed_place(layer))

    def _place(self, layer: Layer) -> Path:
        return self.folder / layer.key

    def _packed_place(self, layer: Layer) -> Path:
        return self.folder / f"{layer.key}.layer.tar"

    def _packed(self, layer: Layer) -> Path:
        target = self._packed_place(layer)
        if not target.exists():
            folder = self._made(layer)
            with self._scratch() as scratch:
                oci.pack(folder, scratch / "tar")
                (scratch / "tar").rename(target)
        return target

    def _made(self, layer: Layer) -> Path:
        target = self._place(layer)
        if not target.exists():
            below = [self._made(each) for each in layer.below]
            with self._scratch() as scratch:
                made = _folder(scratch / "made")
                self._make(layer, below, made, scratch)
                made.rename(target)
        return target

    def _make(self, layer: Layer, below: Sequence[Path], made: Path, scratch: Path) -> None:
        if isinstance(layer.maker, Bootstrap):
            root.bootstrap(layer.maker, made)
        else:
            root.run(layer.maker, below, made, self._source(layer.maker.source, scratch), scratch)

    def _source(self, source: Files | tuple[Layer, ...] | None, scratch: Path) -> list[Path]:
        if isinstance(source, Files):
            copied = _folder(scratch / "context")
            source.copy(copied)
            return [copied]
        return [self._made(layer) for layer in source or ()]

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix=".making-", dir=self.folder) as temporary:
            yield Path(temporary)


def _all(layers: Iterable[Layer]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        if isinstance(layer.maker, Step) and isinstance(layer.maker.source, tuple):
            yield from _all(layer.maker.source)


def _folder(path: Path) -> Path:
    """Make a folder that all may enter, as the root of containers that run as another user."""
    path.mkdir()
    path.chmod(0o755)
    return path
