from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.pods.nodes import START_ARGS, codes, fields
from webhook.pods.flag_parser import Parsed, read_flags, with_values
from webhook.pods.flags import FLAGS, Flag, Settings, disagreements
from webhook.reasons import Code

ANNOTATION = "metadata.annotations[ray.volcano.sh/args]"
ALL_FLAGS = (
    "--head, --worker, --headContainer, --workerContainer, --port, --dashboardPort, --clientPort, --clientServerPort, "
    "--metricsPort, --agentPort, --waitNodes, --waitHead, --reconnectSeconds, --logToStderr"
)


def test_without_flags_everything_has_its_documented_default() -> None:
    defaults = ("head", ("worker",), "head", "worker", 6379, 8265, 10001, 20080, 52365, 0, 1800, None, False)
    assert dataclasses.astuple(Settings()) == defaults
    assert read_flags("") == Parsed(Settings(), {})


GIVEN = [
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


FORMS = ["--{}={}", "-{}={}", "--{} {}", "-{} {}", "--{}='{}'\n", '"--{}" "{}"']


@pytest.mark.parametrize(
    ("form", "flag", "text", "field", "value"),
    [(form, *row) for form in FORMS for row in GIVEN if "=" in form or row[0] != "logToStderr"],
)
def test_each_flag_sets_its_field_and_nothing_else(form: str, flag: str, text: str, field: str, value: Any) -> None:
    changed: dict[str, Any] = {field: value}
    expected = dataclasses.replace(Settings(), **changed)
    assert read_flags(form.format(flag, text)) == Parsed(expected, {field: ANNOTATION})


@pytest.mark.parametrize(
    ("text", "value"),
    [("", True), ("=true", True), ("=True", True), ("=TRUE", True), ("=false", False), ("=False", False)],
)
def test_a_switch_takes_no_value_from_the_next_word(text: str, value: bool) -> None:
    found = read_flags(f"--logToStderr{text} --port=6380")
    assert found == Parsed(
        Settings(log_to_stderr=value, port=6380), dict.fromkeys(["log_to_stderr", "port"], ANNOTATION)
    )


@pytest.mark.parametrize("flag", FLAGS, ids=[flag.name for flag in FLAGS])
def test_a_flags_example_is_valid_and_shown_to_who_gives_no_value_or_a_wrong_one(flag: Flag) -> None:
    assert not read_flags(f"--{flag.name}={flag.example}").mistakes
    for name in (flag.name, *flag.other_names):
        shown = {"flag": f"--{name}", "example": flag.example}
        (wrong,) = read_flags(f"--{name}=").mistakes
        assert wrong.code is Code.BAD_VALUE
        assert fields(wrong) == {**shown, "found": "", "wanted": flag.kind.wanted}
        missing = read_flags(f"--{name}").mistakes
        expected = [] if name == "logToStderr" else [(Code.MISSING_VALUE, shown)]
        assert [(mistake.code, fields(mistake)) for mistake in missing] == expected


@pytest.mark.parametrize(
    ("names", "good", "bad"),
    [
        (
            "port dashboardPort clientPort metricsPort agentPort",
            "1|65535",
            "0|65536|-1|6.5|\N{ARABIC-INDIC DIGIT THREE}|²|006379|x",
        ),
        ("waitNodes waitHead reconnectSeconds", "0|1000000", "-1|1000001|1m|all|1.5"),
        ("logToStderr", "false", "yes|1"),
        ("head worker headContainer workerContainer", "a", "a,b|'a '|' a'"),
    ],
)
def test_a_value_is_of_its_flags_kind(names: str, good: str, bad: str) -> None:
    for name in names.split():
        assert not any(read_flags(f"--{name}={text}").mistakes for text in good.split("|"))
        for text in bad.split("|"):
            (mistake,) = read_flags(f"--{name}={text}").mistakes
            assert (mistake.code, fields(mistake)["found"]) == (Code.BAD_VALUE, text.strip("'"))


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("--worker=cpu --worker gpu --worker=cpu", ("cpu", "gpu")),
        ("--worker=a,b --worker=c", ("c",)),
        ("--worker=a,b", ("worker",)),
    ],
)
def test_each_good_worker_counts_once(text: str, workers: tuple[str, ...]) -> None:
    assert read_flags(text).settings.worker == workers


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("--prot=6380", "--port"),
        ("--Port=6380", "--port"),
        ("--clientserverport=1", "--clientServerPort"),
        ("--client-port=1", "--clientPort"),
        ("port=6380", "--port"),
        ("-Xport=1", "--port"),
        ("--zzzzz", f"one of {ALL_FLAGS}"),
        ("false", f"one of {ALL_FLAGS}"),
        ("--num-gpus=1", f"it in the annotation {START_ARGS}, because it is an option of `ray start`"),
    ],
)
def test_what_is_no_flag_is_a_mistake_that_says_what_to_write(word: str, wanted: str) -> None:
    (mistake,) = read_flags(f"--logToStderr {word}").mistakes
    assert mistake.code is Code.UNKNOWN_FLAG
    assert fields(mistake) == {"found": word, "wanted": wanted}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("--port=6380 --port=6381", [("--port", "6380", "6381")]),
        ("--clientServerPort=10002 --clientPort=10003", [("--clientPort", "10002", "10003")]),
        ("--head=a --head=b --head=c", [("--head", "a", "b")]),
        ("--port=7 --clientPort=8 --port=7 --clientServerPort=8", []),
    ],
)
def test_a_flag_with_two_values_is_one_mistake(text: str, named: list[tuple[str, str, str]]) -> None:
    found = read_flags(text).mistakes
    assert codes(found) == [Code.REPEATED_FLAG] * len(named)
    assert [tuple(fields(mistake).values()) for mistake in found] == named


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("--port=8265", [("8265", "--port", "--dashboardPort")]),
        ("--clientPort=52365", [("52365", "--clientPort", "--agentPort")]),
        ("--metricsPort=6379", [("6379", "--port", "--metricsPort")]),
        (
            "--port=7 --dashboardPort=7 --clientPort=7",
            [("7", "--port", "--dashboardPort"), ("7", "--port", "--clientPort")],
        ),
    ],
)
def test_a_port_that_two_flags_have_is_a_mistake(text: str, pairs: list[tuple[str, str, str]]) -> None:
    found = read_flags(text).mistakes
    assert codes(found) == [Code.SAME_PORT] * len(pairs)
    assert [tuple(fields(mistake).values()) for mistake in found] == pairs


def test_every_mistake_is_found_at_once_and_its_flag_counts_as_not_given() -> None:
    found = read_flags("--prot=1 --port=x --waitHead=5 --head=a --head=a --head=b --metricsPort=8265 --agentPort")
    assert codes(found.mistakes) == ["unknown-flag", "missing-value", "bad-value", "repeated-flag", "same-port"]
    assert found.settings == Settings(wait_head=5, head="a", metrics_port=8265)
    assert set(found.given) == {"wait_head", "head", "metrics_port"}


def test_an_open_quotation_is_a_mistake() -> None:
    found = read_flags("--port='6380")
    (mistake,) = found.mistakes
    assert (found.settings, mistake.code, mistake.place) == (Settings(), Code.UNREADABLE, ANNOTATION)
    assert fields(mistake) == {"found": "--port='6380", "why": "No closing quotation"}


# The place of a flag


def test_the_jobs_flags_come_first_and_each_word_of_theirs_has_a_place() -> None:
    found = read_flags("--agentPort=6 --port=7", ("--port=6", "--nonsense", "--waitNodes=2"))
    assert found.settings == Settings(port=6, wait_nodes=2, agent_port=6)
    assert found.given == {"port": "spec.plugins.ray[0]", "wait_nodes": "spec.plugins.ray[2]", "agent_port": ANNOTATION}
    assert [(mistake.code, mistake.place) for mistake in found.mistakes] == [
        (Code.UNKNOWN_FLAG, "spec.plugins.ray[1]"),
        (Code.REPEATED_FLAG, ANNOTATION),
        (Code.SAME_PORT, ANNOTATION),
    ]


@pytest.mark.parametrize(
    ("word", "code"), [("--port=x", Code.BAD_VALUE), ("--port", Code.MISSING_VALUE), ("--port=8265", Code.SAME_PORT)]
)
def test_a_mistake_is_where_its_flag_is(word: str, code: Code) -> None:
    for found, place in ((read_flags(word), ANNOTATION), (read_flags("", (word,)), "spec.plugins.ray[0]")):
        assert [(mistake.code, mistake.place) for mistake in found.mistakes] == [(code, place)]


def test_values_that_volray_settles_are_checked_against_the_users_own() -> None:
    parsed = read_flags("--port=7 --nonsense")
    assert with_values(parsed, {}) is parsed
    found = with_values(parsed, {"client_port": 7})
    assert (found.settings, codes(found.mistakes)) == (Settings(port=7, client_port=7), ["unknown-flag", "same-port"])
    assert found.given == {"port": ANNOTATION, "client_port": ANNOTATION}


# Flags of a whole cluster


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
def test_templates_must_agree_on_cluster_wide_flags(
    first: str, second: str, differences: list[tuple[str, object, object]]
) -> None:
    assert disagreements(read_flags(first).settings, read_flags(second).settings) == differences
