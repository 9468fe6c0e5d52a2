"""A component of the control plane as a process: started, stopped, killed, paused."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.controlplane.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TETHER = Path(__file__).with_name("tether.py")
_LAST_LINES = 15
_GO = {"GOGC": "400"}  # collecting garbage a quarter as often starts the apiserver in a fifth less CPU
_PORTS = range(20000, 32000)


class ComponentError(Exception):
    """A component ended, or never became ready; the message shows the end of its log."""


@dataclass
class Component:
    """One program.

    It leads a process group of its own, so that Ctrl-C leaves the order of ending to the control plane, and it dies
    with the thread that started it: start it in the main thread, or in one that outlives it.

    Attributes:
        name: What it is called, also in the name of its log.
        command: The program, with its whole path, and its arguments.
        log: Where both its outputs go; a restarted component writes on.
        ports: On which it listens; they are closed again when `stop` and `kill` return.
        ready: Whether it does its work. Asked after every start.
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    ports: tuple[int, ...] = ()
    ready: Callable[[], bool] = field(default=lambda: True, repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        assert self.process, f"{self.name} was never started"
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, without waiting until it is ready."""
        assert not self.alive, f"{self.name} runs already"
        tether: list[str | Path] = [sys.executable, "-I", "-S", TETHER, str(os.getpid())]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*tether, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | _GO | {"DEBUG_SOCKET_DIR": str(self.log.parent)},  # Volcano's, else in /tmp
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until it is ready.

        Raises:
            ComponentError: It ended, or took too long.
        """
        try:
            wait(lambda: not self.alive or self.ready(), f"{self.name} is ready", seconds)
        except TimeoutError as error:
            raise ComponentError(f"{error}\n{self.last_lines()}") from None
        if not self.alive:
            raise ComponentError(f"{self.name} ended\n{self.last_lines()}")

    def stop(self, seconds: float = 20) -> None:
        """End it as Kubernetes would: SIGTERM, and SIGKILL when that is not enough. A paused one goes on to end."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired):
            self._wait_ended(seconds)
        self.kill()

    def kill(self) -> None:
        """End it by SIGKILL, so that it can say goodbye to nobody."""
        self._signal(signal.SIGKILL)
        self._wait_ended(10)
        wait(lambda: not any(map(listens, self.ports)), f"{self.name}'s ports are closed", 10)

    def pause(self) -> None:
        """Stop its clock (SIGSTOP): it answers nothing, and its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it and start it again, until it is ready."""
        self.stop()
        self.start()
        self.wait_ready()

    def last_lines(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([f"the end of {self.log}:", *lines[-_LAST_LINES:]])

    def _signal(self, number: int) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _wait_ended(self, seconds: float) -> None:
        if self.process:
            self.process.wait(seconds)


def listens(port: int) -> bool:
    """Tell whether anything listens on the loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def accepts(path: Path) -> bool:
    """Tell whether anything listens on the Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nothing listens on, all different.

    They lie below the kernel's ephemeral ports: while a component is down, a connection of another one could otherwise
    take its port, and it would not come up again.
    """
    candidates = random.sample(_PORTS, k=len(_PORTS))
    return list(itertools.islice(filter(_is_free, candidates), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
