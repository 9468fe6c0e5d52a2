"""What RBAC gives volray's ServiceAccounts is what their programs use: no request is forbidden, no right is idle."""

import pytest

from tests.controlplane.applied import apply, service, settled
from tests.controlplane.audit import Asked
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import SYSTEM, Volray, default, service_path
from tests.controlplane.life import all_pods
from tests.controlplane.life import service as found
from tests.controlplane.waiting import wait
from tests.grants import Grant, grants

ACCOUNTS = ("volray-webhook", "volray-controller")
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


@pytest.fixture(scope="module")
def lived(volray: Volray) -> int:
    """The moment in the audit log after which volray has done whatever it does."""
    plane, namespace, mark = volray.plane, "test-rights", volray.plane.audit.mark()
    namespaces = path("v1", "namespaces")
    plane.admin.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    a_service_is_made_repaired_and_deleted(plane, namespace)
    a_service_of_another_is_told_of(plane, namespace)
    volray.roll_out()
    plane.admin.delete(f"{namespaces}/{namespace}")
    return mark


def a_service_is_made_repaired_and_deleted(plane: ControlPlane, namespace: str) -> None:
    job = default(namespace, "ours")
    apply(plane, job)
    settled(plane, job)
    wanted = service(plane, job)["spec"]["selector"]
    plane.admin.patch(service_path(job), {"spec": {"selector": {"volcano.sh/task-spec": "worker"}}})
    wait(lambda: service(plane, job)["spec"]["selector"] == wanted, "the Service is repaired")
    all_pods(plane, job, "Succeeded")
    wait(lambda: found(plane, job) is None, "the Service is deleted")


def a_service_of_another_is_told_of(plane: ControlPlane, namespace: str) -> None:
    spec = {"ports": [{"name": "http", "port": 80}], "selector": {"app": "theirs"}}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "told-head-svc"}, "spec": spec}
    plane.admin.create(path("v1", "services", namespace), theirs)
    apply(plane, default(namespace, "told"))
    events = path("v1", "events", namespace)
    wait(lambda: plane.admin.items(events, fieldSelector="reason=ServiceForeign"), "there is an Event")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_request_is_forbidden(control_plane: ControlPlane, lived: int, account: str) -> None:
    asked = control_plane.audit.asked(f"system:serviceaccount:{SYSTEM}:{account}", since=lived)
    assert asked
    assert [each for each in asked if not each.allowed] == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_right_is_used(control_plane: ControlPlane, lived: int, account: str) -> None:
    """Since the start of the control plane: the Lease and the caBundle are written once."""
    assert lived
    asked = control_plane.audit.asked(f"system:serviceaccount:{SYSTEM}:{account}")
    idle = {right for right in granted(control_plane, account) if not any(uses(each, right) for each in asked)}
    assert idle == set()


def granted(plane: ControlPlane, account: str) -> set[Grant]:
    """The rights that the account has of its own, in the cluster and in its namespace."""
    roles = path(RBAC, "clusterroles", name=account), path(RBAC, "roles", SYSTEM, account)
    return set().union(*(grants(plane.admin.get(role)) for role in roles))


def uses(asked: Asked, grant: Grant) -> bool:
    group, resource, name, verb = grant
    return (asked.group, asked.resource, asked.verb) == (group, resource, verb) and name in ("*", asked.name)
