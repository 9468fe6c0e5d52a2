from collections.abc import Generator, Iterator

import pytest

from tests.e2e.cluster import Cluster, opened
from tests.e2e.programs import RAY_COMMAND_LINE


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{RAY_COMMAND_LINE}: uses Ray's command line, which is installed before")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """When a test fails, keep the logs and say in its report where they are, how the pods are, and what Ray said."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, Cluster):
        if cluster.plane:
            report.sections.append(("cluster", f"its logs are kept in {cluster.plane.keep_logs()}"))
        report.sections.append(("pods", cluster.look("get", "pods", "-A", "-o", "wide")))
        report.sections.append(("Ray", cluster.ray_logs()))
    return report


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with volray, the same for all tests: whoever stops a part of it starts it again."""
    with opened() as found:
        yield found


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    with cluster.namespace() as name:
        yield name
