"""The Jobs of Volcano's documentation under its in-tree plugin and under volray: every difference, in a table."""

import pytest

from tests.controlplane.applied import DOCUMENTATION, cluster_of, documentation
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.comparison import table
from tests.controlplane.installed import declined
from tests.golden.files import Golden
from tests.pages import BENCHMARKS


@pytest.mark.parametrize("name", DOCUMENTATION)
def test_the_differences_are_those_that_are_known(
    plane: ControlPlane, namespace: str, name: str, golden: Golden
) -> None:
    job = documentation(name, namespace)
    found = table(cluster_of(plane, declined(job)), cluster_of(plane, job))
    golden.check(f"in-tree/{name}.md", found)
    if name == DOCUMENTATION[0]:
        golden.check_quoted(BENCHMARKS, found)
