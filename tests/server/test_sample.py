"""What `volray serve --sample FILE` prints can be pasted into a shell."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from tests import recordings
from tests.server.process import PATIENCE, wait_until
from tests.server.test_review import HEAD
from webhook.pods.inject import inject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.server.process import Process


def test_the_printed_line_sends_the_review_and_prints_the_patch(start: Callable[..., Process], tmp_path: Path) -> None:
    sample = tmp_path / "a review's file.json"
    sample.write_bytes(recordings.body(HEAD))
    process = start("--sample", str(sample), cert_dir=tmp_path / "some certs")
    process.wait_until_ready()
    wait_until(lambda: "curl" in process.output, "the line printed")
    (line,) = [line for line in process.output.splitlines() if line.startswith("curl")]
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert json.loads(run.stdout) == list(inject(recordings.subject(HEAD), "default").operations)
    assert run.stderr == ""
