"""The errors that certs raises on purpose.

They do not derive from webhook's `VolrayError`, because certs imports nothing of webhook. The
command line and the server, which use certs, catch `CertificateError` beside that.
"""

from __future__ import annotations


class CertificateError(Exception):
    """A certificate, a key or the place that keeps them cannot be used as it is."""


class ClusterError(Exception):
    """The apiserver refused a request or did not answer it.

    Every implementation of `certs.api.Api` raises this or an error derived from it. The
    contract is a class rather than a status to return, because the client that all of volray
    shares raises errors, and so needs no second set of methods for certs.

    Attributes:
        status: The HTTP status, or None when there was no answer.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
