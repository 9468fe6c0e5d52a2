"""Every error that webhook raises on purpose. Those of certs are in `certs.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.reasons import Finding


class VolrayError(Exception):
    """The root of the hierarchy."""


class RefusedError(VolrayError):
    """A pod or a Job is wrong.

    Attributes:
        mistakes: Every mistake that was found, not only the first.
        where: The object's name, for messages.
        warnings: What else its owner should know.
    """

    def __init__(self, mistakes: Iterable[Finding], where: str = "", warnings: Iterable[Finding] = ()) -> None:
        self.mistakes = tuple(mistakes)
        self.where = where
        self.warnings = tuple(warnings)
        sentences = " ".join(mistake.text for mistake in self.mistakes)
        super().__init__(f"{where}: {sentences}" if where else sentences)


class MalformedError(RefusedError):
    """A Job does not have the shape that the Kubernetes API gives it."""


class DocumentError(VolrayError):
    """A file that cannot be read as YAML, or holds what is no object."""


class ReviewError(VolrayError):
    """A request that is no AdmissionReview; `status` is the HTTP status (always 4xx) to answer with."""

    def __init__(self, status: int, finding: Finding) -> None:
        self.status = status
        self.finding = finding
        super().__init__(finding.text)


class AddressError(VolrayError):
    """A host and port that cannot be listened on."""


class NotLeadingError(VolrayError):
    """Another process may be the leader by now: nothing may be written any more."""
