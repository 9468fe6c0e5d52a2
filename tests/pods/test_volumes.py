"""The folders that Ray writes to: shared memory, and a /tmp when the image may not be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pods.nodes import OWN, SHM, START_ARGS, TMP, fields, node
from tests.volcano_pods import container_of, injected, pod
from webhook.pods import volumes
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.reasons import Finding

READ_ONLY = {"readOnlyRootFilesystem": True}


def places(mounted: str, **written: Any) -> list[str]:
    """Where volray mounts a folder of its own in a read-only image, beside the user's own mount."""
    own = {"name": "own", "mountPath": mounted}
    original = pod(volumeMounts=[own], spec={"volumes": [{"name": "own"}]}, securityContext=READ_ONLY, **written)
    first, *added = container_of(injected(original))["volumeMounts"]
    assert first == own
    return [mount["mountPath"] for mount in added]


@pytest.mark.parametrize(
    ("resources", "memory"),
    [
        ({"limits": {"memory": "2Gi"}}, {"medium": "Memory", "sizeLimit": "2Gi"}),
        ({"requests": {"memory": "2Gi"}}, {"medium": "Memory", "sizeLimit": "2Gi"}),
        ({}, {"medium": "Memory"}),
    ],
)
@pytest.mark.parametrize("task", ["head", "worker"])
def test_shared_memory_has_the_containers_memory_and_a_read_only_image_a_tmp_on_the_nodes_disk(
    task: str, resources: Object, memory: Object
) -> None:
    made = injected(pod(task, resources=resources, securityContext=READ_ONLY))
    assert made["spec"]["volumes"] == [{"name": "ray-shm", "emptyDir": memory}, {"name": "ray-tmp", "emptyDir": {}}]
    assert container_of(made)["volumeMounts"] == [
        {"name": "ray-shm", "mountPath": SHM},
        {"name": "ray-tmp", "mountPath": TMP},
    ]


@pytest.mark.parametrize("context", [None, {}, {"readOnlyRootFilesystem": False}, {"runAsNonRoot": True}])
def test_an_image_that_may_be_written_to_keeps_its_tmp(context: Any) -> None:
    assert [volume.name for volume in volumes.additions(node(securityContext=context)).volumes] == ["ray-shm"]


@pytest.mark.parametrize(
    ("taken", "name"),
    [("ray-shm", "ray-shm-0"), ("ray-shm ray-shm-1 ray-shm-0", "ray-shm-2"), ("ray-shm-0", "ray-shm")],
)
def test_the_volumes_name_is_free(taken: str, name: str) -> None:
    for names in (taken.split(), taken.split()[::-1]):
        made = injected(pod(spec={"volumes": [{"name": one, "emptyDir": {}} for one in names]}))
        assert [volume["name"] for volume in made["spec"]["volumes"]] == [*names, name]
        assert container_of(made)["volumeMounts"][-1]["name"] == name


@pytest.mark.parametrize(
    ("path", "added"),
    [
        *[(path, [TMP]) for path in (SHM, f"{SHM}/")],
        *[(path, [SHM]) for path in (TMP, f"{TMP}/", f"{TMP}/ray", f"{TMP}/ray/")],
        *[(path, [SHM, TMP]) for path in (f"{SHM}2", f"{SHM}X", "/dev", f"{SHM}/x")],
        *[(path, [SHM, TMP]) for path in ("/var/tmp", f"{TMP}/a", f"{TMP}/ray/a", f"{TMP}/rays")],  # noqa: S108
    ],
)
def test_the_users_own_shared_memory_and_place_for_rays_session_stay(path: str, added: list[str]) -> None:
    assert places(path) == added
    assert places(path, annotations=OWN) == []


# What the user's own volumes do


def doubts(original: dict[str, Any]) -> list[Finding]:
    return list(volumes.additions(node("worker", **original)).findings)


def with_shm(source: Object, memory: str | None = "64Gi", *, path: str = SHM, start_args: str = "") -> dict[str, Any]:
    """A worker with a volume of its own at /dev/shm."""
    return {
        "annotations": {START_ARGS: start_args},
        "resources": {"limits": {"memory": memory} if memory else {}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "dshm", "mountPath": path}],
        "spec": {"volumes": [{"name": "dshm", **source}, {"name": "data", "emptyDir": {}}]},
    }


def in_memory(size: Any) -> Object:
    return {"emptyDir": {"medium": "Memory", "sizeLimit": size}}


DISK = "Ray keeps it in /tmp/ray, on disk"
STORE = "--object-store-memory="
ASKED_4GI = f"{STORE}4294967296"


@pytest.mark.parametrize(
    ("size", "memory", "start_args", "taken", "outcome", "wanted"),
    [
        ("1Gi", "16Gi", "", "4916Mi", DISK, "4916Mi"),
        (1073741824, "16Gi", "", "4916Mi", DISK, "4916Mi"),
        ("4423Mi", "16Gi", "", "4916Mi", DISK, "4916Mi"),
        ("1Gi", "64Gi", "", "9537Mi", DISK, "19661Mi"),
        ("9536Mi", "64Gi", "", "9537Mi", DISK, "19661Mi"),
        ("1Gi", "64Gi", ASKED_4GI, "4096Mi", DISK, "4096Mi"),
        ("4095Mi", "64Gi", ASKED_4GI, "4096Mi", DISK, "4096Mi"),
        ("1Gi", None, ASKED_4GI, "4096Mi", DISK, "4096Mi"),
        ("1Gi", "64Gi", f"{STORE}10000000000", "9537Mi", DISK, "9537Mi"),
        ("1Gi", "64Gi", f"{STORE}20000000000", "19074Mi", "Ray does not start", "19074Mi"),
    ],
)
@pytest.mark.parametrize("path", [SHM, f"{SHM}/"])
def test_shared_memory_too_small_for_the_object_store_is_a_warning(  # noqa: PLR0913, PLR0917
    size: Any, memory: str | None, start_args: str, taken: str, outcome: str, wanted: str, path: str
) -> None:
    (warning,) = doubts(with_shm(in_memory(size), memory, path=path, start_args=start_args))
    assert warning.code is Code.SMALL_SHM
    named = {"volume": "dshm", "found": str(size), "taken": taken, "outcome": outcome, "wanted": wanted}
    assert fields(warning) == named


@pytest.mark.parametrize(
    "original",
    [
        with_shm(in_memory("4916Mi"), "16Gi"),
        with_shm(in_memory("4424Mi"), "16Gi"),  # nine tenths: some memory is in use when Ray starts
        with_shm(in_memory("9537Mi")),  # Ray makes its store of 10 GB here
        with_shm(in_memory("64Gi"), "256Gi"),  # and here of 95 % of /dev/shm
        with_shm(in_memory("4Gi"), start_args=ASKED_4GI),
        with_shm(in_memory("64Gi")),
        with_shm(in_memory(None)),
        with_shm(in_memory("1Gi"), None),
        with_shm(in_memory("1Gi"), "2Gi"),
        with_shm({"emptyDir": {"sizeLimit": "1Gi"}}),
        with_shm({"emptyDir": None}),
        with_shm({"hostPath": {"path": SHM}}),
        with_shm(in_memory("1Gi"), path="/cache"),
        with_shm(in_memory("1Gi"), start_args=f"{STORE}1073741824"),
        with_shm(in_memory("1Gi"), start_args="--plasma-directory=/data"),
        {"volumeMounts": [{"mountPath": "/a"}]},
    ],
)
def test_a_large_enough_volume_or_one_of_unknown_size_is_no_warning(original: dict[str, Any]) -> None:
    assert doubts(original) == []


@pytest.mark.parametrize("annotations", [{}, OWN], ids=["kept", "own start"])
def test_a_mount_without_its_volume_is_a_warning(annotations: dict[str, str]) -> None:
    """With `volumes` inside the container, where Kubernetes does not look for it."""
    original = with_shm(in_memory("1Gi"))
    nested, original["spec"] = original["spec"]["volumes"], {"volumes": [{"name": "data", "emptyDir": {}}]}
    original |= {"annotations": annotations, "volumes": nested}
    (warning,) = doubts(original)
    assert warning.code is Code.MOUNT_WITHOUT_VOLUME
    assert fields(warning) == {"container": "worker", "volume": "dshm"}
