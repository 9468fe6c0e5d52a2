"""Rewrite a stream of manifests for a cluster without volray, and report on each object in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import jsonpatch

from webhook.cli import documents
from webhook.errors import DocumentError, RefusedError
from webhook.jobs.job import is_volcano_job
from webhook.jobs.standalone import inject_job
from webhook.jobs.templates import TEMPLATE_KINDS, check_made, jobs_made_of
from webhook.pods.inject import Injection, inject
from webhook.reasons import Code, Finding, Level, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object

_MARKS: Final = {
    Level.DONE: "√",
    Level.LEFT_ALONE: "-",
    Level.WARNING: "‼",
    Level.REFUSED: "\N{MULTIPLICATION SIGN}",
}
"""The marks are those of `linkerd check`."""


@dataclass
class Result:
    """The rewritten documents, and a report on those that were read.

    Attributes:
        texts: The documents, each as text.
        report: A line for each finding.
        wrong: Whether a document has a mistake.
    """

    texts: list[str] = field(default_factory=list)
    report: list[str] = field(default_factory=list)
    wrong: bool = False

    @property
    def text(self) -> str:
        """The documents as one stream."""
        return documents.join(self.texts)

    def add_findings(self, where: str, findings: Iterable[Finding]) -> None:
        """Add a line for each finding about an object."""
        for found in findings:
            self.report.append(f"{_MARKS[found.level]} {where}: {found.text}")
            if found.level is Level.REFUSED:
                self.wrong = True

    def add_error(self, where: str, error: DocumentError) -> None:
        """Add a line about a document that cannot be read."""
        self.report.append(f"{_MARKS[Level.REFUSED]} {where}: {error}")
        self.wrong = True


def rewrite_stream(text: str, namespace: str, *, as_pods: bool = False) -> Result:
    """Inject every pod and every Volcano Job of a stream, and leave the rest as it is.

    Args:
        text: YAML or JSON documents.
        namespace: The namespace of the objects that name none.
        as_pods: Whether to write the pods of a Job instead of the Job.
    """
    stream = _Stream(namespace, as_pods)
    for number, part in enumerate(documents.split(text), 1):
        try:
            stream.result.texts += stream.rewrite(part)
        except DocumentError as error:
            stream.result.add_error(f"document {number}", error)
    return stream.result


class _Stream:
    """Rewrites one document after the other and collects the report on them."""

    def __init__(self, namespace: str, as_pods: bool) -> None:
        self.result = Result()
        self._namespace = namespace
        self._as_pods = as_pods

    def rewrite(self, part: str) -> list[str]:
        document = documents.load(part)
        if document is None:
            return []
        changed = self._rewrite_object(document)
        if changed is None:
            return [part]
        return [documents.dump(one) for one in changed]

    def _rewrite_object(self, document: Any) -> list[Object] | None:
        """Return the objects that replace an object, or None if it stays as it is."""
        if not isinstance(document, dict):
            raise DocumentError(
                "The document is not an object. Write an object with apiVersion, kind and metadata."
            )
        if document.get("kind") == "List" and isinstance(document.get("items"), list):
            return self._rewrite_list(document)
        if document.get("kind") == "Pod" and document.get("apiVersion") == "v1":
            return self._rewrite_pod(document)
        if is_volcano_job(document):
            return self._rewrite_job(document)
        group, kind = _group_and_kind(document)
        if (group, kind) in TEMPLATE_KINDS:
            self._report_template(document, group, kind)
        return None

    def _rewrite_list(self, document: Object) -> list[Object] | None:
        items: list[Object] = []
        is_changed = False
        for item in document["items"]:
            changed = self._rewrite_object(item)
            if changed is None:
                items.append(item)
            else:
                items.extend(changed)
                is_changed = True
        if not is_changed:
            return None
        return [{**document, "items": items}]

    def _rewrite_pod(self, pod: Object) -> list[Object] | None:
        where = _name_of(pod)
        try:
            injection = inject(pod, self._namespace_of(pod))
        except RefusedError as error:
            self.result.add_findings(error.where or where, error.mistakes)
            return None
        self._report_injection(where, injection)
        self.result.add_findings(where, injection.warnings)
        if not injection.operations:
            return None
        return [jsonpatch.apply_patch(pod, injection.operations)]

    def _rewrite_job(self, job: Object) -> list[Object] | None:
        where = _name_of(job)
        try:
            injected = inject_job(job, self._namespace_of(job), with_pods=self._as_pods)
        except RefusedError as error:
            self.result.add_findings(where, error.mistakes)
            return None
        if injected.reason is not None:
            self.result.add_findings(where, [injected.reason])
        for task, injection in injected.injections:
            self._report_injection(f"{where}, task {task}", injection)
        self.result.add_findings(where, injected.report.findings)
        if injected.job is None or injected.service is None:
            return None
        if self._as_pods:
            return list(injected.pods)
        return [injected.job, injected.service]

    def _report_template(self, document: Object, group: str, kind: str) -> None:
        """Report that a template stays as it is, and what is wrong with the Jobs made from it."""
        where = _name_of(document)
        made = jobs_made_of(document, group, kind)
        report = check_made(made, self._namespace_of(document))
        if report is None:
            self.result.add_findings(where, [finding(Code.NOT_A_RAY_JOB)])
            return
        self.result.add_findings(where, [finding(Code.TEMPLATE, kind=kind), *report.findings])

    def _report_injection(self, where: str, injection: Injection) -> None:
        if injection.role:
            where = f"{where} ({injection.role})"
        self.result.add_findings(where, [injection.reason])

    def _namespace_of(self, document: Object) -> str:
        return str(_metadata_of(document).get("namespace") or self._namespace)


def _metadata_of(document: Object) -> Object:
    # The shape of an object that is neither a pod nor a Job has not been checked.
    metadata = document.get("metadata")
    if isinstance(metadata, dict):
        return metadata
    return {}


def _group_and_kind(document: Object) -> tuple[str, str]:
    group = str(document.get("apiVersion", "")).partition("/")[0]
    return group, str(document.get("kind", ""))


def _name_of(document: Object) -> str:
    metadata = _metadata_of(document)
    name = metadata.get("name") or metadata.get("generateName") or "(no name)"
    return f"{document['kind']} {name}"
