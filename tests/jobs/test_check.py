"""What is refused in a Ray Job, and what is warned of."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.jobs.jobs import COMPLETES, OPT_IN, RETRIES, completed, job, labelled, task
from webhook.jobs.check import judge, judge_template, template_of
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

COMMAND = {"command": ["python", "train.py"]}
NEVER = {"restartPolicy": "Never"}
WORKER = task("worker", replicas=2)


def mistakes(whole: Object, **options: bool) -> list[Code]:
    before = deepcopy(whole)
    found = [one.finding.code for one in judge(whole, "team", **options).mistakes]
    assert whole == before
    return found


def warnings(whole: Object) -> list[Code]:
    assert mistakes(whole) == []
    return [one.finding.code for one in judge(whole, "team").warnings]


def named(name: str) -> Object:
    whole = labelled()
    whole["metadata"]["name"] = name
    return whole


def declined(whole: Object) -> Object:
    whole["metadata"]["annotations"] = {"ray.volcano.sh/adopt": "false"}
    return whole


REFUSED: list[tuple[str, Object, list[Code]]] = [
    ("no head", labelled(task("master"), WORKER), [Code.NO_HEAD]),
    ("two heads", labelled(task(), task("x", notes={"ray.volcano.sh/role": "head"})), [Code.TWO_HEADS]),
    ("head replicas", labelled(task(replicas=2), WORKER), [Code.HEAD_REPLICAS]),
    ("head without pods", labelled(task(replicas=0), WORKER), [Code.NO_HEAD_POD]),
    ("replicas left out", labelled(task(replicas=None), WORKER), [Code.NO_HEAD_POD]),
    ("too few nodes", labelled(task(flags="--waitNodes=4"), WORKER), [Code.TOO_FEW_NODES]),
    ("no such worker", labelled(task(flags="--worker=w")), [Code.NO_SUCH_WORKER]),
    ("head waits", labelled(task(dependsOn={"name": ["worker"]}), WORKER), [Code.HEAD_WAITS_FOR_WORKER]),
    ("flags disagree", labelled(task(flags="--port=1"), WORKER), [Code.FLAGS_DISAGREE]),
    ("long name", named("a" * 55), [Code.SERVICE_NAME]),
    ("dot", named("a.b"), [Code.SERVICE_NAME]),
    ("digit first", named("7b-vllm"), [Code.SERVICE_NAME]),
    ("declined and labelled", declined(labelled(task(replicas=2))), [Code.LABELLED_NOT_ADOPTED]),
    ("unknown flag", labelled(task(flags="--prot=1")), [Code.UNKNOWN_FLAG]),
    ("bad number", labelled(task(flags="--port=x")), [Code.BAD_VALUE]),
    ("unreadable", labelled(task(flags="--port='")), [Code.UNREADABLE]),
    ("same port", labelled(task(flags="--port=8265")), [Code.SAME_PORT]),
    ("bad role", labelled(task(notes={"ray.volcano.sh/role": "boss"})), [Code.UNKNOWN_ROLE]),
    ("bad mode", labelled(task(notes={"ray.volcano.sh/command": "maybe"})), [Code.UNKNOWN_COMMAND_MODE]),
    ("args alone", labelled(task(container={"args": ["x"]})), [Code.ARGS_WITHOUT_COMMAND]),
    (
        "several containers",
        labelled(task(container={"name": "a"}, others=[{"name": "b"}])),
        [Code.SEVERAL_CONTAINERS],
    ),
    (
        "port taken",
        labelled(task(others=[{"name": "db", "ports": [{"containerPort": 6379}]}])),
        [Code.PORT_TAKEN],
    ),
    ("start option", labelled(task(notes={"ray.volcano.sh/start-args": "--head"})), [Code.OWNED_START_OPTION]),
    ("quantity", labelled(task(container={"resources": {"limits": {"cpu": "many"}}})), [Code.BAD_QUANTITY]),
    (
        "everything at once",
        labelled(task(replicas=2, flags="--prot=1"), task("worker", flags="--prot=1", container={"args": ["x"]})),
        [Code.HEAD_REPLICAS, Code.UNKNOWN_FLAG, Code.ARGS_WITHOUT_COMMAND],
    ),
]


@pytest.mark.parametrize(("whole", "codes"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_is_refused(whole: Object, codes: list[Code]) -> None:
    assert mistakes(whole) == codes


def test_an_ipv6_cluster_is_told_at_the_job() -> None:
    assert mistakes(labelled(task()), ipv6=True) == [Code.IPV6]


@pytest.mark.parametrize("name", ["a", "a" * 54, "v7", "a-b"])
def test_a_name_that_a_service_can_have_is_not_refused(name: str) -> None:
    assert mistakes(named(name)) == []


def test_a_head_alone_is_a_cluster() -> None:
    assert warnings(labelled(task())) == []


OWN, KEEP = ({"ray.volcano.sh/command": mode} for mode in ("own", "keep"))
OWN_HEAD = ["sh", "-c", "ray start --head"]
ENDLESS = [Code.NEVER_ENDS, Code.FAILS_FOR_EVER]


def own_head(port: int | str, flags: str = "") -> Object:
    container = {"command": ["sh", "-c", f"ray start --head --port={port} --block"]}
    return task(container=container, notes=OWN, flags=flags)


def own_worker(port: int | str, flags: str = "") -> Object:
    container = {"command": ["sh", "-c", f"ray start --address=$HEAD:{port} --block"]}
    return task("worker", container=container, notes=OWN, flags=flags)


DOUBTED: list[tuple[str, Object, list[Code]]] = [
    ("OnFailure", labelled(task(container=COMMAND, policies=[COMPLETES])), [Code.FAILS_FOR_EVER]),
    ("no policy", labelled(task(container=COMMAND)), [Code.NEVER_ENDS, Code.FAILS_FOR_EVER]),
    (
        "Always",
        labelled(task(container=COMMAND, policies=[COMPLETES], spec={"restartPolicy": "Always"})),
        [Code.RUNS_AGAIN],
    ),
    (
        "Always by default",
        labelled(task(container=COMMAND, policies=[COMPLETES], spec={"restartPolicy": None})),
        [Code.RUNS_AGAIN],
    ),
    ("Never", labelled(task(container=COMMAND, policies=[COMPLETES], spec=NEVER)), [Code.FAILURE_UNSEEN]),
    ("Never and no policy", labelled(task(container=COMMAND, spec=NEVER)), [Code.NEVER_ENDS, Code.FAILURE_UNSEEN]),
    ("both policies", labelled(task(container=COMMAND, policies=[COMPLETES, RETRIES], spec=NEVER)), []),
    ("policies of the Job", labelled(task(container=COMMAND, spec=NEVER), policies=[COMPLETES, RETRIES]), []),
    (
        "any event",
        labelled(task(container=COMMAND, policies=[{"event": "*", "action": "TerminateJob"}], spec=NEVER)),
        [],
    ),
    (
        "events",
        labelled(
            task(
                container=COMMAND,
                policies=[{"events": ["PodFailed", "TaskCompleted"], "action": "AbortJob"}],
                spec=NEVER,
            )
        ),
        [],
    ),
    (
        "policies of no use",
        labelled(
            task(
                container=COMMAND,
                policies=[{"event": "TaskCompleted", "action": "RestartJob"}, {"event": "PodFailed"}, {"exitCode": 3}],
                spec=NEVER,
            )
        ),
        [Code.NEVER_ENDS, Code.FAILURE_UNSEEN],
    ),
    ("minSuccess", labelled(task(container=COMMAND, policies=[RETRIES], spec=NEVER), minSuccess=1), []),
    ("no command", labelled(task(spec={"restartPolicy": "Always"})), []),
    ("starts Ray itself", labelled(task(container={"command": OWN_HEAD})), [Code.OWN_START]),
    ("starts Ray itself, said so", labelled(task(container={"command": OWN_HEAD}, notes=OWN)), []),
    ("such words, kept", labelled(task(container={"command": OWN_HEAD}, notes=KEEP)), ENDLESS),
    ("such words in a comment", labelled(task(container={"command": ["sh", "-c", "# ray start"]})), ENDLESS),
    (
        "start-args beside an own start",
        labelled(task(container={"command": OWN_HEAD}, notes={**OWN, "ray.volcano.sh/start-args": "--num-cpus=0"})),
        [Code.START_ARGS_UNUSED],
    ),
    (
        "other flags than the own start",
        labelled(task(container={"command": OWN_HEAD}, notes=OWN, flags="--port=1"), task("worker", flags="--port=1")),
        [Code.OWN_PORT_DIFFERS],
    ),
    ("the same flags", labelled(own_head(6344, "--port=6344"), own_worker(6344, "--port=6344")), []),
    ("the same port", labelled(own_head(6379), own_worker(6379)), []),
    ("another port", labelled(own_head(6379), own_worker(6380)), [Code.OWN_START_JOINS_ELSEWHERE]),
    ("another port than volray's", labelled(task(), own_worker(6380)), [Code.OWN_START_JOINS_ELSEWHERE]),
    ("the port of volray", labelled(task(flags="--port=6380"), own_worker(6380, "--port=6380")), []),
    ("no number to compare", labelled(own_head("$PORT"), own_worker(6380)), [Code.OWN_PORT_UNREADABLE]),
    ("a worker's variable", labelled(own_head(6379), own_worker("$PORT")), []),
    ("a worker that volray starts", labelled(own_head(6379), WORKER), []),
    ("said to", labelled(task(container=COMMAND, notes={"ray.volcano.sh/command": "own"})), []),
    ("replaced", labelled(task(container=COMMAND, notes={"ray.volcano.sh/command": "replace"})), []),
    ("a worker's command", labelled(task(), task("worker", container=COMMAND)), []),
    ("svc", labelled(plugins={"svc": []}), [Code.ONLY_OWN_PODS]),
    ("svc, null", labelled(plugins={"svc": None}), [Code.ONLY_OWN_PODS]),
    ("svc, not switched off", labelled(plugins={"svc": ["--disable-network-policy=false"]}), [Code.ONLY_OWN_PODS]),
    ("svc without policy", labelled(plugins={"svc": ["-disable-network-policy"]}), []),
    ("no label", job(task(labels=OPT_IN), WORKER), [Code.UNLABELLED_NODE]),
    ("no CPU", labelled(task(container={"resources": {}})), [Code.NO_CPU]),
    ("no node", labelled(task(), task("logger")), [Code.LABELLED_OTHER_TASK]),
]


AFTER_HEAD = {"name": ["head"]}
PARTITIONS = {"totalPartitions": 2, "partitionSize": 2, "minPartitions": 1}


def gang(*tasks: Object, **spec: Any) -> Object:
    return labelled(task(), *tasks, **spec)


STUCK: list[tuple[str, Object, str, str]] = [
    (
        "minAvailable",
        gang(task("worker", replicas=2, dependsOn=AFTER_HEAD), minAvailable=3),
        "3 pods (minAvailable), but until dependsOn is met only 1 can start (head)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
    (
        "by default",
        gang(task("worker", replicas=4, dependsOn=AFTER_HEAD)),
        "5 pods (minAvailable), but until dependsOn is met only 1 can start (head)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
    (
        "0 is the default as well",
        gang(task("worker", replicas=2, dependsOn=AFTER_HEAD), minAvailable=0),
        "3 pods (minAvailable), but until dependsOn is met only 1 can start (head)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
    (
        "part of the tasks",
        gang(
            task("a", replicas=2),
            task("b", dependsOn=AFTER_HEAD),
            task("c", dependsOn={"name": ["b"]}),
            minAvailable=4,
        ),
        "4 pods (minAvailable), but until dependsOn is met only 3 can start (head, a)",
        "Drop dependsOn from b, c: workers wait for the head by themselves. Or write spec.minAvailable: 3.",
    ),
    (
        "minAvailable of the tasks",
        gang(task("worker", replicas=4, minAvailable=2, dependsOn=AFTER_HEAD)),
        "3 pods (minAvailable), but until dependsOn is met only 1 can start (head)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
    (
        "partitions",
        gang(task("worker", replicas=4, partitionPolicy=PARTITIONS, dependsOn=AFTER_HEAD)),
        "3 pods (minAvailable), but until dependsOn is met only 1 can start (head)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
    (
        "enough pods, but not of each task",
        gang(task("spare", replicas=5, minAvailable=0), task("worker", dependsOn=AFTER_HEAD), minAvailable=2),
        "pods of worker (minAvailable), but until dependsOn is met only 6 can start (head, spare)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
    (
        "any of two that have not started",
        gang(task("a"), task("worker", dependsOn={"name": ["head", "a"], "iteration": "any"})),
        "3 pods (minAvailable), but until dependsOn is met only 2 can start (head, a)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 2.",
    ),
    (
        "all of two",
        gang(task("a", minAvailable=0), task("worker", dependsOn={"name": ["head", "a"]}), minAvailable=3),
        "3 pods (minAvailable), but until dependsOn is met only 2 can start (head, a)",
        "Drop dependsOn from worker: workers wait for the head by themselves. Or write spec.minAvailable: 1.",
    ),
]


def only_gang(whole: Object) -> list[tuple[str, ...]]:
    assert mistakes(whole) == []
    return [one.lines for one in judge(whole, "team").warnings if one.finding.code is Code.GANG_WAITS]


@pytest.mark.parametrize(("whole", "needs", "hint"), [row[1:] for row in STUCK], ids=[row[0] for row in STUCK])
def test_a_gang_that_depends_on_itself_is_warned_of_with_the_number_that_lets_it_run(
    whole: Object, needs: str, hint: str
) -> None:
    assert only_gang(whole) == [(f"The gang needs {needs}: the Job stays Pending for ever.", hint)]
    assert only_gang(completed(whole)) == only_gang(whole)
    whole["spec"]["minAvailable"] = int(hint.removesuffix(".").rpartition(" ")[2])
    assert only_gang(whole) == []


@pytest.mark.parametrize(
    "whole",
    [
        gang(task("worker", replicas=2, dependsOn=AFTER_HEAD), minAvailable=1),
        gang(task("worker", replicas=2, minAvailable=0, dependsOn=AFTER_HEAD)),
        gang(task("worker", replicas=0, dependsOn=AFTER_HEAD)),
        gang(task("worker", replicas=2), minAvailable=3),
        gang(task("worker", dependsOn={"name": []}), minAvailable=2),
        gang(task("a", minAvailable=0), task("worker", dependsOn={"name": ["a"]}), minAvailable=3),
        gang(task("a", minAvailable=0), task("worker", dependsOn={"name": ["head", "a"], "iteration": "any"})),
    ],
    ids=[
        "a head alone may start",
        "the tasks ask for no worker",
        "no workers",
        "no order",
        "depends on nothing",
        "depends on a task that asks for no pod",
        "depends on any",
    ],
)
def test_a_gang_whose_pods_all_start_is_not_warned_of(whole: Object) -> None:
    assert only_gang(whole) == []


def test_a_head_that_waits_for_its_workers_is_told_once() -> None:
    found = judge(labelled(task(dependsOn={"name": ["worker"]}), WORKER, minAvailable=3), "team")
    assert [one.finding.code for one in (*found.mistakes, *found.warnings)] == [Code.HEAD_WAITS_FOR_WORKER]


@pytest.mark.parametrize(("whole", "codes"), [row[1:] for row in DOUBTED], ids=[row[0] for row in DOUBTED])
def test_is_warned_of(whole: Object, codes: list[Code]) -> None:
    assert warnings(whole) == codes


def test_the_sentence_names_the_yaml() -> None:
    found = judge(labelled(task(container=COMMAND, spec=NEVER)), "team").warnings
    assert "Write in task head: policies: [{event: TaskCompleted, action: CompleteJob}]." in found[0].lines


def test_a_worker_that_joins_another_port_is_named_with_the_head_and_both_ports() -> None:
    (found,) = judge(labelled(own_head(6379), own_worker(6380)), "team").warnings
    assert found.lines == (
        "The command of task worker joins Ray at port 6380, but Ray on the head task head has port 6379.",
        "Write the same port in both.",
    )


def test_a_pods_warning_says_of_which_task() -> None:
    (found,) = judge(labelled(task(container={"resources": {}})), "team").warnings
    assert found.lines[0] == "Task head: Container head asks for no CPU: Ray will count all of the node's."


@pytest.mark.parametrize(
    "whole",
    [
        job(task(replicas=2)),
        job(task(replicas=2), plugins={"ray": []}),
        declined(job(task(replicas=2), plugins={"ray": []})),
        {**labelled(), "spec": {"tasks": "x"}},
        {"metadata": {}},
    ],
)
def test_another_job_is_not_judged(whole: Object) -> None:
    assert judge(whole, "team") == judge({}, "team")
    assert mistakes(whole) == []


def test_of_an_update_only_what_is_new_is_said() -> None:
    before, after = labelled(task(flags="--prot=1")), labelled(task(flags="--prot=1", replicas=2))
    found = judge(after, "team").beyond(judge(before, "team"))
    assert [one.finding.code for one in found.mistakes] == [Code.HEAD_REPLICAS]


def scaled(whole: Object, **replicas: int | None) -> tuple[list[Code], list[Code]]:
    """What is new to an update that changes the replicas of tasks."""
    after = deepcopy(whole)
    for body in after["spec"]["tasks"]:
        if body["name"] in replicas:
            body["replicas"] = replicas[body["name"]]
    found = judge(after, "team").beyond(judge(whole, "team"))
    return [one.finding.code for one in found.mistakes], [one.finding.code for one in found.warnings]


@pytest.mark.parametrize(
    ("whole", "replicas", "outcome"),
    [
        (labelled(), {"head": 0}, ([Code.NO_HEAD_POD], [])),
        (labelled(), {"head": None}, ([Code.NO_HEAD_POD], [])),
        (labelled(), {"worker": 0}, ([], [])),
        (labelled(task(replicas=0), WORKER), {"worker": 5}, ([], [])),
        (labelled(task(replicas=None), WORKER), {"head": 0}, ([], [])),
        (labelled(task(flags="--waitNodes=3"), WORKER), {"worker": 5}, ([], [])),
        (labelled(task(flags="--waitNodes=3"), WORKER), {"worker": 1}, ([], [Code.SCALED_BELOW_WAIT])),
        (labelled(task(flags="--waitNodes=4"), WORKER), {"worker": 1}, ([], [Code.SCALED_BELOW_WAIT])),
        (labelled(task(flags="--waitNodes=4"), WORKER), {"worker": 3}, ([], [])),
        (labelled(task(flags="--waitNodes=3"), WORKER), {"head": 0}, ([Code.NO_HEAD_POD], [])),
    ],
    ids=[
        "head to 0",
        "head's replicas taken out",
        "workers to 0",
        "the head had none before",
        "left out or 0 is the same",
        "as many as are awaited",
        "below what is awaited",
        "further below",
        "up to what is awaited",
        "the head counts as a node even so",
    ],
)
def test_an_update_of_replicas(
    whole: Object, replicas: dict[str, int | None], outcome: tuple[list[Code], list[Code]]
) -> None:
    assert scaled(whole, **replicas) == outcome


def test_an_update_below_the_nodes_that_are_awaited_is_told_with_both_numbers() -> None:
    before, after = (labelled(task(flags="--waitNodes=4"), task("worker", replicas=n)) for n in (3, 1))
    (found,) = judge(after, "team").beyond(judge(before, "team")).warnings
    assert found.lines == (
        "Task head waits for --waitNodes=4 Ray nodes, and after this update the replicas of head and workers add up "
        "to 2. A head that has started goes on; after a restart it would wait for ever.",
        "Keep the sum of replicas at 4 or more.",
    )


def cron(spec: Any, name: str = "nightly", **metadata: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"jobTemplate": {"metadata": metadata, "spec": spec}}}


def of(document: Object, group: str, kind: str) -> tuple[list[Code], list[Code]]:
    template = template_of(document, group, kind)
    assert template is not None
    found = judge_template(template, "team")
    return [one.finding.code for one in found.mistakes], [one.finding.code for one in found.warnings]


CRON = ("batch.volcano.sh", "CronJob")
FLOW = ("flow.volcano.sh", "JobTemplate")
WRONG = job(task(replicas=2, container=COMMAND), plugins={"ray": [], "svc": []})["spec"]
DOUBTS = [Code.ONLY_OWN_PODS, Code.NEVER_ENDS, Code.FAILS_FOR_EVER]


def test_a_template_is_judged_as_the_jobs_made_from_it() -> None:
    assert of(cron(WRONG), *CRON) == ([Code.HEAD_REPLICAS], DOUBTS)
    assert of({"metadata": {"name": "step"}, "spec": WRONG}, *FLOW) == ([Code.HEAD_REPLICAS], DOUBTS)


def test_a_template_without_any_node() -> None:
    spec = job(task("x"), plugins={"ray": []})["spec"]
    assert of(cron(spec), *CRON) == ([Code.NO_HEAD], [])


def test_the_choice_of_a_container_is_told() -> None:
    spec = job(task(container={"name": "ray"}), plugins={"ray": []})["spec"]
    assert of(cron(spec), *CRON) == ([], [Code.ONLY_CONTAINER])


@pytest.mark.parametrize(("length", "codes"), [(45, []), (46, [Code.SERVICE_NAME])])
def test_the_name_of_a_scheduled_job_is_nine_longer(length: int, codes: list[Code]) -> None:
    assert of(cron(labelled()["spec"], "a" * length), *CRON) == (codes, [])


def test_a_schedule_may_decline_and_a_flow_cannot() -> None:
    spec = job(task(replicas=2), plugins={"ray": []})["spec"]
    notes = {"ray.volcano.sh/adopt": "false"}
    assert of(cron(spec, annotations=notes), *CRON) == ([], [])
    assert of({"metadata": {"annotations": notes}, "spec": spec}, *FLOW) == ([Code.HEAD_REPLICAS], [])


@pytest.mark.parametrize("document", [{}, {"spec": None}, {"spec": {"jobTemplate": 1}}, {"metadata": 1, "spec": []}])
def test_a_template_of_another_shape_is_not_judged(document: Object) -> None:
    assert of(document, *CRON) == of(document, *FLOW) == ([], [])


@pytest.mark.parametrize(("group", "kind"), [("batch", "CronJob"), ("batch.volcano.sh", "Job"), ("", "Pod")])
def test_no_other_kind_is_a_template(group: str, kind: str) -> None:
    assert template_of(cron(WRONG), group, kind) is None
