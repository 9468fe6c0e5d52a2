"""Builds images from Dockerfiles with buildah, as root and without a registry.

Nothing of buildah's own storage is kept. It is a folder that exists for one run and begins empty, so that no
state of an earlier run can change an image. What is kept are archives, which a later run can load again.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROGRAMS: Final = ("buildah", "mount", "tar", "unshare")

_BUILD_SECONDS: Final = 1800  # downloads over a slow line
_COPY_SECONDS: Final = 600

# buildah notes in /var which blobs it has seen, wherever its storage is. These notes are thrown away.
_ALONE: Final = """
for folder in /var/lib/containers /var/cache/containers; do
  mkdir -p "$folder"
  mount -t tmpfs tmpfs "$folder"
done
exec "$@"
"""

# One layer for each Dockerfile: nothing is built upon those of its single steps.
_BUILD: Final = ("build", "--isolation=chroot", "--layers=false", "--pull=never", "--quiet")

_NAME_ANNOTATION: Final = "org.opencontainers.image.ref.name"

_PIP_FOLDER: Final = "/etc/xdg/pip"
"""pip reads `pip.conf` in there. As the folder is mounted, an image never contains that file."""

_PIP_OPTIONS: Final = (
    "default-timeout",
    "extra-index-url",
    "index-url",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
)
"""What a download must know of this machine. Folders of wheels do not exist in the image."""


class Storage:
    """Images while they are built, by their names.

    Attributes:
        folder: Holds everything that buildah writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pip = folder / "pip"
        _write_pip_settings(self._pip)

    @classmethod
    @contextmanager
    def temporary(cls, parent: Path) -> Iterator[Storage]:
        """Make an empty storage in a new folder below `parent`, and remove it at the end."""
        with TemporaryDirectory(prefix=".storage-", dir=parent) as folder:
            yield cls(Path(folder))

    def build(self, name: str, dockerfile: Path, context: Path, arguments: Mapping[str, str]) -> None:
        """Build a Dockerfile. All that its FROM lines name must have been built or loaded before.

        Raises:
            subprocess.CalledProcessError: A step failed. Its output says why.
        """
        given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        pip = f"--volume={self._pip}:{_PIP_FOLDER}:ro"
        what = [f"--file={dockerfile}", f"--tag={name}"]
        self._buildah(*_BUILD, pip, *given, *what, context, seconds=_BUILD_SECONDS)

    def load(self, name: str, archive: Path) -> None:
        """Take an image from an archive that `save` wrote."""
        self._buildah("pull", "--quiet", f"oci-archive:{archive}:{name}")

    def save(self, name: str, names: Sequence[str], archive: Path) -> None:
        """Write an image with several names into an OCI archive, which appears whole or not at all."""
        with TemporaryDirectory(dir=self.folder) as folder:
            layout, tar = Path(folder, "layout"), Path(folder, "tar")
            self._buildah("push", "--quiet", name, f"oci:{layout}:{name}")
            _name_in_index(layout / "index.json", names)
            command = ["tar", "--create", f"--file={tar}", f"--directory={layout}", "."]
            subprocess.run(command, check=True, timeout=_COPY_SECONDS)
            tar.rename(archive)

    def remove(self, name: str) -> None:
        """Remove an image, but not what it was built on."""
        self._buildah("rmi", name)

    def _buildah(self, *arguments: str | Path, seconds: int = _COPY_SECONDS) -> None:
        root, runroot = self.folder / "root", self.folder / "run"
        options = [f"--root={root}", f"--runroot={runroot}", "--storage-driver=overlay"]
        alone(["buildah", *options, *arguments], seconds, {"TMPDIR": str(self.folder)})


def alone(command: Sequence[str | Path], seconds: int, variables: Mapping[str, str] | None = None) -> None:
    """Run a command in mount and process namespaces of its own, so that nothing outlives it.

    Its output is printed only if it fails, because a build writes hundreds of lines.

    Raises:
        subprocess.CalledProcessError: The command failed.
    """
    namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        ["unshare", *namespaces, "--mount-proc", "--", "sh", "-euc", _ALONE, "sh", *command],
        env=os.environ | dict(variables or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, list(map(str, command)))


def _name_in_index(file: Path, names: Sequence[str]) -> None:
    """Give the one image of an OCI index its names. To push it under each would compress it each time."""
    index = json.loads(file.read_text())
    (image,) = index["manifests"]
    index["manifests"] = [image | {"annotations": {_NAME_ANNOTATION: name}} for name in names]
    file.write_text(json.dumps(index))


def _write_pip_settings(folder: Path) -> None:
    """Write what this machine's pip is told of indexes and proxies, and the authorities it trusts.

    They are mounted while an image is built. As build arguments they would stay in its history.
    """
    settings = _pip_settings()
    given = [f"{option} = {settings[option]}" for option in _PIP_OPTIONS if option in settings]
    lines = ["[global]", *(line.replace("\n", "\n\t") for line in given)]
    folder.mkdir()
    authorities = settings.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    if authorities:
        shutil.copyfile(authorities, folder / "authorities.crt")
        lines.append(f"cert = {_PIP_FOLDER}/authorities.crt")
    (folder / "pip.conf").write_text("\n".join(lines) + "\n")


def _pip_settings() -> dict[str, str]:
    """Return pip's settings here, by option. Those of the environment win, which pip lists last."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    settings: dict[str, str] = {}
    by_rank = sorted(listed.stdout.splitlines(), key=lambda line: line.startswith(":env:"))
    for line in by_rank:
        name, _, value = line.partition("=")
        section_and_option = name.rpartition(".")
        settings[section_and_option[2]] = str(ast.literal_eval(value))
    return settings
