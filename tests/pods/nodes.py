"""Pods as volray reads them, and what it says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.volcano_pods import container_of, injected, pod
from webhook.errors import RefusedError
from webhook.pods.inject import inject
from webhook.pods.node import RayPod, read_pod

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.reasons import Code, Finding

COMMAND: Final = "ray.volcano.sh/command"
ROLE: Final = "ray.volcano.sh/role"
START_ARGS: Final = "ray.volcano.sh/start-args"
OPT_IN: Final = {"ray.volcano.sh/cluster": "true"}
OWN: Final = {COMMAND: "own"}
"""Annotations of a container that starts Ray itself."""

CPU: Final = {"limits": {"cpu": "1"}}
"""Resources about which volray has nothing to say."""

SHM: Final = "/dev/shm"  # noqa: S108 - Ray's own path
TMP: Final = "/tmp"  # noqa: S108 - Ray's own path


def node(task: str = "head", **written: Any) -> RayPod:
    """Return the Ray node that tests.volcano_pods.pod(...) is in the namespace team."""
    found = read_pod(pod(task, **written), "team")
    assert isinstance(found, RayPod), found
    return found


def made(task: str = "head", **written: Any) -> Object:
    """Return Ray's container of such a pod after injection."""
    return container_of(injected(pod(task, **written), "team"))


def script(task: str = "head", **written: Any) -> str:
    """Return what volray makes such a pod run."""
    text: str = made(task, **written)["command"][2]
    return text


def codes(findings: Iterable[Finding]) -> list[Code]:
    """Return the code of each finding."""
    return [found.code for found in findings]


def fields(found: Finding) -> dict[str, str]:
    """Return the values that the sentence names."""
    return dict(found.fields)


def refusal(original: Object, *, ipv6: bool = False) -> RefusedError:
    """Return the error of a pod that is refused."""
    with pytest.raises(RefusedError) as caught:
        inject(original, "team", ipv6=ipv6)
    return caught.value


def mistakes(original: Object, *, ipv6: bool = False) -> list[Code]:
    """Return what is wrong with a pod."""
    return codes(refusal(original, ipv6=ipv6).mistakes)


def warnings(original: Object) -> list[Code]:
    """Return what volray warns of in a pod that is not refused."""
    return codes(inject(original, "team").warnings)
