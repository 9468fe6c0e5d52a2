"""`volray`, the group of all commands.

Each command imports its server or its client when it runs. Such an import takes half a second,
and `volray inject` and `--help` do without.
"""

from __future__ import annotations

import click

from webhook.cli.adopted import adopted
from webhook.cli.controller import controller
from webhook.cli.inject import inject
from webhook.cli.serve import serve
from webhook.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="volray")
def main() -> None:
    """Make Ray clusters out of Volcano Jobs."""


main.add_command(serve)
main.add_command(controller)
main.add_command(inject)
main.add_command(adopted)
