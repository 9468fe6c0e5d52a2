"""The user's own command beside Ray: its words, its exit status, its signals, and the pods that it may be in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.client import path
from tests.controlplane.waiting import wait
from tests.e2e.cluster import Cluster
from tests.e2e.jobs import IMAGE, IMAGE_WITHOUT_BASH, WITHOUT_DASHBOARD, ray_job, task
from tests.e2e.ray_job import RayJob

Object = dict[str, Any]

PATIENT = {"terminationGracePeriodSeconds": 60}
PROMPTLY = 25
"""Seconds; who ends within them has not been killed at the end of so long a grace period."""
SIGTERM = 128 + 15

pytestmark = pytest.mark.timeout(240)


def started(cluster: Cluster, namespace: str, name: str, *tasks: Object, **said: Any) -> RayJob:
    job = RayJob(cluster, ray_job(namespace, name, *tasks, **said))
    job.apply()
    return job


# The words

GO = "/tmp/go"  # noqa: S108 - in a pod
SAY = f"""
import json, pathlib, sys, time
print("argv", json.dumps(sys.argv[1:]), flush=True)
while not pathlib.Path("{GO}").exists():
    time.sleep(0.1)
"""
SQUARES = """
import ray
ray.init(logging_level="ERROR")
print("squares", ray.get([ray.remote(lambda x: x * x).remote(x) for x in range(4)]))
"""
VARIABLES = [{"name": "X", "value": "the value"}]
WORDS: Object = {
    "command": ["python", "-c", SAY, "a b", "it's", '"', "$HOME", "$(X)", "$$(X)", "$(NO_SUCH)"],
    "args": ["", "`id`", "two\nlines\n", "*", "-c", "--", "a=b", "\\n", "\t", "é", "${X}", "#", ""],
    "env": VARIABLES,
}


@pytest.fixture(scope="module")
def worded(cluster: Cluster) -> Iterator[RayJob]:
    """A head that says its words and stays until it may go; workers whose commands end by themselves."""
    with cluster.namespace() as namespace:
        yield started(
            cluster,
            namespace,
            "words",
            task("head", annotations=WITHOUT_DASHBOARD, **WORDS),
            task("squares", command=["python", "-c", SQUARES]),
            task("missing", command=["/no/such/program"]),
        )


def words_of_a_plain_pod(cluster: Cluster, namespace: str) -> str:
    container = {"name": "plain", "image": IMAGE, **WORDS}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": spec}
    cluster.admin.create(path("v1", "pods", namespace), pod)
    at = path("v1", "pods", namespace, "plain")
    wait(lambda: cluster.admin.get(at)["status"].get("phase") == "Running", "the plain pod runs", 60)
    return wait(lambda: cluster.admin.request("GET", f"{at}/log").text, "the plain pod says its words", 60)


def test_the_words_arrive_as_in_a_pod_without_volray(cluster: Cluster, worded: RayJob) -> None:
    plain = words_of_a_plain_pod(cluster, worded.namespace)
    worded.wait_log(worded.pod("head"), plain, 180)
    assert json.loads(plain.removeprefix("argv "))[:7] == [
        "a b",
        "it's",
        '"',
        "$HOME",
        "the value",
        "$(X)",
        "$(NO_SUCH)",
    ]


def test_a_worker_may_have_a_command_of_its_own(worded: RayJob) -> None:
    worker = worded.pod("squares")
    worded.wait_exit(worker, 0, 180)
    assert "squares [0, 1, 4, 9]" in worded.log_so_far(worker)


def test_a_command_that_is_not_there_ends_with_127(worded: RayJob) -> None:
    worded.wait_exit(worded.pod("missing"), 127, 180)


def test_a_command_that_succeeds_ends_with_0(worded: RayJob) -> None:
    head = worded.pod("head")
    worded.wait_log(head, "argv", 180)
    worded.run(head, "touch", GO)
    worded.wait_exit(head, 0)


COUNT = """
import ray, sys
ray.init(logging_level="ERROR")
print("alive", sum(node["Alive"] for node in ray.nodes()), flush=True)
sys.exit(7)
"""


def test_a_command_begins_when_the_nodes_are_there_and_its_status_is_the_containers(
    cluster: Cluster, namespace: str
) -> None:
    head = task("head", annotations=WITHOUT_DASHBOARD, command=["python", "-c", COUNT])
    job = started(cluster, namespace, "status", head, task("worker", replicas=2), flags=["--waitNodes=3"])
    assert "alive 3\n" in job.wait_exit(job.pod("head"), 7, 180)["message"]


# The signals

HANDLER = """
import signal, sys
def got(number, frame):
    print("got", number, flush=True)
    sys.exit(5)
signal.signal(signal.SIGTERM, got)
print("began", flush=True)
signal.pause()
"""
HANDLING: Object = {"command": ["python", "-c", HANDLER]}
NOWHERE = {"nodeSelector": {"kubernetes.io/hostname": "no-such-node"}}


def test_sigterm_ends_a_worker_that_waits_for_its_head(cluster: Cluster, namespace: str) -> None:
    head, worker = task("head", spec=NOWHERE), task("worker", spec=PATIENT, **HANDLING)
    job = started(cluster, namespace, "headless", head, worker, min_available=1)
    job.wait_log(job.pod("worker"), "volray: waiting for the head")
    end = job.delete_pod(job.pod("worker"), PROMPTLY)
    assert end["exitCode"] == SIGTERM
    assert "began" not in end["message"]


def test_sigterm_ends_ray_start_and_the_command_never_begins(cluster: Cluster, namespace: str) -> None:
    """With its dashboard: without it `ray start` may be through before SIGTERM arrives."""
    job = started(cluster, namespace, "starting", task("head", spec=PATIENT, **HANDLING))
    job.wait_log(job.pod("head"), "Local node IP")
    end = job.delete_pod(job.pod("head"), PROMPTLY)
    assert end["exitCode"] == SIGTERM
    assert "Ray runtime started" not in end["message"]
    assert "began" not in end["message"]


def test_sigterm_ends_a_head_that_waits_for_nodes(cluster: Cluster, namespace: str) -> None:
    job = started(
        cluster,
        namespace,
        "lonely",
        task("head", spec=PATIENT, annotations=WITHOUT_DASHBOARD, **HANDLING),
        task("worker", spec=NOWHERE),
        flags=["--waitNodes=2"],
        min_available=1,
    )
    job.wait_log(job.pod("head"), "volray: 1 of 2 Ray nodes are alive")
    end = job.delete_pod(job.pod("head"), PROMPTLY)
    assert end["exitCode"] == SIGTERM
    assert "began" not in end["message"]


def test_sigterm_reaches_the_commands_handler(cluster: Cluster, namespace: str) -> None:
    job = started(cluster, namespace, "running", task("head", spec=PATIENT, annotations=WITHOUT_DASHBOARD, **HANDLING))
    job.wait_log(job.pod("head"), "began")
    end = job.delete_pod(job.pod("head"), PROMPTLY)
    assert end["exitCode"] == 5
    assert "got 15" in end["message"]


# The pods


def test_a_command_that_starts_ray_itself_makes_a_cluster_with_what_volray_adds(
    cluster: Cluster, namespace: str
) -> None:
    head = 'exec ray start --head --node-ip-address="$POD_IP" --dashboard-host=0.0.0.0 --num-cpus=1 --block'
    worker = 'exec ray start --address="$RAY_ADDRESS" --num-cpus=1 --block'
    job = started(
        cluster,
        namespace,
        "own",
        task("head", command=["sh", "-c", head]),
        task("worker", command=["sh", "-c", worker]),
    )
    job.wait_nodes(2, 180)
    container = job.pods()[job.pod("head")]["spec"]["containers"][0]
    assert container["command"] == ["sh", "-c", head]
    assert container.keys().isdisjoint({"args", "livenessProbe", "readinessProbe"})


RESTRICTED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_ray_runs_where_pods_are_restricted_and_the_image_is_read_only(cluster: Cluster) -> None:
    with cluster.namespace({"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        job = started(
            cluster,
            namespace,
            "restricted",
            task("head", command=["python", "-c", SAY, "read-only"], securityContext=RESTRICTED),
            task("worker", securityContext=RESTRICTED),
        )
        job.wait_nodes(2, 180)
        job.wait_log(job.pod("head"), 'argv ["read-only"]')
        assert "[0, 1, 4, 9]" in job.python(job.pod("worker"), SQUARES)


def test_hostname_subdomain_and_the_hosts_network_are_the_users(cluster: Cluster, namespace: str) -> None:
    job = started(
        cluster,
        namespace,
        "named",
        task("head", spec={"hostname": "first", "subdomain": "ray"}),
        task("worker", spec={"hostname": "second", "subdomain": "ray"}),
        task(
            "host",
            spec={"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            annotations={"ray.volcano.sh/start-args": "--resources='{\"host\": 1}'"},
        ),
    )
    job.wait_nodes(3, 180)
    address = job.pods()[job.pod("host")]["status"]["hostIP"]
    where = """
import ray
ray.init(logging_level="ERROR")
print("named", sorted({"first", "second"} & {node["NodeManagerHostname"] for node in ray.nodes()}))
print("runs on", ray.get(ray.remote(lambda: ray.util.get_node_ip_address()).options(resources={"host": 1}).remote()))
"""
    said = job.python(job.pod("head"), where)
    assert "named ['first', 'second']\n" in said
    assert f"runs on {address}\n" in said


def test_ray_runs_in_an_image_without_bash_and_wget(cluster: Cluster, namespace: str) -> None:
    tools = "command -v bash wget curl || echo none of them"
    head = task("head", image=IMAGE_WITHOUT_BASH, command=["sh", "-c", f"{tools}; exec sleep 3600"])
    job = started(cluster, namespace, "bare", head, task("worker", image=IMAGE_WITHOUT_BASH))
    job.wait_log(job.pod("head"), "\nnone of them\n", 180)
    wait(lambda: all(map(job.is_ready, job.pods())), "both are ready", 180)
    assert "[0, 1, 4, 9]" in job.python(job.pod("worker"), SQUARES)
