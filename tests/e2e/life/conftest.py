"""Ray Jobs that the cases of a file share, and the rule that holds at the end of each."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.running import Jobs
from tests.e2e.whole import assert_no_pod_without_ray


@pytest.fixture(scope="module")
def jobs(cluster: Cluster) -> Iterator[Jobs]:
    """Start Ray Jobs here; those of one file run beside each other until its last test."""
    jobs = Jobs(cluster)
    yield jobs
    jobs.close()


@pytest.fixture(autouse=True)
def no_pod_runs_without_ray(jobs: Jobs) -> Iterator[None]:
    """Whatever a case did to its Jobs, in the end this holds."""
    yield
    for job in jobs.running:
        assert_no_pod_without_ray(job)
