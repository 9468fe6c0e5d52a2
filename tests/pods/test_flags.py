from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from webhook.pods import flags as settings
from webhook.pods.flags import Settings

ALL_FLAGS = (
    "--head, --worker, --headContainer, --workerContainer, --port, --dashboardPort, --clientPort, --clientServerPort, "
    "--metricsPort, --agentPort, --waitNodes, --waitHead, --reconnectSeconds, --logToStderr"
)


def parsed(text: str) -> settings.Parsed:
    return settings.parse(text.split(), "args")


def sentences(text: str) -> list[str]:
    return [mistake.text for mistake in parsed(text).mistakes]


def test_without_flags_everything_has_its_documented_default() -> None:
    assert settings.parse([], "args") == settings.Parsed(
        Settings(
            head="head",
            worker=("worker",),
            head_container="head",
            worker_container="worker",
            port=6379,
            dashboard_port=8265,
            client_port=10001,
            metrics_port=20080,
            agent_port=52365,
            wait_nodes=0,
            wait_head=1800,
            reconnect_seconds=None,
            log_to_stderr=False,
        ),
        frozenset(),
        (),
    )


FLAGS = [
    ("head", "master", "head", "master"),
    ("worker", "gpu", "worker", ("gpu",)),
    ("headContainer", "main", "head_container", "main"),
    ("workerContainer", "main", "worker_container", "main"),
    ("port", "6380", "port", 6380),
    ("dashboardPort", "8266", "dashboard_port", 8266),
    ("clientPort", "10002", "client_port", 10002),
    ("clientServerPort", "10002", "client_port", 10002),
    ("metricsPort", "8080", "metrics_port", 8080),
    ("agentPort", "52366", "agent_port", 52366),
    ("waitNodes", "3", "wait_nodes", 3),
    ("waitHead", "60", "wait_head", 60),
    ("reconnectSeconds", "600", "reconnect_seconds", 600),
    ("logToStderr", "true", "log_to_stderr", True),
]


@pytest.mark.parametrize("form", ["--{flag}={text}", "-{flag}={text}"])
@pytest.mark.parametrize(("flag", "text", "field", "value"), FLAGS)
def test_each_flag_sets_its_field_and_nothing_else(flag: str, text: str, field: str, value: Any, form: str) -> None:
    changed: dict[str, Any] = {field: value}
    expected = dataclasses.replace(Settings(), **changed)
    assert parsed(form.format(flag=flag, text=text)) == settings.Parsed(expected, frozenset({field}), ())


@pytest.mark.parametrize("dashes", ["--", "-"])
@pytest.mark.parametrize(("flag", "text", "field", "value"), [row for row in FLAGS if row[0] != "logToStderr"])
def test_a_value_may_be_the_next_word(flag: str, text: str, field: str, value: Any, dashes: str) -> None:
    found = parsed(f"{dashes}{flag} {text} --waitHead=7" if flag != "waitHead" else f"{dashes}{flag} {text}")
    assert not found.mistakes
    assert getattr(found.settings, field) == value


def test_a_switch_needs_no_value_and_takes_none_from_the_next_word() -> None:
    found = parsed("--logToStderr --port=6380")
    assert (found.settings.log_to_stderr, found.settings.port, found.mistakes) == (True, 6380, ())


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)]
)
def test_a_switch_may_be_given_a_value(text: str, value: bool) -> None:
    found = parsed(f"--logToStderr={text}")
    assert (found.settings.log_to_stderr, set(found.given), found.mistakes) == (value, {"log_to_stderr"}, ())


@pytest.mark.parametrize("flag", ["port", "dashboardPort", "clientPort", "metricsPort", "agentPort"])
@pytest.mark.parametrize("number", [1, 65535])
def test_a_port_may_be_the_first_and_the_last(flag: str, number: int) -> None:
    assert not sentences(f"--{flag}={number}")


@pytest.mark.parametrize("flag", ["waitNodes", "waitHead", "reconnectSeconds"])
@pytest.mark.parametrize("number", [0, 1_000_000])
def test_a_count_may_be_zero_and_a_million(flag: str, number: int) -> None:
    assert not sentences(f"--{flag}={number}")


def test_worker_may_be_given_several_times() -> None:
    assert parsed("--worker=cpu --worker gpu --worker=cpu").settings.worker == ("cpu", "gpu")


def test_the_same_flag_twice_with_one_value_is_no_mistake() -> None:
    found = parsed("--port=6380 --clientPort=10002 --port=6380 --clientServerPort=10002")
    assert (found.settings.port, found.settings.client_port, found.mistakes) == (6380, 10002, ())


NO_PORT = "is not a port from 1 to 65535. Write for example"
NO_SECONDS = "is not a whole number of seconds. Write for example"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("--prot=6380", "args: there is no flag --prot=6380. Write --port."),
        (
            "--num-gpus=1",
            "args: there is no flag --num-gpus=1. Write it in the annotation ray.volcano.sh/start-args, as it is an "
            "option of `ray start`.",
        ),
        ("--Port=6380", "args: there is no flag --Port=6380. Write --port."),
        ("--clientserverport=1", "args: there is no flag --clientserverport=1. Write --clientServerPort."),
        ("--client-port=1", "args: there is no flag --client-port=1. Write --clientPort."),
        ("port=6380", "args: there is no flag port=6380. Write --port."),
        ("-Xport=1", "args: there is no flag -Xport=1. Write --port."),
        ("--zzzzz", f"args: there is no flag --zzzzz. Write one of {ALL_FLAGS}."),
        ("--logToStderr false", f"args: there is no flag false. Write one of {ALL_FLAGS}."),
        ("--port=0", f"args: --port=0 {NO_PORT} --port=6379."),
        ("--port=65536", f"args: --port=65536 {NO_PORT} --port=6379."),
        ("--port=-1", f"args: --port=-1 {NO_PORT} --port=6379."),
        ("--port=6.5", f"args: --port=6.5 {NO_PORT} --port=6379."),
        ("--port=\N{ARABIC-INDIC DIGIT THREE}", f"args: --port=\N{ARABIC-INDIC DIGIT THREE} {NO_PORT} --port=6379."),
        ("--port=²", f"args: --port=² {NO_PORT} --port=6379."),
        ("--port=006379", f"args: --port=006379 {NO_PORT} --port=6379."),
        ("--port=", f"args: --port= {NO_PORT} --port=6379."),
        ("--dashboardPort=x", f"args: --dashboardPort=x {NO_PORT} --dashboardPort=8265."),
        ("--clientPort=x", f"args: --clientPort=x {NO_PORT} --clientPort=10001."),
        ("--clientServerPort=x", f"args: --clientServerPort=x {NO_PORT} --clientServerPort=10001."),
        ("--metricsPort=x", f"args: --metricsPort=x {NO_PORT} --metricsPort=20080."),
        ("--agentPort=x", f"args: --agentPort=x {NO_PORT} --agentPort=52365."),
        ("--waitHead=-1", f"args: --waitHead=-1 {NO_SECONDS} --waitHead=1800."),
        ("--waitHead=1000001", f"args: --waitHead=1000001 {NO_SECONDS} --waitHead=1800."),
        ("--reconnectSeconds=1m", f"args: --reconnectSeconds=1m {NO_SECONDS} --reconnectSeconds=10."),
        (
            "--waitNodes=all",
            "args: --waitNodes=all is not a whole number of nodes. Write for example --waitNodes=3.",
        ),
        (
            "--logToStderr=yes",
            "args: --logToStderr=yes is not true or false. Write for example --logToStderr=true.",
        ),
        ("--head=", "args: --head= is not the name of a task. Write for example --head=head."),
        ("--worker=a,b", "args: --worker=a,b is not the name of one task. Write for example --worker=worker."),
        (
            "--headContainer=",
            "args: --headContainer= is not the name of a container. Write for example --headContainer=head.",
        ),
        (
            "--workerContainer=a,b",
            "args: --workerContainer=a,b is not the name of a container. Write for example --workerContainer=worker.",
        ),
        ("--head", "args: --head has no value. Write --head=head."),
        ("--port", "args: --port has no value. Write --port=6379."),
        ("--waitNodes", "args: --waitNodes has no value. Write --waitNodes=3."),
        (
            "--port=6380 --port=6381",
            "args: --port is given twice, as 6380 and as 6381. Keep one of them.",
        ),
        (
            "--clientServerPort=10002 --clientPort=10003",
            "args: --clientPort is given twice, as 10002 and as 10003. Keep one of them.",
        ),
        ("--head=a --head=b --head=c", "args: --head is given twice, as a and as b. Keep one of them."),
        (
            "--port=8265",
            "args: port 8265 is asked for by --port and by --dashboardPort. Give one of them another number.",
        ),
        (
            "--clientPort=52365",
            "args: port 52365 is asked for by --clientPort and by --agentPort. Give one of them another number.",
        ),
        (
            "--metricsPort=6379",
            "args: port 6379 is asked for by --port and by --metricsPort. Give one of them another number.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_write(text: str, sentence: str) -> None:
    assert sentences(text) == [sentence]


def test_a_name_with_a_space_around_it_is_a_mistake() -> None:
    (mistake,) = settings.parse(["--head=head "], "args").mistakes
    assert mistake.text == "args: --head=head  is not the name of a task. Write for example --head=head."


def test_a_port_that_three_flags_ask_for_is_two_mistakes() -> None:
    assert sentences("--port=7 --dashboardPort=7 --clientPort=7") == [
        "args: port 7 is asked for by --port and by --dashboardPort. Give one of them another number.",
        "args: port 7 is asked for by --port and by --clientPort. Give one of them another number.",
    ]


def test_every_mistake_is_found_at_once() -> None:
    found = parsed("--prot=1 --port=x --waitHead=5 --head=a --head=b --metricsPort=8265 --agentPort")
    assert [mistake.code for mistake in found.mistakes] == [
        "unknown-flag",
        "missing-value",
        "bad-value",
        "repeated-flag",
        "same-port",
    ]
    assert (found.settings.wait_head, found.settings.port) == (5, 6379)


@pytest.mark.parametrize(("text", "workers"), [("--worker=a,b --worker=c", ("c",)), ("--worker=a,b", ("worker",))])
def test_a_bad_worker_is_none_of_the_workers(text: str, workers: tuple[str, ...]) -> None:
    assert parsed(text).settings.worker == workers


def test_a_bad_value_counts_as_not_given() -> None:
    assert parsed("--port=x --worker= --waitHead=5").given == {"wait_head"}


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("", []),
        ("--port=6380 --head=a", ["--port=6380", "--head=a"]),
        ("--port='6380'\n  \"--head\"=a", ["--port=6380", "--head=a"]),
    ],
)
def test_an_annotation_is_split_as_a_shell_would(annotation: str, words: list[str]) -> None:
    assert settings.split(annotation, "args") == (words, ())


def test_an_open_quotation_is_a_mistake() -> None:
    words, (mistake,) = settings.split("--port='6380", "ray.volcano.sh/args")
    assert words == []
    assert mistake.text == (
        'ray.volcano.sh/args cannot be split into words: "--port=\'6380" (No closing quotation). '
        "Close the quotation, as a shell would want it."
    )


@pytest.mark.parametrize(
    ("field", "flag"),
    [
        ("head", "--head"),
        ("client_port", "--clientPort"),
        ("dashboard_port", "--dashboardPort"),
        ("log_to_stderr", "--logToStderr"),
    ],
)
def test_a_field_is_named_by_the_flag_that_sets_it(field: str, flag: str) -> None:
    assert settings.flag_of(field) == flag


@pytest.mark.parametrize(
    ("first", "second", "differences"),
    [
        ("", "", []),
        ("--head=a", "", [("--head", "a", "head")]),
        ("--worker=a --worker=b", "--worker=a", [("--worker", ("a", "b"), ("a",))]),
        ("--port=1", "--port=2", [("--port", 1, 2)]),
        ("--dashboardPort=1", "", [("--dashboardPort", 1, 8265)]),
        ("", "--clientPort=1", [("--clientPort", 10001, 1)]),
        ("--reconnectSeconds=600", "", [("--reconnectSeconds", 600, None)]),
        ("--port=1 --head=a", "", [("--head", "a", "head"), ("--port", 1, 6379)]),
        ("--headContainer=a --workerContainer=b --metricsPort=1 --agentPort=2", "", []),
        ("--waitNodes=3 --waitHead=0 --logToStderr", "", []),
    ],
)
def test_two_templates_must_agree_on_what_both_sides_of_a_connection_read(
    first: str, second: str, differences: list[tuple[str, object, object]]
) -> None:
    assert settings.disagreements(parsed(first).settings, parsed(second).settings) == differences
