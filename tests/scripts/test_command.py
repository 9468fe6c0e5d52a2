"""The user's command beside Ray: its argv, its exit status, its signals."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scripts.container import Running, environment, expand, prepare, start, until
from tests.volcano_pods import container_of, injected, pod

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRINT_ARGV = "import sys, os; sys.stdout.buffer.write(b'\\0'.join(os.fsencode(a) for a in sys.argv[1:]))"

AWKWARD = [
    "a b",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "\\n",
    "*",
    "",
    "-c",
    "--",
    "a=b",
    "\n",
    "é",
    "#",
    "!",
    "~",
    "${x}",
    "$1",
]


@pytest.mark.parametrize("role", ["head", "worker"])
def test_the_argv_arrives_byte_for_byte(run: Callable[..., Running], role: str, open_port: str) -> None:
    env = {"VOLRAY_ADDRESS": open_port} if role == "worker" else None
    one = run(role, env=env, command=[sys.executable, "-c", PRINT_ARGV], args=AWKWARD)
    assert one.wait() == 0, one.log
    assert one.output == b"\0".join(os.fsencode(word) for word in AWKWARD)


WORDS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(AWKWARD),
    ),
    max_size=6,
)
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=WORDS,
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    job=NAMES,
    name=NAMES,
)
@pytest.mark.timeout(300)
def test_no_argv_value_or_name_reaches_a_shell_unquoted(
    shell: str, tmp_path_factory: pytest.TempPathFactory, words: list[str], value: str, job: str, name: str
) -> None:
    """Whatever the user writes, a program gets what a kubelet alone would have given it."""
    command = [sys.executable, "-c", PRINT_ARGV]
    original = pod(
        job=job,
        flags=f"--headContainer={name}",
        name=name,
        command=command,
        args=words,
        env=[{"name": "VALUE", "value": value}],
    )
    made = container_of(injected(original))
    one = start(made, prepare(tmp_path_factory.mktemp("container") / "c"), shell=shell)
    try:
        assert one.wait() == 0, one.log
    finally:
        one.close()
    env = environment(made, "127.0.0.1")
    assert one.output == b"\0".join(os.fsencode(expand(word, env)) for word in words)
    assert one.ray_argv is not None
    assert one.ray_argv[:3] == ["start", "--head", "--node-ip-address=127.0.0.1"]


@pytest.mark.parametrize("status", [0, 3, 7, 255])
def test_the_exit_status_is_the_containers(run: Callable[..., Running], status: int) -> None:
    assert run(command=["sh", "-c", f"exit {status}"]).wait() == status


def test_a_command_that_is_not_there_ends_with_127(run: Callable[..., Running]) -> None:
    assert run(command=["/no/such/program"]).wait() == 127


def test_a_command_that_is_no_program_ends_with_126(run: Callable[..., Running]) -> None:
    assert run(command=["/"]).wait() == 126


@pytest.mark.parametrize("word", ["echo", "test", "exit", "say", "look"])
def test_no_builtin_or_function_of_the_shell_stands_in_for_a_program(
    run: Callable[..., Running], tmp_path: Path, word: str
) -> None:
    program = tmp_path / word
    program.write_text(f"#!{sys.executable}\nprint('program', {word!r})\n")
    program.chmod(0o755)
    one = run(command=[word, "1\\n2"], programs=tmp_path)
    assert one.wait() == 0, one.log
    assert one.output.decode() == f"program {word}\n"


HANDLER = """
import signal, sys
def got(number, frame):
    print("got", number, flush=True)
    sys.exit(5)
signal.signal(signal.{name}, got)
print("ready", flush=True)
while True: signal.pause()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_a_signal_reaches_the_command(run: Callable[..., Running], name: str) -> None:
    one = run(command=[sys.executable, "-c", HANDLER.format(name=name)])
    until(lambda: b"ready" in one.output, what="the command")
    one.signal(signal.Signals[name])
    assert one.wait(10) == 5, one.log
    assert f"got {signal.Signals[name].value}".encode() in one.output


SEVERAL = """
import signal, sys, time
seen = []
signal.signal(signal.SIGUSR1, lambda *_: (seen.append(1), print("seen", len(seen), flush=True)))
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(40 + len(seen))))
print("ready", flush=True)
while True: time.sleep(0.05)
"""


def test_the_status_survives_several_signals(run: Callable[..., Running]) -> None:
    one = run(command=[sys.executable, "-c", SEVERAL])
    until(lambda: b"ready" in one.output, what="the command")
    for count in (1, 2):
        one.signal(signal.SIGUSR1)
        until(lambda: f"seen {count}".encode() in one.output, what="the signal")  # noqa: B023
    one.signal(signal.SIGTERM)
    assert one.wait(10) == 42, one.log


def test_a_command_without_a_handler_ends_by_sigterm_at_once(run: Callable[..., Running]) -> None:
    one = run(command=["sh", "-c", "echo ready; exec sleep 100"])
    until(lambda: b"ready" in one.output, what="the command")
    one.signal(signal.SIGTERM)
    assert one.wait(3) == 143


def test_the_command_is_not_deaf_to_sigint(run: Callable[..., Running]) -> None:
    """A shell starts background children with SIGINT ignored, and so would Python's KeyboardInterrupt be."""
    one = run(command=[sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"])
    assert one.wait() == 0
    assert b"default_int_handler" in one.output


def test_sigterm_while_ray_starts_ends_it_and_the_command_never_runs(run: Callable[..., Running]) -> None:
    one = run(command=["echo", "ran"], env={"FAKE_RAY_SECONDS": "60"})
    until(lambda: one.ray_argv, what="ray start")
    one.signal(signal.SIGTERM)
    assert one.wait(5) == 143
    assert one.output == b""


def test_a_ray_that_does_not_start_is_the_containers_status(run: Callable[..., Running]) -> None:
    one = run(command=["echo", "ran"], env={"FAKE_RAY_STATUS": "9"})
    assert one.wait() == 9
    assert one.output == b""
    assert "volray: ray start: exit status 9" in one.log


def test_the_commands_standard_input_is_the_containers(run: Callable[..., Running]) -> None:
    one = run(
        command=[
            sys.executable,
            "-c",
            "import os; print(os.readlink('/proc/self/fd/0'), os.path.exists('/proc/self/fd/3'))",
        ]
    )
    assert one.wait() == 0
    assert one.output == b"/dev/null False\n"


OPEN_FILES = "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        pytest.param(1024, 20000, 20000, id="up to a hard limit that is lower"),
        pytest.param(20000, 20000, 20000, id="not where it is the hard limit"),
    ],
)
def test_ray_may_open_more_files_and_the_command_keeps_its_limit(
    run: Callable[..., Running], soft: int, hard: int, raised: int
) -> None:
    one = run(command=[sys.executable, "-c", OPEN_FILES], limit=(soft, hard))
    assert one.wait() == 0, one.log
    assert one.output.decode().split() == [str(soft), str(hard)]
    assert one.ray_files == (raised, hard)


def test_a_command_that_starts_ray_again_is_told_how_to_keep_ray_to_itself(run: Callable[..., Running]) -> None:
    again = 'trap "exit 0" TERM; "$FAKE_RAY/raylet" 1000 & wait'
    one = run(command=["sh", "-c", again])
    until(lambda: "a second raylet runs in this container" in one.log, 45, "the sentence")
    assert "ray.volcano.sh/command: own" in one.log
    one.signal(signal.SIGTERM)
    assert one.wait(10) == 0
