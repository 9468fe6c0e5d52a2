from __future__ import annotations

import pytest

from webhook.pods import head_service
from webhook.pods.flags import Settings


def test_the_service_is_named_as_the_in_tree_plugins() -> None:
    assert head_service.service_name("demo") == "demo-head-svc"


def test_the_address_names_no_clusters_domain() -> None:
    assert head_service.service_host("demo", "team") == "demo-head-svc.team.svc"


@pytest.mark.parametrize("job", ["a", "demo", "demo-1", "a" * 54])
def test_a_job_whose_service_can_be_is_no_mistake(job: str) -> None:
    assert not list(head_service.name_mistakes(job))


HINT = "Rename the Job: at most 54 of a-z, 0-9 and -, starting with a letter."


@pytest.mark.parametrize("job", ["a.b", "1a", "-a", "Demo", "a_b", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_job_whose_service_is_no_dns_label_is_a_mistake(job: str) -> None:
    (mistake,) = head_service.name_mistakes(job)
    assert mistake.text == (
        f"The head's Service would be named {job}-head-svc, which no Service can be "
        f"(it must be a DNS label that starts with a letter). {HINT}"
    )


@pytest.mark.parametrize(("job", "length"), [("a" * 55, 64), ("1." * 40, 89)])
def test_a_job_whose_service_has_too_long_a_name_is_one_mistake(job: str, length: int) -> None:
    (mistake,) = head_service.name_mistakes(job)
    assert mistake.text == (
        f"The head's Service would be named {job}-head-svc, which no Service can be ({length} characters of 63). {HINT}"
    )


def test_the_service_has_numeric_targets_the_plugins_selector_and_unready_addresses() -> None:
    assert head_service.head_service("demo", "team", "ray-head", Settings(port=1, dashboard_port=2, client_port=3)) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "demo-head-svc",
            "namespace": "team",
            "labels": {"ray.volcano.sh/job": "demo", "ray.volcano.sh/node-type": "head"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {
                "volcano.sh/job-name": "demo",
                "volcano.sh/job-namespace": "team",
                "volcano.sh/task-spec": "ray-head",
            },
            "ports": [
                {"name": "gcs", "port": 1, "targetPort": 1, "protocol": "TCP", "appProtocol": "tcp"},
                {"name": "dashboard", "port": 2, "targetPort": 2, "protocol": "TCP"},
                {"name": "client-server", "port": 3, "targetPort": 3, "protocol": "TCP", "appProtocol": "tcp"},
            ],
            "publishNotReadyAddresses": True,
        },
    }
