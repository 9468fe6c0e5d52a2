"""What a machine has to have, so that real nodes run on it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from tests.nodes import cgroups, config

_PROGRAMS: Final = {
    "containerd": "containerd",
    "conntrack": "conntrack",
    "ctr": "containerd",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "socat": "socat",
    "unshare": "util-linux",
}
"""By program: Debian's package."""

_FILE_SYSTEM: Final = "overlay"


def missing() -> list[str]:
    """Return, as sentences, what is missing here; nothing of it can be had by the tests themselves."""
    if sys.platform != "linux":
        return ["nodes need Linux"]
    programs = [
        f"`{name}` is not on the PATH (Debian: {package})"
        for name, package in _PROGRAMS.items()
        if not shutil.which(name)
    ]
    checks = {
        "nodes need root": os.geteuid() == 0,
        "the cgroups are not version 1, the only one on which this was tried": cgroups.hierarchies(),
        f"there are no network plugins in {config.CNI_PLUGINS} (Debian: containernetworking-plugins)": Path(
            config.CNI_PLUGINS, "bridge"
        ).exists(),
        f"the kernel has no {_FILE_SYSTEM} file system": _FILE_SYSTEM in Path("/proc/filesystems").read_text().split(),
    }
    return [*(sentence for sentence, holds in checks.items() if not holds), *programs]
