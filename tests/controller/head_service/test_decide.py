"""Every row of the Service's life, and that applying the decisions leads there from anywhere."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.controller.head_service.objects import owner, ray_job, service_of, task
from webhook.controller.head_service.decide import Action, Create, Delete, EmitEvent, Replace, decide, wanted, writes
from webhook.controller.head_service.observed import ENDING, FINISHED, RayJob, read_service
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object

LIVE = ["", "Pending", "Running", "Restarting", "SomethingNew"]
JOB = ray_job()
GOING = {"deletionTimestamp": "now"}


def kinds(actions: tuple[Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]


@pytest.mark.parametrize(
    ("phases", "service", "expected"),
    [
        (LIVE, None, ["Create"]),
        (LIVE, "right", []),
        (LIVE, "edited", ["Replace"]),
        (LIVE, "going", ["Wait"]),
        (LIVE, "older", ["Wait"]),
        (LIVE, "foreign", ["EmitEvent", "Wait"]),
        (LIVE, "unowned", ["EmitEvent", "Wait"]),
        (ENDING, None, []),
        (ENDING, "right", []),
        (ENDING, "edited", []),
        (ENDING, "foreign", []),
        (FINISHED, None, []),
        (FINISHED, "right", ["Delete"]),
        (FINISHED, "edited", ["Delete"]),
        (FINISHED, "going", []),
        (FINISHED, "older", []),
        (FINISHED, "foreign", []),
        (FINISHED, "unowned", []),
    ],
)
def test_a_row_of_the_table(phases: list[str], service: str | None, expected: list[str]) -> None:
    for phase in phases:
        assert kinds(decide(ray_job(phase=phase), found(service))) == expected, phase


@pytest.mark.parametrize("service", [None, "right", "edited", "going", "older", "foreign", "unowned"])
@pytest.mark.parametrize(
    "gone", [None, ray_job(deletionTimestamp="now"), ray_job(phase="Failed", deletionTimestamp="now")]
)
def test_what_a_job_leaves_behind_is_the_garbage_collector_s(gone: RayJob | None, service: str | None) -> None:
    assert decide(gone, found(service)) == ()


def found(which: str | None) -> Object | None:
    if which is None:
        return None
    service = service_of(JOB)
    metadata = service["metadata"]
    if which == "edited":
        service["spec"]["ports"][0]["port"] = 1
    elif which == "going":
        metadata["deletionTimestamp"] = "now"
    elif which == "older":
        metadata["ownerReferences"] = [owner("uid-0")]
    elif which == "foreign":
        metadata["ownerReferences"] = [owner("x", kind="Deployment", api="apps/v1")]
    elif which == "unowned":
        del metadata["ownerReferences"]
    return service


def test_a_new_service_has_the_job_for_its_controller_and_does_not_block_it() -> None:
    (create,) = decide(JOB, None)
    assert isinstance(create, Create)
    assert create.body["metadata"]["ownerReferences"] == [owner("uid-1") | {"blockOwnerDeletion": False}]
    assert create.body["spec"]["publishNotReadyAddresses"] is True


def test_the_service_of_a_job_of_another_name_is_somebody_else_s() -> None:
    service = service_of(JOB)
    service["metadata"]["ownerReferences"] = [owner("uid-0", name="other")]
    event, _ = decide(JOB, service)
    assert isinstance(event, EmitEvent)
    assert event.finding.code is Code.SERVICE_FOREIGN
    assert "Job other" in event.finding.text


def test_a_delete_names_the_very_service_in_its_very_state() -> None:
    assert decide(ray_job(phase="Completed"), service_of(JOB)) == (Delete("default", "demo-head-svc", "svc-1", "7"),)


EDITS: list[tuple[str, Any]] = [
    ("ports", []),
    ("ports", None),
    ("selector", {"a": "b"}),
    ("selector", None),
    ("type", "NodePort"),
    ("type", "ExternalName"),
    ("publishNotReadyAddresses", False),
    ("publishNotReadyAddresses", None),
]


@pytest.mark.parametrize(("name", "value"), EDITS)
def test_a_field_of_ours_is_put_back(name: str, value: object) -> None:
    service = service_of(JOB)
    right = copy.deepcopy(service)
    if value is None:
        del service["spec"][name]
    else:
        service["spec"][name] = value
    assert decide(JOB, service) == (Replace(right),)


def test_labels_of_ours_are_put_back_and_others_stay() -> None:
    service = service_of(JOB, labels={"a": "b"}, annotations={"c": "d"})
    (replace,) = decide(JOB, service)
    assert isinstance(replace, Replace)
    assert replace.body["metadata"]["labels"] == {"a": "b", **wanted_of(JOB)["metadata"]["labels"]}
    assert replace.body["metadata"]["annotations"] == {"c": "d"}


def test_other_owners_and_who_may_block_are_left_as_they_are() -> None:
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c"}
    service = service_of(JOB, ownerReferences=[other, owner("uid-1") | {"blockOwnerDeletion": True}])
    assert decide(JOB, service) == ()
    service["spec"]["selector"] = {}
    (replace,) = decide(JOB, service)
    assert isinstance(replace, Replace)
    assert replace.body["metadata"]["ownerReferences"] == service["metadata"]["ownerReferences"]


def test_what_others_own_is_no_reason_to_write() -> None:
    service = service_of(JOB, annotations={"x": "y"}, finalizers=["f"])
    service["spec"] |= {"clusterIP": "None", "sessionAffinity": "ClientIP", "ipFamilyPolicy": "SingleStack"}
    service["spec"]["ports"][0] |= {"appProtocol": "tcp"}
    assert decide(JOB, service) == ()


def test_what_a_type_brought_goes_with_it() -> None:
    service = service_of(JOB)
    service["spec"] |= {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerIP": "1.2.3.4"}
    for number, port in enumerate(service["spec"]["ports"]):
        port |= {"nodePort": 30000 + number, "appProtocol": "grpc"}
    (replace,) = decide(JOB, service)
    assert isinstance(replace, Replace)
    assert replace.body["spec"].keys() == service_of(JOB)["spec"].keys()
    assert [port.get("appProtocol") for port in replace.body["spec"]["ports"]] == ["grpc"] * 3
    assert all("nodePort" not in port for port in replace.body["spec"]["ports"])


def test_the_in_tree_plugin_s_dangling_target_ports_are_repaired() -> None:
    service = service_of(JOB)
    for port in service["spec"]["ports"]:
        port["targetPort"] = port["name"]
    service["metadata"]["labels"] = {}
    assert kinds(decide(JOB, service)) == ["Replace"]


def test_findings_are_told_once_each_beside_what_else_is_done() -> None:
    wrong = ray_job(tasks=[task("head", replicas=2)])
    *events, create = decide(wrong, None)
    assert [event.once for event in events if isinstance(event, EmitEvent)] == [True] * len(wrong.findings)
    assert isinstance(create, Create)
    assert kinds(decide(ray_job(name="7b"), None)) == ["EmitEvent"]


@pytest.mark.parametrize(("phase", "told"), [("", True), ("Pending", True), ("Running", False), ("Restarting", False)])
def test_a_warning_is_told_while_the_job_starts(phase: str, told: bool) -> None:
    """A controller that takes over must not try to write an Event on each of 10,000 running Jobs."""
    doubtful = ray_job(phase=phase, tasks=[task("head"), task("logger")])
    assert doubtful.findings
    assert (kinds(decide(doubtful, None)) == ["EmitEvent", "Create"]) is told


def test_a_mistake_that_came_later_takes_no_service_away() -> None:
    assert writes(decide(ray_job(tasks=[task("worker")]), service_of(JOB))) == ()


def wanted_of(ray: RayJob) -> Object:
    assert ray.head is not None
    return wanted(ray, ray.head)


# An apiserver with one name in it, a garbage collector, and people who edit.

ports = st.fixed_dictionaries(
    {"port": st.integers(1, 9)},
    optional={
        "name": st.sampled_from(["gcs", "dashboard", "client-server", "x"]),
        "targetPort": st.integers(1, 9) | st.sampled_from(["gcs"]),
        "protocol": st.sampled_from(["TCP", "UDP"]),
        "nodePort": st.integers(30000, 30009),
        "appProtocol": st.just("tcp"),
    },
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
        "ports": st.lists(ports, max_size=4),
        "selector": st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")),
        "publishNotReadyAddresses": st.booleans(),
        "clusterIP": st.sampled_from(["None", "10.0.0.1"]),
        "sessionAffinity": st.just("ClientIP"),
    },
)
owners = st.sampled_from(
    [
        [],
        [owner("uid-1")],
        [owner("uid-0")],
        [owner("x", kind="Deployment", api="apps/v1")],
        [{**owner("uid-1"), "controller": False}],
    ]
)
services = st.none() | st.builds(
    lambda spec, owners, labels: {
        "metadata": {"name": "demo-head-svc", "namespace": "default", "uid": "s", "resourceVersion": "1"}
        | {"ownerReferences": owners, "labels": labels},
        "spec": spec,
    },
    specs,
    owners,
    st.dictionaries(st.sampled_from(["a", "ray.volcano.sh/job"]), st.just("x")),
)
ray_jobs = st.none() | st.builds(
    lambda phase, going: ray_job(phase=phase, **(GOING if going else {})),
    st.sampled_from([*LIVE, *ENDING, *FINISHED]),
    st.booleans(),
)


def applied(actions: tuple[Action, ...], service: Object | None) -> Object | None:
    """What an apiserver makes of the writes; it refuses those whose preconditions do not hold."""
    for action in actions:
        if isinstance(action, Create):
            assert service is None
            service = copy.deepcopy(action.body)
            service["metadata"] |= {"uid": "new", "resourceVersion": "1"}
        elif isinstance(action, Replace):
            assert service is not None
            for name in ("uid", "resourceVersion"):
                assert action.body["metadata"][name] == service["metadata"][name]
            service = copy.deepcopy(action.body)
            service["metadata"]["resourceVersion"] += "1"
        elif isinstance(action, Delete):
            assert service is not None
            assert (action.uid, action.resource_version) == (
                service["metadata"]["uid"],
                service["metadata"]["resourceVersion"],
            )
            service = None
    return service


def is_ours(service: Object) -> bool:
    return any(each.get("controller") and each["uid"] == "uid-1" for each in service["metadata"]["ownerReferences"])


@given(ray_jobs, services)
def test_one_round_of_writes_leads_to_a_state_that_needs_no_more(ray: RayJob | None, service: Object | None) -> None:
    actions = decide(ray, service)
    assert len(writes(actions)) <= 1
    after = applied(actions, service)
    assert writes(decide(ray, after)) == ()


@given(ray_jobs, services)
def test_a_live_job_has_its_service_a_finished_one_none_and_others_are_untouched(
    ray: RayJob | None, service: Object | None
) -> None:
    after = applied(decide(ray, service), service)
    if service is not None and not is_ours(service):
        assert after == service
    elif ray is not None and not ray.deleting and ray.phase in LIVE:
        assert after is not None
        assert is_ours(after)
        assert all(
            port in [{k: p.get(k) for k in port} for p in after["spec"]["ports"]]
            for port in wanted_of(ray)["spec"]["ports"]
        )
        assert {name: after["spec"][name] for name in ("selector", "type")} == {
            name: wanted_of(ray)["spec"][name] for name in ("selector", "type")
        }
    elif ray is not None and not ray.deleting and ray.is_finished:
        assert after is None
    else:
        assert after == service


@given(ray_jobs, services)
def test_deciding_changes_nothing_and_what_is_kept_in_memory_decides_alike(
    ray: RayJob | None, service: Object | None
) -> None:
    before = copy.deepcopy(service)
    actions = decide(ray, service)
    assert service == before
    if service is not None:
        assert kinds(decide(ray, read_service(service))) == kinds(actions)
