from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.pods.nodes import CPU, START_ARGS, made, node, script
from webhook.pods.inject import additions_of
from webhook.pods.ray_start import command_and_args, ray_start

if TYPE_CHECKING:
    from webhook.names import Object, Role

OURS = {"limits": {"cpu": "2", "nvidia.com/gpu": "1"}, "requests": {"memory": "1000Mi", "nvidia.com/gpu": "1"}}
MEMORY, STORE = "--memory=734003200", "--object-store-memory=314572800"


def announced(start_args: str = "", resources: Object | None = None, task: str = "head") -> list[str]:
    """The words that follow the ports, past the kubelet and past the shell, to which a variable stays its name."""
    pod = node(task, annotations={START_ARGS: start_args}, resources=resources)
    command, _ = command_and_args(pod, additions_of(pod).options)
    [line] = re.findall(r"set -- (?:env .* )?(ray start (?:.*\\\n)*.*)\n", command[2])
    words = shlex.split(line.replace("$$", "$").replace("\\\n", ""))
    assert words[-1] == "--block"
    return words[words.index("--dashboard-agent-listen-port=52365") + 1 : -1]


def test_the_users_argv_becomes_the_scripts_arguments() -> None:
    container = made(command=["python", "a b.py"], args=["$HOME", "$(POD_IP)", ""])
    command = container["command"]
    assert [*command[:2], *command[3:]] == ["/bin/sh", "-c", "volray"]
    assert container["args"] == ["python", "a b.py", "$HOME", "$(POD_IP)", ""]
    assert made(command=["python"])["args"] == ["python"]


@pytest.mark.parametrize("task", ["head", "worker"])
@pytest.mark.parametrize("container", [{}, {"command": None, "args": None}, {"args": []}])
def test_without_a_command_ray_alone_blocks(container: Object, task: str) -> None:
    found = made(task, **container)
    assert "args" not in found
    assert re.search(r"\nset -- (env .* )?ray start ", found["command"][2])
    assert found["command"][2].count("--block") == 1


@pytest.mark.parametrize("task", ["head", "worker"])
def test_beside_a_command_ray_does_not_block(task: str) -> None:
    found = script(task, command=["python"])
    assert re.search(r"first 'ray start' (env \S+ \S+ -c \S+ )?ray start ", found)
    assert "--block" not in found


@pytest.mark.parametrize(("task", "own", "other"), [("head", 41, 43), ("worker", 43, 41)])
def test_the_waits_are_those_of_the_flags(task: str, own: int, other: int) -> None:
    found = script(task, flags="--waitNodes=41 --waitHead=43", command=["python"])
    assert f"' {own}\n" in found
    assert f"' {other}\n" not in found


@pytest.mark.parametrize(("role", "place"), [("head", "--head"), ("worker", '--address="$VOLRAY_ADDRESS"')])
def test_each_option_has_a_line_and_an_address_is_one_word_to_the_shell(role: Role, place: str) -> None:
    lines = [
        f"ray start {place} \\",
        '  --node-ip-address="$VOLRAY_POD_IP" \\',
        "  --a=1 \\",
        "  'b c' \\",
        "  --block",
    ]
    assert ray_start(role, ("--a=1", "b c"), block=True).splitlines() == lines
    assert "--block" not in ray_start(role, (), block=False)


def test_a_dollar_in_a_start_option_passes_the_kubelet_and_the_shell_as_it_is() -> None:
    found = script(annotations={START_ARGS: """--node-name='$(POD_IP) $HOME $$ `id` "x"'"""})
    assert "'--node-name=$$(POD_IP) $$HOME $$$$ `id` \"x\"'" in found


@pytest.mark.parametrize("task", ["head", "worker"])
@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, ["--num-gpus=0"]),
        ({"limits": {"example.com/x": "1"}}, []),
        ({"limits": {"cpu": "2"}}, ["--num-cpus=2", "--num-gpus=0"]),
        (OURS, ["--num-cpus=2", "--num-gpus=1", MEMORY, STORE]),
        (
            {"limits": {"google.com/tpu": "4", "habana.ai/gaudi": "1"}},
            ["--num-gpus=0", '--resources={"TPU": 4, "HPU": 1}'],
        ),
    ],
)
def test_the_containers_resources_are_announced(task: str, resources: Object | None, expected: list[str]) -> None:
    assert announced(resources=resources, task=task) == expected


@pytest.mark.parametrize(
    ("start_args", "expected"),
    [
        ("--num-cpus=0", ["--num-gpus=1", MEMORY, STORE, "--num-cpus=0"]),
        ("--num-gpus 4", ["--num-cpus=2", MEMORY, STORE, "--num-gpus=4"]),
        (
            "--memory=1 --object-store-memory=2",
            ["--num-cpus=2", "--num-gpus=1", "--memory=1", "--object-store-memory=2"],
        ),
        ("-v --node-name=a", ["--num-cpus=2", "--num-gpus=1", MEMORY, STORE, "-v", "--node-name=a"]),
        ("--resources={}", ["--num-cpus=2", "--num-gpus=1", MEMORY, STORE]),
    ],
)
def test_the_users_start_options_win_over_ours(start_args: str, expected: list[str]) -> None:
    assert announced(start_args, OURS) == expected


@pytest.mark.parametrize(
    ("theirs", "merged"), [('{"a": 1}', {"TPU": 4, "a": 1}), ('{"TPU": 1}', {"TPU": 1}), ("{}", {"TPU": 4})]
)
def test_the_users_resources_are_merged_over_ours_into_one_option(theirs: str, merged: dict[str, Any]) -> None:
    limits = {**CPU["limits"], "google.com/tpu": "4"}
    found = announced(f"-v --resources='{theirs}' --num-cpus=1", {"limits": limits})
    (option,) = [word for word in found if word.startswith("--resources")]
    assert json.loads(option.partition("=")[2]) == merged
    assert found[-2:] == ["-v", "--num-cpus=1"]
