"""Who starts Ray in a container, and on which ports."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.pods.nodes import COMMAND, START_ARGS, codes, fields
from webhook.pods.flag_parser import read_flags
from webhook.pods.flags import DEFAULTS, Settings
from webhook.pods.own_start import InEffect, Start, in_effect, told_ports, who_starts_ray
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Role


def sh(script: str) -> list[str]:
    return ["bash", "-c", script]


def decided(argv: list[str], role: Role = "head", *, annotation: str | None = None) -> Start:
    annotations = {} if annotation is None else {COMMAND: annotation}
    return who_starts_ray(annotations, {"command": argv}, role)


STARTS = {
    "ray start": ["ray", "start", "--head"],
    "by its path": ["/opt/conda/bin/ray", "start"],
    "a global option": ["ray", "--logging-level=info", "start", "--head"],
    "a global option and its value": ["ray", "--logging-level", "info", "start", "--head"],
    "the module": ["python", "-m", "ray.scripts.scripts", "start", "--head"],
    "the module, joined": ["python3.11", "-mray.scripts.scripts", "start"],
    "the module's file": ["python", "/usr/lib/python3/site-packages/ray/scripts/scripts.py", "start"],
    "symmetric-run": ["ray", "symmetric-run", "--address", "a:1", "--", "python", "a.py"],
    "tini": ["tini", "-g", "--", "ray", "start"],
    "env": ["/usr/bin/env", "A=b", "ray", "start"],
    "env, split": ["env", "-S", "ray start --head"],
    "nohup": sh("nohup ray start --head --block &"),
    "numactl": sh("numactl --cpunodebind=0 --membind=0 ray start --head"),
    "conda run": ["conda", "run", "-n", "test", "ray", "start"],
    "arguments of a script": ["/entrypoint.sh", "ray", "start"],
    "arguments of a shell": ["sh", "-c", 'exec "$@"', "x", "ray", "start"],
    "bash -c": sh("ray start --head"),
    "bash -lc": ["/bin/bash", "-lc", "ray start"],
    "bash -lc --": ["/bin/bash", "-lc", "--", "ulimit -n 65536; ray start"],
    "options with values": ["bash", "-euxo", "pipefail", "-O", "extglob", "-c", "ray start"],
    "long options": ["bash", "--rcfile", "c", "--login", "-c", "ray start"],
    "options after -c": ["bash", "-c", "-e", "ray start"],
    "after a semicolon": sh("cd /x&&ray start;sleep 1"),
    "in a substitution": sh("x=$(ray start --head)"),
    "in backticks": sh("x=`ray start --head`"),
    "if": sh("if [ $VC_TASK_INDEX = 0 ]; then ray start --head; fi"),
    "case": sh("case $ROLE in head) ray start --head;; esac"),
    "a function": sh("up() { ray start --head; }; up"),
    "exec": sh("exec ray start --head --block"),
    "time": sh("time ray start"),
    "bash in bash": sh('bash -c "ray start --head"'),
    "eval": sh("eval ray start --head"),
    "eval of a text": sh('eval "ray start --head"'),
    "su": sh("su - ray -c 'ray start --head'"),
    "su --command": sh("su ray --command='ray start --head'"),
    "runuser": sh("runuser -u ray -- ray start --head"),
    "runuser and bash": ["env", "A=b", "runuser", "-u", "ray", "--", "bash", "-lc", "ray start"],
    "sudo": sh("sudo -u ray ray start"),
    "a here-document of a shell": sh("bash <<EOF\nray start --head\nEOF"),
    "a here-document to a file": sh("cat > /tmp/x.sh <<'EOF'\nset -e\nray start --head\nEOF\nsh /tmp/x.sh"),
    "a here-string": sh("bash <<< 'ray start --head'"),
    "a here-document of Python": sh("python - <<EOF\nos.system('ray start --head')\nEOF"),
    "a command in a variable": sh("CMD='ray start --head'; $CMD"),
    "a command in a variable, evaluated": sh('CMD="ray start"\nCMD+=" --head"\neval "${CMD}"'),
    "a command in a variable, for bash": sh('export CMD="ray start --head"; exec bash -c "$CMD"'),
    "Python": ["python", "-c", "import os; os.system('ray start --head')"],
    "Python's list": ["python3", "-c", "subprocess.run(['ray', \"start\", '--head'])"],
    "Python that nobody can read": ["python", "-c", "((( 'ray start'"],
    "a script that no shell can read": sh("echo 'oops; ray start --head"),
    "a global option in such a script": sh("echo 'oops; ray --logging-level info start"),
    "after an echo": sh("echo starting; ray start"),
    "beside a quotation": sh('echo "ray start"; ray start'),
}


@pytest.mark.parametrize("role", ["head", "worker"])
@pytest.mark.parametrize("argv", STARTS.values(), ids=STARTS)
def test_a_command_that_starts_ray_is_known(argv: list[str], role: Role) -> None:
    start = decided(argv, role)
    assert (start.mode, codes(start.warnings)) == ("own", [Code.OWN_START])


@pytest.mark.parametrize(
    ("script", "ports"),
    [
        ("ulimit -n 65536; $KUBERAY_GEN_RAY_START_CMD", [6380, 8265, 10001]),
        ('eval "${KUBERAY_GEN_RAY_START_CMD}"', [6380, 8265, 10001]),
        ('echo "$KUBERAY_GEN_RAY_START_CMD"; python a.py', None),
    ],
)
def test_a_start_in_a_variable_is_known_where_something_runs_it(script: str, ports: list[int] | None) -> None:
    """A pod copied from KubeRay starts Ray so; without the variable nothing shows that."""
    variable = {"name": "KUBERAY_GEN_RAY_START_CMD", "value": "ray start --head --port=6380 --block"}
    container = {"command": ["/bin/bash", "-lc", "--"], "args": [script]}
    start = who_starts_ray({}, {**container, "env": [variable, {"name": "A", "valueFrom": {}}]}, "head")
    assert (start.own and [port.number for port in start.own.ports]) == ports
    assert start.mode == ("keep" if ports is None else "own")


@pytest.mark.parametrize("argv", [["ray", "start"], sh("ray start")])
def test_command_and_args_are_one_argv(argv: list[str]) -> None:
    for split in range(len(argv) + 1):
        container = {"command": argv[:split], "args": argv[split:] or None}
        assert who_starts_ray({}, container, "head").mode == "own"


KEPT = {
    "nothing": [],
    "a program": ["python", "train.py"],
    "ray alone": ["ray"],
    "another command of ray": ["ray", "status"],
    "job": ["ray", "job", "start"],
    "stop": ["ray", "stop", "start"],
    "turned round": ["start", "ray"],
    "another name": sh("array start; x-ray start; my_ray start; a.ray start; Ray start"),
    "another word": sh("ray startup; ray start-all; ray start_all; ray symmetric-runner; raystart; ray-start"),
    "a user called ray": ["gosu", "ray", "start.sh"],
    "a comment": sh("# no ray start here: the plugin does it\nexec python train.py"),
    "a quotation": sh("MESSAGE='ray start failed'; python a.py"),
    "an argument": sh("python a.py --prompt 'how does ray start?'"),
    "echo": sh("echo ray start; python a.py"),
    "echo of a quotation": sh('echo "ray start master in port"; python a.py'),
    "echo of a variable": sh("CMD='ray start'; echo $CMD"),
    "printf": sh("printf '%s %s' ray start"),
    "logger": sh("logger -t x ray start"),
    "grep": sh("ps | grep -v ray start | wc -l"),
    "pgrep": sh("until pgrep -f ray start; do sleep 1; done"),
    "by its path": sh("/bin/echo ray start"),
    "behind exec": sh("exec env A=b echo ray start"),
    "on another machine": sh("ssh $HOST ray start --head"),
    "prose in a here-document": sh("cat <<EOF\nDon't ray start here\nEOF\npython a.py"),
    "usage in a here-document": sh("cat <<EOF\nUsage: `basename $0`\nEOF\npython ray.py"),
    "a comment of Python": ["python", "-c", "import ray  # ray start\nray.init()  # not '''ray start'''"],
    "a comment in a here-document of Python": sh("python <<EOF\n# ray start\nEOF"),
    "a comment of a script that no shell can read": sh("# ray start\necho 'oops"),
    "a comment of Python that nobody can read": ["python", "-c", "((( # ray start"],
    "a script's name": ["bash", "start.sh", "--name=ray"],
    "a shell without a script": ["bash", "-l", "--"],
    "a shell without anything": ["bash", "-x"],
    "no value": ["su", "ray", "-c"],
    "serve": ["serve", "start", "ray"],
}


@pytest.mark.parametrize("role", ["head", "worker"])
@pytest.mark.parametrize("argv", KEPT.values(), ids=KEPT)
def test_a_command_that_only_has_such_words_or_none_is_kept(argv: list[str], role: Role) -> None:
    assert decided(argv, role) == who_starts_ray({}, {"command": None, "args": argv or None}, role) == Start("keep")


@pytest.mark.parametrize("argv", [STARTS["bash -c"], KEPT["a program"], []], ids=["starts Ray", "does not", "nothing"])
@pytest.mark.parametrize("mode", ["keep", "own", "replace", "", "Own", "drop"])
def test_the_annotation_overrules_the_command_and_another_is_a_mistake(argv: list[str], mode: str) -> None:
    """Options for a start that is not volray's are warned of."""
    start = who_starts_ray({COMMAND: mode, START_ARGS: "-v"}, {"command": argv}, "head")
    is_mode = mode in {"keep", "own", "replace"}
    assert start.mode == (mode if is_mode else "keep")
    assert [(one.code, one.place, fields(one)) for one in start.mistakes] == (not is_mode) * [
        (Code.UNKNOWN_COMMAND_MODE, f"metadata.annotations[{COMMAND}]", {"found": mode})
    ]
    assert [(one.code, one.place, fields(one)) for one in start.warnings] == (mode == "own") * [
        (Code.START_ARGS_UNUSED, f"metadata.annotations[{START_ARGS}]", {"found": "-v"})
    ]


def test_without_an_annotation_the_commands_words_decide_about_a_start() -> None:
    for argv, expected in ((["ray", "start"], [Code.OWN_START, Code.START_ARGS_UNUSED]), (["python"], [])):
        assert codes(who_starts_ray({START_ARGS: "-v"}, {"command": argv}, "head").warnings) == expected
        assert codes(who_starts_ray({}, {"command": argv}, "head").warnings) == expected[:1]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["ray", "start", "--head"], "ray start"),
        (sh("exec /opt/bin/ray   start"), "/opt/bin/ray start"),
        (["ray", "--logging-level", "info", "start"], "ray --logging-level info start"),
        (["ray", "symmetric-run", "--", "a"], "ray symmetric-run"),
        (["python", "-c", "os.system('ray  start')"], "ray start"),
    ],
)
def test_the_warning_names_the_words(argv: list[str], words: str) -> None:
    (warning,) = decided(argv).warnings
    assert fields(warning) == {"words": words}


# Ports


RAYS = (6379, 8265, 10001)


def numbers(start: Start) -> tuple[int | str | None, ...]:
    """The head's ports: a number, the text of one that cannot be read, or None for one that is out of sight."""
    assert start.own is not None
    found = {port.field: port.text if port.number is None else port.number for port in start.own.ports}
    return tuple(found.get(field) for field in ("port", "dashboard_port", "client_port"))


HEADS: dict[str, tuple[list[str], tuple[int | str | None, ...]]] = {
    "Ray's own": (["ray", "start", "--head"], RAYS),
    "two words": (["ray", "start", "--head", "--port", "6344", "--dashboard-port", "8260"], (6344, 8260, 10001)),
    "one word": (sh("ray start --head --port=6344 --ray-client-server-port=10009"), (6344, 8265, 10009)),
    "after --head": (sh("ray start --port=1 --head"), (1, 8265, 10001)),
    "the last of two": (sh("ray start --head --port=1 --port=2"), (2, 8265, 10001)),
    "among others": (
        sh("ray start --head --node-ip-address=$(hostname -i) --num-cpus $N --block --resources='{\"a\": 1}' --port=7"),
        (7, 8265, 10001),
    ),
    "after an option that we do not know": (sh("ray start --head --new --port=7"), (7, 8265, 10001)),
    "the dashboard's host": (sh("ray start --head --dashboard-host=0.0.0.0:1"), RAYS),
    "a variable": (sh("ray start --head --port=$PORT"), ("--port=$PORT", 8265, 10001)),
    "a variable, two words": (sh('ray start --head --port "${PORT}"'), ("--port=${PORT}", 8265, 10001)),
    "a substitution": (sh("ray start --head --dashboard-port=$(free)"), (6379, "--dashboard-port=$(free)", 10001)),
    "the kubelet's variable": (["ray", "start", "--head", "--port=$(PORT)"], ("--port=$(PORT)", 8265, 10001)),
    "Ray's choice": (sh("ray start --head --port=0"), ("--port=0", 8265, 10001)),
    "no port": (sh("ray start --head --port=65536"), ("--port=65536", 8265, 10001)),
    "no number": (sh("ray start --head --port=6k"), ("--port=6k", 8265, 10001)),
    "digits of another script": (sh("ray start --head --port=\u0661"), ("--port=\u0661", 8265, 10001)),
    "no value": (sh("ray start --head --port"), ("--port=", 8265, 10001)),
    "volray's variable": (sh('ray start --head --port="${RAY_ADDRESS##*:}"'), (None, 8265, 10001)),
    "out of sight": (sh("ray start --head --dashboard-port=1 $ARGS"), (None, 1, None)),
    "all out of sight": (sh('ray start "$@"'), (None, None, None)),
    "in backticks": (sh("ray start `cat options`"), (None, None, None)),
    "in Python": (["python", "-c", "os.system('ray start --head --port=7')"], (7, None, None)),
    "in a script that no shell can read": (sh("ray start --head --port=7 # it's\necho '"), (7, None, None)),
    "symmetric-run": (["ray", "symmetric-run", "--address", "$HEAD:6344", "--", "a", "--port=1"], (6344, 8265, 10001)),
    "symmetric-run, volray's address": (sh('ray symmetric-run --address "$RAY_ADDRESS" -- a'), (None, 8265, 10001)),
    "symmetric-run, $A": (sh("ray symmetric-run --address=$A --dashboard-port=1 -- a"), ("--address=$A", 1, 10001)),
    "head or worker": (sh("if a; then ray start --head --port=7; else ray start --address=b:8; fi"), (7, 8265, 10001)),
    "two heads alike": (sh("ray start --head --port=7 || ray start --head --port=7 -v"), (7, 8265, 10001)),
    "the default twice": (sh("ray start --head || ray start --head --port=6379"), RAYS),
    "two heads": (sh("ray start --head --port=7 || ray start --head"), ("--port=7 or no --port", 8265, 10001)),
    "a head that joins": (sh("ray start --address=b:8"), (None, None, None)),
    "a command in parts": (sh("C='ray start'; C=\"$C\"; C='ray start'; C+=' --head --port=7'; $C"), (7, 8265, 10001)),
}


@pytest.mark.parametrize(("argv", "expected"), HEADS.values(), ids=HEADS)
def test_the_ports_of_a_head(argv: list[str], expected: tuple[int | str | None, ...]) -> None:
    assert numbers(decided(argv)) == expected


@pytest.mark.parametrize(
    ("script", "port"),
    [
        ("ray start --address=$HEAD:6344 --block", 6344),
        ("ray start --address head-0.demo:6344", 6344),
        ("ray start --address=$RAY_ADDRESS", None),
        ("ray start --address=$HEAD:$PORT", None),
        ("ray start --address=auto", None),
        ("ray start --block", None),
        ("ray start --head --address=a:1; ray start --address=b:2", 2),
        ("ray symmetric-run --address=$HEAD:6344 -- a", 6344),
    ],
)
def test_the_port_that_a_worker_joins(script: str, port: int | None) -> None:
    own = decided(sh(script), "worker").own
    assert own is not None
    assert (own.joins, own.ports) == (port, ())


def effect(script: str, flags: str = "", annotation: str | None = None) -> InEffect:
    return in_effect(read_flags(flags), decided(sh(script), annotation=annotation))


@pytest.mark.parametrize(
    ("script", "flags", "annotation", "expected"),
    [
        (
            "ray start --head --port=6344 --dashboard-port=8260 --ray-client-server-port=9",
            "--metricsPort=5",
            None,
            Settings(port=6344, dashboard_port=8260, client_port=9, metrics_port=5),
        ),
        ("ray start --head --port=7", "--port=8", "keep", Settings(port=8)),
        ("ray start --head --port=7", "--port=8", "replace", Settings(port=8)),
        ("/entry.sh", "--port=8", "own", Settings(port=8)),
        ("ray start --head --port=7", "--port=7", None, Settings(port=7)),
        ("ray start --head --port=$P", "--port=7", None, Settings(port=7)),
    ],
)
def test_ray_listens_where_its_own_command_says_or_else_the_flags(
    script: str, flags: str, annotation: str | None, expected: Settings
) -> None:
    assert effect(script, flags, annotation) == InEffect(expected)


@pytest.mark.parametrize(("options", "number", "words"), [("--port=7", 7, "--port=7"), ("", 6379, "no --port")])
def test_a_flag_of_another_port_is_warned_of(options: str, number: int, words: str) -> None:
    found = effect(f"ray start --head {options}", "--port=8")
    (warning,) = found.warnings
    assert (found.settings, warning.code) == (Settings(port=number), Code.OWN_PORT_DIFFERS)
    assert fields(warning) == {"words": words, "port": str(number), "flag": "--port", "said": "8", "option": "--port"}


@pytest.mark.parametrize(
    ("option", "field", "lost", "flag"),
    [
        ("--port=$P", "port", "RAY_ADDRESS and the container's port gcs are", "--port"),
        (
            "--dashboard-port=$P",
            "dashboard_port",
            "RAY_API_SERVER_ADDRESS and the container's port dashboard are",
            "--dashboardPort",
        ),
        ("--ray-client-server-port=$P", "client_port", "The container's port client-server is", "--clientPort"),
    ],
)
def test_a_port_that_only_the_running_container_knows(option: str, field: str, lost: str, flag: str) -> None:
    found = effect(f"ray start --head {option}")
    (warning,) = found.warnings
    assert (found.settings, found.unknown, warning.code) == (DEFAULTS, frozenset({field}), Code.OWN_PORT_UNREADABLE)
    default = str(getattr(DEFAULTS, field))
    assert fields(warning) == {"found": option, "lost": f"{lost} left out", "flag": flag, "port": default}


@pytest.mark.parametrize(
    ("script", "ports"),
    [
        ("ray start --head", {}),
        ("ray start --head --port=6379 --dashboard-port=8265", {}),
        (
            "ray start --head --port=6344 --dashboard-port=8260 --ray-client-server-port=9",
            {"port": 6344, "dashboard_port": 8260, "client_port": 9},
        ),
        ("ray start --head --port=$P", {}),
        ("ray start --head $ARGS", {}),
        ("python a.py", {}),
    ],
)
def test_other_nodes_are_told_of_ports_that_are_not_the_default(script: str, ports: dict[str, int]) -> None:
    assert told_ports(decided(sh(script))) == ports


LONG = {
    "options": "ray -a " * 50_000 + "starting '",
    "rays": "ray " * 100_000 + "starting",
    "document": "cat <<E\n" + "ray start\n" * 20_000,
    "eval": "eval " * 50_000 + "ray start",
    "bash": "bash -c " * 50_000 + "ray start",
    "env": "env " * 50_000 + "ray start",
    "starts": "ray start " * 50_000,
    "substitutions": "$(ray starting " * 50_000,
    "backticks": "`ray starting " * 50_000,
    "itself": "CMD='ray $CMD'; $CMD start",
    "comments": "# ray start\n" * 50_000,
    "braces without an end": "ray start\n" + "${A " * 80_000,
    "a long variable, often": "A='" + "ray x " * 20_000 + " start'\n" + "$A\n" * 40_000,
    "many variables": "".join(f"A{number}='ray start'\neval $A{number}\n" for number in range(10_000)),
}


@pytest.mark.parametrize("script", LONG.values(), ids=LONG)
def test_the_time_grows_with_the_text(script: str) -> None:
    """A pod of any content is answered within the apiserver's patience."""
    begin = time.process_time()
    decided(sh(script))
    assert time.process_time() - begin < 5
