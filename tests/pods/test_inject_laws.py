"""What holds for every pod in scope, whatever its user wrote."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import LAW
from tests.pods.nodes import COMMAND, SHM, made
from tests.volcano_pods import container_of, env_of, injected
from webhook.pods.inject import inject

if TYPE_CHECKING:
    from webhook.names import Object

OURS = {"ray.volcano.sh/node-type", "ray.volcano.sh/injected"}
OUR_ENV = [*env_of(made()), "RAY_LOG_TO_STDERR"]
OUR_PORTS = [6379, 8265, 10001, 20080, 52365]
OUR_PORT_NAMES = ["gcs", "dashboard", "client-server", "metrics", "agent", "gcs-ray", "metrics-ray"]


def unique(items: st.SearchStrategy[Object], key: str, most: int = 4) -> st.SearchStrategy[list[Object]]:
    return st.lists(items, max_size=most, unique_by=lambda item: item[key])


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """Each field is there or not."""
    return st.fixed_dictionaries({}, optional=fields)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
MAPS = st.dictionaries(st.from_regex(r"([a-z]{1,8}/)?[a-z~]{1,5}", fullmatch=True), WORDS, max_size=3)

SOURCES = st.sampled_from(["status.podIP", "status.hostIP"]).map(lambda path: {"fieldRef": {"fieldPath": path}})
ENV_NAMES = st.one_of(st.sampled_from(OUR_ENV), st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,5}", fullmatch=True))
ENV = unique(
    st.one_of(
        st.fixed_dictionaries({"name": ENV_NAMES, "value": WORDS}),
        st.fixed_dictionaries({"name": ENV_NAMES, "valueFrom": SOURCES}),
    ),
    "name",
)
PORTS = st.lists(
    st.fixed_dictionaries(
        {"containerPort": st.one_of(st.sampled_from(OUR_PORTS), st.integers(1, 65535))},
        optional={"name": st.sampled_from(OUR_PORT_NAMES), "protocol": st.sampled_from(["TCP", "UDP"])},
    ),
    max_size=4,
    unique_by=(
        lambda port: (port["containerPort"], port.get("protocol", "TCP")),
        lambda port: port.get("name", port["containerPort"]),
    ),
)
QUANTITIES = st.sampled_from(["0", "500m", "2", "3.5", "1Gi", "100Mi", "1e9"])
AMOUNTS = st.dictionaries(
    st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "google.com/tpu", "rdma/hca", "ephemeral-storage"]),
    QUANTITIES,
    max_size=3,
)
RESOURCES = maybe(limits=AMOUNTS, requests=AMOUNTS)
MOUNTS = unique(
    st.fixed_dictionaries({"name": NAMES, "mountPath": st.sampled_from(["/a", "/b", SHM, f"{SHM}/"])}), "mountPath"
)
VOLUMES = unique(
    st.fixed_dictionaries(
        {"name": st.one_of(NAMES, st.sampled_from(["ray-shm", "ray-shm-0"])), "emptyDir": st.just({})}
    ),
    "name",
)
PROBES = st.just({"exec": {"command": ["true"]}})
COMMANDS = st.lists(WORDS, min_size=1, max_size=4)


def some_of(text: str) -> st.SearchStrategy[str]:
    """Some of the options in a text that has one a line."""
    return st.lists(st.sampled_from(text.strip().splitlines()), unique=True).map(" ".join)


FLAGS = some_of("""
--port=6380
-dashboardPort 8266
--clientPort=10002
--metricsPort=15000
--agentPort=52366
--waitNodes=3
--waitHead 0
--reconnectSeconds='60'
--logToStderr
""")
START_ARGS = some_of("""
--num-cpus=0
--num-gpus 1
--resources='{"a": 1}'
--node-name='$(POD_IP) $$'
--memory=1000000000
-v
--labels=a=b
""")
ANNOTATIONS = st.builds(
    lambda user, ours: {**user, **ours},
    MAPS,
    maybe(
        **{
            "ray.volcano.sh/args": FLAGS,
            "ray.volcano.sh/start-args": START_ARGS,
            COMMAND: st.sampled_from(["keep", "own", "replace"]),
        }
    ),
)

RAYS = maybe(
    env=ENV,
    ports=PORTS,
    resources=RESOURCES,
    volumeMounts=MOUNTS,
    livenessProbe=PROBES,
    readinessProbe=PROBES,
    startupProbe=PROBES,
    image=NAMES,
    terminationMessagePath=WORDS,
    securityContext=st.sampled_from([{"readOnlyRootFilesystem": True}, {"runAsNonRoot": True}]),
)
NULLS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["env", "ports", "volumeMounts", "resources", "args", "livenessProbe"], st.none())
)
ARGV: st.SearchStrategy[Object] = st.one_of(
    maybe(command=COMMANDS),
    st.fixed_dictionaries({"command": COMMANDS, "args": COMMANDS}),
    st.just({"command": ["sh", "-c", "ray start --head"]}),
    st.just({"command": None, "args": []}),
)
OTHERS = unique(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["istio-proxy", "logs", "cache"])},
        optional={
            "env": ENV,
            "ports": st.just([{"containerPort": 15090}]),
            "command": COMMANDS,
            "volumeMounts": MOUNTS,
        },
    ),
    "name",
    3,
)
SPECS = maybe(
    hostNetwork=st.booleans(),
    dnsPolicy=st.sampled_from(["ClusterFirst", "ClusterFirstWithHostNet"]),
    volumes=st.one_of(VOLUMES, st.none()),
    initContainers=st.just([{"name": "proxy", "restartPolicy": "Always", "ports": [{"containerPort": 1500}]}]),
    resources=RESOURCES,
    terminationGracePeriodSeconds=st.integers(0, 60),
    tolerations=st.just([{"operator": "Exists"}]),
)


@st.composite
def pods(draw: st.DrawFn) -> Object:
    """Pods of a head or worker task, as an apiserver has them before volray."""
    task = draw(st.sampled_from(["head", "worker"]))
    volcanos = {"volcano.sh/job-name": draw(NAMES), "volcano.sh/task-spec": task}
    container = {"name": task, **draw(NULLS), **draw(RAYS), **draw(ARGV)}
    containers = draw(st.permutations([container, *draw(OTHERS)]))
    labels = {**draw(MAPS), **draw(maybe(**{"ray.volcano.sh/cluster": st.just("true")}))}
    in_labels = draw(st.booleans())
    annotations = {**draw(ANNOTATIONS), **volcanos}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "pod",
            "annotations": annotations,
            **({"labels": {**labels, **volcanos}} if in_labels else draw(st.sampled_from([{}, {"labels": None}]))),
        },
        "spec": {**draw(SPECS), "containers": containers},
    }


def patched(original: Object) -> Object:
    return injected(original, "team")


def rays(one: Object) -> Object:
    return container_of(one, one["metadata"]["annotations"]["volcano.sh/task-spec"])


def owns(original: Object) -> bool:
    """Ray is started by the container itself."""
    return inject(original, "team").reason.code == "injected-own"


def starts_with(longer: list[Any], shorter: list[Any] | None) -> bool:
    return longer[: len(shorter or [])] == (shorter or [])


@LAW
@given(pods())
def test_every_pod_in_scope_is_injected_with_what_ray_needs(original: Object) -> None:
    injection = inject(original, "team")
    assert injection.role == original["metadata"]["annotations"]["volcano.sh/task-spec"]
    assert injection.reason.code in {"injected", "injected-own"}
    after = rays(patched(original))
    assert set(env_of(after)) >= {"POD_IP", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"}
    if not owns(original):
        assert after["livenessProbe"]
        assert after["readinessProbe"]
        assert SHM in {mount["mountPath"].rstrip("/") for mount in after["volumeMounts"]}
        new = [mount["name"] for mount in after["volumeMounts"][len(rays(original).get("volumeMounts") or []) :]]
        assert set(new) <= {volume["name"] for volume in patched(original)["spec"].get("volumes") or []}


@LAW
@given(pods())
def test_the_patch_is_small(original: Object) -> None:
    """No operation is on another's ground, so that their order does not matter, and none is without effect."""
    operations = inject(original, "team").operations
    paths = [operation["path"].split("/") for operation in operations]
    for index, path in enumerate(paths):
        assert all(other[: len(path)] != path for place, other in enumerate(paths) if place != index)
    assert jsonpatch.apply_patch(original, list(reversed(operations))) == patched(original)
    current: Object = original
    for operation in operations:
        after: Object = jsonpatch.apply_patch(current, [operation])
        assert after != current
        current = after


@LAW
@given(pods())
def test_what_the_user_wrote_of_the_pod_stays_in_its_order(original: Object) -> None:
    after = patched(original)
    metadata, written = after["metadata"], original["metadata"]
    for key in ("labels", "annotations"):
        assert starts_with(list(metadata[key].items()), list((written.get(key) or {}).items()))
        assert set(metadata[key]) - set(written.get(key) or {}) <= OURS
    assert {**metadata, "labels": 0, "annotations": 0} == {**written, "labels": 0, "annotations": 0}
    spec, before, rays_own = after["spec"], original["spec"], rays(original)["name"]
    assert starts_with(spec.get("volumes") or [], before.get("volumes"))
    assert {**spec, "volumes": 0, "containers": 0} == {**before, "volumes": 0, "containers": 0}
    for one, other in zip(spec["containers"], before["containers"], strict=True):
        assert one["name"] == other["name"]
        assert one == other or one["name"] == rays_own


@LAW
@given(pods())
def test_what_the_user_wrote_of_rays_container_stays_in_its_order(original: Object) -> None:
    after, before = rays(patched(original)), rays(original)
    for key in ("env", "ports", "volumeMounts"):
        assert starts_with(after.get(key) or [], before.get(key))
    added = {"command", "args", "env", "ports", "volumeMounts"}
    added |= {key for key in ("livenessProbe", "readinessProbe") if not before.get(key)}
    assert {**after, **dict.fromkeys(added)} == {**before, **dict.fromkeys(added)}


@LAW
@given(pods())
def test_a_kept_command_is_the_tail_of_the_new_argv(original: Object) -> None:
    after, before = rays(patched(original)), rays(original)
    own = [*(before.get("command") or []), *(before.get("args") or [])]
    mode = original["metadata"]["annotations"].get(COMMAND, "keep")
    if owns(original):
        assert (after.get("command"), after.get("args")) == (before.get("command"), before.get("args"))
    else:
        argv = [*after["command"], *after.get("args", [])]
        assert [*argv[:2], argv[3]] == ["/bin/sh", "-c", "volray"]
        assert argv[4:] == ([] if mode == "replace" else own)


@LAW
@given(pods())
def test_what_is_added_is_valid(original: Object) -> None:
    after = patched(original)
    container = rays(after)
    ports = container.get("ports") or []
    names = [port["name"] for port in ports if "name" in port]
    numbers = [(port["containerPort"], port.get("protocol", "TCP")) for port in ports]
    volumes = [volume["name"] for volume in after["spec"].get("volumes") or []]
    env = [variable["name"] for variable in container["env"]]
    assert len(set(names)) == len(names)
    assert all(0 < len(name) <= 15 for name in names)
    assert len(set(numbers)) == len(numbers)
    assert len(set(volumes)) == len(volumes)
    assert len(set(env)) == len(env)
    assert all(isinstance(variable.get("value", ""), str) for variable in container["env"])


@LAW
@given(pods())
def test_a_pod_always_gives_the_same_bytes_and_an_injected_one_nothing(original: Object) -> None:
    before = deepcopy(original)
    first, second = (json.dumps(inject(one, "team").operations) for one in (original, before))
    assert first == second
    again = inject(patched(original), "team")
    assert (again.operations, again.warnings, again.reason.code) == ((), (), "already-injected")
    assert original == before
