"""The folder that a Dockerfile's COPY reads, without what its .dockerignore keeps out."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Files:
    """Files of a context.

    Attributes:
        root: The context's folder.
        paths: The files below it, relative to it.
        key: A hash of their paths, contents and executable bits.
    """

    root: Path
    paths: tuple[str, ...]
    key: str

    def copy(self, target: Path) -> None:
        """Copy them below a folder, at the same relative paths."""
        for path in self.paths:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / path, target / path, follow_symlinks=False)


def files(root: Path, sources: Sequence[str]) -> Files:
    """Return the files that these sources, each a file or a folder, name in a context.

    Raises:
        FileNotFoundError: A source is not in the context, or kept out of it.
    """
    patterns = _patterns(root)
    found: list[str] = []
    for source in sources:
        below = [path for path in _below(root, source) if not ignored(path, patterns)]
        if not below:
            raise FileNotFoundError(f"{source} is not in the context {root}")
        found += below
    paths = tuple(sorted(found))
    return Files(root, paths, _key(root, paths))


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Say whether a .dockerignore's patterns keep a file out: the last one that matches it or a parent decides."""
    own = PurePosixPath(path)
    above = [str(each) for each in (own, *own.parents)]
    matching = [pattern for pattern in patterns if any(_matches(pattern.removeprefix("!"), each) for each in above)]
    return bool(matching) and not matching[-1].startswith("!")


def _matches(pattern: str, path: str) -> bool:
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(wild.get(part, re.escape(part)) for part in parts), path) is not None


def _patterns(root: Path) -> list[str]:
    ignore = root / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _below(root: Path, source: str) -> list[str]:
    start = root / source
    if not start.is_dir():
        return [str(start.relative_to(root))] if start.exists() else []
    walked = ((Path(parent), names) for parent, _, names in os.walk(start))
    return [str((parent / name).relative_to(root)) for parent, names in walked for name in names]


def _key(root: Path, paths: Sequence[str]) -> str:
    key = hashlib.sha256()
    for path in paths:
        executable = os.access(root / path, os.X_OK)
        key.update(f"{path}\0{executable}\0{hashlib.sha256((root / path).read_bytes()).hexdigest()}\0".encode())
    return key.hexdigest()
