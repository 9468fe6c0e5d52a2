from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.pods import roles
from webhook.pods.flags import Settings
from webhook.pods.roles import Chosen

if TYPE_CHECKING:
    from webhook.names import Object


def named(*names: str) -> list[Object]:
    return [{"name": name} for name in names]


@pytest.mark.parametrize(
    ("labels", "opted_in"),
    [
        ({"ray.volcano.sh/cluster": "true"}, True),
        ({"ray.volcano.sh/cluster": "false"}, False),
        ({"ray.volcano.sh/cluster": "True"}, False),
        ({"ray.volcano.sh/cluster": ""}, False),
        ({"volcano.sh/cluster": "true"}, False),
        ({}, False),
    ],
)
def test_only_the_label_cluster_true_opts_in(labels: dict[str, str], opted_in: bool) -> None:
    assert roles.is_opted_in(labels) is opted_in


@pytest.mark.parametrize(
    ("labels", "annotations", "task"),
    [
        ({"volcano.sh/task-spec": "a"}, {}, "a"),
        ({}, {"volcano.sh/task-spec": "b"}, "b"),
        ({"volcano.sh/task-spec": "a"}, {"volcano.sh/task-spec": "b"}, "a"),
        ({"volcano.sh/task-spec": ""}, {"volcano.sh/task-spec": "b"}, "b"),
        ({}, {}, None),
    ],
)
def test_the_task_is_the_label_or_else_the_annotation(
    labels: dict[str, str], annotations: dict[str, str], task: str | None
) -> None:
    assert roles.task_of(labels, annotations) == task


@pytest.mark.parametrize(
    ("task", "said", "role"),
    [
        ("head", None, "head"),
        ("worker", None, "worker"),
        ("master", None, None),
        ("Head", None, None),
        ("master", "head", "head"),
        ("master", "worker", "worker"),
        ("head", "worker", "worker"),
        ("worker", "head", "head"),
        ("head", "boss", "head"),
        ("worker", "", "worker"),
        ("master", "boss", None),
    ],
)
def test_the_role_is_the_annotation_or_else_the_tasks_name(task: str, said: str | None, role: str | None) -> None:
    annotations = {} if said is None else {"ray.volcano.sh/role": said}
    assert roles.role_of(task, annotations, Settings()) == role


@pytest.mark.parametrize(
    ("task", "role"),
    [("ray-head", "head"), ("cpu", "worker"), ("gpu", "worker"), ("head", None), ("worker", None)],
)
def test_the_flags_name_the_head_task_and_each_worker_task(task: str, role: str | None) -> None:
    assert roles.role_of(task, {}, Settings(head="ray-head", worker=("cpu", "gpu"))) == role


def test_a_task_that_is_named_as_both_is_the_head() -> None:
    assert roles.role_of("a", {}, Settings(head="a", worker=("a",))) == "head"


@pytest.mark.parametrize("said", ["head", "worker"])
def test_a_role_that_exists_is_no_mistake(said: str) -> None:
    assert not list(roles.wrong_role({"ray.volcano.sh/role": said}))


def test_no_role_is_no_mistake() -> None:
    assert not list(roles.wrong_role({}))


@pytest.mark.parametrize("said", ["boss", "", "Head"])
def test_a_role_that_is_none_is_a_mistake(said: str) -> None:
    (mistake,) = roles.wrong_role({"ray.volcano.sh/role": said})
    assert mistake.text == (f"The annotation ray.volcano.sh/role is {said!r}. Write head or worker, or leave it out.")


@pytest.mark.parametrize("variable", ["TF_CONFIG", "MASTER_ADDR", "MPI_HOST"])
def test_the_variable_of_another_plugin_gives_its_framework_away(variable: str) -> None:
    containers: list[Object] = [
        {"name": "a", "env": None},
        {"name": "b", "env": [{"name": "X"}, {"name": variable}]},
    ]
    found = roles.other_framework(containers)
    assert found is not None
    assert found.text == f"Container b has {variable}: another framework of Volcano runs here."


@pytest.mark.parametrize("env", [None, [], [{"name": "TF_CONFIGS"}, {"name": "POD_IP"}]])
def test_other_variables_give_no_framework_away(env: list[Object] | None) -> None:
    assert roles.other_framework([{"name": "a", "env": env}, {"name": "b"}]) is None


@pytest.mark.parametrize(
    ("role", "wanted"),
    [("head", ("a", "--headContainer")), ("worker", ("b", "--workerContainer"))],
)
def test_each_role_has_its_containers_name_and_flag(role: roles.Role, wanted: tuple[str, str]) -> None:
    assert roles.wanted_container(role, Settings(head_container="a", worker_container="b")) == wanted


@pytest.mark.parametrize("opted_in", [True, False])
@pytest.mark.parametrize(
    ("names", "role", "index"),
    [
        (["head"], "head", 0),
        (["logs", "head"], "head", 1),
        (["istio-proxy", "logs", "worker"], "worker", 2),
        (["worker", "head"], "worker", 0),
    ],
)
def test_rays_container_is_the_one_of_the_wanted_name(
    names: list[str], role: roles.Role, index: int, opted_in: bool
) -> None:
    chosen = roles.choose_container(named(*names), "t", role, Settings(), opted_in=opted_in)
    assert chosen == Chosen(index, ())


def test_a_sidecars_name_may_be_the_wanted_one() -> None:
    settings = Settings(head_container="istio-proxy")
    chosen = roles.choose_container(named("main", "istio-proxy"), "head", "head", settings, opted_in=True)
    assert chosen == Chosen(1)


@pytest.mark.parametrize(
    ("names", "index"),
    [(["main"], 0), (["istio-proxy", "main"], 1), (["linkerd-proxy", "vault-agent", "main", "daprd"], 2)],
)
def test_for_who_opted_in_the_only_container_is_rays_with_a_warning(names: list[str], index: int) -> None:
    chosen = roles.choose_container(named(*names), "head", "head", Settings(), opted_in=True)
    assert isinstance(chosen, Chosen)
    assert chosen.index == index
    assert [warning.text for warning in chosen.warnings] == [
        "Ray starts in main, the only container; none is named head. "
        "Rename it or say --headContainer=main in ray.volcano.sh/args."
    ]


def test_several_containers_of_which_none_has_the_name_are_named() -> None:
    found = roles.choose_container(named("a", "istio-proxy", "b"), "t", "worker", Settings(), opted_in=True)
    assert not isinstance(found, Chosen)
    assert found.text == (
        "No container is named worker, and there are several: a, b. "
        "Name Ray's container worker, or say --workerContainer=NAME in the annotation ray.volcano.sh/args."
    )


@pytest.mark.parametrize(
    ("names", "opted_in"), [(["main"], False), (["a", "b"], False), (["istio-proxy"], True), ([], True)]
)
def test_without_a_label_or_a_container_there_is_none_for_ray(names: list[str], opted_in: bool) -> None:
    found = roles.choose_container(named(*names), "gpu", "worker", Settings(), opted_in=opted_in)
    assert not isinstance(found, Chosen)
    assert (found.code, found.text) == ("no-ray-container", "Task gpu has no container named worker.")
