"""Rollback and uninstallation by the documentation's own commands, in its order, with Jobs that live through them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import apply, edition, is_in_tree, left, pods, refusal, service, settled
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import PODS_ONLY, Volray, default
from tests.controlplane.operations import deleted, injecting_versions, restarted, run
from tests.controlplane.waiting import wait
from tests.pages import OPERATIONS, commands

Object = dict[str, Any]


@pytest.fixture
def before(control_plane: ControlPlane) -> set[tuple[str, ...]]:
    """What was there before volray was installed."""
    return everything(control_plane)


@pytest.fixture
def volray(control_plane: ControlPlane, before: set[tuple[str, ...]]) -> Iterator[Volray]:
    """volray, installed on a control plane that had none, and that is to have none of it afterwards."""
    assert before
    installed = Volray.install(control_plane)
    yield installed
    for component in (installed.webhook, installed.controller):
        component.stop()
        del control_plane.components[component.name]
    for line in (f"kubectl delete --ignore-not-found -k manifests/{each}" for each in (PODS_ONLY, "base")):
        control_plane.shell(line, installed.manifests.parent)


def everything(plane: ControlPlane) -> set[tuple[str, ...]]:
    """Every object of the cluster but Events: kind, namespace, name."""
    kinds = plane.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
    wanted = ",".join(kind for kind in kinds if not kind.startswith("events"))
    done = plane.kubectl("get", wanted, "-A", "--no-headers", "-o", columns)
    assert done.returncode == 0, done.stderr
    return {tuple(line.split()) for line in done.stdout.splitlines()}


def applied(plane: ControlPlane, namespace: str, name: str) -> Object:
    """Apply the documentation's Job, let it run, and return it as it was written."""
    job = default(namespace, name)
    apply(plane, job)
    settled(plane, job)
    return job


@pytest.mark.timeout(300)  # two restarts of a Job and the end of a namespace, on a machine that others use as well
def test_a_live_job_keeps_ray_through_the_rollback_and_nothing_is_left_after_the_uninstallation(
    volray: Volray, before: set[tuple[str, ...]], namespace: str
) -> None:
    plane = volray.plane
    live, late = (applied(plane, namespace, name) for name in ("live", "late"))
    upgraded_and_rolled_back(volray, live)
    new = applied(plane, namespace, "new")
    assert is_in_tree(pods(plane, new)["new-head-0"])
    adopted, *last = commands(OPERATIONS, "Uninstall")
    assert names(run(volray, adopted), namespace) == ["late", "live"]
    deleted(plane, live)
    assert names(run(volray, adopted), namespace) == ["late"]
    uninstalled_too_early(volray, last, late)
    for job in (late, new):
        deleted(plane, job)
    wait(lambda: left(plane, namespace) == [], "the Services went with their Jobs")
    wait(lambda: of_others(everything(plane) - before, namespace) == set(), "nothing of it is left")


def upgraded_and_rolled_back(volray: Volray, job: Object) -> None:
    """Each step leaves the Job and its Service as they are, and in the end it restarts with Ray."""
    plane = volray.plane
    was = edition(plane, job), service(plane, job)
    for line in [*commands(OPERATIONS, "Upgrade"), *commands(OPERATIONS, "Back to the in-tree plugin")]:
        run(volray, line)
        assert (edition(plane, job), service(plane, job)) == was, line
    volray.roll_out()
    volray.wait_called(0)
    assert "job updates may not change fields" in refusal(plane, job), "as without volray"
    assert (edition(plane, job), service(plane, job)) == was
    restarted(plane, job)
    assert "" not in injecting_versions(plane, job)
    assert service(plane, job) == was[1]


def uninstalled_too_early(volray: Volray, lines: list[str], job: Object) -> None:
    """No step takes Service or pods from a Job that should have been waited for; its next pods have no Ray."""
    plane, kept = volray.plane, service(volray.plane, job)
    for line in lines:
        run(volray, line)
        assert service(plane, job) == kept, line
        assert "" not in injecting_versions(plane, job), line
    for component in (volray.webhook, volray.controller):
        component.stop()
    restarted(plane, job)
    assert injecting_versions(plane, job) == {""}
    assert service(plane, job) == kept


def names(table: str, namespace: str) -> list[str]:
    """The Jobs of the namespace in the table of `volray adopted`."""
    return [line.split()[1] for line in table.splitlines() if line.startswith(namespace)]


def of_others(found: set[tuple[str, ...]], namespace: str) -> set[tuple[str, ...]]:
    return {each for each in found if namespace not in each}
