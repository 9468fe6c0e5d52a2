"""The arguments of a container, as the installed command reads them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from webhook.cli.main import main


@contextmanager
def parsed(arguments: Sequence[str]) -> Iterator[click.Context]:
    """Give the context of a command, below that of `volray`.

    A command keeps the help option of its first context. Without the group's context above it, it would lose `-h` for
    the rest of the process.
    """
    with main.make_context("volray", list(arguments)) as group:
        name, command, rest = main.resolve_command(group, list(arguments))
        assert name is not None
        assert command is not None
        with command.make_context(name, rest, parent=group) as context:
            yield context
