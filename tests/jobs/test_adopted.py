"""`volray adopted`."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from certs.secret_store import ApiError, Cluster
from tests.jobs.jobs import OPT_IN, asking, job, labelled, task
from webhook.adopted import Row, adopted_jobs, table
from webhook.cli import main

if TYPE_CHECKING:
    from webhook.names import Object


class Pages:
    """An apiserver that gives two Jobs at a time."""

    def __init__(self, *jobs: Object) -> None:
        self.jobs, self.paths = jobs, list[str]()

    def get(self, path: str) -> Object:
        self.paths.append(path)
        query = parse_qs(urlsplit(path).query)
        assert int(query["limit"][0]) > 0
        start = int(query.get("continue", ["0"])[0].removeprefix("a/b="))
        more = {"continue": f"a/b={start + 2}"} if start + 2 < len(self.jobs) else {}
        return {"metadata": more, "items": list(self.jobs[start : start + 2])}


def live(name: str, phase: str | None = "Running", body: Object | None = None) -> Object:
    found = deepcopy(body or labelled())
    found["metadata"]["name"] = name
    return {**found, "status": {"state": {"phase": phase}} if phase else {}}


def test_every_page_is_read_and_the_nodes_are_counted() -> None:
    api = Pages(*(live(f"job-{number}") for number in range(5)))
    assert list(adopted_jobs(api, None)) == [Row("team", f"job-{number}", "Running", 3) for number in range(5)]
    assert len(api.paths) == 3
    assert all(path.startswith("/apis/batch.volcano.sh/v1alpha1/jobs?") for path in api.paths)


def test_one_namespace() -> None:
    api = Pages()
    assert list(adopted_jobs(api, "team")) == []
    assert api.paths[0].startswith("/apis/batch.volcano.sh/v1alpha1/namespaces/team/jobs?")


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
    assert list(adopted_jobs(Pages(whole), None)) == rows


def test_columns_stand_below_each_other() -> None:
    assert table([Row("team", "a", "Running", 3), Row("research", "b-long", "Pending", 12)]).splitlines() == [
        "NAMESPACE   NAME     PHASE     NODES",
        "team        a        Running   3",
        "research    b-long   Pending   12",
    ]


def run(monkeypatch: pytest.MonkeyPatch, api: Any, *options: str) -> Result:
    monkeypatch.setattr(Cluster, "from_environment", lambda: api)
    return CliRunner().invoke(main, ["adopted", *options])


def test_the_command_prints_them_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Pages(live("b"), live("a"))
    result = run(monkeypatch, api, "-A")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["NAME", "a", "b"]
    assert "/namespaces/" not in api.paths[0]


def test_the_command_looks_into_the_default_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Pages()
    result = run(monkeypatch, api)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No adopted Jobs found.\n")
    assert "/namespaces/default/jobs" in api.paths[0]


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def get(self, _path: str) -> Object:
            raise ApiError("The apiserver did not answer.")

    result = run(monkeypatch, Silent())
    assert (result.exit_code, result.stderr) == (1, "Error: The apiserver did not answer.\n")
