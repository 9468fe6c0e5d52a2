import secrets
from collections.abc import Generator, Iterator

import pytest

from tests.cache import NotBuiltError
from tests.controlplane.applied import make_namespace
from tests.controlplane.build import NEWEST, VERSIONS, built
from tests.controlplane.client import path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.installed import Volray
from tests.tiers import missing

_MARKER = "volcano"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{_MARKER}(*versions): run on these versions of Volcano, not on the newest only"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test its versions of Volcano; pytest then groups the tests by them, so each starts once."""
    if "volcano_version" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker(_MARKER)
        versions = marker.args if marker else (NEWEST,)
        metafunc.parametrize("volcano_version", versions, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the logs of the control plane in which a test failed, and say in its report where they are."""
    report = yield
    plane = getattr(item, "funcargs", {}).get("plane")
    if report.failed and plane is not None:
        report.sections.append(("control plane", f"its logs are kept in {plane.keep_logs()}"))
    return report


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    try:
        for version in VERSIONS:
            built(version)
    except NotBuiltError as error:
        missing(str(error))


@pytest.fixture(scope="session")
def volray(volcano_version: str) -> Iterator[Volray]:
    """volray, installed and running, the same for all tests of a version of Volcano.

    Whoever stops a part of it starts it again.
    """
    with ControlPlane.start(volcano_version) as plane:
        yield Volray.install(plane)


@pytest.fixture(scope="session")
def plane(volray: Volray) -> ControlPlane:
    """The control plane on which volray is installed."""
    return volray.plane


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own. What is in it goes away after the test, and nobody waits for that."""
    name = f"test-{secrets.token_hex(4)}"
    make_namespace(plane, name)
    yield name
    plane.admin.delete(path("v1", "namespaces", name=name))
