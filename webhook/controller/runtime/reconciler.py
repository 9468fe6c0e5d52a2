"""What the controller asks of a reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from webhook.controller.runtime.cache import ObjectCache
    from webhook.controller.runtime.queue import Pace


class Outcome(StrEnum):
    """What became of a key. It is a label of a metric."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    REPLACED = "replaced"
    DELETED = "deleted"
    WAITING = "waiting"
    LOST_RACE = "lost-race"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """The outcome, and how soon to look again. Without a pace only a change is a reason to."""

    outcome: Outcome
    again: Pace | None = None


@dataclass(frozen=True)
class WatchedResource:
    """A collection that a reconciler needs to know.

    Attributes:
        name: The name of its watch in metrics and health. Reconcilers that name the same
            resource must pass the same cache, and share one watch.
        path: The path of the collection over all namespaces.
        cache: Where the watch keeps what it sees.
        key_for: Returns the key to reconcile when the object of a key has changed, or None
            when the object is of no interest.
        selector: A label selector, or empty for all objects.
    """

    name: str
    path: str
    cache: ObjectCache[Any]
    key_for: Callable[[str], str | None]
    selector: str = ""


class Reconciler(Protocol):
    """Brings one kind of thing into its desired state, one key at a time."""

    @property
    def name(self) -> str:
        """The name of its threads in the health report."""

    @property
    def resources(self) -> Sequence[WatchedResource]:
        """The resources to watch for it."""

    def every_key(self) -> Iterable[str]:
        """Return all keys, the most urgent first. A new leader reconciles them."""

    def keys_to_resync(self) -> Iterable[str]:
        """Return the keys to reconcile again from time to time, though nothing has changed."""

    def reconcile(self, key: str) -> Result:
        """Bring what belongs to a key into its desired state.

        Several threads call this, but never two with the same key.

        Raises:
            NotLeadingError: Another controller may be acting, so nothing was written.
        """
