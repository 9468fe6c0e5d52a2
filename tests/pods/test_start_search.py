"""What the search for a start in a command costs, and its limits."""

from __future__ import annotations

import time

import pytest

from webhook.pods.start_search import find_starts

MODULE = "-mray.scripts.scripts"

LONG = {
    "the module as an option": [MODULE] * 50_000 + ["x", "start"],
    "appending": ["bash", "-c", "A+=abcdefgh\n" * 400_000 + "ray start"],
}


@pytest.mark.parametrize("argv", LONG.values(), ids=LONG)
def test_the_time_grows_with_the_text(argv: list[str]) -> None:
    """A pod of any content is answered within the apiserver's patience."""
    begin = time.process_time()
    find_starts(argv, {})
    assert time.process_time() - begin < 8


@pytest.mark.parametrize(("options", "found"), [(0, 1), (8, 1), (9, 0)])
def test_a_start_may_follow_some_options_of_ray_itself(options: int, found: int) -> None:
    assert len(find_starts(["ray", *["--version"] * options, "start"], {})) == found


def test_a_command_may_be_put_together_in_many_steps() -> None:
    steps = [f"C+=' --resources-{number}=1'" for number in range(500)]
    script = "\n".join(["C='ray start'", *steps, "$C --port=7"])
    (call,) = find_starts(["sh", "-c", script], {})
    assert call.options[0] == "--resources-0=1"
    assert call.options[-2:] == ("--resources-499=1", "--port=7")
