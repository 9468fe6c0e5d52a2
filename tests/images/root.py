"""Runs commands in roots put together by overlayfs, each in mount and process namespaces of its own.

Whatever ends a command, its mounts and processes end with the namespaces: nothing is left that must be unmounted.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.images.plan import SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.images.plan import Bootstrap, Step

PROGRAMS = ("debootstrap", "unshare", "mount", "chroot")

_LIMIT = 1800  # seconds for one step, over a slow line
_AUTHORITIES = "/run/authorities.crt"

# What a download must know of this machine. A folder of wheels is not among it: it does not exist in the root.
_PASSED_ON = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


def bootstrap(base: Bootstrap, root: Path) -> None:
    """Put a Debian into a folder."""
    packages = ",".join(base.packages)
    _alone(["debootstrap", "--variant=minbase", f"--include={packages}", base.suite, str(root)])
    (root / "etc" / "resolv.conf").write_text("")  # it was this machine's
    (root / "etc" / "hostname").unlink()
    for folder in ("dev", "debootstrap", "var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc"):
        _empty(root / folder)


def run(step: Step, below: Sequence[Path], upper: Path, source: Sequence[Path], scratch: Path) -> None:
    """Run a step's command on folders that lie one upon the other, the lowest first.

    Args:
        step: The command.
        below: What it finds.
        upper: Receives what it leaves behind, in overlayfs' notation.
        source: Folders, again the lowest first, that it finds below `SOURCE`; perhaps none.
        scratch: An empty folder on the same file system as `upper`.

    Raises:
        subprocess.CalledProcessError: The command failed.
    """
    root, work = scratch / "root", scratch / "work"
    root.mkdir()
    work.mkdir()
    authorities = _own_authorities()
    prepared = [
        _overlay(root, below, f"upperdir={upper}", f"workdir={work}"),
        ["mount", "--rbind", "/dev", f"{root}/dev"],
        ["mount", "-t", "proc", "proc", f"{root}/proc"],
        ["mount", "-t", "tmpfs", "tmpfs", f"{root}/run"],
        ["mount", "--bind", "/etc/resolv.conf", f"{root}/etc/resolv.conf"],
        *([["cp", authorities, f"{root}{_AUTHORITIES}"]] if authorities else []),
        *([["mkdir", f"{root}{SOURCE}"], _shown(Path(f"{root}{SOURCE}"), source)] if source else []),
        ["chroot", str(root), "mkdir", "-p", step.workdir],
    ]
    script = "\n".join(["set -e; umask 022", *map(shlex.join, prepared), f"exec {shlex.join(_command(step, root))}"])
    _alone(["sh", "-c", script])


def _command(step: Step, root: Path) -> list[str]:
    """Build the command from nothing of this machine's environment: a REQUESTS_CA_BUNDLE would win over PIP_CERT."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    trusted = {"PIP_CERT": _AUTHORITIES} if _own_authorities() else {}
    variables = {"HOME": "/root"} | trusted | passed_on | dict(step.environment)
    given = [f"{name}={value}" for name, value in variables.items()]
    in_root = ["chroot", f"--userspec={step.user or '0:0'}", str(root)]
    return [*in_root, "/usr/bin/env", "-i", f"--chdir={step.workdir}", *given, *step.argv]


def _own_authorities() -> str | None:
    """Return the file of the authorities that this machine's downloads trust instead of pip's own, if it has one."""
    return os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")


def _shown(at: Path, folders: Sequence[Path]) -> list[str]:
    """Mount one or more folders to be read: an overlay of one alone is refused."""
    return _overlay(at, folders) if folders[1:] else ["mount", "--bind", str(folders[0]), str(at)]


def _overlay(at: Path, below: Sequence[Path], *options: str) -> list[str]:
    """Mount folders over each other such that an upper one can be read without overlayfs: `oci.pack` does."""
    lower = ":".join(str(folder) for folder in reversed(below))
    plain = ["redirect_dir=off", "metacopy=off"]
    return ["mount", "-t", "overlay", "overlay", "-o", ",".join([f"lowerdir={lower}", *plain, *options]), str(at)]


def _alone(command: list[str]) -> None:
    namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
    subprocess.run(["unshare", *namespaces, "--", *command], stdin=subprocess.DEVNULL, check=True, timeout=_LIMIT)


def _empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
        folder.mkdir()
