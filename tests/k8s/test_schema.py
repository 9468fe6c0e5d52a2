from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import recordings
from webhook.k8s import schema

if TYPE_CHECKING:
    from webhook.names import Object

HINT = " Write what the Kubernetes API asks for."


def pod(**spec: Any) -> Object:
    return {"metadata": {}, "spec": {"containers": [], **spec}}


def with_container(**container: Any) -> Object:
    return pod(containers=[{"name": "a"}, {"name": "b", **container}])


def job(**task: Any) -> Object:
    whole = {"template": {"spec": {"containers": []}}, **task}
    return {"metadata": {}, "spec": {"tasks": [whole]}}


def pod_texts(value: object) -> list[str]:
    return [mistake.text for mistake in schema.pod_mistakes(value)]


def job_texts(value: object) -> list[str]:
    return [mistake.text for mistake in schema.job_mistakes(value)]


@pytest.mark.parametrize("name", recordings.names("pod-*"))
def test_a_recorded_pod_has_its_shape(name: str) -> None:
    assert not schema.pod_mistakes(recordings.subject(name))


@pytest.mark.parametrize("name", recordings.names("job-create-*"))
def test_a_recorded_job_has_its_shape(name: str) -> None:
    assert not schema.job_mistakes(recordings.subject(name))


@pytest.mark.parametrize(
    "value",
    [
        pod(),
        pod(initContainers=None, volumes=None, resources=None, hostNetwork=None, dnsPolicy=None),
        pod(hostNetwork=True, dnsPolicy="Default", volumes=[{"name": "a"}], unknown=1),
        with_container(command=None, args=None, env=None, ports=None, volumeMounts=None, resources=None),
        with_container(command=["a"], args=[], env=[{"name": "A", "value": "b"}], ports=[{"containerPort": 1}]),
        with_container(volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": None, "mountPath": "/b"}]),
        pod(volumes=[{"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": 1}}, {"name": "b", "emptyDir": {}}]),
        {"metadata": {"ownerReferences": [{"apiVersion": "a/v1", "uid": "u"}]}, "spec": {"containers": []}},
        {"metadata": {"ownerReferences": None}, "spec": {"containers": []}},
        with_container(securityContext={"readOnlyRootFilesystem": True, "runAsUser": 1000}),
        with_container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x"}}}]),
        with_container(resources={"limits": {"cpu": 1, "memory": "1Gi", "a/b": None}, "claims": [{"name": "x"}]}),
        {"metadata": {"labels": {"a": "b"}, "annotations": None, "name": "x"}, "spec": {"containers": []}},
    ],
)
def test_what_the_api_would_have_is_no_mistake(value: Object) -> None:
    assert not pod_texts(value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "pod is null, not a map."),
        ([], "pod is a list, not a map."),
        ("x", "pod is a text, not a map."),
        (1.5, "pod is a number, not a map."),
        ({"spec": {"containers": []}}, "pod.metadata is missing, not a map."),
        ({"metadata": {}, "spec": None}, "pod.spec is missing, not a map."),
        ({"metadata": {}, "spec": {}}, "pod.spec.containers is missing, not a list."),
        ({"metadata": {"name": 1}, "spec": {"containers": []}}, "pod.metadata.name is a whole number, not a text."),
        ({"metadata": {"namespace": []}, "spec": {"containers": []}}, "pod.metadata.namespace is a list, not a text."),
        (
            {"metadata": {"ownerReferences": {}}, "spec": {"containers": []}},
            "pod.metadata.ownerReferences is a map, not a list.",
        ),
        (
            {"metadata": {"ownerReferences": [{"controller": "true"}]}, "spec": {"containers": []}},
            "pod.metadata.ownerReferences[0].controller is a text, not true or false.",
        ),
        (pod(volumes=[{"name": "a", "emptyDir": []}]), "pod.spec.volumes[0].emptyDir is a list, not a map."),
        (
            with_container(volumeMounts=[{"name": 1, "mountPath": "/a"}]),
            "pod.spec.containers[1].volumeMounts[0].name is a whole number, not a text.",
        ),
        (
            {"metadata": {"labels": {"a": True}}, "spec": {"containers": []}},
            "pod.metadata.labels.a is true or false, not a text.",
        ),
        (
            {"metadata": {"annotations": {"a": 1}}, "spec": {"containers": []}},
            "pod.metadata.annotations.a is a whole number, not a text.",
        ),
        ({"metadata": {"labels": []}, "spec": {"containers": []}}, "pod.metadata.labels is a list, not a map."),
        (pod(containers={}), "pod.spec.containers is a map, not a list."),
        (pod(containers=[None]), "pod.spec.containers[0] is null, not a map."),
        (pod(containers=[{"name": "a"}, {}]), "pod.spec.containers[1].name is missing, not a text."),
        (pod(initContainers=[{"name": 1}]), "pod.spec.initContainers[0].name is a whole number, not a text."),
        (pod(initContainers="x"), "pod.spec.initContainers is a text, not a list."),
        (pod(volumes=[{}]), "pod.spec.volumes[0].name is missing, not a text."),
        (pod(resources=[]), "pod.spec.resources is a list, not a map."),
        (pod(hostNetwork="true"), "pod.spec.hostNetwork is a text, not true or false."),
        (pod(hostNetwork=1), "pod.spec.hostNetwork is a whole number, not true or false."),
        (pod(dnsPolicy=1), "pod.spec.dnsPolicy is a whole number, not a text."),
        (with_container(command="ray start"), "pod.spec.containers[1].command is a text, not a list."),
        (with_container(command=["a", 1]), "pod.spec.containers[1].command[1] is a whole number, not a text."),
        (with_container(args=[None]), "pod.spec.containers[1].args[0] is null, not a text."),
        (with_container(env=[{"value": "x"}]), "pod.spec.containers[1].env[0].name is missing, not a text."),
        (
            with_container(env=[{"name": "A", "value": 1}]),
            "pod.spec.containers[1].env[0].value is a whole number, not a text.",
        ),
        (
            with_container(env=[{"name": "A", "valueFrom": "x"}]),
            "pod.spec.containers[1].env[0].valueFrom is a text, not a map.",
        ),
        (
            with_container(env=[{"name": "A", "valueFrom": {"fieldRef": []}}]),
            "pod.spec.containers[1].env[0].valueFrom.fieldRef is a list, not a map.",
        ),
        (
            with_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": {}}}}]),
            "pod.spec.containers[1].env[0].valueFrom.fieldRef.fieldPath is a map, not a text.",
        ),
        (
            with_container(ports=[{"name": "a"}]),
            "pod.spec.containers[1].ports[0].containerPort is missing, not a whole number.",
        ),
        (
            with_container(ports=[{"containerPort": "80"}]),
            "pod.spec.containers[1].ports[0].containerPort is a text, not a whole number.",
        ),
        (
            with_container(ports=[{"containerPort": True}]),
            "pod.spec.containers[1].ports[0].containerPort is true or false, not a whole number.",
        ),
        (
            with_container(ports=[{"containerPort": 1, "protocol": 6}]),
            "pod.spec.containers[1].ports[0].protocol is a whole number, not a text.",
        ),
        (
            with_container(ports=[{"containerPort": 1, "name": 6}]),
            "pod.spec.containers[1].ports[0].name is a whole number, not a text.",
        ),
        (
            with_container(volumeMounts=[{"name": "a"}]),
            "pod.spec.containers[1].volumeMounts[0].mountPath is missing, not a text.",
        ),
        (with_container(resources="x"), "pod.spec.containers[1].resources is a text, not a map."),
        (with_container(resources={"limits": []}), "pod.spec.containers[1].resources.limits is a list, not a map."),
        (
            with_container(resources={"requests": 1}),
            "pod.spec.containers[1].resources.requests is a whole number, not a map.",
        ),
        (with_container(resources={"claims": {}}), "pod.spec.containers[1].resources.claims is a map, not a list."),
        (with_container(securityContext=[]), "pod.spec.containers[1].securityContext is a list, not a map."),
        (
            with_container(securityContext={"readOnlyRootFilesystem": "true"}),
            "pod.spec.containers[1].securityContext.readOnlyRootFilesystem is a text, not true or false.",
        ),
        (with_container(restartPolicy=1), "pod.spec.containers[1].restartPolicy is a whole number, not a text."),
    ],
)
def test_what_the_api_would_not_have_is_a_mistake_that_says_where(value: object, sentence: str) -> None:
    assert pod_texts(value) == [sentence + HINT]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "job is null, not a map."),
        ({"spec": {}}, "job.metadata is missing, not a map."),
        ({"metadata": {}}, "job.spec is missing, not a map."),
        ({"metadata": {}, "spec": {"tasks": {}}}, "job.spec.tasks is a map, not a list."),
        ({"metadata": {}, "spec": {"plugins": []}}, "job.spec.plugins is a list, not a map."),
        ({"metadata": {}, "spec": {"plugins": {"ray": "x"}}}, "job.spec.plugins.ray is a text, not a list."),
        ({"metadata": {}, "spec": {"plugins": {"ray": [1]}}}, "job.spec.plugins.ray[0] is a whole number, not a text."),
        ({"metadata": {}, "spec": {"queue": 1}}, "job.spec.queue is a whole number, not a text."),
        ({"metadata": {}, "spec": {"schedulerName": 1}}, "job.spec.schedulerName is a whole number, not a text."),
        (job(name=1), "job.spec.tasks[0].name is a whole number, not a text."),
        (job(minAvailable="1"), "job.spec.tasks[0].minAvailable is a text, not a whole number."),
        (job(partitionPolicy=2), "job.spec.tasks[0].partitionPolicy is a whole number, not a map."),
        (
            job(partitionPolicy={"minPartitions": "2"}),
            "job.spec.tasks[0].partitionPolicy.minPartitions is a text, not a whole number.",
        ),
        (job(dependsOn={"iteration": 1}), "job.spec.tasks[0].dependsOn.iteration is a whole number, not a text."),
        ({"metadata": {}, "spec": {"minAvailable": []}}, "job.spec.minAvailable is a list, not a whole number."),
        ({"metadata": {}, "spec": {"volumes": {}}}, "job.spec.volumes is a map, not a list."),
        ({"metadata": {}, "spec": {"volumes": [{}]}}, "job.spec.volumes[0].mountPath is missing, not a text."),
        (
            {"metadata": {}, "spec": {"volumes": [{"mountPath": "/a", "volumeClaimName": 1}]}},
            "job.spec.volumes[0].volumeClaimName is a whole number, not a text.",
        ),
        (
            {"metadata": {}, "spec": {"volumes": [{"mountPath": "/a", "volumeClaim": "x"}]}},
            "job.spec.volumes[0].volumeClaim is a text, not a map.",
        ),
        (job(replicas="1"), "job.spec.tasks[0].replicas is a text, not a whole number."),
        (job(dependsOn=["head"]), "job.spec.tasks[0].dependsOn is a list, not a map."),
        (job(dependsOn={"name": "head"}), "job.spec.tasks[0].dependsOn.name is a text, not a list."),
        (job(policies=["RestartJob"]), "job.spec.tasks[0].policies[0] is a text, not a map."),
        (job(policies=[{"events": "*"}]), "job.spec.tasks[0].policies[0].events is a text, not a list."),
        ({"metadata": {}, "spec": {"policies": {}}}, "job.spec.policies is a map, not a list."),
        ({"metadata": {}, "spec": {"policies": [{"action": {}}]}}, "job.spec.policies[0].action is a map, not a text."),
        (job(template=None), "job.spec.tasks[0].template is missing, not a map."),
        (job(template={}), "job.spec.tasks[0].template.spec is missing, not a map."),
        (
            job(template={"metadata": 1, "spec": {"containers": []}}),
            "job.spec.tasks[0].template.metadata is a whole number, not a map.",
        ),
        (job(template={"spec": {}}), "job.spec.tasks[0].template.spec.containers is missing, not a list."),
    ],
)
def test_a_job_that_is_none_is_a_mistake_that_says_where(value: object, sentence: str) -> None:
    assert job_texts(value) == [sentence + HINT]


@pytest.mark.parametrize(
    "value",
    [
        {"metadata": {}, "spec": {}},
        {"metadata": {}, "spec": {"tasks": None, "plugins": None, "queue": None}},
        {"metadata": {}, "spec": {"plugins": {"ray": [], "svc": None}}},
        job(name=None, replicas=None, dependsOn=None),
        job(name="a", replicas=1, dependsOn={"name": ["b"]}),
        job(policies=[{"event": "PodFailed", "action": "RestartJob", "exitCode": 1}, {"events": None}]),
        {"metadata": {}, "spec": {"policies": None}},
        job(minAvailable=1, dependsOn={"iteration": "any"}, partitionPolicy={"minPartitions": 1, "partitionSize": 2}),
        {"metadata": {}, "spec": {"minAvailable": None, "volumes": None}},
        {"metadata": {}, "spec": {"volumes": [{"mountPath": "/a", "volumeClaim": {"resources": {}}}]}},
    ],
)
def test_a_job_may_leave_out_what_the_api_lets_it(value: object) -> None:
    assert not job_texts(value)


def test_every_mistake_is_found_at_once() -> None:
    found = pod_texts({"metadata": {"name": 1}, "spec": {"containers": [{}, {"name": 2}], "volumes": {}}})
    assert found == [
        f"pod.metadata.name is a whole number, not a text.{HINT}",
        f"pod.spec.containers[0].name is missing, not a text.{HINT}",
        f"pod.spec.containers[1].name is a whole number, not a text.{HINT}",
        f"pod.spec.volumes is a map, not a list.{HINT}",
    ]
