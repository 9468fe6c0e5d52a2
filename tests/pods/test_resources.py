from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from webhook.pods.devices import DEVICES, Device, Meaning, device_of, is_extended
from webhook.pods.resources import (
    NodeResources,
    findings_of,
    mebibytes,
    memory_findings,
    node_resources,
    object_store,
)

if TYPE_CHECKING:
    from webhook.names import Object

MI = 1024 * 1024


def asked(
    limits: dict[str, Any] | None = None,
    requests: dict[str, Any] | None = None,
    *,
    pod: Object | None = None,
    own_shm: bool = False,
    claims: bool = False,
) -> NodeResources:
    """The Ray node's resources of a container that asks for these; without a mistake."""
    found, mistakes = node_resources(container(limits, requests, claims=claims), spec(pod), own_shm=own_shm)
    assert not mistakes
    return found


def container(
    limits: dict[str, Any] | None = None, requests: dict[str, Any] | None = None, *, claims: bool = False
) -> Object:
    sides = {"limits": limits, "requests": requests, "claims": [{"name": "gpu"}] if claims else None}
    resources = {side: amounts for side, amounts in sides.items() if amounts is not None}
    return {"name": "head", **({"resources": resources} if resources else {})}


def spec(resources: Object | None) -> Object:
    return {} if resources is None else {"resources": resources}


@pytest.mark.parametrize(
    ("limits", "requests", "cpus"),
    [
        ({"cpu": "4"}, None, 4),
        ({"cpu": "500m"}, None, 1),
        ({"cpu": "2.5"}, None, 3),
        ({"cpu": "2001m"}, None, 3),
        ({"cpu": 2}, None, 2),
        ({"cpu": "4"}, {"cpu": "1"}, 4),
        (None, {"cpu": "1500m"}, 2),
        ({"memory": "1Gi"}, {"cpu": "1"}, 1),
        ({"cpu": "0"}, {"cpu": "3"}, 3),
        ({"cpu": None}, {"cpu": "3"}, 3),
        ({"cpu": "0"}, {"cpu": "0"}, None),
        ({}, {}, None),
        (None, None, None),
    ],
)
def test_cpus_are_the_limit_or_else_the_request_rounded_up(
    limits: dict[str, Any] | None, requests: dict[str, Any] | None, cpus: int | None
) -> None:
    assert asked(limits, requests).num_cpus == cpus


@pytest.mark.parametrize(
    ("own", "pod", "cpus"),
    [
        ({}, {"limits": {"cpu": "4"}}, 4),
        ({}, {"requests": {"cpu": "3500m"}}, 4),
        ({}, {"limits": {"cpu": "4"}, "requests": {"cpu": "2"}}, 4),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "4"}}, 1),
        ({"requests": {"cpu": "1"}}, {"limits": {"cpu": "4"}}, 1),
        ({"limits": {"cpu": "0"}}, {"limits": {"cpu": "4"}}, None),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"cpu": "4"}}, 4),
    ],
)
def test_the_pods_resources_count_for_what_the_container_leaves_open(
    own: Object, pod: Object, cpus: int | None
) -> None:
    assert asked(own.get("limits"), own.get("requests"), pod=pod).num_cpus == cpus


def test_the_pods_memory_limit_sizes_the_shared_memory() -> None:
    assert asked(pod={"limits": {"memory": "2Gi"}}) == NodeResources(num_gpus=0, shm_size="2Gi")


def test_a_memory_limit_gives_no_flag_and_sizes_the_shared_memory() -> None:
    assert asked({"memory": "2Gi"}, {"memory": "1Gi"}) == NodeResources(num_gpus=0, shm_size="2Gi")


def test_a_memory_request_alone_is_shared_out_between_store_and_heap() -> None:
    assert asked(None, {"memory": "1000Mi"}) == NodeResources(
        num_gpus=0, memory=700 * MI, object_store_memory=300 * MI, shm_size="1000Mi"
    )


def test_a_memory_request_of_a_fraction_of_a_byte_is_whole_bytes() -> None:
    assert asked(None, {"memory": "1000000001"}) == NodeResources(
        num_gpus=0, memory=700_000_001, object_store_memory=300_000_000, shm_size="1000000001"
    )


def test_neither_memory_limit_nor_request_gives_no_flag_and_no_size() -> None:
    assert asked({"cpu": "1"}) == NodeResources(num_cpus=1, num_gpus=0)


@pytest.mark.parametrize(("request_", "store"), [("250Mi", 75 * MI), ("249Mi", None)])
def test_a_store_that_ray_refuses_as_too_small_is_not_asked_for(request_: str, store: int | None) -> None:
    assert asked(None, {"memory": request_}).object_store_memory == store


def test_beside_the_users_own_shared_memory_there_is_no_store_flag() -> None:
    found = asked(None, {"memory": "1000Mi"}, own_shm=True)
    assert (found.object_store_memory, found.memory) == (None, 700 * MI)


def test_a_memory_limit_of_zero_is_none() -> None:
    assert asked({"memory": "0"}, {"memory": "1000Mi"}).object_store_memory == 300 * MI


def test_a_quantity_that_is_a_bare_number_sizes_the_shared_memory() -> None:
    assert asked({"memory": 1073741824}).shm_size == "1073741824"


@pytest.mark.parametrize(
    ("devices", "gpus"),
    [
        ({}, 0),
        ({"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi", "hugepages-2Mi": "4Mi"}, 0),
        ({"kubernetes.io/batch-cpu": "1"}, 0),
        ({"nvidia.com/gpu": "2"}, 2),
        ({"nvidia.com/gpu": 2}, 2),
        ({"amd.com/gpu": "1"}, 1),
        ({"nvidia.com/gpu": "1", "amd.com/gpu": "2"}, 3),
        ({"nvidia.com/gpu.shared": "1"}, 1),
        ({"nvidia.com/mig-1g.5gb": "3"}, 3),
        ({"nvidia.com/mig-1g.5gb": "3", "nvidia.com/mig-2g.10gb": "1"}, 4),
        ({"volcano.sh/vgpu-number": "2"}, 2),
        ({"volcano.sh/gpu-number": "2"}, 2),
        ({"volcano.sh/vgpu-number": "1", "volcano.sh/vgpu-memory": "3000", "volcano.sh/vgpu-cores": "50"}, 1),
        ({"volcano.sh/vgpu-number": "1", "volcano.sh/vgpu-memory-percentage": "50"}, 1),
        ({"nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000", "nvidia.com/gpucores": "30"}, 1),
        ({"nvidia.com/gpu": "1", "nvidia.com/gpumem-percentage": "30"}, 1),
        ({"volcano.sh/vgpu-memory": "3000"}, None),
        ({"google.com/tpu": "4"}, 0),
        ({"aws.amazon.com/neuroncore": "4"}, 0),
        ({"huawei.com/Ascend910": "4"}, 0),
        ({"habana.ai/gaudi": "4"}, 0),
        ({"nvidia.com/gpu": "0"}, 0),
        ({"rdma/hca": "1"}, 0),
        ({"nvidia.com/gpu": "8", "rdma/hca_shared_devices_a": "1"}, 8),
        ({"nvidia.com/gpu": "8", "vpc.amazonaws.com/efa": "4", "hugepages-2Mi": "5120Mi"}, 8),
        ({"rdma/hca": "1", "example.com/gpus": "1"}, None),
        ({"huawei.com/Ascend910B4": "1", "huawei.com/Ascend910B4-memory": "16384"}, 0),
        ({"huawei.com/npu-core": "8"}, None),
        ({"nvidia.com/gpu": "1", "example.com/card-memory": "3000"}, None),
        ({"deviceclass.resource.kubernetes.io/gpu.example.com": "2"}, None),
        ({"deviceclass.resource.kubernetes.io/gpu": "2"}, None),
        ({"nvidia.com/gpu": "1", "deviceclass.resource.kubernetes.io/gpu": "0"}, 1),
        ({"gpu.intel.com/i915": "1"}, None),
        ({"example.com/gpus": "1"}, None),
    ],
)
def test_gpus_are_counted_by_name_and_left_to_ray_beside_an_unknown_device(
    devices: dict[str, Any], gpus: int | None
) -> None:
    assert asked(devices).num_gpus == gpus


EXAMPLES = [
    ("deviceclass.resource.kubernetes.io/gpu.example.com", Meaning.UNKNOWN, ""),
    ("nvidia.com/gpumem", Meaning.SHARE, ""),
    ("nvidia.com/gpumem-percentage", Meaning.SHARE, ""),
    ("nvidia.com/gpucores", Meaning.SHARE, ""),
    ("huawei.com/Ascend910B4-memory", Meaning.SHARE, ""),
    ("volcano.sh/gpu-memory", Meaning.SHARE, ""),
    ("volcano.sh/vgpu-memory-percentage", Meaning.SHARE, ""),
    ("huawei.com/Ascend910B4-core", Meaning.SHARE, ""),
    ("volcano.sh/vgpu-cores", Meaning.SHARE, ""),
    ("nvidia.com/gpu", Meaning.GPU, ""),
    ("nvidia.com/gpu.shared", Meaning.GPU, ""),
    ("nvidia.com/mig-1g.5gb", Meaning.GPU, ""),
    ("volcano.sh/vgpu-number", Meaning.GPU, ""),
    ("volcano.sh/gpu-number", Meaning.GPU, ""),
    ("google.com/tpu", Meaning.CUSTOM, "TPU"),
    ("aws.amazon.com/neuroncore", Meaning.CUSTOM, "neuron_cores"),
    ("habana.ai/gaudi", Meaning.CUSTOM, "HPU"),
    ("huawei.com/Ascend910", Meaning.CUSTOM, "NPU"),
    ("huawei.com/ascend-1980", Meaning.CUSTOM, "NPU"),
    ("huawei.com/ascend-310", Meaning.CUSTOM, "NPU"),
    ("rdma/ib_shared_devices", Meaning.NOT_RAYS, ""),
    ("example.com/hca_0", Meaning.NOT_RAYS, ""),
    ("aliyun/erdma", Meaning.NOT_RAYS, ""),
    ("nvidia.com/rdma_host_dev", Meaning.NOT_RAYS, ""),
    ("intel.com/intel_sriov_netdevice", Meaning.NOT_RAYS, ""),
    ("openshift.io/sriovlegacy", Meaning.NOT_RAYS, ""),
    ("example.com/efa", Meaning.NOT_RAYS, ""),
    ("vpc.amazonaws.com/efa", Meaning.NOT_RAYS, ""),
    ("vpc.amazonaws.com/pod-eni", Meaning.NOT_RAYS, ""),
    ("nvidia.com/hostdev", Meaning.NOT_RAYS, ""),
    ("nvidia.com/mlnxnics", Meaning.NOT_RAYS, ""),
    ("networking.gke.io.networks/rdma-0.IP", Meaning.NOT_RAYS, ""),
    ("networking.gke.io.networks/gpu-net", Meaning.NOT_RAYS, ""),
    ("aliyun/eni", Meaning.NOT_RAYS, ""),
    ("aliyun/member-eni", Meaning.NOT_RAYS, ""),
    ("devices.kubevirt.io/kvm", Meaning.NOT_RAYS, ""),
    ("smarter-devices/fuse", Meaning.NOT_RAYS, ""),
    ("github.com/fuse", Meaning.NOT_RAYS, ""),
    ("sgx.intel.com/epc", Meaning.NOT_RAYS, ""),
    ("qat.intel.com/generic", Meaning.NOT_RAYS, ""),
    ("gpu.intel.com/i915", Meaning.UNKNOWN, ""),
    ("aws.amazon.com/neurondevice", Meaning.UNKNOWN, ""),
]
"""Names as pods have them; each row of the table of devices is met by one at least."""


@pytest.mark.parametrize(("name", "meaning", "ray_name"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_a_device_means_what_its_table_says(name: str, meaning: Meaning, ray_name: str) -> None:
    device = device_of(name)
    assert (device.meaning, device.ray_name) == (meaning, ray_name)


_ALONE = {
    Meaning.GPU: (3, ()),
    Meaning.SHARE: (None, ()),
    Meaning.NOT_RAYS: (0, ()),
    Meaning.UNKNOWN: (None, ()),
}


@pytest.mark.parametrize(("name", "meaning", "ray_name"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_three_of_a_device_are_what_ray_is_told(name: str, meaning: Meaning, ray_name: str) -> None:
    found = asked({name: "3"})
    assert (found.num_gpus, found.custom) == _ALONE.get(meaning, (0, ((ray_name, 3),)))


@pytest.mark.parametrize("device", DEVICES, ids=[device.pattern for device in DEVICES])
def test_each_row_of_the_table_has_an_example_and_a_source(device: Device) -> None:
    assert device in {device_of(name) for name, _, _ in EXAMPLES}
    assert device.source


def test_no_row_of_the_table_is_there_twice() -> None:
    patterns = [device.pattern for device in DEVICES]
    assert len(set(patterns)) == len(patterns)


def test_a_custom_device_and_no_other_has_a_name_of_rays() -> None:
    assert all(bool(device.ray_name) == (device.meaning is Meaning.CUSTOM) for device in DEVICES)


@pytest.mark.parametrize(
    ("name", "extended"),
    [
        ("nvidia.com/gpu", True),
        ("deviceclass.resource.kubernetes.io/x", True),
        ("kubernetes.io/batch-cpu", False),
        ("node.kubernetes.io/x", False),
        ("cpu", False),
        ("hugepages-2Mi", False),
    ],
)
def test_what_kubernetes_itself_provides_is_no_device(name: str, extended: bool) -> None:
    assert is_extended(name) is extended


@pytest.mark.parametrize("limits", [None, {"nvidia.com/gpu": "2"}])
def test_beside_a_resource_claim_ray_looks_for_gpus_itself(limits: dict[str, Any] | None) -> None:
    assert asked(limits, claims=True).num_gpus is None


def test_devices_may_stand_in_the_requests_alone() -> None:
    assert asked(None, {"nvidia.com/gpu": "2"}).num_gpus == 2


def test_devices_in_limits_and_requests_are_counted_once() -> None:
    assert asked({"nvidia.com/gpu": "2"}, {"nvidia.com/gpu": "2"}).num_gpus == 2


@pytest.mark.parametrize(
    ("devices", "custom"),
    [
        ({"nvidia.com/gpu": "2"}, ()),
        ({"google.com/tpu": "4"}, (("TPU", 4),)),
        ({"aws.amazon.com/neuroncore": "2"}, (("neuron_cores", 2),)),
        ({"habana.ai/gaudi": "8"}, (("HPU", 8),)),
        ({"huawei.com/Ascend910": "8"}, (("NPU", 8),)),
        ({"huawei.com/Ascend910": "8", "huawei.com/Ascend310P": "1"}, (("NPU", 9),)),
        (
            {
                "huawei.com/Ascend910B4": "1",
                "huawei.com/Ascend910B4-memory": "16384",
                "huawei.com/Ascend910B4-core": "50",
            },
            (("NPU", 1),),
        ),
        ({"huawei.com/Ascend910B4-1": "2", "huawei.com/Ascend910B4-1-memory": "16384"}, (("NPU", 2),)),
        ({"huawei.com/ascend-1980": "16"}, (("NPU", 16),)),
        ({"rdma/hca": "1"}, ()),
        ({"habana.ai/gaudi": "8", "google.com/tpu": "4"}, (("TPU", 4), ("HPU", 8))),
        ({"google.com/tpu": "0"}, ()),
    ],
)
def test_other_accelerators_have_the_names_that_ray_schedules(
    devices: dict[str, Any], custom: tuple[tuple[str, int], ...]
) -> None:
    assert asked(devices).custom == custom


@pytest.mark.parametrize(
    ("own", "pod", "places"),
    [
        ({"limits": {"cpu": "two"}}, {}, {"Container head: resources.limits.cpu is 'two'"}),
        ({"limits": {"cpu": "-1"}}, {}, {"Container head: resources.limits.cpu is '-1'"}),
        ({"requests": {"cpu": ""}}, {}, {"Container head: resources.requests.cpu is ''"}),
        ({"limits": {"memory": "2GB"}}, {}, {"Container head: resources.limits.memory is '2GB'"}),
        ({"limits": {"nvidia.com/gpu": "all"}}, {}, {"Container head: resources.limits.nvidia.com/gpu is 'all'"}),
        ({"requests": {"nvidia.com/gpu": "all"}}, {}, {"Container head: resources.requests.nvidia.com/gpu is 'all'"}),
        ({}, {"limits": {"cpu": "two"}}, {"The pod: resources.limits.cpu is 'two'"}),
        (
            {"limits": {"cpu": "a", "memory": "b"}, "requests": {"memory": "c"}},
            {},
            {
                "Container head: resources.limits.cpu is 'a'",
                "Container head: resources.limits.memory is 'b'",
                "Container head: resources.requests.memory is 'c'",
            },
        ),
    ],
)
def test_what_is_no_quantity_is_a_mistake_that_says_where(own: Object, pod: Object, places: set[str]) -> None:
    _, mistakes = node_resources({"name": "head", "resources": own}, {"resources": pod}, own_shm=False)
    hint = ", which is no quantity. Write a number with a suffix such as 500m or 2Gi."
    assert sorted(mistake.text for mistake in mistakes) == sorted(place + hint for place in places)


@pytest.mark.parametrize("nothing", [{}, {"limits": None, "requests": None, "claims": None}, None])
def test_resources_that_are_empty_or_null_ask_for_nothing(nothing: Object | None) -> None:
    found, mistakes = node_resources({"name": "head", "resources": nothing}, {"resources": nothing}, own_shm=False)
    assert (found, mistakes) == (NodeResources(num_gpus=0), [])


def test_without_cpus_a_warning_says_that_ray_takes_the_whole_node() -> None:
    (warning,) = findings_of({"name": "head"}, NodeResources(), told=False)
    assert warning.text == (
        "Container head asks for no CPU: Ray will count all of the node's. "
        "Set resources.limits.cpu, or --num-cpus=N in ray.volcano.sh/start-args."
    )


@pytest.mark.parametrize(("cpus", "told"), [(None, True), (1, False), (1, True)])
def test_whoever_says_the_number_of_cpus_is_not_warned(cpus: int | None, told: bool) -> None:
    assert not list(findings_of({"name": "head"}, NodeResources(num_cpus=cpus), told=told))


# Memory that is too little


def doubts(own: Object, pod: Object | None = None) -> list[str]:
    return [warning.text for warning in memory_findings({"name": "head", "resources": own}, spec(pod))]


@pytest.mark.parametrize(
    ("own", "pod", "field", "found", "example"),
    [
        ({"limits": {"memory": "512m"}}, None, "Container head: resources.limits.memory", "512m", "512Mi"),
        ({"limits": {"memory": "2000m"}}, None, "Container head: resources.limits.memory", "2000m", "2000Mi"),
        ({"limits": {"memory": "100m"}}, None, "Container head: resources.limits.memory", "100m", "2Gi"),
        ({"limits": {"memory": "512u"}}, None, "Container head: resources.limits.memory", "512u", "2Gi"),
        ({"limits": {"memory": "255Mi"}}, None, "Container head: resources.limits.memory", "255Mi", "2Gi"),
        ({"limits": {"memory": 512}}, None, "Container head: resources.limits.memory", "512", "2Gi"),
        ({"requests": {"memory": "128Mi"}}, None, "Container head: resources.requests.memory", "128Mi", "2Gi"),
        (
            {"limits": {"memory": "2Gi"}, "requests": {"memory": "512m"}},
            None,
            "Container head: resources.requests.memory",
            "512m",
            "512Mi",
        ),
        ({}, {"limits": {"memory": "64Mi"}}, "The pod: resources.limits.memory", "64Mi", "2Gi"),
    ],
)
def test_memory_that_ray_cannot_start_with_is_a_warning(
    own: Object, pod: Object | None, field: str, found: str, example: str
) -> None:
    assert doubts(own, pod) == [
        f"{field} is {found}: with less than 256Mi, Ray does not start. Write for example memory: {example}."
    ]


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"limits": {"memory": "256Mi"}},
        {"limits": {"memory": "2Gi"}, "requests": {"memory": "128Mi"}},
        {"limits": {"memory": "0"}},
        {"limits": {"memory": "much"}},
    ],
)
def test_enough_memory_or_none_said_is_no_warning(own: Object) -> None:
    assert doubts(own) == []


@pytest.mark.parametrize(
    ("own", "pod", "said", "store"),
    [
        ({"limits": {"memory": "1000Mi"}}, None, None, 300 * MI),
        ({"requests": {"memory": "1000Mi"}}, None, None, 300 * MI),
        ({"limits": {"memory": "2000Mi"}, "requests": {"memory": "1000Mi"}}, None, None, 600 * MI),
        ({}, {"limits": {"memory": "1000Mi"}}, None, 300 * MI),
        ({"limits": {"memory": "4Ti"}}, None, None, 200 * 10**9),
        ({}, None, None, None),
        ({"limits": {"memory": "1000Mi"}}, None, "7", 7),
    ],
)
def test_the_object_store_takes_its_share_of_the_memory_or_what_the_user_says(
    own: Object, pod: Object | None, said: str | None, store: int | None
) -> None:
    assert object_store({"name": "head", "resources": own}, spec(pod), said=said) == store


@pytest.mark.parametrize(("amount", "text"), [(MI, "1Mi"), (MI + 1, "2Mi"), (0, "0Mi")])
def test_an_amount_is_written_in_whole_mebibytes_rounded_up(amount: int, text: str) -> None:
    assert mebibytes(amount) == text
