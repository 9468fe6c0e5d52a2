from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pods.nodes import ROLE, fields
from webhook.pods import roles
from webhook.pods.flags import Settings
from webhook.pods.roles import Chosen
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object, Role


def test_only_the_label_cluster_true_opts_in() -> None:
    assert roles.is_opted_in({"ray.volcano.sh/cluster": "true"})
    for value in ("false", "True", ""):
        assert not roles.is_opted_in({"ray.volcano.sh/cluster": value, "volcano.sh/cluster": "true"})
    assert not roles.is_opted_in({})


@pytest.mark.parametrize(
    ("label", "annotation", "task"),
    [("a", None, "a"), (None, "b", "b"), ("a", "b", "a"), ("", "b", "b"), (None, None, None)],
)
def test_the_task_is_the_label_or_the_annotation(label: str | None, annotation: str | None, task: str | None) -> None:
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
def test_a_role_is_annotated_or_that_of_the_name(
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


@pytest.mark.parametrize(
    ("names", "opted_in", "index", "code"),
    [
        ("main", False, 0, None),
        ("logs main", False, 1, None),
        ("istio-proxy logs main", True, 2, None),
        ("main worker head", True, 0, None),
        ("a", True, 0, Code.ONLY_CONTAINER),
        ("istio-proxy a", True, 1, Code.ONLY_CONTAINER),
        ("linkerd-proxy vault-agent a daprd", True, 2, Code.ONLY_CONTAINER),
        ("a istio-proxy b", True, None, Code.SEVERAL_CONTAINERS),
        ("a b", False, None, Code.NO_RAY_CONTAINER),
        ("a", False, None, Code.NO_RAY_CONTAINER),
        ("istio-proxy", True, None, Code.NO_RAY_CONTAINER),
        ("", True, None, Code.NO_RAY_CONTAINER),
    ],
)
@pytest.mark.parametrize(("role", "flag"), [("head", "--headContainer"), ("worker", "--workerContainer")])
def test_rays_container_has_the_wanted_name_or_for_who_opted_in_is_the_only_one(
    names: str, opted_in: bool, index: int | None, code: Code | None, role: Role, flag: str
) -> None:
    settings = Settings(**{f"{role}_container": "main"})  # type: ignore[arg-type]
    containers: list[Object] = [{"name": name} for name in names.split()]
    chosen = roles.choose_container(containers, "t", role, settings, opted_in=opted_in)
    named = {
        Code.ONLY_CONTAINER: {"container": "a", "wanted": "main", "flag": flag},
        Code.SEVERAL_CONTAINERS: {"wanted": "main", "found": "a, b", "flag": flag},
        Code.NO_RAY_CONTAINER: {"task": "t", "wanted": "main"},
    }
    found = chosen.warnings if isinstance(chosen, Chosen) else (chosen,)
    assert (chosen.index if isinstance(chosen, Chosen) else None) == index
    assert [(one.code, fields(one)) for one in found] == ([(code, named[code])] if code else [])


def test_a_sidecars_name_may_be_the_wanted_one() -> None:
    containers: list[Object] = [{"name": "main"}, {"name": "istio-proxy"}]
    settings = Settings(head_container="istio-proxy")
    assert roles.choose_container(containers, "head", "head", settings, opted_in=True) == Chosen(1)
