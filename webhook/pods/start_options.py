"""Read the options of a start that was found in a command."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.pods.flags import PORT_FLAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.pods.start_search import StartCall

PORT_OPTIONS: Final = {flag.field: port.option for flag, port in PORT_FLAGS if port.in_service}
"""The options of `ray start --head` behind the ports of the head Service, by the field of Settings.

Ray's own defaults are those of Settings (ray/_private/ray_constants.py,
ray/scripts/scripts.py).
"""

_HIGHEST_PORT: Final = 65535

_READ_OPTIONS: Final = frozenset({*PORT_OPTIONS.values(), "--address"})
"""Options that volray reads. The word after one is its value even if it has a dash."""

_COMMON_SWITCHES: Final = frozenset(
    {"--head", "--block", "--verbose", "-v", "--no-monitor", "--disable-usage-stats"}
)
"""Options without a value. After any other option, a word without a dash is its value."""

_EXPANSIONS: Final = ("$", "`")
"""What a word begins with that a shell replaces by others, which may be options."""


@dataclass(frozen=True)
class StartOptions:
    """The options of one start."""

    words: str
    """The words that make it a start, such as `ray start`."""
    values: Mapping[str, str]
    """By the option's name, as the last of two counts. A switch has an empty value."""
    is_whole: bool
    """Whether there can be no other options."""

    @property
    def is_symmetric(self) -> bool:
        """Whether it is `ray symmetric-run`, which starts the head and the workers alike."""
        return self.words.endswith("symmetric-run")

    @property
    def may_be_head(self) -> bool:
        """Whether this may start a head. Among options that are out of sight may be `--head`."""
        if self.is_symmetric or "--head" in self.values:
            return True
        return not self.is_whole and "--address" not in self.values

    @property
    def joined_port(self) -> int | None:
        """The port of the head that a worker joins, if its number is written there."""
        if "--head" in self.values:
            return None
        address = self.values.get("--address", "")
        return port_number(address.rpartition(":")[2])


def read_options(call: StartCall) -> StartOptions:
    """Return the options of a start with their values."""
    values: dict[str, str] = {}
    is_whole = call.is_whole
    rest = deque(call.options)
    while rest:
        word = rest.popleft()
        # What follows is the program of `ray symmetric-run`.
        if word == "--":
            break
        if word.startswith(_EXPANSIONS):
            is_whole = False
        if not word.startswith("-"):
            continue
        name, equals, value = word.partition("=")
        if not equals and name not in _COMMON_SWITCHES:
            value = _take_value(name, rest)
        values[name] = value
    return StartOptions(call.words, values, is_whole)


def _take_value(name: str, rest: deque[str]) -> str:
    """Remove the value of an option from the words after it and return it.

    Most options are not known here. For those, a word with a dash is the next option.
    """
    if not rest:
        return ""
    if name in _READ_OPTIONS or not rest[0].startswith("-"):
        return rest.popleft()
    return ""


def port_number(text: str) -> int | None:
    """Return a port that is written as a number. With 0, Ray chooses one itself."""
    # int() would also read digits of other scripts, and raise for very long texts.
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_HIGHEST_PORT))
    if not is_number:
        return None
    number = int(text)
    return number if 0 < number <= _HIGHEST_PORT else None
