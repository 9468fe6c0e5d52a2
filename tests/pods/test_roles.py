from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pods.nodes import ROLE, codes, fields
from webhook.pods import roles
from webhook.pods.flags import Settings
from webhook.pods.roles import Chosen
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object, Role


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


OTHERS = Settings(head="chief", worker=("cpu", "gpu", "chief"))


@pytest.mark.parametrize(
    ("task", "annotation", "settings", "role"),
    [
        ("head", None, Settings(), "head"),
        ("worker", None, Settings(), "worker"),
        ("master", None, Settings(), None),
        ("Head", None, Settings(), None),
        ("master", "head", Settings(), "head"),
        ("master", "worker", Settings(), "worker"),
        ("head", "worker", Settings(), "worker"),
        ("worker", "head", Settings(), "head"),
        ("head", "boss", Settings(), "head"),
        ("worker", "", Settings(), "worker"),
        ("master", "boss", Settings(), None),
        ("chief", None, OTHERS, "head"),  # though it is named as a worker too
        ("cpu", None, OTHERS, "worker"),
        ("gpu", None, OTHERS, "worker"),
        ("head", None, OTHERS, None),
        ("worker", None, OTHERS, None),
    ],
)
def test_the_role_is_the_annotation_or_else_that_of_the_tasks_name_in_the_flags(
    task: str, annotation: str | None, settings: Settings, role: str | None
) -> None:
    assert roles.role_of(task, {} if annotation is None else {ROLE: annotation}, settings) == role


@pytest.mark.parametrize(
    ("annotations", "found"),
    [
        ({}, []),
        *[({ROLE: role}, []) for role in ("head", "worker")],
        *[({ROLE: role}, [{"found": role}]) for role in ("boss", "", "Head")],
    ],
)
def test_a_role_that_does_not_exist_is_a_mistake(annotations: dict[str, str], found: list[dict[str, str]]) -> None:
    mistakes = roles.role_mistakes(annotations)
    assert [fields(mistake) for mistake in mistakes] == found
    assert all(mistake.code is Code.UNKNOWN_ROLE for mistake in mistakes)
    assert all(mistake.place == f"metadata.annotations[{ROLE}]" for mistake in mistakes)


@pytest.mark.parametrize("variable", ["TF_CONFIG", "MASTER_ADDR", "MPI_HOST"])
def test_the_variable_of_another_plugin_gives_its_framework_away(variable: str) -> None:
    containers: list[Object] = [
        {"name": "a", "env": None},
        {"name": "b", "env": [{"name": "X"}, {"name": variable}]},
    ]
    found = roles.other_framework(containers)
    assert found is not None
    assert (found.code, fields(found)) == (Code.OTHER_FRAMEWORK, {"container": "b", "env": variable})


@pytest.mark.parametrize("env", [None, [], [{"name": "TF_CONFIGS"}, {"name": "POD_IP"}]])
def test_other_variables_give_no_framework_away(env: list[Object] | None) -> None:
    assert roles.other_framework([{"name": "a", "env": env}, {"name": "b"}]) is None


@pytest.mark.parametrize(
    ("role", "wanted"), [("head", ("a", "--headContainer")), ("worker", ("b", "--workerContainer"))]
)
def test_each_role_has_its_containers_name_and_flag(role: Role, wanted: tuple[str, str]) -> None:
    assert roles.wanted_container(role, Settings(head_container="a", worker_container="b")) == wanted


@pytest.mark.parametrize("opted_in", [True, False])
@pytest.mark.parametrize(
    ("names", "wanted", "index"),
    [
        (["head"], "head", 0),
        (["logs", "head"], "head", 1),
        (["istio-proxy", "logs", "worker"], "worker", 2),
        (["worker", "head"], "worker", 0),
        (["main", "istio-proxy"], "istio-proxy", 1),
    ],
)
def test_rays_container_is_the_one_of_the_wanted_name(
    names: list[str], wanted: str, index: int, opted_in: bool
) -> None:
    settings = Settings(head_container=wanted, worker_container=wanted)
    roles_of_pods: tuple[Role, ...] = ("head", "worker")
    for role in roles_of_pods:
        assert roles.choose_container(named(*names), "t", role, settings, opted_in=opted_in) == Chosen(index)


@pytest.mark.parametrize(
    ("names", "index"),
    [(["main"], 0), (["istio-proxy", "main"], 1), (["linkerd-proxy", "vault-agent", "main", "daprd"], 2)],
)
def test_for_who_opted_in_the_only_container_is_rays_with_a_warning(names: list[str], index: int) -> None:
    chosen = roles.choose_container(named(*names), "head", "head", Settings(), opted_in=True)
    assert isinstance(chosen, Chosen)
    assert (chosen.index, codes(chosen.warnings)) == (index, [Code.ONLY_CONTAINER])
    assert fields(chosen.warnings[0]) == {"container": "main", "wanted": "head", "flag": "--headContainer"}


SEVERAL = {"wanted": "worker", "found": "a, b", "flag": "--workerContainer"}
NONE = {"task": "gpu", "wanted": "worker"}


@pytest.mark.parametrize(
    ("names", "opted_in", "code", "found"),
    [
        (["a", "istio-proxy", "b"], True, Code.SEVERAL_CONTAINERS, SEVERAL),
        (["a", "b"], False, Code.NO_RAY_CONTAINER, NONE),
        (["main"], False, Code.NO_RAY_CONTAINER, NONE),
        (["istio-proxy"], True, Code.NO_RAY_CONTAINER, NONE),
        ([], True, Code.NO_RAY_CONTAINER, NONE),
    ],
)
def test_otherwise_there_is_no_container_for_ray(
    names: list[str], opted_in: bool, code: Code, found: dict[str, str]
) -> None:
    reason = roles.choose_container(named(*names), "gpu", "worker", Settings(), opted_in=opted_in)
    assert not isinstance(reason, Chosen)
    assert (reason.code, fields(reason)) == (code, found)
