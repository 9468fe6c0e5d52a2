"""Programs on the test's own machine with which people come to a Ray cluster: Ray's command line and a browser."""

from __future__ import annotations

import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests import cache
from tests.images.rays import NEWEST

if TYPE_CHECKING:
    from pathlib import Path

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_LOADING: Final = 30_000
"""Milliseconds of the page's own clock: the dashboard fetches its nodes after it was loaded."""


RAY_COMMAND_LINE: Final = "ray_command_line"
"""The mark of tests that use Ray's command line. `tests.e2e.enclosed` installs it for them alone."""


def ray_program() -> Path:
    """Return where the cache has Ray's command line, of the version that the images have."""
    return cache.folder(f"ray-{NEWEST.version}") / "bin" / "ray"


def install_ray() -> None:
    """Install Ray's command line, half a gigabyte, into the cache.

    It is not one of volray's own dependencies because very few tests use it.
    """
    folder = cache.folder(f"ray-{NEWEST.version}")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=100)
    pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, NEWEST.requirement], check=True, timeout=900)


def browser(url: str, picture: Path) -> str:
    """Open a page in a headless Chromium, save a picture of it, and return the document that its scripts made."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert program, f"there is no browser here; one of {', '.join(_BROWSERS)} would do"
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
