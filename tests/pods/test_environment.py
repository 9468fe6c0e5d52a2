from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pods.nodes import OWN, codes, fields, made, node
from tests.volcano_pods import env_of, pod
from webhook.pods import environment
from webhook.pods.node import RayPod, read_pod
from webhook.reasons import Code, Finding

if TYPE_CHECKING:
    from webhook.names import Object

FROM_POD_IP = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
RAYS = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
EVERY_NODE = {
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "5",
    "RAY_raylet_liveness_self_check_interval_ms": "5000",
    "RAY_raylet_client_num_connect_attempts": "100",
    "RAY_raylet_client_connect_timeout_milliseconds": "100",
}
REDIS = {"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}
REDIS_FROM_A_SECRET = {"name": "RAY_REDIS_ADDRESS", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
ROCKSDB = {"name": "RAY_gcs_storage", "value": "rocksdb"}
NAMESPACE = "RAY_external_storage_namespace"


def added(task: str = "head", **written: Any) -> dict[str, Any]:
    """What volray adds to a container with these variables."""
    given = [one["name"] for one in written.get("env") or ()]
    found = env_of(made(task, **written))
    return {name: value for name, value in found.items() if name not in given}


@pytest.mark.parametrize(
    ("task", "host", "script_host"),
    [("head", "$(POD_IP)", "$(VOLRAY_POD_IP)"), ("worker", "demo-head-svc.team.svc", "demo-head-svc.team.svc")],
)
def test_a_head_has_its_own_address_and_a_worker_the_services(task: str, host: str, script_host: str) -> None:
    found = added(task, flags="--port=1 --dashboardPort=2")
    assert found == {
        "POD_IP": FROM_POD_IP,
        "VOLRAY_POD_IP": FROM_POD_IP,
        "VOLRAY_ADDRESS": f"{script_host}:1",
        "RAY_ADDRESS": f"{host}:1",
        "RAY_API_SERVER_ADDRESS": f"http://{host}:2",
        **EVERY_NODE,
    }
    names = list(found)  # a variable is defined before the one that refers to it
    assert names.index("POD_IP") < names.index("RAY_ADDRESS")
    assert names.index("VOLRAY_POD_IP") < names.index("VOLRAY_ADDRESS")


@pytest.mark.parametrize("name", ["POD_IP", "VOLRAY_POD_IP", "VOLRAY_ADDRESS", *RAYS, *EVERY_NODE])
def test_the_users_own_variable_wins(name: str) -> None:
    """A connection's tries and pauses come together: with one of each, Ray would try for a moment, or for minutes."""
    own = {"name": name, "valueFrom": FROM_POD_IP} if name == "POD_IP" else {"name": name, "value": "mine"}
    others = {each for each in EVERY_NODE if "raylet_client" in each} if "raylet_client" in name else {name}
    assert made(env=[own])["env"][0] == own
    assert set(added(env=[own])) == set(added()) - others


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"value": "10.0.0.1"}, "VOLRAY_POD_IP"),
        ({}, "VOLRAY_POD_IP"),
        ({"valueFrom": None}, "VOLRAY_POD_IP"),
        ({"valueFrom": {"fieldRef": None}}, "VOLRAY_POD_IP"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}, "VOLRAY_POD_IP"),
        ({"valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}, "VOLRAY_POD_IP"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "POD_IP"),
    ],
)
@pytest.mark.parametrize("annotations", [OWN, {}])
def test_beside_another_pod_ip_the_head_has_volrays_own(source: Object, name: str, annotations: dict[str, str]) -> None:
    found = added(env=[{"name": "POD_IP", **source}], annotations=annotations)
    assert name == "POD_IP" or found["VOLRAY_POD_IP"] == FROM_POD_IP
    assert found["RAY_ADDRESS"] == f"$({name}):6379"
    assert found["RAY_API_SERVER_ADDRESS"] == f"http://$({name}):8265"


@pytest.mark.parametrize("task", ["head", "worker"])
def test_a_container_that_starts_ray_itself_gets_all_but_the_variables_of_our_scripts(task: str) -> None:
    """The daemons' logs go to stderr only by flag."""
    for flags, more in (("", {}), ("--logToStderr", {"RAY_LOG_TO_STDERR": "1"})):
        found = added(task, flags=flags)
        assert found == {**added(task), **more}
        ours = {name: value for name, value in found.items() if not name.startswith("VOLRAY_")}
        assert added(task, flags=flags, annotations=OWN) == ours
    assert "RAY_LOG_TO_STDERR" not in added(task)


@pytest.mark.parametrize(
    ("env", "flags", "seconds"),
    [
        ([], "", "10"),
        ([], "--reconnectSeconds=0", "0"),
        ([], "--reconnectSeconds=42", "42"),
        ([REDIS], "", "600"),
        ([REDIS_FROM_A_SECRET], "", "600"),
        ([ROCKSDB], "", "600"),
        ([{"name": "RAY_gcs_storage", "value": "memory"}], "", "10"),
        ([REDIS], "--reconnectSeconds=42", "42"),
    ],
)
def test_a_node_outlives_its_gcs_for_long_where_state_is_stored(env: list[Object], flags: str, seconds: str) -> None:
    assert added(flags=flags, env=env)["RAY_gcs_rpc_server_reconnect_timeout_s"] == seconds


# The name of a head's state in Redis


def owner(**changed: Any) -> Object:
    return {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "controller": True, "uid": "u-1", **changed}


@pytest.mark.parametrize(
    ("owners", "name"),
    [
        ([owner()], "u-1"),
        ([owner(kind="Other", uid="u-0"), owner()], "u-1"),
        (None, "team.demo"),
        ([owner(controller=False)], "team.demo"),
        ([owner(kind="CronJob")], "team.demo"),
        ([owner(apiVersion="batch/v1")], "team.demo"),
        ([owner(apiVersion=None)], "team.demo"),
        ([owner(uid="")], "team.demo"),
    ],
)
@pytest.mark.parametrize("redis", [REDIS, REDIS_FROM_A_SECRET])
@pytest.mark.parametrize("annotations", [OWN, {}])
def test_a_head_keeps_its_state_under_the_uid_of_its_job_or_else_its_name(
    owners: list[Object] | None, name: str, redis: Object, annotations: dict[str, str]
) -> None:
    original = pod(env=[redis], annotations=annotations)
    original["metadata"]["ownerReferences"] = owners
    read = read_pod(original, "team")
    assert isinstance(read, RayPod)
    assert environment.additions(read).env[NAMESPACE] == name


@pytest.mark.parametrize(
    ("task", "env"),
    [("head", []), ("head", [ROCKSDB]), ("head", [REDIS, {"name": NAMESPACE, "value": "mine"}]), ("worker", [REDIS])],
)
def test_without_redis_or_beside_the_users_own_name_there_is_none(task: str, env: list[Object]) -> None:
    assert NAMESPACE not in added(task, env=env)


# What volray warns of


def doubts(env: list[Object], task: str = "head", **written: Any) -> list[Finding]:
    return list(environment.additions(node(task, env=env, **written)).findings)


ADDRESS = {"name": "RAY_ADDRESS"}


@pytest.mark.parametrize(
    ("variable", "warned"),
    [
        *[
            ({**ADDRESS, "value": url}, True)
            for url in ("http://127.0.0.1:8265", "https://a.b", "HTTP://a", " http://a")
        ],
        *[({**ADDRESS, "value": address}, False) for address in ("10.0.0.1:6379", "ray://head:10001", None)],
        ({**ADDRESS, "valueFrom": FROM_POD_IP}, False),
        ({"name": "RAY_API_SERVER_ADDRESS", "value": "http://127.0.0.1:8265"}, False),
    ],
)
@pytest.mark.parametrize("task", ["head", "worker"])
def test_an_address_of_the_jobs_api_in_ray_address_is_a_warning(task: str, variable: Object, warned: bool) -> None:
    expected = (Code.RAY_ADDRESS_HTTP, {"container": task, "found": variable.get("value")})
    for annotations_given in ({}, OWN):
        found = doubts([variable], task, annotations=annotations_given)
        assert [(warning.code, fields(warning)) for warning in found] == warned * [expected]


@pytest.mark.parametrize("annotations", [{}, OWN])
def test_prints_in_pod_logs_are_warned_of_once_a_cluster(annotations: dict[str, str]) -> None:
    own = {"name": "RAY_LOG_TO_STDERR", "value": "0"}
    for task, env, expected in (("head", [], [Code.PRINTS_IN_POD_LOGS]), ("head", [own], []), ("worker", [], [])):
        assert codes(doubts(env, task, flags="--logToStderr", annotations=annotations)) == expected


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        *[(name, False) for name in ("A", "_", "a_1", "HOME", "_9")],
        *[(name, True) for name in ("a-b", "a.b", "1a", "\N{LATIN SMALL LETTER E WITH ACUTE}", "a b")],
    ],
)
def test_a_name_that_is_no_shells_is_a_warning_where_a_shell_of_volrays_runs(name: str, lost: bool) -> None:
    env: list[Object] = [{"name": "FIRST"}, {"name": name}, {"name": "LAST"}]
    assert [fields(warning) for warning in doubts(env)] == lost * [{"env": name}]
    assert doubts(env, annotations=OWN) == []
