"""UPDATE of an adopted Job: what is put back, what passes, what is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.jobs.jobs import (
    ARGS,
    COMPLETES,
    adopted,
    applied,
    asking,
    codes,
    completed,
    job,
    labelled,
    restore,
    restored,
    stored,
    task,
)
from webhook.errors import RefusedError
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

REDIS = {"env": [{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}, {"name": "EMPTY", "value": ""}]}

OWN_PORTS = {"command": ["bash", "-c", "ray start --head --port 6344 --dashboard-port=8260; python a.py"]}

FILES = {
    "documentation": asking(),
    "svc": job(task(), task("worker", replicas=3), plugins={"ray": [], "svc": [], "env": []}),
    "flags": asking("--port=6380", "--dashboardPort=8266"),
    "own flags": asking("--port=6380", tasks=[task(flags="--waitNodes=2"), task("worker", flags="--waitHead=5")]),
    "other container": asking(tasks=[task(container={"name": "ray"}), task("worker")]),
    "own ports": asking(tasks=[task(container=OWN_PORTS), task("worker")]),
    "own ports, labelled": labelled(task(container=OWN_PORTS), task("worker")),
    "store": asking(tasks=[task(container=REDIS), task("worker")]),
    "nameless": job({k: v for k, v in task("head").items() if k != "name"}, plugins={"ray": ["--head=default0"]}),
    "host network": asking(tasks=[task(spec={"hostNetwork": True}), task("worker", spec={"hostNetwork": True})]),
    "another task": asking("--port=6380", tasks=[task(), task("logger", labels={"a": "b"})]),
    "policies": asking(tasks=[task(policies=[COMPLETES])], policies=[{"event": "PodEvicted", "action": "RestartJob"}]),
    "said by the user": asking(maxRetry=5, minAvailable=1, queue="research", tasks=[task(maxRetry=7, minAvailable=1)]),
    "nothing to run": asking(tasks=[task(), task("worker", replicas=0)]),
    "zero retries": asking(maxRetry=0, tasks=[task(maxRetry=0)]),
    "svc added by adoption": asking(tasks=[task(container={"command": ["echo", "$VC_HEAD_HOSTS"]}), task("worker")]),
    "empty map": job(task(), plugins={"ray": [], "env": None}),
    "labelled": labelled(),
    "labelled, settled": labelled(task(container={"name": "ray"}), task("worker", container=REDIS)),
    "labelled, no other plugin": labelled(plugins={}),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_file_again_changes_nothing(name: str) -> None:
    live = stored(FILES[name])
    assert restored(applied(FILES[name], live), live)["spec"] == live["spec"]


@pytest.mark.parametrize("name", FILES)
def test_a_whole_replacement_by_the_same_file_changes_nothing(name: str) -> None:
    live = stored(FILES[name])
    assert restored(deepcopy(FILES[name]), live)["spec"] == live["spec"]


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_put_back_into_a_request_that_leaves_nothing_out(name: str) -> None:
    live = stored(FILES[name])
    request = deepcopy(live)
    request["spec"]["tasks"][-1]["replicas"] = 9
    request["spec"]["priorityClassName"] = "high"
    assert restore(request, live) == ()


def test_what_volcanos_webhook_added_for_ray_before_us_is_kept() -> None:
    file = asking()
    live = adopted(completed(file))
    assert live["spec"]["plugins"] == {"svc": []}
    assert restored(deepcopy(file), live)["spec"] == live["spec"]


def test_a_plugin_with_arguments_that_goes_is_not_put_back() -> None:
    file = job(task(), plugins={"ray": [], "svc": ["--disable-network-policy=true"], "env": []})
    request = deepcopy(file)
    request["spec"]["plugins"] = {"ray": []}
    assert restored(request, stored(file))["spec"]["plugins"] == {}


def test_scaling_by_file_keeps_the_rest() -> None:
    file, live = asking(), stored(asking())
    file["spec"]["tasks"][1]["replicas"] = 5
    found = restored(applied(file, live), live)
    expected = deepcopy(live)
    expected["spec"]["tasks"][1]["replicas"] = 5
    assert found == expected


def test_scaling_down_does_not_leave_more_wanted_than_there_are() -> None:
    file, live = asking(tasks=[task(), task("worker", replicas=4)]), None
    live = stored(file)
    file["spec"]["tasks"][1]["replicas"] = 2
    found = restored(file, live)["spec"]
    assert (found["tasks"][1]["minAvailable"], found["minAvailable"]) == (2, 3)


def test_what_the_user_says_of_min_available_stands() -> None:
    file, live = asking(), stored(asking())
    file["spec"]["tasks"][1]["minAvailable"] = 1
    found = restored(applied(file, live), live)["spec"]["tasks"][1]
    assert found == {**live["spec"]["tasks"][1], "minAvailable": 1}


def test_another_change_passes_with_the_stamps_to_be_refused_by_volcano() -> None:
    file, live = asking("--port=6380"), stored(asking("--port=6380"))
    file["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["image"] = "newer"
    found = restored(applied(file, live), live)["spec"]["tasks"]
    assert found[1] == live["spec"]["tasks"][1]
    assert found[0]["template"]["metadata"] == live["spec"]["tasks"][0]["template"]["metadata"]
    assert found[0]["template"]["spec"]["containers"][0]["image"] == "newer"


def test_a_name_that_the_user_takes_away_is_not_put_back() -> None:
    file, live = asking(), stored(asking())
    del file["spec"]["tasks"][1]["name"]
    assert "name" not in restored(applied(file, live), live)["spec"]["tasks"][1]


def test_a_task_more_or_less_is_volcanos_to_refuse() -> None:
    file, live = asking(), stored(asking())
    file["spec"]["tasks"].pop()
    assert restore(applied(file, live), live) == ()


def test_the_claim_that_volcano_named_is_kept() -> None:
    volume = {"mountPath": "/data", "volumeClaim": {"accessModes": ["ReadWriteOnce"]}}
    file = asking(volumes=[volume])
    live = stored(file)
    live["spec"]["volumes"][0]["volumeClaimName"] = "demo-volume-x1"
    assert restored(applied(file, live), live)["spec"] == live["spec"]


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"labels": {"ray.volcano.sh/cluster": "true", "ray.volcano.sh/generation": "2"}}, "a label more"),
        (
            {
                "labels": {"ray.volcano.sh/cluster": "true"},
                "annotations": {
                    ARGS: "--headContainer=head --reconnectSeconds=99 --port 6380",
                    "ray.volcano.sh/x": "1",
                },
            },
            "other words, flags and annotations",
        ),
    ],
)
def test_a_job_adopted_by_a_version_that_stamps_otherwise_keeps_its_stamps(metadata: Object, why: str) -> None:
    file = asking("--port=6380") if "annotations" in metadata else asking()
    live = stored(file)
    live["spec"]["tasks"][0]["template"]["metadata"] = metadata
    assert restored(applied(file, live), live)["spec"] == live["spec"], why


def changed(file: Object, words: list[str] | None = None, notes: dict[str, str] | None = None) -> Object:
    found = deepcopy(file)
    if words is not None:
        found["spec"]["plugins"]["ray"] = words
    if notes:
        found["spec"]["tasks"][0]["template"].setdefault("metadata", {})["annotations"] = notes
    return found


PORT = asking("--port=6380")
OWN_PORT = asking("--port=6380", tasks=[task(container=OWN_PORTS), task("worker")])


HEAD_NOTES, WORKER_NOTES = (f"tasks[{name}].template.metadata.annotations" for name in ("head", "worker"))
HEAD_LABEL, WORKER_LABEL = (
    f"tasks[{name}].template.metadata.labels[ray.volcano.sh/cluster]" for name in ("head", "worker")
)
CHANGED = Code.SETTINGS_CHANGED


@pytest.mark.parametrize(
    ("file", "request_", "changes"),
    [
        (PORT, changed(PORT, ["--port=6381"]), {"spec.plugins.ray[0]": "--port 6380 6381"}),
        (PORT, changed(PORT, []), {f"{note}[{ARGS}]": "--port 6380 6379" for note in (HEAD_NOTES, WORKER_NOTES)}),
        (OWN_PORT, changed(OWN_PORT, []), {f"{n}[{ARGS}]": "--port 6380 6379" for n in (HEAD_NOTES, WORKER_NOTES)}),
        (FILES["own ports"], changed(FILES["own ports"], ["--port=1"]), {"spec.plugins.ray[0]": "--port 6344 1"}),
        (PORT, changed(PORT, ["--port=6380", "--waitNodes=3"]), {"spec.plugins.ray[1]": "--waitNodes 0 3"}),
        (PORT, changed(PORT, ["--port=6380", "--headContainer=x"]), {"spec.plugins.ray[1]": "--headContainer head x"}),
        (
            PORT,
            changed(PORT, notes={"ray.volcano.sh/start-args": "--num-cpus=0"}),
            {f"{HEAD_NOTES}[ray.volcano.sh/start-args]": "ray.volcano.sh/start-args nothing --num-cpus=0"},
        ),
        (
            PORT,
            changed(PORT, notes={"ray.volcano.sh/role": "worker"}),
            {f"{HEAD_NOTES}[ray.volcano.sh/role]": "ray.volcano.sh/role nothing worker"},
        ),
        (
            labelled(task("logger"), task(flags="--port=1"), task("worker", flags="--port=1")),
            labelled(task("logger"), task(flags="--port=2"), task("worker", flags="--port=1")),
            {f"{HEAD_NOTES}[{ARGS}]": "--port 1 2"},
        ),
    ],
)
def test_a_change_of_settings_is_refused_at_its_place_with_both_values(
    file: Object, request_: Object, changes: dict[str, str]
) -> None:
    live = stored(file)
    with pytest.raises(RefusedError) as refused:
        restore(applied(request_, live), live)
    assert codes(refused.value.mistakes) == [CHANGED] * len(changes)
    assert {found.place: " ".join(text for _, text in found.fields) for found in refused.value.mistakes} == changes


def test_a_new_mistake_in_the_flags_is_told_at_its_place() -> None:
    live = stored(PORT)
    with pytest.raises(RefusedError) as refused:
        restore(applied(changed(PORT, ["--prot=6380"]), live), live)
    assert [(found.code, found.place) for found in refused.value.mistakes] == [
        (Code.UNKNOWN_FLAG, "spec.plugins.ray[0]"),
        (CHANGED, f"{HEAD_NOTES}[{ARGS}]"),
        (CHANGED, f"{WORKER_NOTES}[{ARGS}]"),
    ]


@pytest.mark.parametrize("file", [PORT, labelled()])
def test_an_update_without_the_wish_for_ray_is_refused_for_each_node(file: Object) -> None:
    live = stored(file)
    with pytest.raises(RefusedError) as refused:
        restore(applied(job(task(), task("worker", replicas=2)), live), live)
    assert [(found.code, found.place, dict(found.fields)) for found in refused.value.mistakes] == [
        (Code.RAY_LEFT_OUT, HEAD_LABEL, {"task": "head"}),
        (Code.RAY_LEFT_OUT, WORKER_LABEL, {"task": "worker"}),
    ]


def test_what_the_user_writes_into_a_task_or_a_volume_stays() -> None:
    named = {"mountPath": "/a", "volumeClaimName": "mine"}
    made = {"mountPath": "/b", "volumeClaim": {"accessModes": ["ReadWriteOnce"]}}
    file = asking(volumes=[named, made], maxRetry=4, tasks=[task(maxRetry=9), task("worker")])
    live = stored(file)
    live["spec"]["volumes"][1]["volumeClaimName"] = "demo-volume-x1"
    again = restored(applied(file, live), live)["spec"]
    assert again == live["spec"]
    file["spec"]["tasks"][0]["maxRetry"] = 8
    file["spec"]["maxRetry"] = 5
    file["spec"]["volumes"][0]["volumeClaimName"] = "other"
    found = restored(applied(file, live), live)["spec"]
    assert (found["maxRetry"], found["tasks"][0]["maxRetry"]) == (5, 8)
    assert [volume["volumeClaimName"] for volume in found["volumes"]] == ["other", "demo-volume-x1"]


@pytest.mark.parametrize("words", [["-port", "6380"], ["--port=6380", "--dashboardPort=8265"], ["--port=6380"] * 2])
def test_the_same_settings_in_other_words_change_nothing(words: list[str]) -> None:
    live = stored(PORT)
    assert restored(applied(changed(PORT, words), live), live)["spec"] == live["spec"]


@pytest.mark.parametrize(
    ("fields", "now"),
    [
        ({"policies": [{**COMPLETES, "timeout": "90s"}]}, {"policies": [{**COMPLETES, "timeout": "1m30s"}]}),
        ({"dependsOn": {"name": []}}, {"dependsOn": {}}),
    ],
)
def test_what_go_writes_its_own_way_is_the_same(fields: Object, now: Any) -> None:
    file = asking(tasks=[task(**fields)])
    live = stored(file)
    live["spec"]["tasks"][0] |= now
    assert restored(applied(file, live), live)["spec"] == live["spec"]


def managed(live: Object, *times: str) -> Object:
    managers = [{"manager": f"m{index}", "time": time} for index, time in enumerate(times)]
    return {**live, "metadata": {**live["metadata"], "managedFields": managers}}


def test_a_request_that_changes_nothing_leaves_no_time_behind() -> None:
    """Otherwise the object is written, and its resourceVersion changes (seen on a real apiserver)."""
    live = managed(stored(asking()), "1", "2")
    for times in (("3", "2"), ("1", "2")):
        assert restored(managed(applied(asking(), live), *times), live) == live
    written = managed(applied(asking(), live), "3", "2")
    written["metadata"]["annotations"] = {}
    assert restored(written, live) == live
    turned = managed(applied(asking(), live), "1", "3")
    turned["metadata"]["managedFields"].reverse()
    assert restored(turned, live) == live


@pytest.mark.parametrize("change", [{"annotations": {"a": "b"}}, {"finalizers": ["x"]}])
def test_the_time_of_a_request_that_changes_something_stays(change: Object) -> None:
    live = managed(stored(asking()), "1")
    request = managed(applied(asking(), live), "2")
    request["metadata"] |= change
    assert restored(request, live)["metadata"] == request["metadata"]


def test_a_new_manager_stays() -> None:
    live = managed(stored(asking()), "1")
    request = managed(applied(asking(), live), "1", "2")
    assert restored(request, live)["metadata"] == request["metadata"]


def test_the_time_of_a_scaling_stays() -> None:
    live = managed(stored(asking()), "1")
    file = asking()
    file["spec"]["tasks"][1]["replicas"] = 5
    request = managed(applied(file, live), "2")
    assert restored(request, live)["metadata"] == request["metadata"]
