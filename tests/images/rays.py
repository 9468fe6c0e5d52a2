"""The Rays that are tested, and which of them a run is asked for: `make e2e RAY=all`, or `RAY=2.40.0`.

Without RAY a run tests the newest in full, and of two older ones what takes under two minutes each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SELECTION: Final = "VOLRAY_E2E_RAYS"
"""The environment variable that carries the Makefile's RAY."""

ALL: Final = "all"

_CLICK: Final = "click<8.2"
"""`ray` copies its commands with deepcopy, which click's newer options do not survive (ray#56747)."""


_GRPC: Final = "grpcio<1.80"
"""The Ray client's server starts a process for each client with a `preexec_fn`. From 1.80 on that may crash before
it runs the program, and `ray.init("ray://...")` fails after 40 s (grpc#43055; 1.85.3: two of sixteen times here)."""


class UnknownRayError(Exception):
    """A run is asked for a Ray that is not in the list."""


@dataclass(frozen=True)
class Ray:
    """One Ray on Python 3.11, as people install it.

    Attributes:
        version: Its release.
        extra: What stands in the brackets of `ray[default]`. Without it there is no dashboard and no Ray client.
        pins: Requirements beside Ray's own, for dependencies that have changed since that release.
    """

    version: str
    extra: str = "default"
    pins: tuple[str, ...] = field(default=(), repr=False)

    @property
    def requirement(self) -> str:
        """The requirement that pip is given."""
        return f"{self.name}=={self.version}"

    @property
    def name(self) -> str:
        return f"ray[{self.extra}]" if self.extra else "ray"

    @property
    def image(self) -> str:
        """The image's name in manifests; the published images all have `[default]`."""
        return f"rayproject/ray:{self.version}-py311-cpu" if self.extra else f"volray-e2e/ray-plain:{self.version}"

    def __str__(self) -> str:
        return self.version if self.extra else f"{self.version}-plain"


NEWEST: Final = Ray("2.60.0", pins=(_GRPC,))
NEWEST_PLAIN: Final = Ray("2.60.0", extra="")

_OLDEST: Final = Ray("2.9.3", pins=(_CLICK, _GRPC))
_WITH_500: Final = Ray("2.47.1", pins=(_CLICK, _GRPC))
"""Its dashboard, as that of every Ray from 2.9.0 to 2.51.1, answers 500 to a request without a User-Agent
(ray#59042)."""

RAYS: Final = (
    _OLDEST,
    Ray("2.9.3", extra="", pins=(_CLICK,)),
    Ray("2.24.0", pins=(_CLICK, _GRPC)),
    Ray("2.40.0", pins=(_CLICK, _GRPC)),
    _WITH_500,
    Ray("2.52.1", pins=(_CLICK, _GRPC)),
    Ray("2.57.1", pins=(_GRPC,)),
    NEWEST,
    NEWEST_PLAIN,
)


@dataclass(frozen=True)
class Selection:
    """The Rays of one run.

    Attributes:
        in_full: Those that the matrix tests in every case.
        briefly: Those that it tests in the cases of the short form.
    """

    in_full: tuple[Ray, ...] = ()
    briefly: tuple[Ray, ...] = ()

    @property
    def rays(self) -> tuple[Ray, ...]:
        return (*self.in_full, *self.briefly)


def selection(environment: Mapping[str, str] = os.environ) -> Selection:
    """Return the Rays that this run is asked for.

    Raises:
        UnknownRayError: One of them is not in the list.
    """
    asked = environment.get(SELECTION, "")
    if not asked:
        return Selection(briefly=(_OLDEST, _WITH_500))
    if asked == ALL:
        return Selection(in_full=RAYS)
    return Selection(in_full=_of_version(asked, RAYS))


def _of_version(version: str, rays: Sequence[Ray]) -> tuple[Ray, ...]:
    found = tuple(ray for ray in rays if ray.version == version)
    if not found:
        versions = ", ".join(dict.fromkeys(ray.version for ray in rays))
        raise UnknownRayError(f"There are no tests of Ray {version}. Use RAY={ALL} or one of {versions}.")
    return found
