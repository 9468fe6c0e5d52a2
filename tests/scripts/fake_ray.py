"""A program that stands where `ray` stands: records its argv, leaves a raylet (and a GCS) behind, blocks with --block.

Like the real one, `--block` goes on when its raylet ends by SIGTERM, and ends with 1 on SIGTERM itself.
Environment: FAKE_RAY is a folder for records and stand-ins; FAKE_RAY_SECONDS how long a start takes;
FAKE_RAY_STATUS what a start exits with. What of it is Ray's is recorded.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["FAKE_RAY"])


def stand_in(name: str) -> None:
    """A process of that name, which outlives this one as Ray's daemons outlive `ray start`."""
    subprocess.Popen([FOLDER / name, "1000"], start_new_session=True, stdin=subprocess.DEVNULL)


def main(argv: list[str]) -> int:
    if "--block" in argv:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    (FOLDER / "ray.environ").write_text("\n".join(f"{k}={v}" for k, v in os.environ.items() if k.startswith("RAY_")))
    (FOLDER / "ray.files").write_text(" ".join(map(str, resource.getrlimit(resource.RLIMIT_NOFILE))))
    record = FOLDER / "ray.argv"
    record.with_suffix(".new").write_bytes(b"\0".join(os.fsencode(word) for word in argv))
    record.with_suffix(".new").rename(record)
    time.sleep(float(os.environ.get("FAKE_RAY_SECONDS", "0")))
    if status := int(os.environ.get("FAKE_RAY_STATUS", "0")):
        return status
    for name in ["raylet", "gcs_server"] if "--head" in argv else ["raylet"]:
        stand_in(name)
    while "--block" in argv:
        signal.pause()
    return 0


sys.exit(main(sys.argv[1:]))
