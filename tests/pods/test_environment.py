from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.volcano_pods import env_of
from webhook.pods import environment
from webhook.pods.flags import Settings

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.pods.roles import Role

FROM_POD_IP = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}


def added(
    role: Role = "head", settings: Settings | None = None, env: list[Object] | None = None, *, own: bool = False
) -> dict[str, Any]:
    container: Object = {"name": role} if env is None else {"name": role, "env": env}
    variables = environment.environment(
        role, settings or Settings(), container, "demo", "team", own=own, storage="uid-1"
    )
    return env_of({"env": variables})


def test_a_head_gets_its_own_address() -> None:
    assert added("head") == {
        "POD_IP": FROM_POD_IP,
        "VOLRAY_POD_IP": FROM_POD_IP,
        "VOLRAY_ADDRESS": "$(VOLRAY_POD_IP):6379",
        "RAY_ADDRESS": "$(POD_IP):6379",
        "RAY_API_SERVER_ADDRESS": "http://$(POD_IP):8265",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "5",
        "RAY_raylet_liveness_self_check_interval_ms": "5000",
        "RAY_raylet_client_num_connect_attempts": "100",
        "RAY_raylet_client_connect_timeout_milliseconds": "100",
    }


def test_a_worker_gets_the_address_of_the_heads_service() -> None:
    assert added("worker") == {
        "POD_IP": FROM_POD_IP,
        "VOLRAY_POD_IP": FROM_POD_IP,
        "VOLRAY_ADDRESS": "demo-head-svc.team.svc:6379",
        "RAY_ADDRESS": "demo-head-svc.team.svc:6379",
        "RAY_API_SERVER_ADDRESS": "http://demo-head-svc.team.svc:8265",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "5",
        "RAY_raylet_liveness_self_check_interval_ms": "5000",
        "RAY_raylet_client_num_connect_attempts": "100",
        "RAY_raylet_client_connect_timeout_milliseconds": "100",
    }


@pytest.mark.parametrize("role", ["head", "worker"])
def test_a_variable_is_defined_before_the_one_that_refers_to_it(role: Role) -> None:
    names = list(added(role))
    assert names.index("POD_IP") < names.index("RAY_ADDRESS")
    assert names.index("VOLRAY_POD_IP") < names.index("VOLRAY_ADDRESS")


@pytest.mark.parametrize(
    ("role", "host", "script_host"),
    [("head", "$(POD_IP)", "$(VOLRAY_POD_IP)"), ("worker", "demo-head-svc.team.svc", "demo-head-svc.team.svc")],
)
def test_the_addresses_have_the_ports_of_the_flags(role: Role, host: str, script_host: str) -> None:
    found = added(role, Settings(port=1, dashboard_port=2))
    assert found["RAY_ADDRESS"] == f"{host}:1"
    assert found["RAY_API_SERVER_ADDRESS"] == f"http://{host}:2"
    assert found["VOLRAY_ADDRESS"] == f"{script_host}:1"


@pytest.mark.parametrize("name", list(added()))
def test_the_users_own_variable_wins(name: str) -> None:
    """A connection's tries and pauses come together: of ours and his, Ray would try for a moment, or for minutes."""
    own = {"name": name, "valueFrom": FROM_POD_IP} if name == "POD_IP" else {"name": name, "value": "mine"}
    found = added(env=[own])
    with_it = {each for each in added() if each.startswith("RAY_raylet_client_")} if "raylet_client" in name else {name}
    assert set(found) == set(added()) - with_it


@pytest.mark.parametrize(
    "own",
    [
        {"name": "POD_IP", "value": "10.0.0.1"},
        {"name": "POD_IP"},
        {"name": "POD_IP", "valueFrom": None},
        {"name": "POD_IP", "valueFrom": {"fieldRef": None}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {"name": "POD_IP", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
    ],
)
@pytest.mark.parametrize("container_starts_ray", [True, False])
def test_beside_a_pod_ip_of_another_meaning_the_head_has_volrays_own(own: Object, container_starts_ray: bool) -> None:
    found = added(env=[own], own=container_starts_ray)
    assert "POD_IP" not in found
    assert found["VOLRAY_POD_IP"] == FROM_POD_IP
    assert found["RAY_ADDRESS"] == "$(VOLRAY_POD_IP):6379"
    assert found["RAY_API_SERVER_ADDRESS"] == "http://$(VOLRAY_POD_IP):8265"


def test_a_pod_ip_of_the_same_meaning_is_used() -> None:
    own = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    assert added(env=[own])["RAY_ADDRESS"] == "$(POD_IP):6379"


@pytest.mark.parametrize(("role", "address"), [("head", "$(POD_IP):6379"), ("worker", "demo-head-svc.team.svc:6379")])
def test_a_container_that_starts_ray_itself_gets_no_variable_of_our_scripts(role: Role, address: str) -> None:
    found = added(role, own=True)
    assert list(found) == [
        "POD_IP",
        "RAY_ADDRESS",
        "RAY_API_SERVER_ADDRESS",
        "RAY_gcs_rpc_server_reconnect_timeout_s",
        "RAY_raylet_liveness_self_check_interval_ms",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S",
        "RAY_raylet_client_num_connect_attempts",
        "RAY_raylet_client_connect_timeout_milliseconds",
    ]
    assert found["RAY_ADDRESS"] == address


@pytest.mark.parametrize(
    ("env", "said", "seconds"),
    [
        ([], None, "10"),
        ([], 0, "0"),
        ([], 42, "42"),
        ([{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}], None, "600"),
        ([{"name": "RAY_REDIS_ADDRESS", "valueFrom": {"secretKeyRef": {}}}], None, "600"),
        ([{"name": "RAY_gcs_storage", "value": "rocksdb"}], None, "600"),
        ([{"name": "RAY_gcs_storage", "value": "memory"}], None, "10"),
        ([{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}], 42, "42"),
    ],
)
def test_a_node_outlives_its_gcs_for_long_only_where_the_state_is_stored(
    env: list[Object], said: int | None, seconds: str
) -> None:
    found = added(settings=Settings(reconnect_seconds=said), env=env)
    assert found["RAY_gcs_rpc_server_reconnect_timeout_s"] == seconds


@pytest.mark.parametrize(("own", "role"), [(True, "head"), (False, "head"), (False, "worker")])
def test_the_daemons_logs_go_to_stderr_only_by_flag(own: bool, role: Role) -> None:
    without = added(role, own=own)
    assert "RAY_LOG_TO_STDERR" not in without
    assert added(role, Settings(log_to_stderr=True), own=own) == {**without, "RAY_LOG_TO_STDERR": "1"}


REDIS = {"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}
REDIS_FROM_A_SECRET = {"name": "RAY_REDIS_ADDRESS", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("redis", [REDIS, REDIS_FROM_A_SECRET])
def test_a_head_keeps_its_state_in_redis_under_a_name_of_its_job(redis: Object, own: bool) -> None:
    assert added("head", env=[redis], own=own)["RAY_external_storage_namespace"] == "uid-1"


@pytest.mark.parametrize(
    ("role", "env"),
    [
        ("head", []),
        ("head", [{"name": "RAY_gcs_storage", "value": "rocksdb"}]),
        ("head", [REDIS, {"name": "RAY_external_storage_namespace", "value": "mine"}]),
        ("worker", [REDIS]),
    ],
)
def test_without_redis_or_beside_the_users_own_name_there_is_none(role: Role, env: list[Object]) -> None:
    assert "RAY_external_storage_namespace" not in added(role, env=env)


def owner(**fields: Any) -> Object:
    return {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "controller": True, "uid": "u-1", **fields}


@pytest.mark.parametrize("owners", [[owner()], [owner(kind="Other", uid="u-0"), owner()]])
def test_the_name_for_the_state_is_the_uid_of_the_pods_job(owners: list[Object]) -> None:
    assert environment.storage_namespace({"ownerReferences": owners}, "demo", "team") == "u-1"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"ownerReferences": None},
        {"ownerReferences": [owner(controller=False)]},
        {"ownerReferences": [owner(kind="CronJob")]},
        {"ownerReferences": [owner(apiVersion="batch/v1")]},
        {"ownerReferences": [owner(apiVersion=None)]},
        {"ownerReferences": [owner(uid="")]},
    ],
)
def test_without_such_an_owner_the_name_is_of_namespace_and_job(metadata: Object) -> None:
    assert environment.storage_namespace(metadata, "demo", "team") == "team.demo"


def doubts(env: list[Object], role: Role = "head", settings: Settings | None = None) -> list[str]:
    found = environment.variable_findings(role, settings or Settings(), {"name": role, "env": env})
    return [warning.text for warning in found]


@pytest.mark.parametrize("role", ["head", "worker"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "https://ray.example", "HTTP://a", " http://a"])
def test_an_address_of_the_jobs_api_in_ray_address_is_a_warning(address: str, role: Role) -> None:
    assert doubts([{"name": "RAY_ADDRESS", "value": address}], role) == [
        f"Container {role}: RAY_ADDRESS is {address}, but ray.init() accepts no HTTP address there. "
        "Leave RAY_ADDRESS out: volray sets it, and RAY_API_SERVER_ADDRESS for `ray job submit`."
    ]


@pytest.mark.parametrize(
    "env",
    [
        [],
        [{"name": "RAY_ADDRESS", "value": "10.0.0.1:6379"}],
        [{"name": "RAY_ADDRESS", "value": "ray://head:10001"}],
        [{"name": "RAY_ADDRESS", "value": None}],
        [{"name": "RAY_ADDRESS", "valueFrom": FROM_POD_IP}],
        [{"name": "RAY_API_SERVER_ADDRESS", "value": "http://127.0.0.1:8265"}],
    ],
)
def test_an_address_that_ray_init_takes_is_no_warning(env: list[Object]) -> None:
    assert doubts(env) == []


def test_a_head_whose_tasks_print_to_the_pods_logs_is_warned_of() -> None:
    assert doubts([], "head", Settings(log_to_stderr=True)) == [
        "With --logToStderr, the prints of tasks no longer appear in the output of `ray job submit`. "
        "Read them with kubectl logs of each pod, or leave --logToStderr out."
    ]


@pytest.mark.parametrize(
    ("role", "env"), [("worker", []), ("head", [{"name": "RAY_LOG_TO_STDERR", "value": "0"}])], ids=["worker", "own"]
)
def test_one_warning_a_cluster_and_none_beside_the_users_own_variable(role: Role, env: list[Object]) -> None:
    assert doubts(env, role, Settings(log_to_stderr=True)) == []


@pytest.mark.parametrize("name", ["A", "_", "a_1", "HOME", "_9"])
def test_a_name_that_is_a_shells_is_not_lost(name: str) -> None:
    assert not list(environment.lost_names({"env": [{"name": name}]}))


@pytest.mark.parametrize("name", ["a-b", "a.b", "1a", "\N{LATIN SMALL LETTER E WITH ACUTE}", "a b"])
def test_a_name_that_is_no_shells_is_a_warning(name: str) -> None:
    found = environment.lost_names({"env": [{"name": "A"}, {"name": name}, {"name": "B"}]})
    assert [warning.text for warning in found] == [
        f"Variable {name} may be missing in the processes: not every /bin/sh hands on such a name. "
        "Name it with letters, digits and underscores, no digit first."
    ]


@pytest.mark.parametrize("container", [{}, {"env": None}, {"env": []}])
def test_without_variables_no_name_is_lost(container: Object) -> None:
    assert not list(environment.lost_names(container))
