"""`volray adopted`."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from tests.apiserver.memory import Apiserver
from tests.jobs.jobs import OPT_IN, asking, job, labelled, task
from webhook.cli.adopted import Row, adopted_jobs, table
from webhook.cli.main import main
from webhook.k8s.client import ApiError, Client
from webhook.k8s.paths import JOBS

if TYPE_CHECKING:
    from webhook.names import Object


def holding(*jobs: Object) -> Apiserver:
    """An apiserver that gives two Jobs at a time."""
    apiserver = Apiserver(page=2)
    for body in jobs:
        apiserver.place(JOBS, body)
    return apiserver


def live(name: str, phase: str | None = "Running", body: Object | None = None) -> Object:
    found = deepcopy(body or labelled())
    found["metadata"]["name"] = name
    return {**found, "status": {"state": {"phase": phase}} if phase else {}}


def test_every_page_is_read_and_the_nodes_are_counted() -> None:
    api = holding(*(live(f"job-{number}") for number in range(5)))
    assert list(adopted_jobs(api, None)) == [Row("team", f"job-{number}", "Running", 3) for number in range(5)]
    assert [request.path for request in api.requests] == [JOBS] * 3
    assert {request.query["limit"] for request in api.requests} == {"250"}


def test_one_namespace() -> None:
    api = holding()
    assert list(adopted_jobs(api, "team")) == []
    assert api.requests[0].path == "/apis/batch.volcano.sh/v1alpha1/namespaces/team/jobs"


@pytest.mark.parametrize(
    ("whole", "rows"),
    [
        (live("new", None), [Row("team", "new", "Pending", 3)]),
        (live("aborted", "Aborted"), [Row("team", "aborted", "Aborted", 3)]),
        (live("x", body=job(task(labels=OPT_IN), task("logger", replicas=4))), [Row("team", "x", "Running", 1)]),
        (live("done", "Completed"), []),
        (live("failed", "Failed"), []),
        (live("terminated", "Terminated"), []),
        (live("plugin's", body=asking()), []),
        (live("other", body=job(task())), []),
        ({"metadata": {"name": "odd"}, "spec": {"tasks": [{"name": "head"}]}}, []),
    ],
)
def test_who_is_listed(whole: Object, rows: list[Row]) -> None:
    assert list(adopted_jobs(holding(whole), None)) == rows


def test_columns_stand_below_each_other() -> None:
    assert table([Row("team", "a", "Running", 3), Row("research", "b-long", "Pending", 12)]).splitlines() == [
        "NAMESPACE   NAME     PHASE     NODES",
        "team        a        Running   3",
        "research    b-long   Pending   12",
    ]


def run(monkeypatch: pytest.MonkeyPatch, api: Any, *options: str) -> Result:
    monkeypatch.setattr(Client, "from_environment", lambda: api)
    return CliRunner().invoke(main, ["adopted", *options])


def test_the_command_prints_them_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    api = holding(live("b"), live("a"))
    result = run(monkeypatch, api, "-A")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["NAME", "a", "b"]
    assert "/namespaces/" not in api.requests[0].path


def test_the_command_looks_into_the_default_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    api = holding()
    result = run(monkeypatch, api)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No adopted Jobs found.\n")
    assert "/namespaces/default/jobs" in api.requests[0].path


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def get(self, _path: str) -> Object:
            raise ApiError("The apiserver did not answer.")

    result = run(monkeypatch, Silent())
    assert (result.exit_code, result.stderr) == (1, "Error: The apiserver did not answer.\n")
