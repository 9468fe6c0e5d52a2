"""The errors that certs raises on purpose.

They do not derive from webhook's `VolrayError`, because certs imports nothing of
webhook. Both programs that use certs (`volray serve` and the server inside it) catch
`CertificateError` beside their own root.
"""

from __future__ import annotations


class CertificateError(Exception):
    """A certificate, a key or the place that keeps them cannot be used as it is."""


class ClusterError(Exception):
    """The apiserver refused a request or did not answer it.

    Whoever implements `certs.api.Api` raises it, or an error derived from it. A class
    rather than a return value, so that one client serves certs and everything else.

    Attributes:
        status: The HTTP status, or None when there was no answer.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
