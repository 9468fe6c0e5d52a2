"""The version, which `volray --version`, the `injected` annotation and audit annotations show."""

__version__ = "0.1.0"
