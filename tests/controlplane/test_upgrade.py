"""A Job adopted by one version of volray, and everything that befalls it under another whose stamping differs.

The other version is a copy of the packages with one statement of the adoption changed, run in place of this one.
"""

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.applied import (
    apply,
    delete,
    delete_all,
    edition,
    injecting_versions,
    restarted,
    run,
    service,
    settled,
)
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import Volray, default, job_path
from tests.pages import OPERATIONS, commands
from webhook.version import __version__

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
OTHER = "0.0.9"

FLAGS = 'stamps["annotations"] = {ARGS: flags}'

OTHER_STAMPS = {
    "one label more": ("{OPT_IN: OPTED_IN}", '{OPT_IN: OPTED_IN, "ray.volcano.sh/generation": "first"}'),
    "one annotation more": (FLAGS, FLAGS.replace("flags}", 'flags, "ray.volcano.sh/adopted-by": "0.0.9"}')),
    "the flags in another order": (FLAGS, FLAGS.replace("flags}", '" ".join(reversed(flags.split()))}')),
    "a default said": (FLAGS, FLAGS.replace("flags}", 'flags + " --reconnectSeconds=10"}')),
}
"""What of `webhook/jobs/adopt.py` is replaced by what. Each stands there once, and the flags have no spaces in them."""


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder with the packages of the other version."""
    for package in ("webhook", "certs"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    edit(tmp_path / "webhook" / "jobs" / "adopt.py", *OTHER_STAMPS[request.param])
    edit(tmp_path / "webhook" / "version.py", __version__, OTHER)
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@contextmanager
def running(volray: Volray, source: Path) -> Iterator[None]:
    """For a while run another version."""
    volray.roll_out(source)
    try:
        yield
    finally:
        volray.roll_out()


def asking(namespace: str) -> Object:
    """A Job of whose flags one is its own and two are settled at the adoption."""
    job = default(namespace)
    job["spec"]["plugins"]["ray"] = ["--port=6380"]
    for task in job["spec"]["tasks"]:
        task["template"]["spec"]["containers"][0]["name"] = "ray"
    return job


def stamps(plane: ControlPlane, job: Object) -> list[Object]:
    return [task["template"]["metadata"] for task in plane.admin.get(job_path(job))["spec"]["tasks"]]


def lives_on(plane: ControlPlane, job: Object, by: str) -> None:
    """Do to the Job what people do: its stamps stay as they are, and its new pods are the running version's."""
    kept, ports = stamps(plane, job), service(plane, job)["spec"]["ports"]
    before = edition(plane, job)
    apply(plane, job)
    assert edition(plane, job) == before, "applied again, nothing changed"
    apply(plane, job, "--server-side", "--force-conflicts")
    assert stamps(plane, job) == kept
    larger = copy.deepcopy(job)
    larger["spec"]["tasks"][1]["replicas"] += 1
    apply(plane, larger)
    settled(plane, larger)
    restarted(plane, larger)
    assert injecting_versions(plane, larger) == {by}
    assert stamps(plane, job) == kept
    assert service(plane, job)["spec"]["ports"] == ports


@pytest.mark.parametrize("other", OTHER_STAMPS, indirect=True)
def test_a_job_adopted_by_another_version_lives_on_under_this_one(volray: Volray, namespace: str, other: Path) -> None:
    plane, job = volray.plane, asking(namespace)
    with running(volray, other):
        apply(plane, job)
        settled(plane, job)
        theirs = stamps(plane, job)
        assert injecting_versions(plane, job) == {OTHER}
    new = {**job, "metadata": {**job["metadata"], "name": "new"}}
    apply(plane, new)
    assert stamps(plane, new) != theirs, "the two versions stamp alike: nothing is shown"
    delete(plane, new)
    lives_on(plane, job, __version__)
    delete_all(plane, namespace)


@pytest.mark.parametrize("other", ["one annotation more"], indirect=True)
def test_a_job_adopted_by_this_version_lives_on_under_another(volray: Volray, namespace: str, other: Path) -> None:
    plane, job = volray.plane, asking(namespace)
    apply(plane, job)
    settled(plane, job)
    with running(volray, other):
        lives_on(plane, job, OTHER)
        delete_all(plane, namespace)


def test_the_manifests_applied_again_change_nothing(volray: Volray) -> None:
    """Above all not the CA's Secret and the caBundle, which volray itself fills in."""
    before = shipped(volray)
    assert shipped(volray) == before


def shipped(volray: Volray) -> list[tuple[str, str, str]]:
    (line,) = commands(OPERATIONS, "Upgrade")
    return [
        (each["kind"], each["metadata"]["name"], each["metadata"]["resourceVersion"])
        for each in json.loads(run(volray, f"{line} -o json"))["items"]
        if each["kind"] not in ("ResourceQuota", "Deployment", "PodDisruptionBudget")
    ]
