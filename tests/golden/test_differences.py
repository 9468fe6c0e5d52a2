"""volray beside Volcano's in-tree plugin: for the same Job whatever the plugin sets is set, too, or is listed."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests import recordings
from tests.volcano_pods import container_of, env_of, injected
from webhook.jobs.job import pod_of, tasks_of
from webhook.jobs.standalone import inject_job

if TYPE_CHECKING:
    from webhook.names import Object

NATIVE_JOBS = [
    name.removeprefix("job-create-")
    for pattern in ("job-create-native-*", "job-create-ray-*")
    for name in recordings.names(pattern)
]
"""The `ray-*` ones are those of Volcano's documentation."""

NATIVE_PODS = [
    (job, pod)
    for job in NATIVE_JOBS
    for pod in recordings.names(f"pod-create-{job}-*")
    if "ray start" in str(recordings.subject(pod))
]


@dataclass(frozen=True)
class Difference:
    """What differs on purpose: the plugin's word or number, and ours."""

    why: str = ""
    flags: dict[str, str] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)


SAME = Difference()

DELIBERATE = {
    "native-docs-flag": Difference(
        "The guide's --clientServerPort is no flag of the plugin's code, which then ignores --port as well.",
        flags={"--port=6379": "--port=7000", "--ray-client-server-port=10001": "--ray-client-server-port=10009"},
        ports={6379: 7000, 10001: 10009},
    ),
}
"""Where the plugin does other than it was asked, and volray does not."""

CLIENT_PORT = "--ray-client-server-port=10001"
"""Ray's own default, which volray leaves to Ray: named, it keeps a Ray without `ray[client]` from starting."""

ADDRESS = "--address"
"""The head's Service instead of its pod's host name, which needs the svc plugin and dies with the pod's address."""


def _ours(job: str, task: str) -> Object:
    """The container that volray makes of the same task, with the plugin's arguments."""
    body = recordings.subject(f"job-create-{job}")
    found = next(one for one in tasks_of(body) if one.name == task)
    pod = injected(pod_of(body, found, "default"))
    return container_of(pod, _ray_container(pod)["name"])


def _ray_container(pod: Object) -> Object:
    containers: list[Object] = pod["spec"]["containers"]
    return next(one for one in containers if "ray start" in " ".join(one.get("command") or ()))


def _flags(container: Object) -> dict[str, str]:
    """The options of the `ray start` in a command."""
    script = " ".join(container["command"])
    line = re.search(r"\bray start (?P<options>(?:[^\n\\]|\\\n)*)", script)
    assert line is not None
    words = shlex.split(line["options"].replace("\\\n", " "))
    return {word.partition("=")[0]: word for word in words}


def _task(pod: Object) -> str:
    task: str = pod["metadata"]["labels"]["volcano.sh/task-spec"]
    return task


def _numbers(container: Object) -> set[int]:
    return {port["containerPort"] for port in container.get("ports") or ()}


@pytest.mark.parametrize(("job", "pod"), NATIVE_PODS)
def test_every_flag_of_the_plugin_is_ours(job: str, pod: str) -> None:
    theirs = recordings.subject(pod)
    changed = DELIBERATE.get(job, SAME).flags
    ours = _flags(_ours(job, _task(theirs)))
    for name, word in _flags(_ray_container(theirs)).items():
        wanted = changed.get(word, word)
        if name not in {ADDRESS, "--block"} and wanted != CLIENT_PORT:
            assert ours[name] == wanted


@pytest.mark.parametrize(("job", "pod"), NATIVE_PODS)
def test_ray_blocks_unless_the_users_command_runs_beside_it(job: str, pod: str) -> None:
    task = _task(recordings.subject(pod))
    body = next(one.body for one in tasks_of(recordings.subject(f"job-create-{job}")) if one.name == task)
    own = any(one.get("command") for one in body["template"]["spec"]["containers"])
    assert ("--block" in _flags(_ours(job, task))) is not own


@pytest.mark.parametrize(("job", "pod"), NATIVE_PODS)
def test_a_worker_joins_the_same_head(job: str, pod: str) -> None:
    theirs = recordings.subject(pod)
    address = _flags(_ray_container(theirs)).get(ADDRESS)
    if address is None:
        return
    ours = _ours(job, _task(theirs))
    changed = DELIBERATE.get(job, SAME).ports
    port = int(address.rpartition(":")[2])
    assert _flags(ours)[ADDRESS] == "--address=$VOLRAY_ADDRESS"
    assert env_of(ours)["VOLRAY_ADDRESS"] == f"{job}-head-svc.default.svc:{changed.get(port, port)}"


@pytest.mark.parametrize(("job", "pod"), NATIVE_PODS)
def test_every_port_of_the_plugin_is_ours(job: str, pod: str) -> None:
    theirs = recordings.subject(pod)
    changed = DELIBERATE.get(job, SAME).ports
    wanted = {changed.get(number, number) for number in _numbers(_ray_container(theirs))}
    assert wanted <= _numbers(_ours(job, _task(theirs)))


@pytest.mark.parametrize("job", [job for job in NATIVE_JOBS if job != "native-no-head"])
def test_every_target_of_the_plugins_service_is_ours_by_number(job: str) -> None:
    """The plugin's targets are names: they are resolved here as a kube-proxy would, on its own pod."""
    service = inject_job(recordings.subject(f"job-create-{job}"), "default").service
    assert service is not None
    [head] = [pod for of, pod in NATIVE_PODS if of == job and "--head" in str(recordings.subject(pod))]
    flags = _flags(_ray_container(recordings.subject(head)))
    changed = DELIBERATE.get(job, SAME).ports
    plugin = {"gcs": "--port", "dashboard": "--dashboard-port", "client-server": "--ray-client-server-port"}
    theirs = {name: int(flags[flag].partition("=")[2]) for name, flag in plugin.items()}
    ours = {port["name"]: port["targetPort"] for port in service["spec"]["ports"]}
    assert ours == {name: changed.get(number, number) for name, number in theirs.items()}


def test_the_service_selects_what_the_plugins_selects() -> None:
    service = inject_job(recordings.subject("job-create-native-custom"), "default").service
    assert service is not None
    assert service["metadata"]["name"] == "native-custom-head-svc"
    assert service["spec"]["selector"] == {
        "volcano.sh/job-name": "native-custom",
        "volcano.sh/job-namespace": "default",
        "volcano.sh/task-spec": "ray-head",
    }


def test_a_worker_group_that_the_plugin_leaves_alone_is_a_worker_when_it_is_named() -> None:
    """The plugin knows one worker task; its second group came out of it without a start command."""
    job = recordings.subject("job-create-native-two-workers")
    job["spec"]["plugins"]["ray"] = ["--worker=worker", "--worker=gpu-worker"]
    roles = {task: injection.role for task, injection in inject_job(job, "default").injections}
    assert roles == {"head": "head", "worker": "worker", "gpu-worker": "worker"}
    left = recordings.subject("pod-create-native-two-workers-gpu-worker-0")
    assert "command" not in container_of(left)
