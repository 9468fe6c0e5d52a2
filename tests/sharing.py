"""Share the tests out to the processes of pytest-xdist, so that no costly fixture is made in two of them."""

from __future__ import annotations

import re
from typing import Final

from xdist.scheduler import LoadScopeScheduling

_VOLCANO: Final = re.compile(r"\[(?:.*-)?(\d+\.\d+\.\d+)[-\]]")
_SHELL: Final = re.compile(r"\[(dash|bash)\b")


class ByCostlyFixture(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Keep together the tests of one version of Volcano, which share a control plane, and else those of one file.

    Containers with start scripts run at once, for one shell at a time, so a file of them has a part for each shell.
    The mark `xdist_group` would do as well, but pytest-xdist 3.8 loses it under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        if version := _VOLCANO.search(nodeid):
            return version[1]
        file = nodeid.partition("::")[0]
        shell = _SHELL.search(nodeid)
        return f"{file} {shell[1]}" if shell else file
