"""Stand-ins for what listens at a head's address: a GCS, a sidecar with nothing behind it, an HTTP server."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS: Final = b"\0\0\0\4\0\0\0\0\0"


def answer_as_gcs(link: socket.socket) -> None:
    """Answer as gRPC does: nothing before the client's preface, then a SETTINGS frame."""
    if link.recv(len(PREFACE)) == PREFACE:
        link.sendall(SETTINGS)


def answer_as_sidecar(link: socket.socket) -> None:
    """Close the connection, as a sidecar does that found nothing behind it."""
    link.recv(4096)


def answer_as_http(link: socket.socket) -> None:
    """Answer as a server of HTTP/1.1 does."""
    link.recv(4096)
    link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Head:
    """What listens at one address; how it answers may change while it does.

    Attributes:
        answer: Called with each accepted connection.
        accepted: How many there were.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.answer: Callable[[socket.socket], None] = answer_as_gcs
        self.accepted = 0
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def listen(self) -> None:
        """Begin to accept."""
        self._listener.listen()
        self._thread.start()

    def close(self) -> None:
        """Stop: from now on the address refuses."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            with link:
                self.answer(link)


@contextmanager
def bound_port() -> Iterator[tuple[socket.socket, int]]:
    """Hold a port of the loopback that refuses connections until somebody listens on the socket."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound, bound.getsockname()[1]


@contextmanager
def listening_head() -> Iterator[Head]:
    """Listen on a port of the loopback."""
    with bound_port() as (bound, _):
        head = Head(bound)
        head.listen()
        try:
            yield head
        finally:
            head.close()
