"""What holds for every Job that people may write."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.jobs.jobs import ARGS, adopt, adopted, applied, check, job, read, restore, restored, stored
from webhook.errors import MalformedError, RefusedError
from webhook.jobs.adopt import TOLD_AT_ADOPTION
from webhook.jobs.volcano import node_of, pod_of
from webhook.pods.inject import additions_of, findings_of
from webhook.pods.node import LeftAlone, RayPod, read_pod

if TYPE_CHECKING:
    from webhook.names import Object

FLAGS = ["--port=6380", "--dashboardPort 8266", "--worker=worker", "--worker=gpu", "--waitNodes=2", "--logToStderr"]
KEYS = st.sampled_from(["team", "a/b", "ray.volcano.sh/cluster", "x"])
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.none() | st.dictionaries(KEYS, st.sampled_from(["true", "1", ""])),
        "annotations": st.none()
        | st.dictionaries(st.sampled_from(["note", ARGS]), st.sampled_from(["--waitHead=9", "--reconnectSeconds=5"])),
        "creationTimestamp": st.none(),
    },
)
ENV = st.lists(
    st.sampled_from(
        [{"name": "RAY_REDIS_ADDRESS", "value": "r:1"}, {"name": "A", "value": ""}, {"name": "B", "value": "b"}]
    ),
    max_size=2,
)
CONTAINER = st.fixed_dictionaries(
    {"name": st.sampled_from(["head", "worker", "main", "istio-proxy"]), "image": st.just("ray")},
    optional={
        "env": ENV,
        "resources": st.sampled_from(
            [{}, {"limits": {"cpu": "1000m", "memory": "1024Mi"}}, {"requests": {"cpu": "2"}}]
        ),
        "command": st.just(["python", "x.py"]),
    },
)
POD = st.fixed_dictionaries(
    {"containers": st.lists(CONTAINER, min_size=1, max_size=2, unique_by=lambda one: str(one["name"]))},
    optional={"hostNetwork": st.booleans(), "restartPolicy": st.sampled_from(["Never", "OnFailure"])},
)
TEMPLATE = st.fixed_dictionaries({"spec": POD}, optional={"metadata": METADATA | st.none()})


def task(name: str) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {"name": st.just(name), "template": TEMPLATE},
        optional={
            "replicas": st.integers(0, 3),
            "maxRetry": st.sampled_from([0, 3, 7]),
            "minAvailable": st.just(0),
            "policies": st.just([{"event": "TaskCompleted", "action": "CompleteJob", "timeout": "90s"}]),
        },
    )


PLUGINS: st.SearchStrategy[Object] = st.fixed_dictionaries(
    {}, optional={"ray": st.lists(st.sampled_from(FLAGS), unique=True), "svc": st.just([]), "env": st.just([])}
)
SPEC: st.SearchStrategy[Object] = st.fixed_dictionaries(
    {}, optional={"queue": st.just("q"), "maxRetry": st.sampled_from([0, 5]), "minAvailable": st.sampled_from([0, 1])}
)


@st.composite
def jobs(draw: st.DrawFn) -> Object:
    names = draw(st.lists(st.sampled_from(["worker", "gpu", "logger"]), unique=True))
    tasks = [draw(task(name)) for name in ["head", *names]]
    plugins: Object | None = draw(st.none() | PLUGINS)
    spec: Object = draw(SPEC)
    # A copy: what a test changes must not be part of a later example.
    return deepcopy(job(*tasks, plugins=plugins, **spec))


def asks_for_ray(whole: Object) -> bool:
    return "ray" in (whole["spec"].get("plugins") or {})


def is_adopted(whole: Object) -> bool:
    return read(whole).is_labelled


@st.composite
def ray_jobs(draw: st.DrawFn) -> Object:
    """Jobs that adoption does not refuse. A wrong one is labelled, which the apiserver hears of later."""
    whole = draw(jobs())
    plugins = whole["spec"].get("plugins") or {}
    if not is_adopted(whole) and not asks_for_ray(whole):
        plugins["ray"] = []
        whole["spec"]["plugins"] = plugins
    if asks_for_ray(whole) and check(whole).mistakes:
        del plugins["ray"]
        for body in whole["spec"]["tasks"]:
            metadata = body["template"].get("metadata") or {}
            labels = {**(metadata.get("labels") or {}), "ray.volcano.sh/cluster": "true"}
            body["template"]["metadata"] = {**metadata, "labels": labels}
    return whole


RAY_JOBS = ray_jobs()


@given(RAY_JOBS)
def test_the_same_file_again_gives_the_spec_that_is_there(file: Object) -> None:
    live = stored(file)
    assume(is_adopted(live))
    assert restored(applied(file, live), live)["spec"] == live["spec"]
    assert restored(deepcopy(file), live)["spec"] == live["spec"]


@given(RAY_JOBS)
def test_a_second_restoration_finds_nothing_to_do(file: Object) -> None:
    live = stored(file)
    assume(is_adopted(live))
    assert restore(restored(applied(file, live), live), live) == ()


@given(RAY_JOBS, st.integers(0, 5))
def test_scaling_is_all_that_a_scaled_file_does(file: Object, replicas: int) -> None:
    live = stored(file)
    assume(is_adopted(live))
    file["spec"]["tasks"][-1]["replicas"] = replicas
    found = restored(applied(file, live), live)["spec"]
    for spec in (found, live["spec"]):
        for key in ("replicas", "minAvailable"):
            spec["tasks"][-1].pop(key, None)
    assert found == live["spec"]


@given(RAY_JOBS)
def test_adopting_keeps_all_that_the_user_wrote(file: Object) -> None:
    found = adopted(file)
    assert without_stamps(found) == without_stamps(file)
    assert not asks_for_ray(found)


def without_stamps(whole: Object) -> Object:
    bare = deepcopy(whole)
    plugins = {name: words for name, words in (bare["spec"].pop("plugins", None) or {}).items() if name != "ray"}
    for body in bare["spec"]["tasks"]:
        metadata: Any = body["template"].pop("metadata", None) or {}
        labels, notes = ({**(metadata.pop(key, None) or {})} for key in ("labels", "annotations"))
        labels.pop("ray.volcano.sh/cluster", None)
        notes.pop(ARGS, None)
        body["template"]["stamped"] = (metadata, labels, notes)
    return {**bare, "plugins": plugins}


@given(RAY_JOBS)
def test_the_users_flags_are_in_the_stamp(file: Object) -> None:
    found = adopted(file)
    words = [word for flag in (file["spec"].get("plugins") or {}).get("ray") or () for word in flag.split()]
    for body, before in zip(found["spec"]["tasks"], file["spec"]["tasks"], strict=True):
        if body != before and ARGS in (body["template"]["metadata"].get("annotations") or {}):
            stamp = body["template"]["metadata"]["annotations"][ARGS]
            own = ((before["template"].get("metadata") or {}).get("annotations") or {}).get(ARGS, "")
            assert own in stamp
            assert all(word in stamp for word in words)


@given(RAY_JOBS)
def test_adopting_twice_is_adopting_once(file: Object) -> None:
    assert adopt(adopted(file)).operations == ()


@given(RAY_JOBS)
def test_the_report_on_a_job_is_that_on_the_adopted_job(file: Object) -> None:
    """Places differ, because adoption moves the flags, and what adoption settles is told once."""
    before, after = (
        dict.fromkeys(
            (found.code, found.fields) for found in check(whole).findings if found.code not in TOLD_AT_ADOPTION
        )
        for whole in (file, adopted(file))
    )
    assert list(before) == list(after)


@given(RAY_JOBS)
def test_a_task_is_read_as_its_pods_are(file: Object) -> None:
    """The report takes a node from its task, and the webhook takes it from the pod."""
    whole = read(adopted(file))
    for task_ in whole.tasks:
        if not task_.is_node:
            continue
        node, from_pod = node_of(whole, task_), read_pod(pod_of(whole, task_), "team")
        assert type(node) is type(from_pod)
        if isinstance(node, LeftAlone) and isinstance(from_pod, LeftAlone):
            assert (node.reason, node.role) == (from_pod.reason, from_pod.role)
            assert {*task_.parsed.mistakes, *node.findings} == set(from_pod.findings)
        if isinstance(node, RayPod) and isinstance(from_pod, RayPod):
            flags = task_.parsed.mistakes
            found = (*flags, *findings_of(node, additions_of(node)))
            assert set(found) == set(findings_of(from_pod, additions_of(from_pod)))
            assert (node.settings, node.start, node.container) == (
                from_pod.settings,
                from_pod.start,
                from_pod.container,
            )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "tasks", "template", "plugins", "ray", "labels", "containers", "name"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "kind"]), JSON))
def test_whatever_comes_is_malformed_or_read(document: Object) -> None:
    with suppress(MalformedError):
        check(document)
    with suppress(RefusedError):
        adopt(document)
