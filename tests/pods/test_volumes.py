"""Where Ray writes, when the image may not be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.volcano_pods import container_of, injected, pod
from webhook.pods.inject import inject

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


# What the user's own volumes do


def warnings(original: Object) -> list[str]:
    return [warning.text for warning in inject(original, "default").warnings]


def with_shm(source: Object, memory: str | None = "64Gi", *, path: str = SHM, **more: Any) -> Object:
    """A worker with a volume of its own at /dev/shm."""
    limits = {"cpu": "1", **({"memory": memory} if memory else {})}
    mounts = [{"name": "dshm", "mountPath": path}]
    volumes = [{"name": "dshm", **source}]
    return pod("worker", resources={"limits": limits}, volumeMounts=mounts, spec={"volumes": volumes}, **more)


def in_memory(size: Any) -> Object:
    return {"emptyDir": {"medium": "Memory", "sizeLimit": size}}


def start_args(text: str) -> dict[str, Any]:
    return {"annotations": {"ray.volcano.sh/start-args": text}}


DISK = "Ray keeps it in /tmp/ray, on disk"
ASKED_4GI = start_args("--object-store-memory=4294967296")


@pytest.mark.parametrize(
    ("original", "found", "taken", "outcome", "wanted"),
    [
        (with_shm(in_memory("1Gi"), "16Gi"), "1Gi", "4916Mi", DISK, "4916Mi"),
        (with_shm(in_memory("1Gi"), "16Gi", path=f"{SHM}/"), "1Gi", "4916Mi", DISK, "4916Mi"),
        (with_shm(in_memory(1073741824), "16Gi"), "1073741824", "4916Mi", DISK, "4916Mi"),
        (with_shm(in_memory("4423Mi"), "16Gi"), "4423Mi", "4916Mi", DISK, "4916Mi"),
        (with_shm(in_memory("1Gi"), "64Gi"), "1Gi", "9537Mi", DISK, "19661Mi"),
        (with_shm(in_memory("9536Mi"), "64Gi"), "9536Mi", "9537Mi", DISK, "19661Mi"),
        (with_shm(in_memory("1Gi"), **ASKED_4GI), "1Gi", "4096Mi", DISK, "4096Mi"),
        (with_shm(in_memory("4095Mi"), **ASKED_4GI), "4095Mi", "4096Mi", DISK, "4096Mi"),
        (with_shm(in_memory("1Gi"), None, **ASKED_4GI), "1Gi", "4096Mi", DISK, "4096Mi"),
        (
            with_shm(in_memory("1Gi"), **start_args("--object-store-memory=10000000000")),
            "1Gi",
            "9537Mi",
            DISK,
            "9537Mi",
        ),
        (
            with_shm(in_memory("1Gi"), **start_args("--object-store-memory=20000000000")),
            "1Gi",
            "19074Mi",
            "Ray does not start",
            "19074Mi",
        ),
    ],
)
def test_shared_memory_too_small_for_the_object_store_is_a_warning(
    original: Object, found: str, taken: str, outcome: str, wanted: str
) -> None:
    assert warnings(original) == [
        f"Volume dshm limits /dev/shm to {found}, but the object store takes {taken}: {outcome}. "
        f"Write sizeLimit: {wanted} or more, or leave the mount out: volray makes a large enough /dev/shm."
    ]


@pytest.mark.parametrize(
    "original",
    [
        with_shm(in_memory("4916Mi"), "16Gi"),
        with_shm(in_memory("4424Mi"), "16Gi"),  # nine tenths: some memory is in use when Ray starts
        with_shm(in_memory("9537Mi")),  # Ray makes its store of 10 GB here
        with_shm(in_memory("64Gi"), "256Gi"),  # and here of 95 % of /dev/shm
        with_shm(in_memory("4Gi"), **ASKED_4GI),
        with_shm(in_memory("64Gi")),
        with_shm(in_memory(None)),
        with_shm(in_memory("1Gi"), None),
        with_shm(in_memory("1Gi"), "2Gi"),
        with_shm({"emptyDir": {"sizeLimit": "1Gi"}}),
        with_shm({"emptyDir": None}),
        with_shm({"hostPath": {"path": SHM}}),
        with_shm(in_memory("1Gi"), path="/cache"),
        with_shm(in_memory("1Gi"), **start_args("--object-store-memory=1073741824")),
        with_shm(in_memory("1Gi"), **start_args("--plasma-directory=/data")),
    ],
)
def test_shared_memory_that_holds_the_object_store_or_whose_size_is_not_known_is_no_warning(original: Object) -> None:
    assert warnings(original) == []


@pytest.mark.parametrize("command", [["python", "a.py"], ["ray", "start", "--address=a:1"]], ids=["kept", "own start"])
def test_a_mount_without_its_volume_is_a_warning(command: list[str]) -> None:
    """With `volumes` inside the container, where Kubernetes does not look for it."""
    nested = [{"name": "dshm", **in_memory("1Gi")}]
    mounts = [{"name": "dshm", "mountPath": SHM}, {"name": "data", "mountPath": "/data"}]
    volumes = {"volumes": [{"name": "data", "emptyDir": {}}]}
    resources = {"limits": {"cpu": "1"}}
    original = pod("worker", command=command, resources=resources, volumeMounts=mounts, volumes=nested, spec=volumes)
    assert (
        "Container worker mounts volume dshm, but the pod has no such volume and will be refused. "
        "Write it under volumes in the pod's spec, beside containers and not inside one."
    ) in warnings(original)
    assert not any("data" in text for text in warnings(original))


def test_of_a_mount_without_a_name_volray_says_nothing() -> None:
    assert warnings(pod(resources={"limits": {"cpu": "1"}}, volumeMounts=[{"mountPath": "/a"}])) == []
