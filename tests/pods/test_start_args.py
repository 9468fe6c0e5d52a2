from __future__ import annotations

import pytest

from webhook.pods import start_args
from webhook.pods.start_args import StartArgs

FIELD = "ray.volcano.sh/start-args"

TEXT_OPTIONS = [
    "--autoscaling-config",
    "--cgroup-path",
    "--labels",
    "--labels-file",
    "--log-color",
    "--log-style",
    "--node-name",
    "--object-spilling-directory",
    "--plasma-directory",
    "--proxy-server-url",
    "--redis-password",
    "--redis-shard-ports",
    "--redis-username",
    "--temp-dir",
    "--tracing-startup-hook",
    "--worker-port-list",
]
NUMBER_OPTIONS = [
    "--dashboard-agent-grpc-port",
    "--max-worker-port",
    "--memory",
    "--min-worker-port",
    "--node-manager-port",
    "--num-cpus",
    "--num-gpus",
    "--object-manager-port",
    "--object-store-memory",
    "--runtime-env-agent-port",
    "--system-reserved-memory",
]
BOOLEAN_OPTIONS = ["--include-dashboard", "--include-log-monitor"]
JSON_OPTIONS = ["--resources", "--system-config"]
SWITCHES = [
    "--disable-usage-stats",
    "--enable-object-reconstruction",
    "--enable-resource-isolation",
    "--no-monitor",
    "--no-redirect-output",
    "--ray-debugger-external",
    "--verbose",
    "-v",
]


def options(text: str) -> tuple[tuple[str, str | None], ...]:
    """The options of a head's annotation in which nothing is wrong or doubtful."""
    parsed = start_args.parse(text, head=True)
    assert not parsed.mistakes
    assert not parsed.warnings
    return parsed.args.options


def sentences(text: str, *, head: bool = True) -> list[str]:
    return [mistake.text for mistake in start_args.parse(text, head=head).mistakes]


def warnings(text: str) -> list[str]:
    return [warning.text for warning in start_args.parse(text, head=True).warnings]


def test_an_empty_annotation_holds_no_options() -> None:
    assert options("") == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "any text = at all") for name in TEXT_OPTIONS],
        *[(name, "7") for name in NUMBER_OPTIONS],
        *[(name, "false") for name in BOOLEAN_OPTIONS],
        *[(name, '{"a": 1}') for name in JSON_OPTIONS],
        ("--system-reserved-cpu", "1.5"),
        ("--num-cpus", "0"),
        ("--resources", "{}"),
        *[("--include-dashboard", word) for word in ["1", "t", "yes", "y", "on", "0", "f", "no", "n", "off", "True"]],
    ],
)
def test_a_valued_option_has_its_value_in_the_same_or_in_the_next_word(name: str, value: str) -> None:
    assert options(f"{name}='{value}' -v") == ((name, value), ("-v", None))
    assert options(f"{name} '{value}' -v") == ((name, value), ("-v", None))


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_has_no_value(name: str) -> None:
    assert options(f"{name} --num-cpus=1") == ((name, None), ("--num-cpus", "1"))


def test_the_options_keep_their_order() -> None:
    found = start_args.parse("--num-gpus=1 -v --resources='{\"a\": 1}' --num-cpus 2", head=True)
    assert found.args.words == ["--num-gpus=1", "-v", '--resources={"a": 1}', "--num-cpus=2"]


def test_of_an_option_given_twice_the_last_counts() -> None:
    assert StartArgs((("--num-cpus", "1"), ("--num-cpus", "2"))).value("--num-cpus") == "2"


def test_an_option_that_is_not_given_has_no_value() -> None:
    assert StartArgs().value("--num-cpus") is None


@pytest.mark.parametrize(
    ("names", "given"),
    [(("--num-cpus",), True), (("--memory", "--num-cpus"), True), (("--memory",), False), ((), False)],
)
def test_whether_any_of_some_options_is_given(names: tuple[str, ...], given: bool) -> None:
    assert StartArgs((("-v", None), ("--num-cpus", "1"))).names(*names) is given


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-num-cpus=1", "`ray start` has no option -num-cpus=1. Write --num-cpus."),
        ("--", "`ray start` has no option --. Write one that `ray start --help` lists."),
        ("--verbose=1", "`ray start` has no option --verbose=1. Write --verbose."),
        ("bogus", "`ray start` has no option bogus. Write one that `ray start --help` lists."),
        ("--num-cpus=x", "--num-cpus=x is not a whole number. Write for example --num-cpus=1."),
        ("--memory=1.5", "--memory=1.5 is not a whole number. Write for example --memory=1."),
        ("--num-cpus=", "--num-cpus= is not a whole number. Write for example --num-cpus=1."),
        (
            "--system-reserved-cpu=a",
            "--system-reserved-cpu=a is not a number. Write for example --system-reserved-cpu=1.5.",
        ),
        (
            "--include-dashboard=maybe",
            "--include-dashboard=maybe is not true or false. Write for example --include-dashboard=false.",
        ),
        (
            "--resources=[1]",
            "--resources=[1] is not a JSON object. Write for example --resources='{\"name\": 1}'.",
        ),
        (
            "--resources={a}",
            "--resources={a} is not a JSON object. Write for example --resources='{\"name\": 1}'.",
        ),
        (
            "--system-config=1",
            "--system-config=1 is not a JSON object. Write for example --system-config='{\"name\": 1}'.",
        ),
        ("--num-cpus", "--num-cpus has no value. Write --num-cpus=1."),
        ("--temp-dir", "--temp-dir has no value. Write --temp-dir=TEXT."),
        ("--resources", "--resources has no value. Write --resources='{\"name\": 1}'."),
        ("--address=a:1", "--address is set by volray. Leave it out."),
        ("--block", "--block is set by volray. Leave it out."),
        ("--dashboard-host=::", "--dashboard-host is set by volray. Leave it out."),
        ("--node-ip-address=1.2.3.4", "--node-ip-address is set by volray. Leave it out."),
        (
            "--head",
            "--head is set by volray. Leave it out, and write ray.volcano.sh/role: head.",
        ),
        (
            "--port=1",
            "--port is set by volray. Leave it out, and write --port=N in ray.volcano.sh/args.",
        ),
        (
            "--dashboard-port=1",
            "--dashboard-port is set by volray. Leave it out, and write --dashboardPort=N in ray.volcano.sh/args.",
        ),
        (
            "--ray-client-server-port=1",
            "--ray-client-server-port is set by volray. Leave it out, and write --clientPort=N in ray.volcano.sh/args.",
        ),
        (
            "--metrics-export-port=1",
            "--metrics-export-port is set by volray. Leave it out, and write --metricsPort=N in ray.volcano.sh/args.",
        ),
        (
            "--dashboard-agent-listen-port=1",
            "--dashboard-agent-listen-port is set by volray. "
            "Leave it out, and write --agentPort=N in ray.volcano.sh/args.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_write(text: str, sentence: str) -> None:
    assert sentences(text) == [f"{FIELD}: {sentence}"]


def test_an_open_quotation_is_a_mistake() -> None:
    assert sentences("--num-cpus='1") == [
        f'{FIELD} cannot be split into words: "--num-cpus=\'1" (No closing quotation). '
        "Close the quotation, as a shell would want it."
    ]
    assert start_args.parse("--num-cpus='1", head=True).args == StartArgs()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("--port 7 --num-cpus=1", (("--num-cpus", "1"),)),
        ("--port=7 --num-cpus=1", (("--num-cpus", "1"),)),
        ("--head --num-cpus=1", (("--num-cpus", "1"),)),
        ("--block --num-cpus=1", (("--num-cpus", "1"),)),
        ("--num-cpus=1 --address", (("--num-cpus", "1"),)),
    ],
)
def test_an_owned_option_is_one_mistake_with_its_value(text: str, left: tuple[tuple[str, str | None], ...]) -> None:
    parsed = start_args.parse(text, head=True)
    assert [mistake.code for mistake in parsed.mistakes] == ["owned-start-option"]
    assert parsed.args.options == left


def test_every_mistake_is_found_at_once() -> None:
    parsed = start_args.parse("--port=1 bogus --num-cpus=x --memory", head=True)
    assert [mistake.code for mistake in parsed.mistakes] == [
        "owned-start-option",
        "unknown-start-option",
        "bad-value",
        "missing-value",
    ]


# Options of another Ray

DROPPED = [
    "--dashboard-grpc-port",
    "--gcs-server-port",
    "--plasma-store-socket-name",
    "--raylet-socket-name",
    "--redis-max-memory",
    "--storage",
]
"""What `ray start` took in 2.3.0, 2.9.3, 2.24.0 or 2.47.1 and does not in 2.60."""


@pytest.mark.parametrize("name", [*DROPPED, "--an-option-of-tomorrow"])
@pytest.mark.parametrize("text", ["{}=7 -v", "{} 7 -v"])
def test_an_option_of_another_ray_is_passed_on_with_its_value_and_a_warning(name: str, text: str) -> None:
    parsed = start_args.parse(text.format(name), head=True)
    assert parsed.mistakes == ()
    assert [warning.code for warning in parsed.warnings] == ["other-start-option"]
    assert parsed.args.words == [f"{name}=7", "-v"]


@pytest.mark.parametrize("text", ["--a-switch", "--a-switch -v", "--a-switch --num-cpus=1"])
def test_an_option_of_another_ray_that_no_value_follows_is_a_switch(text: str) -> None:
    assert start_args.parse(text, head=True).args.options[0] == ("--a-switch", None)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("--num-cpu=1", " (the nearest option of Ray 2.60 is --num-cpus)"),
        ("--verbos", " (the nearest option of Ray 2.60 is --verbose)"),
        ("--zzz", ""),
    ],
)
def test_the_warning_of_another_rays_option_names_one_that_is_near(text: str, near: str) -> None:
    name = text.partition("=")[0]
    assert warnings(text) == [
        f"{FIELD}: `ray start` of Ray 2.60 has no option {name}{near}. "
        "It is passed on: an older or newer Ray may have it. Correct or drop it if yours has not."
    ]


# Options of the head


@pytest.mark.parametrize(
    "text",
    [
        "--include-dashboard=false",
        "--include-dashboard true",
        "--redis-shard-ports=1,2",
        "--system-config='{\"a\": 1}'",
    ],
)
def test_an_option_for_the_head_is_refused_on_a_worker(text: str) -> None:
    name = text.replace("=", " ").split()[0]
    assert sentences(text, head=True) == []
    assert sentences(text, head=False) == [
        f"{FIELD}: {name} is an option for the head: `ray start` refuses it on a worker. "
        "Leave it out of this template, or move it to the head's."
    ]


def test_an_option_for_the_head_given_twice_is_one_mistake() -> None:
    assert len(sentences("--include-dashboard=false --include-dashboard=true", head=False)) == 1


@pytest.mark.parametrize(
    "name", sorted({*TEXT_OPTIONS, *NUMBER_OPTIONS, "--include-log-monitor"} - {"--redis-shard-ports"})
)
def test_every_other_option_is_a_workers_too(name: str) -> None:
    assert sentences(f"{name}=0", head=False) == []
