"""The root of the base image: a small Debian, made by debootstrap."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from tests.images.buildah import alone

if TYPE_CHECKING:
    from pathlib import Path

SUITE: Final = "bookworm"

PACKAGES: Final = (
    "ca-certificates",
    "curl",
    "iproute2",
    "nftables",  # for the stand-in for Istio's sidecar, tests/e2e/sidecar.py
    "procps",
    "python-is-python3",
    "python3-pip",
    "python3-venv",
    "wget",
)

# What belongs to this machine or to the installation. An image's own copies come from whoever runs it.
LEFT_OUT: Final = (
    "./debootstrap",
    "./dev/*",
    "./etc/hostname",
    "./etc/resolv.conf",
    "./usr/share/doc/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
)

_DEBOOTSTRAP_SECONDS: Final = 1800
_TAR_SECONDS: Final = 300


def write_root(tar: Path, scratch: Path) -> None:
    """Install Debian below an empty folder and pack it into a tar.

    Raises:
        subprocess.CalledProcessError: debootstrap failed. Its output says why.
    """
    root = scratch / "root"
    included = f"--include={','.join(PACKAGES)}"
    alone(["debootstrap", "--variant=minbase", included, SUITE, root], _DEBOOTSTRAP_SECONDS)
    excluded = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    command = ["tar", "--create", f"--file={tar}", f"--directory={root}", "--numeric-owner"]
    subprocess.run([*command, *excluded, "."], check=True, timeout=_TAR_SECONDS)
