"""CREATE: what becomes of a new Job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.jobs.jobs import ARGS, OPT_IN, adopt, adopted, asking, codes, flags, job, labelled, task, templates
from webhook.errors import MalformedError, RefusedError
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

REDIS = {"env": [{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}]}
ROCKSDB = {"env": [{"name": "RAY_gcs_storage", "value": "rocksdb"}]}


def test_the_entry_goes_and_label_and_nothing_else_comes() -> None:
    found = adopted(asking())
    assert "plugins" not in found["spec"]
    assert templates(found) == [{"labels": OPT_IN}, {"labels": OPT_IN}]
    assert adopt(asking()).reason.code is Code.ADOPTED


@pytest.mark.parametrize("words", [[], None])
def test_an_entry_without_words_is_one(words: Any) -> None:
    whole = job(task(), plugins={"ray": words})
    assert templates(adopted(whole)) == [{"labels": OPT_IN}]


def test_other_plugins_stay_and_none_is_added() -> None:
    whole = job(task(), plugins={"ray": [], "svc": ["--publish-not-ready-addresses=true"], "env": []})
    assert adopted(whole)["spec"]["plugins"] == {"svc": ["--publish-not-ready-addresses=true"], "env": []}


def test_the_flags_are_the_users_words_and_no_more() -> None:
    found = adopted(asking("--port=6380", "--worker", "worker"))
    assert flags(found) == ["--port=6380 --worker worker"] * 2


def test_a_word_with_blanks_stays_one_word() -> None:
    whole = asking("--head=my head", tasks=[task("my head", container={"name": "head"})])
    assert flags(adopted(whole)) == ["'--head=my head'"]


def test_the_templates_own_flags_come_after_the_plugins() -> None:
    tasks = [task(flags="--waitNodes=2", notes={"mine": "1"}), task("worker")]
    found = adopted(asking("--port=6380", tasks=tasks))
    assert flags(found) == ["--port=6380 --waitNodes=2", "--port=6380"]
    assert templates(found)[0]["annotations"]["mine"] == "1"


def test_the_same_flags_twice_are_written_once() -> None:
    assert flags(adopted(asking("--port=6380", tasks=[task(flags="--port=6380")]))) == ["--port=6380"]


def test_a_task_that_is_no_node_stays_as_it_is() -> None:
    other = task("logger", labels={"a": "b"})
    found = adopted(asking("--port=6380", tasks=[task(), other]))
    assert found["spec"]["tasks"][1] == other


def test_a_labelled_task_that_is_no_node_is_told_so() -> None:
    """Its pods would be a worker's, by the default of the flags."""
    tasks = [task("boss"), task("worker", labels=OPT_IN)]
    assert flags(adopted(asking("--head=boss", "--worker=boss", tasks=tasks)))[1] == "--head=boss --worker=boss"


def test_what_stands_on_the_template_stays() -> None:
    metadata = {"labels": {"team": "a"}, "annotations": {"note": "b"}, "name": "x"}
    whole = asking("--port=7000", tasks=[{**task(), "template": {**task()["template"], "metadata": metadata}}])
    assert templates(adopted(whole)) == [
        {"labels": {"team": "a", **OPT_IN}, "annotations": {"note": "b", ARGS: "--port=7000"}, "name": "x"}
    ]


@pytest.mark.parametrize("metadata", [{}, None, {"labels": None, "annotations": None}, {"creationTimestamp": None}])
def test_metadata_that_is_hardly_there(metadata: Any) -> None:
    whole = asking("--port=7000", tasks=[{**task(), "template": {**task()["template"], "metadata": metadata}}])
    (found,) = templates(adopted(whole))
    assert (found["labels"], found["annotations"]) == (OPT_IN, {ARGS: "--port=7000"})


def test_the_only_container_is_settled_in_its_own_template() -> None:
    tasks = [task(container={"name": "ray"}), task("worker"), task("gpu", container={"name": "main"})]
    whole = asking("--worker=worker", "--worker=gpu", tasks=tasks)
    words = "--worker=worker --worker=gpu"
    assert flags(adopted(whole)) == [f"{words} --headContainer=ray", words, f"{words} --workerContainer=main"]
    assert [(found.place, found.code) for found in adopt(whole).warnings] == [
        ("tasks[head]", Code.ONLY_CONTAINER),
        ("tasks[gpu]", Code.ONLY_CONTAINER),
    ]


def without_replicas(body: Object, **fields: Any) -> Object:
    return {**{key: value for key, value in body.items() if key != "replicas"}, **fields}


@pytest.mark.parametrize(
    ("worker", "expected"),
    [
        (without_replicas(task("worker")), [Code.NO_WORKER_PODS]),
        (task("worker", replicas=None), [Code.NO_WORKER_PODS]),
        (task("worker", replicas=0), []),
        (task("worker", replicas=1), []),
        (without_replicas(task("worker"), minAvailable=0), []),
    ],
    ids=["left out", "null", "0", "1", "0 that Volcano's mutator dropped"],
)
def test_a_worker_task_that_leaves_replicas_out_is_told_that_it_gets_no_pods(
    worker: Object, expected: list[Code]
) -> None:
    for whole in (asking(tasks=[task(), worker]), labelled(task(), worker)):
        found = adopt(whole).warnings
        assert codes(found) == expected
        assert all(each.place == "tasks[worker].replicas" for each in found)


def test_a_task_that_is_no_worker_may_leave_replicas_out() -> None:
    assert adopt(asking(tasks=[task(), without_replicas(task("logger"))])).warnings == ()


def test_a_sidecar_does_not_count_as_a_container() -> None:
    whole = asking(tasks=[task(container={"name": "ray"}, others=[{"name": "istio-proxy"}])])
    assert flags(adopted(whole)) == ["--headContainer=ray"]


def test_among_several_containers_nothing_is_settled() -> None:
    whole = asking(tasks=[task(container={"name": "a"}, others=[{"name": "b"}])])
    assert flags(adopted(whole)) == [None]


def test_a_labelled_job_that_says_all_is_not_patched() -> None:
    assert adopt(labelled()).operations == ()
    assert adopt(labelled()).reason.code is Code.JOB_READY


def test_a_labelled_jobs_only_container_is_settled() -> None:
    whole = labelled(task(container={"name": "ray"}, flags="--port=7000"), task("worker", flags="--port=7000"))
    assert flags(adopted(whole)) == ["--port=7000 --headContainer=ray", "--port=7000"]
    assert adopt(whole).reason.code is Code.SETTLED


def test_in_a_labelled_job_the_label_is_the_users() -> None:
    whole = job(task(labels=OPT_IN, container={"name": "ray"}), task("worker", container={"name": "x"}))
    assert flags(adopted(whole)) == ["--headContainer=ray", None]


@pytest.mark.parametrize("container", [REDIS, ROCKSDB])
def test_a_head_that_keeps_its_state_is_waited_for_by_all(container: Object) -> None:
    for whole in (
        asking(tasks=[task(container=container), task("worker")]),
        labelled(task(container=container), task("worker")),
    ):
        assert flags(adopted(whole)) == ["--reconnectSeconds=600"] * 2


def test_who_says_how_long_is_heard() -> None:
    whole = labelled(task(container=REDIS), task("worker", flags="--reconnectSeconds=30"))
    assert flags(adopted(whole)) == [None, "--reconnectSeconds=30"]


OWN_PORTS = {"command": ["bash", "-c", "ray start --head --port 6344 --dashboard-port=8260; python a.py"]}


def test_all_nodes_are_told_of_the_ports_of_the_heads_own_start() -> None:
    whole = asking("--waitHead=5", tasks=[task(container=OWN_PORTS), task("worker"), task("logger")])
    stamped = "--waitHead=5 --port=6344 --dashboardPort=8260"
    assert flags(adopted(whole)) == [stamped, stamped, None]
    assert adopt(adopted(whole)).operations == ()


def test_so_are_the_nodes_of_labelled_templates() -> None:
    whole = labelled(task(container=OWN_PORTS), task("worker"))
    assert flags(adopted(whole)) == ["--port=6344 --dashboardPort=8260"] * 2


def test_a_flag_for_such_a_port_is_the_users() -> None:
    whole = asking("--port=7000", tasks=[task(container=OWN_PORTS), task("worker")])
    assert flags(adopted(whole)) == ["--port=7000 --dashboardPort=8260"] * 2
    one = labelled(task(container=OWN_PORTS), task("worker", flags="--port=7000"))
    assert flags(adopted(one)) == ["--dashboardPort=8260", "--port=7000 --dashboardPort=8260"]


@pytest.mark.parametrize(
    "container",
    [
        {"command": ["ray", "start", "--head"]},
        {"command": ["ray", "start", "--head", "--port=6379"]},
        {"command": ["sh", "-c", "ray start --head --port=$PORT"]},
        {"command": ["sh", "-c", "# ray start --head --port=6344"]},
    ],
    ids=["no port", "the default", "not readable", "no start"],
)
def test_nobody_is_told_of_a_port_that_is_the_default_or_unknown(container: Object) -> None:
    assert flags(adopted(asking(tasks=[task(container=container), task("worker")]))) == [None, None]


@pytest.mark.parametrize("mode", ["keep", "replace"])
def test_a_head_that_volray_starts_is_on_the_ports_of_the_flags(mode: str) -> None:
    head = task(container=OWN_PORTS, notes={"ray.volcano.sh/command": mode})
    assert flags(adopted(asking(tasks=[head, task("worker")]))) == [None, None]


def test_a_workers_own_start_is_nobodys_business() -> None:
    assert flags(adopted(asking(tasks=[task(), task("worker", container=OWN_PORTS)]))) == [None, None]


def test_a_workers_store_is_nobodys_business() -> None:
    assert flags(adopted(asking(tasks=[task(), task("worker", container=REDIS)]))) == [None, None]


def test_a_declined_job_stays_as_it_is() -> None:
    for whole in (asking(), labelled()):
        whole["metadata"]["annotations"] = {"ray.volcano.sh/adopt": "false"}
        assert adopt(whole).operations == ()
        assert adopt(whole).reason.code is Code.NOT_ADOPTED


@pytest.mark.parametrize("plugins", [None, {}, {"svc": []}, {"tensorflow": ["--ps=ps"]}])
def test_another_job_stays_as_it_is(plugins: Object | None) -> None:
    found = adopt(job(task(), plugins=plugins))
    assert (found.operations, found.reason.code) == ((), Code.NOT_A_RAY_JOB)


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": [{"name": "head"}]},
        {"tasks": [{"name": "head", "template": {}}]},
        {"tasks": "head"},
        {"plugins": []},
        {"plugins": {"ray": "--port=1"}},
    ],
)
def test_what_has_not_the_shape_of_a_job_is_the_apiservers(change: Object) -> None:
    whole = asking()
    whole["spec"] |= change
    with pytest.raises(MalformedError):
        adopt(whole)


def test_a_wrong_job_that_asks_is_refused_with_every_mistake_at_the_place_where_it_is_written() -> None:
    tasks = [task(replicas=2, flags="--waitNodes=x"), task("worker", container={"args": ["x"]})]
    whole = asking("--prot=1", "--worker=worker", "--worker=w", tasks=tasks)
    del whole["metadata"]["name"]
    with pytest.raises(RefusedError) as refused:
        adopt(whole)
    assert [(found.code, found.place) for found in refused.value.mistakes] == [
        (Code.HEAD_REPLICAS, "tasks[head].replicas"),
        (Code.NO_SUCH_WORKER, "spec.plugins.ray[1]"),
        (Code.UNKNOWN_FLAG, "spec.plugins.ray[0]"),
        (Code.BAD_VALUE, f"tasks[head].template.metadata.annotations[{ARGS}]"),
        (Code.ARGS_WITHOUT_COMMAND, "tasks[worker]"),
    ]


@pytest.mark.parametrize(
    "container",
    [
        {"command": ["sh", "-c", "submit --hosts $VC_HEAD_HOSTS"]},
        {"args": ["${VC_MY_TASK_NUM}"], "command": ["echo"]},
        {"env": [{"name": "HEAD", "value": "demo-head-0.demo"}]},
        {"command": ["cat", "/etc/volcano/head.host"]},
    ],
)
def test_a_template_that_uses_the_svc_plugin_keeps_it_without_its_network_policy(container: Object) -> None:
    """Volcano adds svc to a Job with plugins.ray, so such templates work with the in-tree plugin."""
    tasks = [task(), task("worker"), task("submitter", container=container)]
    whole = job(*tasks, plugins={"ray": [], "env": []})
    assert adopted(whole)["spec"]["plugins"] == {"env": [], "svc": ["--disable-network-policy=true"]}
    assert codes(adopt(whole).warnings) == [Code.SVC_ADDED]


def test_an_init_container_may_use_the_svc_plugin_too() -> None:
    init = {"initContainers": [{"name": "wait", "command": ["sh", "-c", "nc $VC_HEAD_HOSTS 6379"]}]}
    found = adopted(asking(tasks=[task(), task("worker", spec=init)]))
    assert found["spec"]["plugins"] == {"svc": ["--disable-network-policy=true"]}


@pytest.mark.parametrize("value", ["VC_TASK_INDEX", "MY_VC_HEAD_HOSTS", "demo-head-0.other", "other-head-0.demo"])
def test_other_names_bring_no_svc(value: str) -> None:
    tasks = [task(), task("submitter", container={"command": ["echo", f"${value}"]})]
    assert "plugins" not in adopted(asking(tasks=tasks))["spec"]


def test_the_users_own_svc_stays_and_a_labelled_job_gets_none() -> None:
    tasks = [task(container={"command": ["echo", "$VC_HEAD_HOSTS"]}), task("worker")]
    assert adopted(job(*tasks, plugins={"ray": [], "svc": []}))["spec"]["plugins"] == {"svc": []}
    assert "plugins" not in adopted(labelled(*tasks))["spec"]


def test_flags_that_cannot_be_split_stay_to_be_refused_with_the_rest() -> None:
    found = adopted(asking("--port=7000", tasks=[task(flags="--head='", container={"name": "ray"})]))
    assert flags(found) == ["--port=7000 --head='"]


def test_adopting_twice_changes_nothing() -> None:
    once = adopted(asking("--port=7000", tasks=[task(container={"name": "ray", **REDIS}), task("worker")]))
    assert adopt(once).operations == ()
