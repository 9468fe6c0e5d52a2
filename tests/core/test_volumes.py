"""Where Ray writes, when the image may not be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pods import container_of, injected, pod

if TYPE_CHECKING:
    from webhook.names import Object

READ_ONLY = {"readOnlyRootFilesystem": True}
TMP = "/tmp"  # noqa: S108 - Ray's own path
SHM = "/dev/shm"  # noqa: S108 - Ray's own path


def places(made: Object) -> list[str]:
    return [mount["mountPath"] for mount in container_of(made)["volumeMounts"]]


@pytest.mark.parametrize("task", ["head", "worker"])
def test_on_a_read_only_image_ray_gets_a_tmp_on_the_nodes_disk(task: str) -> None:
    made = injected(pod(task, securityContext=READ_ONLY))
    assert container_of(made)["volumeMounts"][1:] == [{"name": "ray-tmp", "mountPath": TMP}]
    assert made["spec"]["volumes"][1:] == [{"name": "ray-tmp", "emptyDir": {}}]


@pytest.mark.parametrize("context", [None, {}, {"readOnlyRootFilesystem": False}, {"runAsNonRoot": True}])
def test_an_image_that_may_be_written_to_keeps_its_tmp(context: Any) -> None:
    assert places(injected(pod(securityContext=context))) == [SHM]


@pytest.mark.parametrize("path", [TMP, f"{TMP}/", f"{TMP}/ray", f"{TMP}/ray/"])
def test_the_users_own_place_for_rays_session_stays(path: str) -> None:
    own = [{"name": "own", "mountPath": path}]
    made = injected(pod(securityContext=READ_ONLY, volumeMounts=own, spec={"volumes": [{"name": "own"}]}))
    assert places(made) == [path, SHM]


@pytest.mark.parametrize("path", ["/var/tmp", f"{TMP}/a", f"{TMP}/ray/a", f"{TMP}/rays"])  # noqa: S108
def test_another_mount_is_no_place_for_rays_session(path: str) -> None:
    other = [{"name": "a", "mountPath": path}]
    made = injected(pod(securityContext=READ_ONLY, volumeMounts=other, spec={"volumes": [{"name": "a"}]}))
    assert places(made) == [path, SHM, TMP]


def test_tmp_comes_without_the_shared_memory_that_the_user_has() -> None:
    own = [{"name": "ray-tmp", "mountPath": SHM}]
    made = injected(pod(securityContext=READ_ONLY, volumeMounts=own, spec={"volumes": [{"name": "ray-tmp"}]}))
    assert container_of(made)["volumeMounts"] == [*own, {"name": "ray-tmp-0", "mountPath": TMP}]
    assert made["spec"]["volumes"] == [{"name": "ray-tmp"}, {"name": "ray-tmp-0", "emptyDir": {}}]


def test_a_container_that_starts_ray_itself_gets_no_tmp() -> None:
    original = pod(securityContext=READ_ONLY, command=["ray", "start", "--head", "--temp-dir=/ray"])
    assert "volumes" not in injected(original)["spec"]
