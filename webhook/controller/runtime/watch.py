"""List and watch: everything of one kind, kept up to date in a Store.

The model is kopf's (`kopf/_cogs/clients/watching.py`) with what the shared clients get wrong put right: a watch that
was refused or has fallen behind is followed by a list, whose difference to what is known shows deletions that nobody
told; a lost connection goes on where it broke; a stalled one is noticed; and no answer of the apiserver, however
quick, makes a hot loop.

A thread each: the client is urllib3, a watch waits in a read nearly all its life, and there are two of them.
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

    from webhook.controller.runtime.cache import Store
    from webhook.k8s.client import Api
    from webhook.names import Object

PAGE: Final = 500

SERVER_SECONDS: Final = 60.0
"""After which the apiserver ends a watch. Shorter than client-go's 5 to 10 minutes: a stall is noticed that much
sooner, for one cheap request a minute."""

SILENCE_SECONDS: Final = 75.0
"""Without a byte, the connection is dead: the server would have ended it."""

LONG_LIFE: Final = 5.0
"""Seconds after which the end of a watch is its ordinary end."""


class _RelistError(Exception):
    """The watch cannot be continued: only a list tells what there is."""


@dataclass
class Watch:
    """Follows a collection.

    Attributes:
        api: The apiserver.
        path: The collection, over all namespaces.
        store: What is kept up to date.
        selector: Label selector; empty for all.
        beat: Called whenever the loop shows that it is alive.
        restarted: Called with a reason at every end of a watch but the ordinary.
        synced: Whether the store was complete once.
    """

    api: Api
    path: str
    store: Store[Any]
    selector: str = ""
    server_seconds: float = SERVER_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    beat: Callable[[], None] = lambda: None
    restarted: Callable[[str], None] = lambda _reason: None
    backoff: Backoff = field(default_factory=Backoff)
    synced: bool = False
    _version: str | None = None
    """Of the newest state that the store has; None when only a list can tell."""
    _progressed: bool = False

    def run(self, stop: Event) -> None:
        """Follows until told to stop; looks at `stop` whenever something comes."""
        while not stop.is_set():
            self.beat()
            if delay := self.step(stop):
                stop.wait(delay)

    def step(self, stop: Event) -> float:
        """One list where it is needed, one watch; returns for how many seconds to leave the apiserver alone."""
        began, self._progressed = time.monotonic(), False
        problem = self._attempt(stop)
        is_ordinary = problem is None and time.monotonic() - began >= min(LONG_LIFE, self.server_seconds / 2)
        if is_ordinary or self._progressed:
            self.backoff.reset()
        if is_ordinary or stop.is_set():
            return 0
        reason = problem or "ended early"
        log.event("watch", path=self.path, problem=reason)
        self.restarted(reason)
        return self.backoff.next()

    def _attempt(self, stop: Event) -> str | None:
        """Why the watch ended, unless by its time. A refusal may mean that what is known is of no use: then a list."""
        try:
            if self._version is None:
                self._list()
            self._follow(stop)
        except ApiError as error:
            if error.status is None:
                return "lost"
            self._version = None
            return str(error.status)
        except _RelistError as error:
            self._version = None
            return str(error)
        except Exception:  # whatever came: the thread must live, and a list starts from firm ground
            log.event("watch", path=self.path, trace=traceback.format_exc())
            self._version = None
            return "fault"
        return None

    def _list(self) -> None:
        """All pages first, then the difference: a list that breaks off must not look like deletions."""
        readings, version, token = [], "", ""
        while not version or token:
            page = self.api.get(self._query({"limit": PAGE, "continue": token or None}))
            readings += [self.store.read(item) for item in page.get("items") or ()]
            version, token = page["metadata"]["resourceVersion"], page["metadata"].get("continue") or ""
            self.beat()
        self.store.replace(readings)
        self._version, self.synced = version, True

    def _follow(self, stop: Event) -> None:
        seconds = max(1, round(self.server_seconds * random.uniform(0.8, 1)))  # noqa: S311 - spreads load, hides nothing
        how = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        path = self._query(how | {"resourceVersion": self._version or ""})
        with self.api.stream(path, self.silence_seconds) as events:
            for event in events:
                self.beat()
                self._apply(event)
                if stop.is_set():
                    break

    def _query(self, parameters: Mapping[str, str | int | None]) -> str:
        return query(self.path, {**parameters, "labelSelector": self.selector or None})

    def _apply(self, event: Object) -> None:
        kind, body = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            raise _RelistError(str(body.get("code", "error")))
        if kind in {"ADDED", "MODIFIED"}:
            self.store.put(body)
        elif kind == "DELETED":
            self.store.remove(body)
        self._version, self._progressed = body["metadata"]["resourceVersion"], True
