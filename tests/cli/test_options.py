"""`--version`, `--help`, and what the installed command does with them."""

from __future__ import annotations

import subprocess

import click
import pytest
from click.testing import CliRunner

from tests.server.process import PATIENCE, VOLRAY
from webhook.cli.main import main
from webhook.version import __version__

COMMANDS: dict[tuple[str, ...], click.Command] = {
    (): main,
    **{(name,): command for name, command in main.commands.items()},
}


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.output) == (0, f"volray, version {__version__}\n")


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: " ".join(words) or "volray")
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_option_and_explains_it(arguments: tuple[str, ...], flag: str) -> None:
    result = CliRunner().invoke(main, [*arguments, flag])
    assert result.exit_code == 0
    for option in COMMANDS[arguments].params:
        assert isinstance(option, click.Option)
        assert option.help
        for name in option.opts:
            assert name in result.output


def test_help_of_the_whole_names_every_command() -> None:
    assert set(main.commands) >= {"serve", "inject"}
    assert all(name in CliRunner().invoke(main, ["--help"]).output for name in main.commands)


@pytest.mark.parametrize(("command", "option"), [("serve", "--cert-dir"), ("inject", "--filename")])
def test_an_option_that_must_be_there_is_asked_for(command: str, option: str) -> None:
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 2
    assert option in result.stderr


def test_the_installed_command_is_this_one() -> None:
    run = subprocess.run([VOLRAY, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert run.stdout == f"volray, version {__version__}\n"


def test_inject_imports_no_server() -> None:
    """It starts at once, and runs where no server can."""
    run = subprocess.run(
        [VOLRAY, "inject", "-f", "-"], input="", capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert (run.stdout, run.stderr) == ("", "")
