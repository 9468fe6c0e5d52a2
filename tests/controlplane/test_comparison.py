"""The Jobs of Volcano's documentation under its in-tree plugin and under volray: every difference, in a table."""

from typing import Any

import pytest

from tests.controlplane.applied import DOCUMENTATION, cluster_of, documentation
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.comparison import table
from tests.controlplane.installed import Volray
from tests.golden.files import Golden
from tests.pages import BENCHMARKS

Object = dict[str, Any]


@pytest.fixture(scope="session")
def control_plane(volray: Volray) -> ControlPlane:
    return volray.plane


@pytest.mark.parametrize("name", DOCUMENTATION)
def test_the_differences_are_those_that_are_known(volray: Volray, namespace: str, name: str, golden: Golden) -> None:
    job = documentation(name, namespace)
    declined = job | {"metadata": job["metadata"] | {"annotations": {"ray.volcano.sh/adopt": "false"}}}
    found = table(cluster_of(volray.plane, declined), cluster_of(volray.plane, job))
    golden.check(f"in-tree/{name}.md", found)
    if name == DOCUMENTATION[0]:
        golden.check_quoted(BENCHMARKS, found)
