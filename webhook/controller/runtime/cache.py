"""Keeps what is known of the objects of one collection, and tells who is interested."""

from __future__ import annotations

import traceback
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from webhook import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.names import Object

T = TypeVar("T")


def key_of(body: Object) -> str:
    """Return `namespace/name` of an object."""
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


class ObjectCache(Generic[T]):
    """Keeps one reading of each object by `namespace/name`.

    A reading is what is kept of an object. One thread, that of the watch, writes. Any thread
    may read.

    Args:
        read: Returns the reading of an object, given the reading before it. None means that
            the object is of no interest.
    """

    def __init__(self, read: Callable[[Object, T | None], T | None]) -> None:
        self._read = read
        self._listeners: list[Callable[[str], None]] = []
        self._known: dict[str, T] = {}
        self._lock = Lock()

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Have a listener called with the key whenever a reading came, went or changed.

        A watch event that repeats what is known, or changes nothing of a reading, causes no
        call. Subscribe before the watch begins.
        """
        self._listeners.append(listener)

    def get(self, key: str) -> T | None:
        """Return the reading of a key."""
        with self._lock:
            return self._known.get(key)

    def items(self) -> list[tuple[str, T]]:
        """Return all keys and readings as they are now."""
        with self._lock:
            return list(self._known.items())

    def read(self, body: Object) -> tuple[str, T | None]:
        """Return an object's key and reading.

        An unexpected error is logged with its trace, because a fault of ours on one object
        must not end the watch of all. The next version of the object is read anew.
        """
        key = key_of(body)
        try:
            return key, self._read(body, self.get(key))
        except Exception:
            log.event("unreadable-object", key=key, trace=traceback.format_exc())
            return key, None

    def put(self, body: Object) -> None:
        """Keep an object that is new or has changed."""
        key, reading = self.read(body)
        self._set(key, reading)

    def remove(self, body: Object) -> None:
        """Forget an object that is gone."""
        self._set(key_of(body), None)

    def replace(self, readings: Iterable[tuple[str, T | None]]) -> None:
        """Keep these readings and no others. What is missing among them has gone unseen."""
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
        # Outside the lock, because a listener may read the cache.
        for listener in self._listeners:
            listener(key)
