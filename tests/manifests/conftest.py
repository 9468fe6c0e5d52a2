import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cache import NotBuiltError
from tests.controlplane.build import built
from tests.manifests import Manifest
from tests.tiers import missing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def base(root: Path) -> Path:
    return root / "manifests" / "base"


@pytest.fixture(scope="session")
def kustomize() -> Callable[[Path], list[Manifest]]:
    """Render a kustomization into its objects, in the order in which `kubectl apply -k` sends them."""
    try:
        kubectl = built(None).programs["kubectl"]
    except NotBuiltError as error:
        missing(str(error))

    def render(kustomization: Path) -> list[Manifest]:
        done = subprocess.run(
            [kubectl, "kustomize", kustomization], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr, "kustomize warns: " + done.stderr
        return list(yaml.safe_load_all(done.stdout))

    return render


@pytest.fixture(scope="session")
def objects(kustomize: Callable[[Path], list[Manifest]], base: Path) -> dict[str, Manifest]:
    """Every object of the base, as `Kind/name`."""
    rendered = kustomize(base)
    by_key = {f"{each['kind']}/{each['metadata']['name']}": each for each in rendered}
    assert len(by_key) == len(rendered)
    return by_key


@pytest.fixture(scope="session")
def deployment(objects: dict[str, Manifest]) -> Manifest:
    return objects["Deployment/volray-webhook"]


@pytest.fixture(scope="session")
def pod(deployment: Manifest) -> Manifest:
    """The Deployment's pod template."""
    template: Manifest = deployment["spec"]["template"]
    return template


@pytest.fixture(scope="session")
def container(pod: Manifest) -> Manifest:
    (only,) = pod["spec"]["containers"]
    found: Manifest = only
    return found


@pytest.fixture(scope="session")
def ports(container: Manifest) -> dict[str, int]:
    """The container's ports by name."""
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@pytest.fixture(scope="session")
def options(container: Manifest) -> dict[str, str]:
    """The container's `--name=value` arguments."""
    _command, *flags = container["args"]
    return dict(flag.split("=", 1) for flag in flags)


@pytest.fixture(scope="session")
def configuration(objects: dict[str, Manifest]) -> Manifest:
    """The only MutatingWebhookConfiguration."""
    (only,) = (each for each in objects.values() if each["kind"] == "MutatingWebhookConfiguration")
    return only


def named(configuration: Manifest, name: str) -> Manifest:
    """A webhook of a configuration."""
    (only,) = (each for each in configuration["webhooks"] if each["name"] == name)
    found: Manifest = only
    return found


@pytest.fixture(scope="session")
def webhook(configuration: Manifest) -> Manifest:
    """The one for pods."""
    return named(configuration, "pods.ray.volcano.sh")


@pytest.fixture(scope="session")
def validating(objects: dict[str, Manifest]) -> Manifest:
    return objects["ValidatingWebhookConfiguration/batch.ray.volcano.sh"]
