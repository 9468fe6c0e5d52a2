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


def test_only_the_label_cluster_true_opts_in() -> None:
    assert roles.is_opted_in({"ray.volcano.sh/cluster": "true"})
    for value in ("false", "True", ""):
        assert not roles.is_opted_in({"ray.volcano.sh/cluster": value, "volcano.sh/cluster": "true"})
    assert not roles.is_opted_in({})


@pytest.mark.parametrize(
    ("label", "annotation", "task"),
    [("a", None, "a"), (None, "b", "b"), ("a", "b", "a"), ("", "b", "b"), (None, None, None)],
)
def test_the_task_is_the_label_or_else_the_annotation(
    label: str | None, annotation: str | None, task: str | None
) -> None:
    labels, annotations = ({} if value is None else {"volcano.sh/task-spec": value} for value in (label, annotation))
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


def test_a_role_that_does_not_exist_is_a_mistake() -> None:
    assert not any(roles.role_mistakes(right) for right in ({}, {ROLE: "head"}, {ROLE: "worker"}))
    for role in ("boss", "", "Head"):
        (mistake,) = roles.role_mistakes({ROLE: role})
        assert (mistake.code, mistake.place) == (Code.UNKNOWN_ROLE, f"metadata.annotations[{ROLE}]")
        assert fields(mistake) == {"found": role}


@pytest.mark.parametrize("variable", ["TF_CONFIG", "MASTER_ADDR", "MPI_HOST"])
def test_the_variable_of_another_plugin_gives_its_framework_away(variable: str) -> None:
    containers: list[Object] = [{"name": "a", "env": None}, {"name": "b", "env": [{"name": "X"}, {"name": variable}]}]
    found = roles.other_framework(containers)
    assert found is not None
    assert (found.code, fields(found)) == (Code.OTHER_FRAMEWORK, {"container": "b", "env": variable})
    for env in (None, [], [{"name": f"{variable}S"}, {"name": "POD_IP"}]):
        assert roles.other_framework([{"name": "a", "env": env}, {"name": "b"}]) is None


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
