"""What RBAC gives volray's ServiceAccounts is what their programs use: no request is forbidden, no right is idle."""

from typing import Any

import pytest

from tests.controlplane.applied import all_pods, apply, foreign_service, make_namespace, service, settled
from tests.controlplane.audit import Request
from tests.controlplane.client import RefusedError, path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import SYSTEM, Volray, default, service_path
from tests.controlplane.life import found_service
from tests.controlplane.waiting import wait
from tests.grants import Grant, grants

ACCOUNTS = ("volray-webhook", "volray-controller")
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def lived(volray: Volray) -> int:
    """The moment in the audit log after which volray has done whatever it does."""
    plane, namespace, mark = volray.plane, "test-rights", volray.plane.audit.mark()
    make_namespace(plane, namespace)
    a_service_is_made_repaired_and_deleted(plane, namespace)
    a_service_of_another_is_told_of(plane, namespace)
    volray.roll_out()
    plane.admin.delete(path("v1", "namespaces", name=namespace))
    return mark


def a_service_is_made_repaired_and_deleted(plane: ControlPlane, namespace: str) -> None:
    job = default(namespace, "ours")
    apply(plane, job)
    settled(plane, job)
    wanted = service(plane, job)["spec"]["selector"]
    plane.admin.patch(service_path(job), {"spec": {"selector": {"volcano.sh/task-spec": "worker"}}})
    wait(lambda: service(plane, job)["spec"]["selector"] == wanted, "the Service is repaired")
    all_pods(plane, job, "Succeeded")
    wait(lambda: found_service(plane, job) is None, "the Service is deleted")


def a_service_of_another_is_told_of(plane: ControlPlane, namespace: str) -> None:
    foreign_service(plane, namespace, "told-head-svc")
    apply(plane, default(namespace, "told"))
    events = path("v1", "events", namespace)
    wait(lambda: plane.admin.items(events, fieldSelector="reason=ServiceForeign"), "there is an Event")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_request_is_forbidden(plane: ControlPlane, lived: int, account: str) -> None:
    asked = plane.audit.requests(user=f"system:serviceaccount:{SYSTEM}:{account}", since=lived)
    assert asked
    assert [each for each in asked if not each.allowed] == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_right_is_used(plane: ControlPlane, lived: int, account: str) -> None:
    """Since the start of the control plane: the Lease and the caBundle are written once."""
    assert lived
    asked = plane.audit.requests(user=f"system:serviceaccount:{SYSTEM}:{account}")
    idle = {right for right in granted(plane, account) if not any(uses(each, right) for each in asked)}
    assert idle == set()


def granted(plane: ControlPlane, account: str) -> set[Grant]:
    """The rights that the account has of its own, in the cluster and in its namespace."""
    roles = path(RBAC, "clusterroles", name=account), path(RBAC, "roles", SYSTEM, account)
    return set().union(*(grants(plane.admin.get(role)) for role in roles))


def uses(asked: Request, grant: Grant) -> bool:
    group, resource, name, verb = grant
    return (asked.group, asked.resource, asked.verb) == (group, resource, verb) and name in ("*", asked.name)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_pods_keep_to_the_restricted_pod_security_standard(plane: ControlPlane, account: str) -> None:
    """The apiserver's own admission judges it, as the namespace's labels tell it to; dry runs keep nothing."""
    pods = path("v1", "pods", SYSTEM)
    template = plane.admin.get(path("apps/v1", "deployments", SYSTEM, account))["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": template["metadata"] | {"name": "probe"}}
    plane.admin.create(pods, pod, dryRun="All")
    spoils: list[dict[str, Any]] = [{"hostNetwork": True}, {"securityContext": {}}]
    for spoilt in spoils:
        with pytest.raises(RefusedError, match='violates PodSecurity "restricted'):
            plane.admin.create(pods, pod | {"spec": pod["spec"] | spoilt}, dryRun="All")
