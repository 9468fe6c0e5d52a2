"""Rollback and uninstallation by the documentation's own commands, in its order, with Jobs that live through them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.applied import (
    apply,
    delete,
    edition,
    injecting_versions,
    is_in_tree,
    kubectl,
    left,
    make_namespace,
    pods,
    refusal,
    restarted,
    run,
    service,
    settled,
)
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import SYSTEM, Volray, default, service_path
from tests.controlplane.life import soon, wait_another
from tests.controlplane.waiting import wait
from tests.pages import OPERATIONS, commands

Object = dict[str, Any]


NAMESPACE = "test-uninstall"


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """A control plane of its own, without volray: nothing of volray is left on it in the end.

    Its apiserver asks for rights on the owners of objects, as OpenShift's does. The other tests' apiservers do not,
    because no JobFlow of Volcano got its Jobs with that plugin (seen twice on 1.8.2 and 1.14.1).
    """
    with ControlPlane.start(admission_plugins=["OwnerReferencesPermissionEnforcement"]) as started:
        make_namespace(started, NAMESPACE)
        yield started


def everything(plane: ControlPlane) -> set[tuple[str, ...]]:
    """Every object of the cluster but Events: kind, namespace, name."""
    kinds = plane.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
    wanted = ",".join(kind for kind in kinds if not kind.startswith("events"))
    lines = kubectl(plane, "get", wanted, "-A", "--no-headers", "-o", columns).splitlines()
    return {tuple(line.split()) for line in lines}


def applied(plane: ControlPlane, name: str) -> Object:
    """Apply the documentation's Job, let it run, and return it as it was written."""
    job = default(NAMESPACE, name)
    apply(plane, job)
    settled(plane, job)
    return job


@pytest.mark.timeout(300)  # two restarts of a Job and the end of a namespace, on a machine that others use as well
def test_a_live_job_keeps_ray_through_the_rollback_and_nothing_is_left_after_the_uninstallation(
    plane: ControlPlane,
) -> None:
    before = everything(plane)
    volray = Volray.install(plane)
    live, late = (applied(plane, name) for name in ("live", "late"))
    rights_are_enough(plane, late)
    upgraded_and_rolled_back(volray, live)
    new = applied(plane, "new")
    assert is_in_tree(pods(plane, new)["new-head-0"])
    assert {review["name"] for review in volray.reviews(NAMESPACE) if review["name"].startswith("new")} == set()
    a_labelled_job_needs_no_job_webhooks(plane)
    adopted, *last = commands(OPERATIONS, "Uninstall")
    assert names(run(volray, adopted)) == ["late", "live"]
    delete(plane, live)
    assert names(run(volray, adopted)) == ["late"]
    uninstalled_too_early(volray, last, late)
    for job in (late, new):
        delete(plane, job)
    wait(lambda: left(plane, NAMESPACE) == [], "the Services went with their Jobs")
    wait(lambda: everything(plane) - before == set(), "nothing of it is left")


def rights_are_enough(plane: ControlPlane, job: Object) -> None:
    """The Service is repaired and made again, and nothing that volray wrote was refused."""
    before = service(plane, job)
    (owner,) = before["metadata"]["ownerReferences"]
    plane.admin.patch(service_path(job), {"metadata": {"ownerReferences": [owner | {"name": "misnamed"}]}})
    soon(lambda: service(plane, job)["metadata"]["ownerReferences"] == [owner], "the owner is repaired")
    plane.admin.delete(service_path(job))
    wait_another(plane, job, before)
    refused = [write for write in plane.audit.writes() if write.code == 403 and SYSTEM in write.user]
    assert refused == []


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


def a_labelled_job_needs_no_job_webhooks(plane: ControlPlane) -> None:
    """Written for volray it has labels in its templates and no entry for a plugin."""
    job = default(NAMESPACE, "labelled")
    del job["spec"]["plugins"]
    for task in job["spec"]["tasks"]:
        task["template"]["metadata"] = {"labels": {"ray.volcano.sh/cluster": "true"}}
    apply(plane, job)
    assert "" not in injecting_versions(plane, job)
    assert {each["manager"] for each in service(plane, job)["metadata"]["managedFields"]} == {"volray"}
    delete(plane, job)


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


def names(table: str) -> list[str]:
    """The Jobs in the table of `volray adopted`."""
    return [line.split()[1] for line in table.splitlines() if line.startswith(NAMESPACE)]
