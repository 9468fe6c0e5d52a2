"""The version that `volray --version`, the `injected` annotation and the audit annotations carry."""

__version__ = "0.1.0"
