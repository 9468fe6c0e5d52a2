"""volray makes Ray clusters out of Volcano Jobs."""

from webhook.version import __version__

__all__ = ["__version__"]
