"""A container without a runtime: a PID namespace whose PID 1 is what the pod says, expanded as by a kubelet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping

_UNDEAF = ("env", "--default-signal")
"""A runtime starts its containers so, and whoever starts the tests need not: under nohup they are deaf to SIGHUP."""

_REFERENCE = re.compile(rb"\$(?:\$|\(([^)]*)\))")


def expand(text: str, env: Mapping[str, str]) -> str:
    """What the kubelet makes of a word of `command`, `args` or `env`.

    Source: k8s.io/kubernetes/third_party/forked/golang/expansion: `$$` is `$`, `$(NAME)` the value of a variable that
    is defined, anything else stays.
    """

    def value(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return b"$"
        name = os.fsdecode(match[1])
        return os.fsencode(env[name]) if name in env else match[0]

    return os.fsdecode(_REFERENCE.sub(value, os.fsencode(text)))


def environment(container: Mapping[str, Any], pod_ip: str) -> dict[str, str]:
    """A container's variables in their order, each expanded by the ones before it."""
    env: dict[str, str] = {}
    for variable in container.get("env") or ():
        from_field = (variable.get("valueFrom") or {}).get("fieldRef", {}).get("fieldPath")
        env[variable["name"]] = pod_ip if from_field == "status.podIP" else expand(variable.get("value", ""), env)
    return env


def until(condition: Callable[[], Any], seconds: float = 15, what: str = "") -> Any:
    """The first true value of a condition, looked at every few milliseconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what or condition}"
        time.sleep(0.01)
    return value


@dataclass
class Running:
    """PID 1 of a container and what it has written."""

    process: subprocess.Popen[bytes]
    folder: Path
    started: float = field(default_factory=time.monotonic)

    def pid(self, name: str) -> int | None:
        """The process of that name that this container's stand-in of Ray left, by its pid on the host."""
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                ours = f"FAKE_RAY={self.folder}".encode() in (status.parent / "environ").read_bytes().split(b"\0")
                if ours and f"({name})" in status.read_text():
                    return int(status.parent.name)
            except (OSError, UnicodeDecodeError):
                continue
        return None

    def kill(self, name: str, number: signal.Signals) -> None:
        os.kill(until(lambda: self.pid(name), what=f"a process {name}"), number)

    @property
    def init(self) -> int:
        """PID 1, by its pid on the host."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(until(lambda: children.read_text().split(), what="PID 1")[0])

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.init, number)

    def wait(self, seconds: float = 60) -> int:
        """Exit status of PID 1."""
        return self.process.wait(seconds)

    @property
    def log(self) -> str:
        return (self.folder / "stderr").read_text()

    @property
    def output(self) -> bytes:
        return (self.folder / "stdout").read_bytes()

    @property
    def ray_argv(self) -> list[str] | None:
        """The words after `ray`, once it was called."""
        record = self.folder / "ray.argv"
        return [os.fsdecode(word) for word in record.read_bytes().split(b"\0")] if record.exists() else None

    @property
    def ray_environ(self) -> dict[str, str]:
        """Ray's variables as `ray` saw them, once it was called."""
        lines = (self.folder / "ray.environ").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def ray_files(self) -> tuple[int, ...]:
        """The soft and the hard limit of open files that `ray` was called with."""
        return tuple(map(int, (self.folder / "ray.files").read_text().split()))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def prepare(folder: Path) -> Path:
    """Puts the stand-ins into a folder: `bin/ray`, and programs named as Ray's daemons are."""
    (folder / "bin").mkdir(parents=True)
    program = f"#!{sys.executable}\n" + Path(__file__).with_name("fake_ray.py").read_text()
    (folder / "bin" / "ray").write_text(program)
    (folder / "bin" / "ray").chmod(0o755)
    for name in ("raylet", "gcs_server"):
        (folder / name).symlink_to(shutil.which("sleep") or "/bin/sleep")
    return folder


def write_or_remove(place: Path, text: str | None) -> None:
    """Changes what stands in a container's folder before it starts."""
    if text is None:
        place.unlink()
    else:
        place.write_text(text)


def _limited(limit: tuple[int, int] | None) -> list[str]:
    return [] if limit is None else ["prlimit", f"--nofile={limit[0]}:{limit[1]}"]


def start(
    container: Mapping[str, Any],
    folder: Path,
    *,
    shell: str,
    env: Mapping[str, str] | None = None,
    programs: Path | None = None,
    limit: tuple[int, int] | None = None,
) -> Running:
    """Runs what a container of a pod runs, with the wanted shell as its /bin/sh.

    Args:
        container: As volray made it.
        folder: Where its programs and records are.
        shell: dash or bash.
        env: Variables beside the container's.
        programs: A folder of programs beside the stand-ins.
        limit: The soft and the hard limit of open files; None for this process's own.
    """
    own = environment(container, "127.0.0.1")
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    argv = [expand(word, own) for word in words]
    assert argv[0] == "/bin/sh"
    path = ":".join(str(place) for place in (folder / "bin", programs, os.environ["PATH"]) if place)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    namespace = ["unshare", *user, "--pid", "--fork", "--mount-proc", "--kill-child"]
    with (folder / "stdout").open("wb") as output, (folder / "stderr").open("wb") as log:
        process = subprocess.Popen(
            [*_UNDEAF, *_limited(limit), *namespace, shell, *argv[1:]],
            env={"PATH": path, **own, "FAKE_RAY": str(folder), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
        )
    return Running(process, folder)
