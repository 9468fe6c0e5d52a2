"""Clients that send without pause and keep count."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.server.process import wait_until

if TYPE_CHECKING:
    from tests.server.process import Answer, Connection, Process


@dataclass(frozen=True)
class Sent:
    at: float
    answer: Answer | None
    error: str = ""


class Traffic:
    """Each client keeps its connection until an answer closes it, then trusts the bundle on the disk anew.

    As kube-apiserver, it never repeats a request.
    """

    def __init__(self, process: Process, body: bytes, clients: int = 3) -> None:
        self._process, self._body = process, body
        self._stop = threading.Event()
        self.sent: list[Sent] = []
        self._threads = [threading.Thread(target=self._send_without_pause) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _send_without_pause(self) -> None:
        connection: Connection | None = None
        while not self._stop.is_set():
            at = time.monotonic()
            try:
                connection = connection or self._process.connect()
                answer = connection.send(self._body)
            except OSError as error:
                self.sent.append(Sent(at, None, repr(error)))
                connection = None
                continue
            self.sent.append(Sent(at, answer))
            if answer.closes:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def goes_on(self, requests: int = 50) -> None:
        """Waits for that many more requests."""
        enough = len(self.sent) + requests
        wait_until(lambda: len(self.sent) >= enough, f"{requests} more requests")

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def lost(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.answer is None or sent.answer.status != 200]
