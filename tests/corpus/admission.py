"""What `kubectl apply` of a document comes to where volray and Volcano are installed, without a cluster.

The reviews go through volray's application, in the order of a real apiserver: volray's mutating webhook, Volcano's,
then volray's validating one. Which of volray's are asked is read from the manifest that registers them.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonpatch

from tests.server.application import Application, patch_of
from webhook.cli import documents
from webhook.controller.head_service.decide import Create, EmitEvent, decide
from webhook.controller.head_service.observed import job_reader
from webhook.jobs.job import VolcanoJob
from webhook.jobs.volcano import pod_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.names import Object

NAMESPACE: Final = "default"

_WEBHOOKS: Final = Path(__file__).parents[2] / "manifests" / "base" / "webhook-configuration.yaml"

_NEXT_MINUTE: Final = "29700000"
"""What Volcano's CronJob controller appends to the names of its Jobs: minutes since 1970."""


@dataclass(frozen=True)
class MadePod:
    """A pod that Volcano makes of a task, before and after volray's webhook, and what that answered."""

    task: str
    before: Object
    answer: Object
    """The response of the review; empty where the pod's labels keep it away from the webhook."""
    after: Object


@dataclass(frozen=True)
class Applied:
    """What became of one document."""

    document: Object
    answers: tuple[Object, ...]
    """The responses of the webhooks that were asked, in their order."""
    stored: Object | None
    """What the apiserver keeps; None of a document that was refused."""
    pods: tuple[MadePod, ...] = ()
    service: Object | None = None
    """The one that the controller makes for the head."""
    events: tuple[str, ...] = ()
    """What the controller writes on the Job."""
    jobs: tuple[Applied, ...] = ()
    """The Jobs that Volcano makes of a CronJob, JobTemplate or HyperJob."""

    @property
    def refusal(self) -> str:
        """Why the document was refused; empty where it was not."""
        return "" if self.stored is not None else str(self.answers[-1]["status"]["message"])

    @property
    def warnings(self) -> list[str]:
        """What kubectl prints, each once, as the apiserver hands each on once."""
        lines = [line for answer in self.answers for line in answer.get("warnings", ())]
        return list(dict.fromkeys(lines))

    @property
    def is_ray(self) -> bool:
        """Whether volray makes something of it."""
        return any(pod.answer for pod in self.pods) or any(job.is_ray for job in self.jobs)


@dataclass(frozen=True)
class _Registration:
    """One entry of a webhook configuration."""

    path: str
    resources: frozenset[tuple[str, str]]
    """Pairs of group and resource."""
    labels: dict[str, str] = field(default_factory=dict)
    """Those of the object selector."""

    def asks_for(self, document: Object) -> bool:
        labels = document["metadata"].get("labels") or {}
        return (_group(document), _resource(document)) in self.resources and self.labels.items() <= labels.items()


@cache
def _application() -> Application:
    return Application()


@cache
def _registered() -> tuple[_Registration, ...]:
    """The mutating ones first."""
    text = _WEBHOOKS.read_text(encoding="utf-8")
    configurations = [documents.load(part) for part in documents.split(text)]
    configurations.sort(key=lambda one: str(one["kind"]))
    return tuple(_registration(entry) for one in configurations for entry in one["webhooks"])


def _registration(entry: Object) -> _Registration:
    resources = {
        (group, resource) for rule in entry["rules"] for group in rule["apiGroups"] for resource in rule["resources"]
    }
    labels = (entry.get("objectSelector") or {}).get("matchLabels") or {}
    return _Registration(entry["clientConfig"]["service"]["path"], frozenset(resources), labels)


def apply(document: Object) -> Applied:
    """Apply a document, and follow it to its pods."""
    document = copy.deepcopy(document)
    document["metadata"].setdefault("namespace", NAMESPACE)
    answers, stored = _admitted(document)
    if stored is None:
        return Applied(document, answers, None)
    if document["kind"] != "Job":
        made = tuple(apply(job) for job in _made_jobs(document))
        return Applied(document, answers, stored, jobs=made)
    stored["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    actions = decide(job_reader(all_jobs=False)(stored, None), None)
    services = [action.body for action in actions if isinstance(action, Create)]
    events = tuple(action.finding.text for action in actions if isinstance(action, EmitEvent))
    return Applied(document, answers, stored, tuple(_pods(stored)), services[0] if services else None, events)


def _admitted(document: Object) -> tuple[tuple[Object, ...], Object | None]:
    """The answers, and the object as it is stored: None as soon as a webhook refuses it."""
    answers: list[Object] = []
    asked = [webhook for webhook in _registered() if webhook.asks_for(document)]
    mutating = [webhook for webhook in asked if webhook.path.startswith("/mutate")]
    for webhook in [*mutating, None, *(webhook for webhook in asked if webhook not in mutating)]:
        if webhook is None:
            document = _completed(document) if document["kind"] == "Job" else document
            _name(document["metadata"])
            continue
        answer = _application().review(_review(document), webhook.path)
        answers.append(answer)
        if not answer["allowed"]:
            return tuple(answers), None
        document = _patched(document, answer)
    return tuple(answers), document


def _name(metadata: Object) -> None:
    """The apiserver makes a name of generateName between the mutating webhooks and the validating ones."""
    if "generateName" in metadata:
        metadata.setdefault("name", metadata["generateName"] + "x7k2p")


def _review(document: Object) -> Object:
    version = document["apiVersion"].rpartition("/")[2]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": _group(document), "version": version, "kind": document["kind"]},
            "resource": {"group": _group(document), "version": version, "resource": _resource(document)},
            "operation": "CREATE",
            "namespace": document["metadata"]["namespace"],
            "name": document["metadata"].get("name", ""),
            "object": document,
        },
    }


def _group(document: Object) -> str:
    group: str = document["apiVersion"].rpartition("/")[0]
    return group


def _resource(document: Object) -> str:
    return f"{document['kind'].lower()}s"


def _patched(document: Object, answer: Object) -> Object:
    patched: Object = copy.deepcopy(document)
    if "patch" in answer:
        patched = jsonpatch.apply_patch(patched, patch_of(answer))
    return patched


def _completed(job: Object) -> Object:
    """The Job as Volcano's own webhook leaves it (volcano pkg/webhooks/admission/jobs/mutate/mutate_job.go).

    Only what volray looks at: names, DNS and the sizes of the gang. `svc`, which it adds for frameworks and for `ray`,
    has no place here: volray's webhook runs first and has taken `ray` away.
    """
    job = copy.deepcopy(job)
    tasks: list[Any] = job["spec"].get("tasks") or []
    for index, task in enumerate(tasks):
        task.setdefault("name", f"default{index}")
        pod = task["template"]["spec"]
        if pod.get("hostNetwork") and not pod.get("dnsPolicy"):
            pod["dnsPolicy"] = "ClusterFirstWithHostNet"
        task.setdefault("minAvailable", task.get("replicas", 0))
    job["spec"].setdefault("minAvailable", sum(task["minAvailable"] for task in tasks))
    return job


def _pods(job: Object) -> Iterator[MadePod]:
    """Every pod of the Job: no replicas are no pods, as the API has no default for them."""
    whole = VolcanoJob.read(job, NAMESPACE)
    for task in whole.tasks:
        for index in range(task.replicas):
            pod = pod_of(whole, task, index)
            answers, after = _admitted(pod)
            yield MadePod(task.name, pod, answers[-1] if answers else {}, pod if after is None else after)


def _made_jobs(document: Object) -> Iterable[Object]:
    """The Jobs that Volcano's controllers make of its other kinds; a JobTemplate's flow is named as the template."""
    name, spec = document["metadata"]["name"], document["spec"]
    if document["kind"] == "CronJob":
        metadata = spec["jobTemplate"].get("metadata") or {}
        yield _job(f"{name}-{_NEXT_MINUTE}", spec["jobTemplate"]["spec"], metadata)
    elif document["kind"] == "JobTemplate":
        yield _job(f"{name}-{name}", spec, {})
    elif document["kind"] == "HyperJob":
        for replicated in spec["replicatedJobs"]:
            yield _job(f"{name}-{replicated['name']}-0", replicated["templateSpec"], {})


def _job(name: str, spec: Object, metadata: Object) -> Object:
    kind = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job"}
    return {**kind, "metadata": {**metadata, "name": name}, "spec": json.loads(json.dumps(spec))}
