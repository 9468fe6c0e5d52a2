"""Builds the programs once for each machine: `python -m tests.controlplane.build`, with nodes `… build nodes`.

Neither Kubernetes nor Volcano publish their programs where a sandbox without container images could get them, but both
are Go modules. What is built stands in the user's cache together with the objects that Volcano's installer
would put on a cluster, so that a control plane starts without Go.

Two environment variables change which versions are built and started: `VOLRAY_TEST_KUBERNETES=1.28` (or `1.36`)
replaces kube-apiserver and kube-controller-manager, `VOLRAY_TEST_VOLCANO=1.10` replaces the oldest Volcano.
`make test-versions` sets them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from tests import cache
from tests.cache import NotBuiltError

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]
_Known = TypeVar("_Known")


def _asked(variable: str, known: Mapping[str, _Known]) -> _Known:
    """Return what a variable of the environment asks for; the entry "" is for a variable that is not set.

    Raises:
        ValueError: The variable has an unknown value.
    """
    value = os.environ.get(variable, "")
    if value not in known:
        raise ValueError(f"{variable}={value} is not known. Use one of: {', '.join(filter(None, known))}.")
    return known[value]


NEWEST = "1.14.1"
OLDEST = _asked("VOLRAY_TEST_VOLCANO", {"": "1.8.2", "1.10": "1.10.0"})
"""Neither has the ray plugin, nor the controllers that `commands.py` leaves out: the same tests hold for both."""

VERSIONS = (NEWEST, OLDEST)

_INSTALLED = {
    "Namespace",
    "ServiceAccount",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
}


@dataclass(frozen=True)
class Module:
    """A folder with a go.mod, and the programs that come out of it.

    Attributes:
        name: It begins the name of the folder in the cache.
        source: The name of the folder with the go.mod.
        programs: Main packages by the names under which Kubernetes and Volcano ship them. A client's user agent begins
            with the name of its program, so these names are what an audit log shows.
    """

    name: str
    source: str
    programs: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / "build" / self.source

    def requires(self, module: str) -> bool:
        return f"{module} v" in (self.folder / "go.mod").read_text()


_KUBERNETES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_VOLCANO = {
    "vc-controller-manager": "volcano.sh/volcano/cmd/controller-manager",
    "vc-scheduler": "volcano.sh/volcano/cmd/scheduler",
    "vc-webhook-manager": "volcano.sh/volcano/cmd/webhook-manager",
}
_NEW = Module("volcano-1.14", "volcano-1.14", _KUBERNETES | _VOLCANO)
_OLD = f"volcano-{OLDEST.rpartition('.')[0]}"
_MODULES = {NEWEST: _NEW, OLDEST: Module(_OLD, _OLD, _VOLCANO)}

_SERVERS = {name: _KUBERNETES[name] for name in ("kube-apiserver", "kube-controller-manager")}
_OTHER_SERVERS = _asked(
    "VOLRAY_TEST_KUBERNETES",
    {"": (), **{each: (Module(f"kubernetes-{each}", f"kubernetes-{each}", _SERVERS),) for each in ("1.28", "1.36")}},
)
"""What replaces the servers of `_NEW`; etcd and kubectl stay."""

# In folders of their own: who runs no pods need not build them.
_NODE_MODULES = (
    Module(
        "nodes",
        "volcano-1.14",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kube-proxy", "kube-scheduler")},
    ),
    Module("cluster", "cluster", {"coredns": "./coredns", "pause": "./pause"}),
)


@dataclass(frozen=True)
class Built:
    """What a control plane is started from."""

    programs: Mapping[str, Path]
    volcano: list[Object]


def built(volcano: str | None, *, nodes: bool = False) -> Built:
    """Return the programs, and the objects of Volcano's installer, for one version of Volcano (or none).

    Args:
        volcano: The version.
        nodes: Whether the programs of real nodes are wanted as well.

    Raises:
        NotBuiltError: They are not in the cache.
    """
    wanted = [_NEW] if volcano is None else [_NEW, _MODULES[volcano]]
    programs: dict[str, Path] = {}
    for module in [*wanted, *(_NODE_MODULES if nodes else ()), *_OTHER_SERVERS]:
        programs |= {name: _cached(module) / name for name in module.programs}
    objects = [] if volcano is None else json.loads((_cached(wanted[-1]) / "volcano.json").read_text())
    return Built(programs, objects)


def build(module: Module) -> Path:
    """Build the module's programs into the cache, unless they are there, and return their folder.

    The folder appears whole or not at all, and of two builds at once the second waits and finds the first one's.
    """
    target = _target(module)
    target.parent.mkdir(parents=True, exist_ok=True)
    with cache.only_one(target.parent / ".lock"):
        if target.exists():
            print(f"{module.name}: in {target}")
            return target
        started = time.monotonic()
        with TemporaryDirectory(prefix=f".{module.name}-", dir=target.parent) as temporary:
            made = Path(temporary) / "made"
            _make(module, made)
            made.rename(target)
        print(f"{module.name}: built in {time.monotonic() - started:.0f} s into {target}")
    return target


def _make(module: Module, made: Path) -> None:
    made.mkdir()
    packages = module.programs
    print(f"{module.name}: building {', '.join(packages)}; minutes, where Go's own cache is cold", flush=True)
    _go(module, "build", "-o", f"{made}/", "-ldflags", _flags(module), *packages.values(), output=None)
    for name, package in packages.items():
        (made / _binary(package)).rename(made / name)
    if module in _MODULES.values():
        (made / "volcano.json").write_text(json.dumps(_of_the_installer(_installer(module))))


def _installer(module: Module) -> str:
    source = _go(module, "list", "-m", "-f", "{{.Dir}}", "volcano.sh/volcano")
    return Path(source, "installer", "volcano-development.yaml").read_text()


def _of_the_installer(manifest: str) -> list[Object]:
    """Return what the installer puts on a cluster, but for the pods and Services: the programs run beside it."""
    return [each for each in yaml.safe_load_all(manifest) if each and each["kind"] in _INSTALLED]


def _binary(package: str) -> str:
    """Return the name that `go build` gives a program: the last part of its package that is no major version."""
    return "server" if package == _KUBERNETES["etcd"] else package.rpartition("/")[2]


def _flags(module: Module) -> str:
    """Stamp the version into Kubernetes' programs: an unstamped apiserver says v0.0.0, and clients refuse that."""
    if not module.requires("k8s.io/kubernetes"):
        return "-s -w"
    version = _go(module, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
    major, minor, _patch = version.removeprefix("v").split(".")
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={stamps[key]}" for key in stamps)])


def _cache() -> Path:
    return cache.folder("controlplane")


def _cached(module: Module) -> Path:
    """Return the folder of the module's programs; without Go any Go's will do."""
    if shutil.which("go"):
        found = [_target(module)] if _target(module).exists() else []
    else:
        found = sorted(_cache().glob(f"{_stem(module)}-*"))
    if not found:
        raise NotBuiltError(
            f"{module.name}'s programs are not in {_cache()}: `make controlplane` and `make e2e` build them"
        )
    return found[-1]


def _target(module: Module) -> Path:
    return _cache() / f"{_stem(module)}-{_go(module, 'env', 'GOVERSION')}"


def _stem(module: Module) -> str:
    contents = [each.read_bytes() for each in sorted(module.folder.rglob("*")) if each.is_file()]
    key = hashlib.sha256(b"\0".join([*contents, repr(module.programs).encode()])).hexdigest()
    return f"{module.name}-{key[:12]}"


def _go(module: Module, *arguments: str, output: int | None = subprocess.PIPE) -> str:
    environment = os.environ | {"GOWORK": "off"}
    done = subprocess.run(
        ["go", *arguments], cwd=module.folder, env=environment, stdout=output, text=True, check=True, timeout=3600
    )
    return (done.stdout or "").strip()


def main(*wanted: str) -> int:
    """Build the control plane's programs, and with "nodes" those of real nodes too."""
    if not shutil.which("go"):
        print("The cluster's programs are built with Go, and there is no `go` on the PATH.", file=sys.stderr)
        return 1
    for module in [*_MODULES.values(), *(_NODE_MODULES if "nodes" in wanted else ()), *_OTHER_SERVERS]:
        build(module)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
