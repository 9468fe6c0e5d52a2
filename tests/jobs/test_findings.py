"""Jobs that are wrong or doubtful, each with what the report on it says and where."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.jobs.jobs import ARGS, COMPLETES, OPT_IN, RETRIES, asking, check, codes, completed, job, labelled, task
from webhook.jobs.check import Report
from webhook.reasons import REASONS, Code, Level

if TYPE_CHECKING:
    from tests.golden.files import Golden
    from webhook.names import Object

COMMAND = {"command": ["python", "train.py"]}
NEVER = {"restartPolicy": "Never"}
ALWAYS = {"restartPolicy": "Always"}
WORKER = task("worker", replicas=2)
OWN, KEEP, REPLACE = ({"ray.volcano.sh/command": mode} for mode in ("own", "keep", "replace"))
OWN_HEAD = ["sh", "-c", "ray start --head"]
HOST = {"hostNetwork": True}

HEAD_TEMPLATE = "tasks[head].template"
HEAD_FLAGS = f"{HEAD_TEMPLATE}.metadata.annotations[{ARGS}]"
HEAD_POLICIES = "tasks[head].policies"
HEAD_RESTART = f"{HEAD_TEMPLATE}.spec.restartPolicy"


@dataclass(frozen=True)
class Row:
    """A Job, and the codes and places that the report on it names, in order."""

    name: str
    job: Object
    expected: tuple[tuple[Code, str], ...]


def row(name: str, whole: Object, *expected: tuple[Code, str]) -> Row:
    return Row(name, whole, expected)


def named(name: str) -> Object:
    whole = labelled()
    whole["metadata"]["name"] = name
    return whole


def declined(whole: Object) -> Object:
    whole["metadata"]["annotations"] = {"ray.volcano.sh/adopt": "false"}
    return whole


def without(body: Object, key: str) -> Object:
    return {name: value for name, value in body.items() if name != key}


def own_head(port: int | str, flags: str = "") -> Object:
    container = {"command": ["sh", "-c", f"ray start --head --port={port} --block"]}
    return task(container=container, notes=OWN, flags=flags)


def own_worker(port: int | str, flags: str = "") -> Object:
    container = {"command": ["sh", "-c", f"ray start --address=$HEAD:{port} --block"]}
    return task("worker", container=container, notes=OWN, flags=flags)


def with_command(**fields: Any) -> Object:
    return task(container=COMMAND, **fields)


MISTAKES = [
    row("no head", job(task("master"), task("worker", labels=OPT_IN)), (Code.NO_HEAD, "spec.tasks")),
    row("no task", job(plugins={"ray": []}), (Code.NO_HEAD, "spec.tasks")),
    row(
        "J7: --head that names no task",
        asking("--head=boss"),
        (Code.NO_HEAD, "spec.tasks"),
    ),
    row(
        "J7: the same in the templates",
        labelled(task(flags="--head=boss"), task("worker", flags="--head=boss")),
        (Code.NO_HEAD, "spec.tasks"),
        (Code.LABELLED_OTHER_TASK, "tasks[head]"),
    ),
    row(
        "two heads",
        labelled(task(), task("x", notes={"ray.volcano.sh/role": "head"}, container={"name": "head"})),
        (Code.TWO_HEADS, "spec.tasks"),
    ),
    row("head replicas", labelled(task(replicas=2), WORKER), (Code.HEAD_REPLICAS, "tasks[head].replicas")),
    row("J1: head without pods", labelled(task(replicas=0), WORKER), (Code.NO_HEAD_POD, "tasks[head].replicas")),
    row("J1: replicas null", labelled(task(replicas=None), WORKER), (Code.NO_HEAD_POD, "tasks[head].replicas")),
    row(
        "J1: replicas left out",
        labelled(without(task(), "replicas"), WORKER),
        (Code.NO_HEAD_POD, "tasks[head].replicas"),
    ),
    row("J6: too few nodes", labelled(task(flags="--waitNodes=4"), WORKER), (Code.TOO_FEW_NODES, HEAD_FLAGS)),
    row(
        "J6: asked for in the plugin, other tasks do not count",
        asking("--port=1", "--waitNodes=4", tasks=[task(), WORKER, task("logger", replicas=7)]),
        (Code.TOO_FEW_NODES, "spec.plugins.ray[1]"),
    ),
    row("no such worker", labelled(task(flags="--worker=w")), (Code.NO_SUCH_WORKER, HEAD_FLAGS)),
    row(
        "no such worker beside one that is there",
        asking("--worker=worker", "--worker=Worker"),
        (Code.NO_SUCH_WORKER, "spec.plugins.ray[0]"),
    ),
    row(
        "head waits for two workers",
        labelled(
            task(dependsOn={"name": ["a", "b", "setup"]}, flags="--worker=a --worker=b"),
            task("a", flags="--worker=a --worker=b", container={"name": "worker"}),
            task("b", flags="--worker=a --worker=b", container={"name": "worker"}),
            minAvailable=3,
        ),
        (Code.HEAD_WAITS_FOR_WORKER, "tasks[head].dependsOn"),
        (Code.HEAD_WAITS_FOR_WORKER, "tasks[head].dependsOn"),
    ),
    row("flags disagree", labelled(task(flags="--port=1"), WORKER), (Code.FLAGS_DISAGREE, "tasks[worker]")),
    row(
        "a worker that only the head's flags name",
        labelled(task(flags="--worker=gpu --port=1"), task("gpu")),
        (Code.FLAGS_DISAGREE, "tasks[gpu]"),
        (Code.FLAGS_DISAGREE, "tasks[gpu]"),
        (Code.LABELLED_OTHER_TASK, "tasks[gpu]"),
    ),
    row("long name", named("a" * 55), (Code.SERVICE_NAME, "metadata.name")),
    row("dot", named("a.b"), (Code.SERVICE_NAME, "metadata.name")),
    row("digit first", named("7b-vllm"), (Code.SERVICE_NAME, "metadata.name")),
    row(
        "declined and labelled",
        declined(labelled(task(replicas=2))),
        (Code.LABELLED_NOT_ADOPTED, "metadata.annotations[ray.volcano.sh/adopt]"),
    ),
    row(
        "the label on a worker alone",
        job(task(), task("worker", labels=OPT_IN)),
        (Code.HEAD_NOT_LABELLED, f"{HEAD_TEMPLATE}.metadata.labels[ray.volcano.sh/cluster]"),
    ),
    row("J14: in the annotation", labelled(task(flags="--prot=1")), (Code.UNKNOWN_FLAG, HEAD_FLAGS)),
    row(
        "J14: in the plugin, once for all tasks",
        asking("--port=1", "--prot=1"),
        (Code.UNKNOWN_FLAG, "spec.plugins.ray[1]"),
    ),
    row(
        "J14: in every template, once",
        labelled(task(flags="--prot=1"), task("worker", flags="--prot=1")),
        (Code.UNKNOWN_FLAG, HEAD_FLAGS),
    ),
    row(
        "plugin and template each have a value",
        asking("--metricsPort=1", tasks=[task(flags="--metricsPort=2"), WORKER]),
        (Code.REPEATED_FLAG, HEAD_FLAGS),
    ),
    row("bad number", labelled(task(flags="--port=x")), (Code.BAD_VALUE, HEAD_FLAGS)),
    row("unreadable", labelled(task(flags="--port='")), (Code.UNREADABLE, HEAD_FLAGS)),
    row("same port", labelled(task(flags="--port=8265")), (Code.SAME_PORT, HEAD_FLAGS)),
    row(
        "a flag of a task that is no node",
        asking("--haed=foo", tasks=[task("foo"), task("bar")]),
        (Code.NO_HEAD, "spec.tasks"),
        (Code.UNKNOWN_FLAG, "spec.plugins.ray[0]"),
    ),
    row(
        "bad role",
        labelled(task(notes={"ray.volcano.sh/role": "boss"})),
        (Code.UNKNOWN_ROLE, f"{HEAD_TEMPLATE}.metadata.annotations[ray.volcano.sh/role]"),
    ),
    row(
        "bad mode",
        labelled(task(notes={"ray.volcano.sh/command": "maybe"})),
        (Code.UNKNOWN_COMMAND_MODE, f"{HEAD_TEMPLATE}.metadata.annotations[ray.volcano.sh/command]"),
    ),
    row(
        "start option",
        labelled(task(notes={"ray.volcano.sh/start-args": "--head"})),
        (Code.OWNED_START_OPTION, f"{HEAD_TEMPLATE}.metadata.annotations[ray.volcano.sh/start-args]"),
    ),
    row("J13: args alone", labelled(task(container={"args": ["x"]})), (Code.ARGS_WITHOUT_COMMAND, "tasks[head]")),
    row(
        "several containers",
        labelled(task(container={"name": "a"}, others=[{"name": "b"}])),
        (Code.SEVERAL_CONTAINERS, "tasks[head]"),
    ),
    row(
        "port taken",
        labelled(task(others=[{"name": "db", "ports": [{"containerPort": 6379}]}])),
        (Code.PORT_TAKEN, "tasks[head]"),
    ),
    row(
        "quantity",
        labelled(task(container={"resources": {"limits": {"cpu": "many"}}})),
        (Code.BAD_QUANTITY, "tasks[head]"),
        (Code.NO_CPU, "tasks[head]"),
    ),
    row(
        "everything at once",
        labelled(task(replicas=2, flags="--prot=1"), task("worker", flags="--prot=1", container={"args": ["x"]})),
        (Code.HEAD_REPLICAS, "tasks[head].replicas"),
        (Code.UNKNOWN_FLAG, HEAD_FLAGS),
        (Code.ARGS_WITHOUT_COMMAND, "tasks[worker]"),
    ),
]

ENDLESS = (Code.NEVER_ENDS, HEAD_POLICIES)

WARNINGS = [
    row("a head alone", labelled(task())),
    row("--worker that names the default (J5)", asking("--head=head", "--worker=worker", tasks=[task()])),
    row("no command", labelled(task(spec=ALWAYS))),
    row("a worker's command", labelled(task(), task("worker", container=COMMAND))),
    row("OnFailure", labelled(with_command(policies=[COMPLETES])), (Code.FAILS_FOR_EVER, HEAD_RESTART)),
    row("no policy", labelled(with_command()), ENDLESS),
    row("Always", labelled(with_command(policies=[COMPLETES], spec=ALWAYS)), (Code.RUNS_AGAIN, HEAD_RESTART)),
    row(
        "Always by default",
        labelled(with_command(policies=[COMPLETES], spec={"restartPolicy": None})),
        (Code.RUNS_AGAIN, HEAD_RESTART),
    ),
    row(
        "J12: Always and no policy are told as one",
        labelled(with_command(spec=ALWAYS)),
        (Code.RUNS_AGAIN, HEAD_RESTART),
    ),
    row("Never", labelled(with_command(policies=[COMPLETES], spec=NEVER)), (Code.FAILURE_UNSEEN, HEAD_POLICIES)),
    row("J12: Never and no policy are told as one", labelled(with_command(spec=NEVER)), ENDLESS),
    row(
        "J12: a server is not meant to end",
        labelled(task(container={**COMMAND, "ports": [{"containerPort": 8000}]}, spec=ALWAYS)),
    ),
    row(
        "J12: Ray's own port makes no server",
        labelled(task(container={**COMMAND, "ports": [{"containerPort": 8265}]})),
        ENDLESS,
    ),
    row("both policies", labelled(with_command(policies=[COMPLETES, RETRIES], spec=NEVER))),
    row("policies of the Job", labelled(with_command(spec=NEVER), policies=[COMPLETES, RETRIES])),
    row(
        "any event",
        labelled(with_command(policies=[{"event": "*", "action": "TerminateJob"}], spec=NEVER)),
    ),
    row(
        "events",
        labelled(with_command(policies=[{"events": ["PodFailed", "TaskCompleted"], "action": "AbortJob"}], spec=NEVER)),
    ),
    row(
        "J8: exit codes",
        labelled(with_command(policies=[COMPLETES, {"exitCode": 1, "action": "AbortJob"}], spec=NEVER)),
    ),
    row(
        "an exit code without an action that counts",
        labelled(with_command(policies=[COMPLETES, {"exitCode": 3}], spec=NEVER)),
        (Code.FAILURE_UNSEEN, HEAD_POLICIES),
    ),
    row(
        "policies of no use",
        labelled(
            with_command(
                policies=[{"event": "TaskCompleted", "action": "RestartJob"}, {"event": "PodFailed"}], spec=NEVER
            )
        ),
        ENDLESS,
    ),
    row("minSuccess", labelled(with_command(policies=[RETRIES], spec=NEVER), minSuccess=1)),
    row("starts Ray itself", labelled(task(container={"command": OWN_HEAD})), (Code.OWN_START, "tasks[head]")),
    row("starts Ray itself, told so", labelled(task(container={"command": OWN_HEAD}, notes=OWN))),
    row("such words, kept", labelled(task(container={"command": OWN_HEAD}, notes=KEEP)), ENDLESS),
    row("such words in a comment", labelled(task(container={"command": ["sh", "-c", "# ray start"]})), ENDLESS),
    row("own by annotation", labelled(with_command(notes=OWN))),
    row("replaced", labelled(with_command(notes=REPLACE))),
    row(
        "start-args beside an own start",
        labelled(task(container={"command": OWN_HEAD}, notes={**OWN, "ray.volcano.sh/start-args": "--num-cpus=0"})),
        (Code.START_ARGS_UNUSED, f"{HEAD_TEMPLATE}.metadata.annotations[ray.volcano.sh/start-args]"),
    ),
    row(
        "other flags than the own start",
        labelled(task(container={"command": OWN_HEAD}, notes=OWN, flags="--port=1"), task("worker", flags="--port=1")),
        (Code.OWN_PORT_DIFFERS, "tasks[head]"),
    ),
    row("the same flags", labelled(own_head(6344, "--port=6344"), own_worker(6344, "--port=6344"))),
    row("the same port", labelled(own_head(6379), own_worker(6379))),
    row("another port", labelled(own_head(6379), own_worker(6380)), (Code.OWN_START_JOINS_ELSEWHERE, "tasks[worker]")),
    row(
        "another port than volray's",
        labelled(task(), own_worker(6380)),
        (Code.OWN_START_JOINS_ELSEWHERE, "tasks[worker]"),
    ),
    row("the port of volray", labelled(task(flags="--port=6380"), own_worker(6380, "--port=6380"))),
    row(
        "no number to compare", labelled(own_head("$PORT"), own_worker(6380)), (Code.OWN_PORT_UNREADABLE, "tasks[head]")
    ),
    row("a worker's variable", labelled(own_head(6379), own_worker("$PORT"))),
    row("a worker that volray starts", labelled(own_head(6379), WORKER)),
    row("svc", labelled(plugins={"svc": []}), (Code.ONLY_OWN_PODS, "spec.plugins.svc")),
    row("svc, null", labelled(plugins={"svc": None}), (Code.ONLY_OWN_PODS, "spec.plugins.svc")),
    row(
        "svc, not switched off",
        labelled(plugins={"svc": ["--disable-network-policy=false"]}),
        (Code.ONLY_OWN_PODS, "spec.plugins.svc"),
    ),
    row("svc without policy", labelled(plugins={"svc": ["-disable-network-policy"]})),
    row(
        "J3: names of svc, which Volcano would add",
        asking(tasks=[task(), task("submitter", container={"command": ["echo", "$VC_HEAD_HOSTS"]})]),
        (Code.SVC_ADDED, "spec.plugins"),
    ),
    row(
        "no label on a worker",
        job(task(labels=OPT_IN), WORKER),
        (Code.UNLABELLED_NODE, "tasks[worker].template.metadata.labels[ray.volcano.sh/cluster]"),
    ),
    row("J9: Volcano fills in the dnsPolicy", labelled(task(spec=HOST), task("worker", spec=HOST))),
    row(
        "a dnsPolicy that the user wrote",
        labelled(task(), task("worker", spec={**HOST, "dnsPolicy": "ClusterFirst"})),
        (Code.HOST_NETWORK_DNS, "tasks[worker]"),
    ),
    row("no CPU", labelled(task(container={"resources": {}})), (Code.NO_CPU, "tasks[head]")),
    row("no node", labelled(task(), task("logger")), (Code.LABELLED_OTHER_TASK, "tasks[logger]")),
    row(
        "the only container",
        asking(tasks=[task(container={"name": "ray"}), WORKER]),
        (Code.ONLY_CONTAINER, "tasks[head]"),
    ),
    row(
        "a worker without replicas",
        asking(tasks=[task(), without(WORKER, "replicas")]),
        (Code.NO_WORKER_PODS, "tasks[worker].replicas"),
    ),
    row(
        "J2: a gang that depends on itself",
        labelled(task(), task("worker", replicas=2, dependsOn={"name": ["head"]}), minAvailable=3),
        (Code.GANG_WAITS, ""),
    ),
    row(
        "J11: all that was told in different places",
        labelled(with_command(), task("worker", container={"resources": {}}), plugins={"svc": []}),
        (Code.ONLY_OWN_PODS, "spec.plugins.svc"),
        ENDLESS,
        (Code.NO_CPU, "tasks[worker]"),
    ),
]


@pytest.mark.parametrize("row", [*MISTAKES, *WARNINGS], ids=lambda one: one.name)
def test_the_report_names_each_finding_once_with_its_place(row: Row) -> None:
    found = check(row.job).findings
    assert tuple((each.code, each.place) for each in found) == row.expected


def test_what_is_said_of_each_row_is_in_a_file_that_a_person_reads(golden: Golden) -> None:
    lines: list[str] = []
    for one in (*MISTAKES, *WARNINGS):
        lines += [f"# {one.name}", *(found.text for found in check(one.job).findings), ""]
    golden.check_file(Path(__file__).with_name("findings.txt"), "\n".join(lines))


def test_a_row_of_mistakes_is_refused_and_a_row_of_warnings_is_not() -> None:
    assert all(check(one.job).mistakes for one in MISTAKES)
    assert not any(check(one.job).mistakes for one in WARNINGS)


ONLY_PODS_SHOW = {
    Code.BAD_QUANTITY, Code.ENV_NAME_LOST, Code.HEAD_START_OPTION, Code.LITTLE_MEMORY, Code.MOUNT_WITHOUT_VOLUME,
    Code.OTHER_START_OPTION, Code.PORT_AMONG_WORKERS, Code.PRINTS_IN_POD_LOGS, Code.RAY_ADDRESS_HTTP, Code.SMALL_SHM,
    Code.UNKNOWN_START_OPTION, Code.MISSING_VALUE,
}  # fmt: skip
"""What tests/pods has a row for."""

NOT_OF_A_REPORT = {
    Code.MALFORMED, Code.IPV6, Code.NO_JOB_NAME, Code.SETTINGS_CHANGED, Code.RAY_LEFT_OUT, Code.SCALED_BELOW_WAIT,
    Code.SERVICE_FOREIGN, Code.SERVICE_QUOTA, Code.SERVICE_REFUSED, Code.WRONG_TEMPLATE, Code.CONTENT_TYPE,
    Code.TOO_LARGE, Code.NOT_JSON, Code.NOT_A_REVIEW, Code.INTERNAL,
}  # fmt: skip
"""What requests, updates, clusters and the controller say."""


def test_every_warning_and_every_mistake_has_a_row() -> None:
    shown = {code for one in (*MISTAKES, *WARNINGS) for code, _ in one.expected}
    told = {code for code in Code if REASONS[code].level in {Level.REFUSED, Level.WARNING}}
    assert told - shown - ONLY_PODS_SHOW - NOT_OF_A_REPORT == set()


def worker(name: str) -> Object:
    return task(name, container={"name": "worker"})


RIGHT = [
    job(task(), plugins={"ray": []}),
    asking(tasks=[task(), task("worker", replicas=0)]),
    asking(tasks=[task(), WORKER, task("logger")]),
    asking(tasks=[task(dependsOn={"name": ["setup"]}), WORKER, task("setup")], minAvailable=1),
    asking(tasks=[task(dependsOn=None), WORKER]),
    asking("--worker=cpu", "--worker=gpu", tasks=[task(), worker("cpu"), worker("gpu")]),
    asking("--worker=worker", "--worker=gpu", tasks=[task(), worker("gpu")]),
    asking("--head=head", tasks=[task("boss", notes={"ray.volcano.sh/role": "head"}, container={"name": "head"})]),
    asking("--waitNodes=3"),
    asking(tasks=[task(), task("worker", flags="--waitNodes=9")]),
    asking(tasks=[task(flags="--metricsPort=1"), WORKER]),
    asking(tasks=[task(flags="--port=1"), task("worker", flags="--port=1"), task("logger")]),
]


@pytest.mark.parametrize("whole", RIGHT)
def test_a_right_job_has_no_finding(whole: Object) -> None:
    assert check(whole) == Report()


@pytest.mark.parametrize("name", ["a", "a" * 54, "v7", "a-b"])
def test_a_name_that_a_service_can_have_is_right(name: str) -> None:
    assert check(named(name)) == Report()


def test_an_ipv6_cluster_is_told_at_the_job() -> None:
    assert codes(check(labelled(task()), ipv6=True).mistakes) == [Code.IPV6]


# Gangs

AFTER_HEAD = {"name": ["head"]}
PARTITIONS = {"totalPartitions": 2, "partitionSize": 2, "minPartitions": 1}


def gang(*tasks: Object, **spec: Any) -> Object:
    return labelled(task(), *tasks, **spec)


STUCK: list[tuple[str, Object, dict[str, str]]] = [
    (
        "minAvailable",
        gang(task("worker", replicas=2, dependsOn=AFTER_HEAD), minAvailable=3),
        {"needed": "3 pods (minAvailable)", "count": "1", "first": "head", "waiting": "worker", "enough": "1"},
    ),
    (
        "by default",
        gang(task("worker", replicas=4, dependsOn=AFTER_HEAD)),
        {"needed": "5 pods (minAvailable)", "count": "1", "first": "head", "waiting": "worker", "enough": "1"},
    ),
    (
        "0 is the default as well",
        gang(task("worker", replicas=2, dependsOn=AFTER_HEAD), minAvailable=0),
        {"needed": "3 pods (minAvailable)", "count": "1", "first": "head", "waiting": "worker", "enough": "1"},
    ),
    (
        "part of the tasks",
        gang(
            task("a", replicas=2), task("b", dependsOn=AFTER_HEAD), task("c", dependsOn={"name": ["b"]}), minAvailable=4
        ),
        {"needed": "4 pods (minAvailable)", "count": "3", "first": "head, a", "waiting": "b, c", "enough": "3"},
    ),
    (
        "minAvailable of the tasks",
        gang(task("worker", replicas=4, minAvailable=2, dependsOn=AFTER_HEAD)),
        {"needed": "3 pods (minAvailable)", "count": "1", "first": "head", "waiting": "worker", "enough": "1"},
    ),
    (
        "partitions",
        gang(task("worker", replicas=4, partitionPolicy=PARTITIONS, dependsOn=AFTER_HEAD)),
        {"needed": "3 pods (minAvailable)", "count": "1", "first": "head", "waiting": "worker", "enough": "1"},
    ),
    (
        "enough pods, but not of each task",
        gang(task("spare", replicas=5, minAvailable=0), task("worker", dependsOn=AFTER_HEAD), minAvailable=2),
        {
            "needed": "pods of worker (minAvailable)",
            "count": "6",
            "first": "head, spare",
            "waiting": "worker",
            "enough": "1",
        },
    ),
    (
        "any of two that have not started",
        gang(task("a"), task("worker", dependsOn={"name": ["head", "a"], "iteration": "any"})),
        {"needed": "3 pods (minAvailable)", "count": "2", "first": "head, a", "waiting": "worker", "enough": "2"},
    ),
    (
        "all of two",
        gang(task("a", minAvailable=0), task("worker", dependsOn={"name": ["head", "a"]}), minAvailable=3),
        {"needed": "3 pods (minAvailable)", "count": "2", "first": "head, a", "waiting": "worker", "enough": "1"},
    ),
]


def gang_findings(whole: Object) -> list[dict[str, str]]:
    return [dict(found.fields) for found in check(whole).warnings if found.code is Code.GANG_WAITS]


@pytest.mark.parametrize(("whole", "fields"), [row[1:] for row in STUCK], ids=[row[0] for row in STUCK])
def test_a_gang_that_depends_on_itself_is_warned_of_with_the_number_that_lets_it_run(
    whole: Object, fields: dict[str, str]
) -> None:
    assert gang_findings(whole) == gang_findings(completed(whole)) == [fields]
    whole["spec"]["minAvailable"] = int(fields["enough"])
    assert gang_findings(whole) == []


RUNNING = {
    "a head alone may start": gang(task("worker", replicas=2, dependsOn=AFTER_HEAD), minAvailable=1),
    "the tasks ask for no worker": gang(task("worker", replicas=2, minAvailable=0, dependsOn=AFTER_HEAD)),
    "no workers": gang(task("worker", replicas=0, dependsOn=AFTER_HEAD)),
    "no order": gang(task("worker", replicas=2), minAvailable=3),
    "depends on nothing": gang(task("worker", dependsOn={"name": []}), minAvailable=2),
    "depends on a task that asks for no pod": gang(
        task("a", minAvailable=0), task("worker", dependsOn={"name": ["a"]}), minAvailable=3
    ),
    "depends on any": gang(
        task("a", minAvailable=0), task("worker", dependsOn={"name": ["head", "a"], "iteration": "any"})
    ),
}


@pytest.mark.parametrize("whole", RUNNING.values(), ids=RUNNING)
def test_a_gang_whose_pods_all_start_is_not_warned_of(whole: Object) -> None:
    assert gang_findings(whole) == []


# Updates


def test_only_what_is_new_to_an_update_is_told() -> None:
    before, after = labelled(task(flags="--prot=1")), labelled(task(flags="--prot=1", replicas=2))
    assert codes(check(after).beyond(check(before)).findings) == [Code.HEAD_REPLICAS]


def test_a_finding_of_the_update_is_told_at_its_place_beside_known_ones() -> None:
    waits = labelled(task(flags="--waitNodes=3 --prot=1"), WORKER, plugins={"svc": []})
    scaled = deepcopy(waits)
    scaled["spec"]["tasks"][1]["replicas"] = 1
    (found,) = check(scaled).beyond(check(waits)).findings
    assert (found.code, found.place) == (Code.SCALED_BELOW_WAIT, HEAD_FLAGS)


WAITS_FOR_4 = labelled(task(flags="--waitNodes=4"), WORKER)
WAITS_FOR_3 = labelled(task(flags="--waitNodes=3"), WORKER)


@pytest.mark.parametrize(
    ("whole", "replicas", "expected"),
    [
        pytest.param(labelled(), {"head": 0}, [Code.NO_HEAD_POD], id="head to 0"),
        pytest.param(labelled(), {"head": None}, [Code.NO_HEAD_POD], id="head's replicas taken out"),
        pytest.param(labelled(), {"worker": 0}, [], id="workers to 0"),
        pytest.param(labelled(task(replicas=0), WORKER), {"worker": 5}, [], id="the head had none before"),
        pytest.param(labelled(task(replicas=None), WORKER), {"head": 0}, [], id="left out or 0 is the same"),
        pytest.param(WAITS_FOR_3, {"worker": 5}, [], id="as many as are awaited"),
        pytest.param(WAITS_FOR_3, {"worker": 1}, [Code.SCALED_BELOW_WAIT], id="below what is awaited"),
        pytest.param(WAITS_FOR_4, {"worker": 1}, [Code.SCALED_BELOW_WAIT], id="further below"),
        pytest.param(WAITS_FOR_4, {"worker": 3}, [], id="up to what is awaited"),
        pytest.param(WAITS_FOR_3, {"head": 0}, [Code.NO_HEAD_POD], id="the head counts as a node even so"),
    ],
)
def test_an_update_of_replicas(whole: Object, replicas: dict[str, int | None], expected: list[Code]) -> None:
    after = deepcopy(whole)
    for body in after["spec"]["tasks"]:
        if body["name"] in replicas:
            body["replicas"] = replicas[body["name"]]
    assert codes(check(after).beyond(check(whole)).findings) == expected
