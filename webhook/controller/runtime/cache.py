"""What is known of the objects of one kind, and who is told when that changes."""

from __future__ import annotations

import traceback
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from webhook import log
from webhook.controller.head_service.observed import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.names import Object

T = TypeVar("T")


class Store(Generic[T]):
    """Readings of objects by `namespace/name`. One thread (the watch's) writes, others read.

    Args:
        read: What to keep of an object, given what was kept of it before; None for one that does not concern us.
        on_change: Called with the key whenever a reading came, went or became another: an event that repeats what is
            known, or that changes nothing which is kept, causes no work.
    """

    def __init__(self, read: Callable[[Object, T | None], T | None], on_change: Callable[[str], None]) -> None:
        self._read = read
        self._on_change = on_change
        self._known: dict[str, T] = {}
        self._lock = Lock()

    def get(self, key: str) -> T | None:
        """What is known under a key."""
        with self._lock:
            return self._known.get(key)

    def items(self) -> list[tuple[str, T]]:
        """Everything, as it is now."""
        with self._lock:
            return list(self._known.items())

    def read(self, body: Object) -> tuple[str, T | None]:
        """An object's key and reading; a fault of ours on one object must not end the watch of all."""
        key = key_of(body)
        try:
            return key, self._read(body, self.get(key))
        except Exception:  # logged with its trace; the next version of the object is read anew
            log.event("unreadable-object", key=key, trace=traceback.format_exc())
            return key, None

    def put(self, body: Object) -> None:
        """An object is there, new or changed."""
        self._set(*self.read(body))

    def remove(self, body: Object) -> None:
        """An object is gone."""
        self._set(key_of(body), None)

    def replace(self, readings: Iterable[tuple[str, T | None]]) -> None:
        """These are all there are: what is missing among them has gone unseen."""
        listed = {key: reading for key, reading in readings if reading is not None}
        with self._lock:
            gone = self._known.keys() - listed.keys()
        for key in gone:
            self._set(key, None)
        for key, reading in listed.items():
            self._set(key, reading)

    def _set(self, key: str, reading: T | None) -> None:
        with self._lock:
            if self._known.get(key) == reading:
                return
            if reading is None:
                del self._known[key]
            else:
                self._known[key] = reading
        self._on_change(key)
