"""The name of the head's Service. The golden files of tests/golden/jobs hold the whole of it."""

from __future__ import annotations

import pytest

from tests.pods.nodes import fields
from webhook.pods import head_service


def test_the_service_is_named_as_the_in_tree_plugins_and_its_address_names_no_clusters_domain() -> None:
    assert head_service.service_name("demo") == "demo-head-svc"
    assert head_service.service_host("demo", "team") == "demo-head-svc.team.svc"
    assert not any(list(head_service.name_mistakes(job)) for job in ("a", "demo", "demo-1", "a" * 54))


LABEL = "it must be a DNS label that starts with a letter"
LONG = "it has {} characters, and 63 are allowed"


@pytest.mark.parametrize(
    ("job", "why"),
    [
        *[(job, LABEL) for job in ("a.b", "1a", "-a", "Demo", "a_b", "\N{LATIN SMALL LETTER E WITH ACUTE}")],
        ("a" * 55, LONG.format(64)),
        ("1." * 40, LONG.format(89)),
    ],
)
def test_a_job_whose_service_cannot_be_is_one_mistake(job: str, why: str) -> None:
    (mistake,) = head_service.name_mistakes(job)
    assert (mistake.code, mistake.place) == ("service-name", "metadata.name")
    assert fields(mistake) == {"service": f"{job}-head-svc", "why": why}
