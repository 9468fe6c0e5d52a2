# INTERIM: replaced by the node harness's own conftest when branch `node` is merged. Do not put anything else in here.
from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.controlplane.client import Api, path
from tests.e2e.ray_job import Cluster


class Interim:
    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        config = yaml.safe_load(Path(kubeconfig).read_text())
        at = config["clusters"][0]["cluster"]
        self.admin = Api(at["server"], Path(at["certificate-authority"]), config["users"][0]["user"]["token"])

    def kubectl(
        self, *arguments: str | Path, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            env=os.environ | {"KUBECONFIG": str(kubeconfig or self.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    yield Interim(os.environ["VOLRAY_E2E_KUBECONFIG"])


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own. What is in it goes away after the test, and nobody waits for that."""
    name = f"e2e-{secrets.token_hex(4)}"
    namespaces = path("v1", "namespaces")
    cluster.admin.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    cluster.admin.delete(f"{namespaces}/{name}")
