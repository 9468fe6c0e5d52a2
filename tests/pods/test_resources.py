from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pods.nodes import OWN, SHM, START_ARGS, codes, fields, node
from webhook.pods import announced
from webhook.pods.devices import DEVICES, Meaning, device_of, is_extended
from webhook.pods.resources import NodeResources, mebibytes, object_store, read_requests
from webhook.reasons import Code

if TYPE_CHECKING:
    from webhook.names import Object
    from webhook.reasons import Finding

MI = 1024 * 1024
OWN_PLACE, POD_PLACE = "Container head: resources", "The pod: resources"
LIMIT, REQUEST = f"{OWN_PLACE}.limits.memory", f"{OWN_PLACE}.requests.memory"


def of(own: Object | None, pod: Object | None = None, **more: Any) -> NodeResources:
    """The Ray node's resources of a container and a pod that ask for these, without a mistake."""
    found = node(resources=own, spec={"resources": pod}, **more)
    assert not found.findings
    return found.resources


def limits(**amounts: Any) -> Object:
    return {"limits": amounts}


def requests(**amounts: Any) -> Object:
    return {"requests": amounts}


@pytest.mark.parametrize(
    ("own", "pod", "cpus"),
    [
        (limits(cpu="4"), None, 4),
        (limits(cpu="500m"), None, 1),
        (limits(cpu="2.5"), None, 3),
        (limits(cpu="2001m"), None, 3),
        (limits(cpu=2), None, 2),
        (limits(cpu="4") | requests(cpu="1"), None, 4),
        (requests(cpu="1500m"), None, 2),
        (limits(memory="1Gi") | requests(cpu="1"), None, 1),
        (limits(cpu="0") | requests(cpu="3"), None, 3),
        (limits(cpu=None) | requests(cpu="3"), None, 3),
        (limits(cpu="0") | requests(cpu="0"), None, None),
        (limits() | requests(), None, None),
        ({"limits": None, "requests": None, "claims": None}, {"limits": None}, None),
        (None, None, None),
        ({}, limits(cpu="4"), 4),
        ({}, requests(cpu="3500m"), 4),
        ({}, limits(cpu="4") | requests(cpu="2"), 4),
        (limits(cpu="1"), limits(cpu="4"), 1),
        (requests(cpu="1"), limits(cpu="4"), 1),
        (limits(cpu="0"), limits(cpu="4"), None),
        (limits(memory="1Gi"), limits(cpu="4"), 4),
    ],
)
def test_cpus_are_limit_or_else_request_rounded_up(own: Object | None, pod: Object | None, cpus: int | None) -> None:
    assert of(own, pod).num_cpus == cpus


def shared(heap: int, store: int | None, size: str) -> NodeResources:
    return NodeResources(num_gpus=0, memory=heap, object_store_memory=store, shm_size=size)


@pytest.mark.parametrize(
    ("own", "pod", "expected"),
    [
        ({}, None, NodeResources(num_gpus=0)),
        (limits(memory="2Gi") | requests(memory="1Gi"), None, NodeResources(num_gpus=0, shm_size="2Gi")),
        (limits(memory=1073741824), None, NodeResources(num_gpus=0, shm_size="1073741824")),
        ({}, limits(memory="2Gi"), NodeResources(num_gpus=0, shm_size="2Gi")),
        (requests(memory="1000Mi"), None, shared(700 * MI, 300 * MI, "1000Mi")),
        (limits(memory="0") | requests(memory="1000Mi"), None, shared(700 * MI, 300 * MI, "1000Mi")),
        (requests(memory="1000000001"), None, shared(700_000_001, 300_000_000, "1000000001")),
        (requests(memory="250Mi"), None, shared(175 * MI, 75 * MI, "250Mi")),
    ],
)
def test_a_memory_request_alone_is_shared_out(own: Object, pod: Object | None, expected: NodeResources) -> None:
    assert of(own, pod) == expected


def test_a_store_that_ray_refuses_or_that_the_users_shared_memory_holds_is_not_asked_for() -> None:
    assert of(requests(memory="249Mi")).object_store_memory is None
    found = of(requests(memory="1000Mi"), volumeMounts=[{"mountPath": SHM}])
    assert (found.object_store_memory, found.memory) == (None, 700 * MI)


@pytest.mark.parametrize(
    ("devices", "gpus", "custom"),
    [
        ("", 0, {}),
        ("cpu=1 memory=1Gi ephemeral-storage=1Gi hugepages-2Mi=4Mi kubernetes.io/batch-cpu=1", 0, {}),
        ("nvidia.com/gpu=0", 0, {}),
        ("nvidia.com/gpu=1 amd.com/gpu=2", 3, {}),
        ("nvidia.com/mig-1g.5gb=3 nvidia.com/mig-2g.10gb=1", 4, {}),
        ("volcano.sh/vgpu-number=1 volcano.sh/vgpu-memory=3000 volcano.sh/vgpu-cores=50", 1, {}),
        ("volcano.sh/vgpu-number=1 volcano.sh/vgpu-memory-percentage=50", 1, {}),
        ("nvidia.com/gpu=1 nvidia.com/gpumem=3000 nvidia.com/gpucores=30", 1, {}),
        ("nvidia.com/gpu=1 nvidia.com/gpumem-percentage=30", 1, {}),
        ("nvidia.com/gpu=1 example.com/card-memory=3000", None, {}),
        ("nvidia.com/gpu=8 rdma/hca_shared_devices_a=1", 8, {}),
        ("nvidia.com/gpu=8 vpc.amazonaws.com/efa=4 hugepages-2Mi=5120Mi", 8, {}),
        ("nvidia.com/gpu=1 deviceclass.resource.kubernetes.io/gpu=0", 1, {}),
        ("rdma/hca=1 example.com/gpus=1", None, {}),
        ("huawei.com/Ascend910=8 huawei.com/Ascend310P=1", 0, {"NPU": 9}),
        ("huawei.com/Ascend910B4=1 huawei.com/Ascend910B4-memory=16384 huawei.com/Ascend910B4-core=50", 0, {"NPU": 1}),
        ("huawei.com/Ascend910B4-1=2 huawei.com/Ascend910B4-1-memory=16384", 0, {"NPU": 2}),
        ("habana.ai/gaudi=8 google.com/tpu=4", 0, {"TPU": 4, "HPU": 8}),
        ("google.com/tpu=0", 0, {}),
    ],
)
def test_devices_are_counted_once_by_their_names(devices: str, gpus: int | None, custom: dict[str, int]) -> None:
    amounts = dict(device.split("=") for device in devices.split())
    for own in ({"limits": amounts}, {"requests": amounts}, {"limits": amounts, "requests": amounts}):
        found = of(own)
        assert (found.num_gpus, found.custom) == (gpus, tuple(custom.items()))
        assert of({**own, "claims": [{"name": "gpu"}]}).num_gpus is None


NAMES = {
    Meaning.GPU: """
        nvidia.com/gpu amd.com/gpu nvidia.com/gpu.shared nvidia.com/mig-1g.5gb volcano.sh/vgpu-number
        volcano.sh/gpu-number
    """,
    Meaning.SHARE: """
        nvidia.com/gpumem nvidia.com/gpumem-percentage nvidia.com/gpucores huawei.com/Ascend910B4-memory
        volcano.sh/gpu-memory volcano.sh/vgpu-memory volcano.sh/vgpu-memory-percentage
        huawei.com/Ascend910B4-core huawei.com/npu-core volcano.sh/vgpu-cores
    """,
    Meaning.NOT_RAYS: """
        rdma/ib_shared_devices example.com/hca_0 aliyun/erdma nvidia.com/rdma_host_dev
        intel.com/intel_sriov_netdevice openshift.io/sriovlegacy example.com/efa vpc.amazonaws.com/efa
        vpc.amazonaws.com/pod-eni nvidia.com/hostdev nvidia.com/mlnxnics
        networking.gke.io.networks/rdma-0.IP networking.gke.io.networks/gpu-net aliyun/eni aliyun/member-eni
        devices.kubevirt.io/kvm smarter-devices/fuse github.com/fuse sgx.intel.com/epc qat.intel.com/generic
    """,
    Meaning.UNKNOWN: """
        deviceclass.resource.kubernetes.io/gpu.example.com deviceclass.resource.kubernetes.io/gpu
        example.com/gpus gpu.intel.com/i915 aws.amazon.com/neurondevice
    """,
}
CUSTOM = {
    "google.com/tpu": "TPU",
    "aws.amazon.com/neuroncore": "neuron_cores",
    "habana.ai/gaudi": "HPU",
    "huawei.com/Ascend910": "NPU",
    "huawei.com/ascend-1980": "NPU",
    "huawei.com/ascend-310": "NPU",
}
EXAMPLES = [
    *[(name, meaning, "") for meaning, names in NAMES.items() for name in names.split()],
    *[(name, Meaning.CUSTOM, ray_name) for name, ray_name in CUSTOM.items()],
]
"""Names as pods have them. Each row of the table of devices is met by one at least."""


@pytest.mark.parametrize(("name", "meaning", "ray_name"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_a_device_means_what_its_table_says(name: str, meaning: Meaning, ray_name: str) -> None:
    device = device_of(name)
    assert (device.meaning, device.ray_name) == (meaning, ray_name)
    found = of(limits(**{name: "3"}))
    assert found.num_gpus == {Meaning.GPU: 3, Meaning.SHARE: None, Meaning.UNKNOWN: None}.get(meaning, 0)
    assert found.custom == (((ray_name, 3),) if meaning is Meaning.CUSTOM else ())


def test_each_row_of_the_table_is_there_once_with_an_example_a_source_and_rays_name_of_a_custom_device() -> None:
    assert len({device.pattern for device in DEVICES}) == len(DEVICES)
    assert {device_of(name) for name, _, _ in EXAMPLES} == set(DEVICES)
    assert all(device.source for device in DEVICES)
    assert all(bool(device.ray_name) == (device.meaning is Meaning.CUSTOM) for device in DEVICES)


def test_what_kubernetes_itself_provides_is_no_device() -> None:
    assert is_extended("nvidia.com/gpu")
    assert is_extended("deviceclass.resource.kubernetes.io/x")
    for name in ("kubernetes.io/batch-cpu", "node.kubernetes.io/x", "cpu", "hugepages-2Mi"):
        assert not is_extended(name)


@pytest.mark.parametrize(
    ("own", "pod", "wrong"),
    [
        (limits(cpu="two"), {}, {f"{OWN_PLACE}.limits.cpu": "two"}),
        (limits(cpu="-1"), {}, {f"{OWN_PLACE}.limits.cpu": "-1"}),
        (requests(cpu=""), {}, {f"{OWN_PLACE}.requests.cpu": ""}),
        (limits(**{"a.b/gpu": "all"}), {}, {f"{OWN_PLACE}.limits.a.b/gpu": "all"}),
        (requests(**{"a.b/gpu": "all"}), {}, {f"{OWN_PLACE}.requests.a.b/gpu": "all"}),
        ({}, limits(cpu="two"), {f"{POD_PLACE}.limits.cpu": "two"}),
        (
            limits(cpu="a", memory="2GB") | requests(memory="c"),
            {},
            {f"{OWN_PLACE}.limits.cpu": "a", LIMIT: "2GB", REQUEST: "c"},
        ),
    ],
)
def test_what_is_no_quantity_is_a_mistake_that_says_where(own: Object, pod: Object, wrong: dict[str, str]) -> None:
    mistakes = node(resources=own, spec={"resources": pod}).findings
    assert codes(mistakes) == [Code.BAD_QUANTITY] * len(wrong)
    assert {fields(mistake)["field"]: fields(mistake)["found"] for mistake in mistakes} == wrong


# What volray warns of


def doubts(own: Object | None, pod: Object | None = None, **more: Any) -> list[Finding]:
    return list(announced.additions(node(resources=own, spec={"resources": pod}, **more)).findings)


@pytest.mark.parametrize(
    ("resources", "start_args", "warned"),
    [(None, "", True), (None, "--num-cpus=4", False), (limits(cpu="1"), "", False)],
)
def test_without_cpus_a_warning_names_the_container(resources: Object | None, start_args: str, warned: bool) -> None:
    found = doubts(resources, annotations={START_ARGS: start_args})
    assert [(one.code, fields(one)) for one in found] == warned * [(Code.NO_CPU, {"container": "head"})]
    assert doubts(resources, annotations=OWN) == []


@pytest.mark.parametrize(
    ("own", "pod", "field", "found", "example"),
    [
        (limits(memory="512m"), None, LIMIT, "512m", "512Mi"),
        (limits(memory="256m"), None, LIMIT, "256m", "256Mi"),
        (limits(memory="100m"), None, LIMIT, "100m", "2Gi"),
        (limits(memory="512u"), None, LIMIT, "512u", "2Gi"),
        (limits(memory="255Mi"), None, LIMIT, "255Mi", "2Gi"),
        (limits(memory=512), None, LIMIT, "512", "2Gi"),
        (requests(memory="128Mi"), None, REQUEST, "128Mi", "2Gi"),
        (limits(memory="2Gi") | requests(memory="512m"), None, REQUEST, "512m", "512Mi"),
        ({}, limits(memory="64Mi"), f"{POD_PLACE}.limits.memory", "64Mi", "2Gi"),
    ],
)
def test_too_little_memory_is_a_warning(own: Object, pod: Object | None, field: str, found: str, example: str) -> None:
    for written in (OWN, {START_ARGS: "--num-cpus=1"}):
        (warning,) = doubts(own, pod, annotations=written)
        assert warning.code is Code.LITTLE_MEMORY
        assert fields(warning) == {"field": field, "found": found, "example": example}


def test_enough_memory_or_none_said_is_no_warning() -> None:
    covered = limits(memory="2Gi") | requests(memory="128Mi")
    for own in ({}, limits(memory="256Mi"), covered, limits(memory="0"), limits(memory="much")):
        assert doubts(own, annotations=OWN) == []


@pytest.mark.parametrize(
    ("own", "pod", "wanted", "store"),
    [
        (limits(memory="1000Mi"), None, None, 300 * MI),
        (requests(memory="1000Mi"), None, None, 300 * MI),
        (limits(memory="2000Mi") | requests(memory="1000Mi"), None, None, 600 * MI),
        ({}, limits(memory="1000Mi"), None, 300 * MI),
        (limits(memory="4Ti"), None, None, 200 * 10**9),
        ({}, None, None, None),
        (limits(memory="1000Mi"), None, "7", 7),
    ],
)
def test_the_size_of_the_object_store(own: Object, pod: Object | None, wanted: str | None, store: int | None) -> None:
    requested = read_requests({"name": "head", "resources": own}, {"resources": pod})
    assert object_store(requested, wanted) == store


def test_an_amount_is_written_in_whole_mebibytes_rounded_up() -> None:
    assert [mebibytes(amount) for amount in (MI, MI + 1, 0)] == ["1Mi", "2Mi", "0Mi"]
