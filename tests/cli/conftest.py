from __future__ import annotations

from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from webhook.cli.main import main


class Inject(Protocol):
    def __call__(self, text: str | bytes, *options: str) -> Result: ...


@pytest.fixture
def inject() -> Inject:
    """`volray inject -f -`; an exception of volray is the test's."""

    def run(text: str | bytes, *options: str) -> Result:
        return CliRunner(catch_exceptions=False).invoke(main, ["inject", "-f", "-", *options], input=text)

    return run
