"""Every error that `webhook` raises on purpose. Those of `certs` are in `certs.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.reasons import Finding


class VolrayError(Exception):
    """The base class of the errors below."""


class RefusedError(VolrayError):
    """A pod or a Job has mistakes.

    Attributes:
        mistakes: Every mistake that was found, not only the first.
        where: The name of the object, for messages.
        warnings: What its owner should know besides.
    """

    def __init__(
        self,
        mistakes: Iterable[Finding],
        where: str = "",
        warnings: Iterable[Finding] = (),
    ) -> None:
        self.mistakes = tuple(mistakes)
        self.where = where
        self.warnings = tuple(warnings)
        message = " ".join(mistake.text for mistake in self.mistakes)
        if where:
            message = f"{where}: {message}"
        super().__init__(message)


class MalformedError(RefusedError):
    """A Job does not have the shape that the Kubernetes API gives it."""


class DocumentError(VolrayError):
    """A document cannot be read as YAML, or is not an object."""


class ReviewError(VolrayError):
    """A request is not an AdmissionReview.

    Attributes:
        status: The HTTP status of the answer, which is always 4xx.
        finding: What is wrong with the request.
    """

    def __init__(self, status: int, finding: Finding) -> None:
        self.status = status
        self.finding = finding
        super().__init__(finding.text)


class AddressError(VolrayError):
    """It is not possible to listen on a host and a port."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"Cannot listen on {host} port {port} ({reason}). Choose another host or port."
        )


class NotLeadingError(VolrayError):
    """Another process may be the leader by now, so nothing may be written any more."""
