"""Programs on the test's own machine with which people come to a Ray cluster: Ray's command line and a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_LOADING: Final = 30_000
"""Milliseconds of the page's own clock: the dashboard fetches its nodes after it was loaded."""


def ray_client() -> Path:
    """Return Ray's command line, which `make e2e` puts into the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "volray" / "ray-client" / "bin" / "ray"


def browser(url: str, picture: Path) -> str:
    """Open a page in a headless Chromium, save a picture of it, and return the document that its scripts made."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert program, "there is no Chromium: `make e2e` installs it where it may"
    with TemporaryDirectory() as home:
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={home}",
            "--window-size=1400,800",
            f"--virtual-time-budget={_LOADING}",
        ]
        for action in (f"--screenshot={picture}", "--dump-dom"):
            done = subprocess.run(
                [program, *flags, action, url], capture_output=True, text=True, check=True, timeout=100
            )
    return done.stdout
