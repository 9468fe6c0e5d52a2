from __future__ import annotations

import pytest

from tests.pods.nodes import START_ARGS, codes, fields
from webhook.pods.start_args import StartArgs, is_option, read_start_args
from webhook.reasons import Code

PLACE = f"metadata.annotations[{START_ARGS}]"

OPTIONS = {
    "text": """
        --autoscaling-config --cgroup-path --labels --labels-file --log-color --log-style --node-name
        --object-spilling-directory --plasma-directory --proxy-server-url --redis-password
        --redis-shard-ports --redis-username --temp-dir --tracing-startup-hook --worker-port-list
    """,
    "7": """
        --dashboard-agent-grpc-port --max-worker-port --memory --min-worker-port --node-manager-port
        --num-cpus --num-gpus --object-manager-port --object-store-memory --runtime-env-agent-port
        --system-reserved-memory
    """,
    "1.5": "--system-reserved-cpu",
    "false": "--include-dashboard --include-log-monitor",
    '{"a": 1}': "--resources --system-config",
}
"""The options of Ray 2.60 that take a value, by a value."""

SWITCHES = """
    --disable-usage-stats --enable-object-reconstruction --enable-resource-isolation --no-monitor
    --no-redirect-output --ray-debugger-external --verbose -v
"""
VALUED = [(name, value) for value, names in OPTIONS.items() for name in names.split()]
WORDS = ["1", "t", "yes", "y", "on", "0", "f", "no", "n", "off", "True"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *VALUED,
        ("--node-name", "any text = at all"),
        ("--num-cpus", "0"),
        ("--resources", "{}"),
        *[("--include-dashboard", word) for word in WORDS],
    ],
)
def test_a_valued_option_has_its_value_in_the_same_or_in_the_next_word(name: str, value: str) -> None:
    for text in (f"{name}='{value}' -v", f"{name} '{value}' -v"):
        found = read_start_args(text, "head")
        assert (found.args.options, found.findings) == (((name, value), ("-v", None)), ())
    assert is_option(name)


@pytest.mark.parametrize("name", SWITCHES.split())
def test_a_switch_has_no_value(name: str) -> None:
    found = read_start_args(f"{name} --num-cpus=1", "head")
    assert (found.args.options, found.findings) == (((name, None), ("--num-cpus", "1")), ())
    assert is_option(name)


def test_options_keep_their_order_as_words_and_the_last_of_two_counts() -> None:
    found = read_start_args("--num-gpus=1 -v --resources='{\"a\": 1}' --num-gpus 2", "head").args
    assert found.words_without("--memory") == ["--num-gpus=1", "-v", '--resources={"a": 1}', "--num-gpus=2"]
    assert found.words_without("--resources") == ["--num-gpus=1", "-v", "--num-gpus=2"]
    assert (found.value("--num-gpus"), found.value("--memory")) == ("2", None)
    assert found.names("-v")
    assert found.names("--memory", "-v")
    assert not found.names("--memory")
    assert not found.names()
    assert read_start_args("", "head").args == StartArgs()


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("-num-cpus=1", "--num-cpus"),
        ("--verbose=1", "--verbose"),
        ("--", "one that `ray start --help` lists"),
        ("bogus", "one that `ray start --help` lists"),
    ],
)
def test_what_is_no_option_is_a_mistake_that_says_what_to_write(word: str, wanted: str) -> None:
    (mistake,) = read_start_args(word, "head").findings
    assert (mistake.code, mistake.place) == (Code.UNKNOWN_START_OPTION, PLACE)
    assert fields(mistake) == {"found": word, "wanted": wanted}


JSON = "'{\"name\": 1}'"


@pytest.mark.parametrize(
    ("flag", "value", "wanted", "example"),
    [
        ("--num-cpus", "x", "a whole number", "1"),
        ("--num-cpus", "", "a whole number", "1"),
        ("--memory", "1.5", "a whole number", "1"),
        ("--system-reserved-cpu", "a", "a number", "1.5"),
        ("--include-dashboard", "maybe", "true or false", "false"),
        ("--resources", "[1]", "a JSON object", JSON),
        ("--resources", "{a}", "a JSON object", JSON),
        ("--system-config", "1", "a JSON object", JSON),
        ("--temp-dir", None, "a text", "TEXT"),
    ],
)
def test_a_wrong_value_or_none_is_shown_an_example(flag: str, value: str | None, wanted: str, example: str) -> None:
    (missing,) = read_start_args(flag, "head").findings
    assert (missing.code, missing.place) == (Code.MISSING_VALUE, PLACE)
    assert fields(missing) == {"flag": flag, "example": example}
    if value is not None:
        (wrong,) = read_start_args(f"{flag}={value}", "head").findings
        assert (wrong.code, wrong.place) == (Code.BAD_VALUE, PLACE)
        assert fields(wrong) == {"flag": flag, "found": value, "wanted": wanted, "example": example}


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("--address", ""),
        ("--block", ""),
        ("--dashboard-host", ""),
        ("--node-ip-address", ""),
        ("--head", "ray.volcano.sh/role: head"),
        ("--port", "--port=N in ray.volcano.sh/args"),
        ("--dashboard-port", "--dashboardPort=N in ray.volcano.sh/args"),
        ("--ray-client-server-port", "--clientPort=N in ray.volcano.sh/args"),
        ("--metrics-export-port", "--metricsPort=N in ray.volcano.sh/args"),
        ("--dashboard-agent-listen-port", "--agentPort=N in ray.volcano.sh/args"),
    ],
)
def test_an_option_of_volrays_is_one_mistake_with_its_value(name: str, instead: str) -> None:
    alone = name if name in {"--head", "--block"} else f"{name} 7"
    for text in (f"{name}=7 --num-cpus=1", f"--num-cpus=1 {name}", f"{alone} --num-cpus=1"):
        found = read_start_args(text, "head")
        (mistake,) = found.findings
        assert (mistake.code, mistake.place) == (Code.OWNED_START_OPTION, PLACE)
        assert fields(mistake) == {"found": name, "instead": instead and f", and write {instead}"}
        assert found.args.options == (("--num-cpus", "1"),)


def test_an_open_quotation_is_a_mistake() -> None:
    found = read_start_args("--num-cpus='1", "head")
    (mistake,) = found.findings
    assert (found.args, mistake.code, mistake.place) == (StartArgs(), Code.UNREADABLE, PLACE)
    assert fields(mistake) == {"found": "--num-cpus='1", "why": "No closing quotation"}


def test_every_mistake_is_found_at_once() -> None:
    found = read_start_args("--port=1 bogus --num-cpus=x --memory", "head")
    assert codes(found.findings) == ["owned-start-option", "unknown-start-option", "bad-value", "missing-value"]


# Options of another Ray

DROPPED = """
    --dashboard-grpc-port --gcs-server-port --plasma-store-socket-name --raylet-socket-name
    --redis-max-memory --storage
"""
"""What `ray start` took in 2.3.0, 2.9.3, 2.24.0 or 2.47.1 and does not in 2.60."""


@pytest.mark.parametrize("name", [*DROPPED.split(), "--an-option-of-tomorrow"])
@pytest.mark.parametrize("text", ["{}=7 -v", "{} 7 -v"])
def test_an_option_of_another_ray_is_passed_on_with_its_value_and_a_warning(name: str, text: str) -> None:
    found = read_start_args(text.format(name), "head")
    assert [(one.code, one.place) for one in found.findings] == [(Code.OTHER_START_OPTION, PLACE)]
    assert found.args.options == ((name, "7"), ("-v", None))
    assert not is_option(name)


@pytest.mark.parametrize(("name", "near"), [("--num-cpu", "--num-cpus"), ("--verbos", "--verbose"), ("--zzz", "")])
@pytest.mark.parametrize("following", ["", " -v", " --num-cpus=1"])
def test_an_option_of_another_ray_without_a_value_is_a_switch(name: str, near: str, following: str) -> None:
    found = read_start_args(name + following, "head")
    assert found.args.options[0] == (name, None)
    hint = f" (the nearest option of Ray 2.60 is {near})" if near else ""
    assert [fields(warning) for warning in found.findings] == [{"found": name, "near": hint}]


# Options of the head

HEAD_ONLY = ("--include-dashboard", "--redis-shard-ports", "--system-config")


@pytest.mark.parametrize(("name", "value"), VALUED)
def test_an_option_for_the_head_given_once_or_twice_is_one_mistake_on_a_worker(name: str, value: str) -> None:
    text = f"{name}='{value}' {name} '{value}'"
    assert not read_start_args(text, "head").findings
    found = read_start_args(text, "worker").findings
    assert [(one.code, one.place, fields(one)) for one in found] == (name in HEAD_ONLY) * [
        (Code.HEAD_START_OPTION, PLACE, {"found": name})
    ]
