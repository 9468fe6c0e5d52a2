"""Keeps a cache up to date by listing a collection and then watching it.

The model is kopf's (`kopf/_cogs/clients/watching.py`), with four differences. A watch that
was refused or has fallen behind is followed by a list, which shows deletions that no watch
told. A lost connection goes on where it broke. A stalled connection is noticed. No answer of
the apiserver, however quick, makes a hot loop.

Each watch has a thread of its own, because the client is urllib3 and there are only a few.
"""

from __future__ import annotations

import random
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from webhook import log
from webhook.controller.runtime.backoff import Backoff
from webhook.k8s.client import ApiError
from webhook.k8s.paths import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from webhook.controller.runtime.cache import ObjectCache
    from webhook.k8s.client import Api
    from webhook.names import Object

PAGE: Final = 500
"""How many objects the apiserver may put on one page of a list."""

SERVER_SECONDS: Final = 60.0
"""After which the apiserver ends a watch.

This is shorter than client-go's 5 to 10 minutes. A stall is noticed that much sooner, for one
cheap request a minute.
"""

SILENCE_SECONDS: Final = 75.0
"""Without a byte for so long a connection is dead, since the server would have ended it."""

LONG_LIFE: Final = 5.0
"""Seconds after which the end of a watch is an ordinary end."""


class _RelistError(Exception):
    """The watch cannot be continued, and only a list can tell what there is."""


@dataclass
class Watch:
    """Follows a collection.

    Attributes:
        api: The apiserver.
        path: The collection over all namespaces.
        cache: The cache to keep up to date.
        selector: A label selector, or empty for all objects.
        server_seconds: See `SERVER_SECONDS`.
        silence_seconds: See `SILENCE_SECONDS`.
        beat: Called whenever the loop shows that it is alive.
        restarted: Called with the reason when a watch did not end in the ordinary way.
        backoff: The waits between attempts that failed.
        synced: Whether the cache was complete once.
    """

    api: Api
    path: str
    cache: ObjectCache[Any]
    selector: str = ""
    server_seconds: float = SERVER_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    beat: Callable[[], None] = lambda: None
    restarted: Callable[[str], None] = lambda _reason: None
    backoff: Backoff = field(default_factory=Backoff)
    synced: bool = False
    # The version of the newest state in the cache, or None when only a list can tell.
    _version: str | None = None
    # Whether this attempt has told anything.
    _progressed: bool = False

    def run(self, stop: Event) -> None:
        """Follow until told to stop. Whatever comes is an occasion to look at `stop`."""
        while not stop.is_set():
            self.beat()
            delay = self.step(stop)
            if delay:
                stop.wait(delay)

    def step(self, stop: Event) -> float:
        """List if that is needed, and watch once.

        Returns:
            For how many seconds to leave the apiserver alone.
        """
        began = time.monotonic()
        self._progressed = False
        problem = self._attempt(stop)
        lived_long = time.monotonic() - began >= min(LONG_LIFE, self.server_seconds / 2)
        is_ordinary = problem is None and lived_long
        if is_ordinary or self._progressed:
            self.backoff.reset()
        if is_ordinary or stop.is_set():
            return 0
        reason = problem or "ended early"
        log.event("watch", path=self.path, problem=reason)
        self.restarted(reason)
        return self.backoff.next()

    def _attempt(self, stop: Event) -> str | None:
        """Return why the watch ended, or None if its time was over.

        A refusal may mean that the known version is of no use, so a list follows.
        """
        try:
            if self._version is None:
                self._list_all()
            self._follow(stop)
        except ApiError as error:
            if error.status is None:
                return "lost"
            self._version = None
            return str(error.status)
        except _RelistError as error:
            self._version = None
            return str(error)
        except Exception:
            # The thread must live, whatever came. A list starts from firm ground.
            log.event("watch", path=self.path, trace=traceback.format_exc())
            self._version = None
            return "fault"
        return None

    def _list_all(self) -> None:
        """Read all pages, and only then replace what is known.

        A list that breaks off half-way must not look like deletions.
        """
        readings: list[tuple[str, Any]] = []
        version = ""
        token = ""
        while not version or token:
            page = self.api.get(self._query({"limit": PAGE, "continue": token or None}))
            readings += map(self.cache.read, page.get("items") or ())
            version = page["metadata"]["resourceVersion"]
            token = page["metadata"].get("continue") or ""
            self.beat()
        self.cache.replace(readings)
        self._version = version
        self.synced = True

    def _follow(self, stop: Event) -> None:
        # The spread keeps all watches from ending at the same moment.
        spread = random.uniform(0.8, 1)  # noqa: S311 - no secret depends on it
        seconds = max(1, round(self.server_seconds * spread))
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
            "resourceVersion": self._version or "",
        }
        with self.api.stream(self._query(parameters), self.silence_seconds) as watch_events:
            for watch_event in watch_events:
                self.beat()
                self._apply(watch_event)
                if stop.is_set():
                    break

    def _query(self, parameters: Mapping[str, str | int | None]) -> str:
        return query(self.path, {**parameters, "labelSelector": self.selector or None})

    def _apply(self, watch_event: Object) -> None:
        kind = watch_event.get("type")
        body = watch_event.get("object") or {}
        if kind == "ERROR":
            raise _RelistError(str(body.get("code", "error")))
        if kind in {"ADDED", "MODIFIED"}:
            self.cache.put(body)
        elif kind == "DELETED":
            self.cache.remove(body)
        # A bookmark has nothing but this version.
        self._version = body["metadata"]["resourceVersion"]
        self._progressed = True
