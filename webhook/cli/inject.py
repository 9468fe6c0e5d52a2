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

_DONE: Final = "√"
_LEFT: Final = "-"
_WARNING: Final = "‼"
_WRONG: Final = "\N{MULTIPLICATION SIGN}"
"""The marks that `linkerd check` made known."""

_MARKS: Final = {
    Level.DONE: _DONE,
    Level.LEFT_ALONE: _LEFT,
    Level.WARNING: _WARNING,
    Level.REFUSED: _WRONG,
}


@dataclass
class Result:
    """The documents that come out, and what is told about those that went in."""

    texts: list[str] = field(default_factory=list)
    report: list[str] = field(default_factory=list)
    wrong: bool = False

    @property
    def text(self) -> str:
        """The stream."""
        return documents.join(self.texts)

    def tell(self, where: str, findings: Iterable[Finding]) -> None:
        """Add a line for each finding about an object."""
        for found in findings:
            self.report.append(f"{_MARKS[found.level]} {where}: {found.text}")
            self.wrong = self.wrong or found.level is Level.REFUSED

    def reject(self, where: str, error: DocumentError) -> None:
        """Add why a document cannot be read."""
        self.wrong = True
        self.report.append(f"{_WRONG} {where}: {error}")


def inject_stream(text: str, namespace: str, *, as_pods: bool = False) -> Result:
    """Inject every pod and every Volcano Job of a stream. The rest comes out unchanged.

    Args:
        text: YAML or JSON documents.
        namespace: Of the objects that name none.
        as_pods: A Job gives its pods instead of itself.
    """
    stream = _Stream(namespace, as_pods)
    for number, part in enumerate(documents.split(text), 1):
        try:
            stream.result.texts += stream.rewritten(part)
        except DocumentError as error:
            stream.result.reject(f"document {number}", error)
    return stream.result


class _Stream:
    """Rewrites documents one after the other, and collects what is told about them."""

    def __init__(self, namespace: str, as_pods: bool) -> None:
        self.result = Result()
        self._namespace = namespace
        self._as_pods = as_pods

    def rewritten(self, part: str) -> list[str]:
        document = documents.load(part)
        if document is None:
            return []
        changed = self._injected(document)
        if changed is None:
            return [part]
        return [documents.dump(one) for one in changed]

    def _injected(self, document: Any) -> list[Object] | None:
        """Return the documents that replace one, or None for one that stays as it is."""
        if not isinstance(document, dict):
            kind = type(document).__name__
            raise DocumentError(f"The document is a {kind}, not an object. Write apiVersion, kind and so on.")
        if document.get("kind") == "List" and isinstance(document.get("items"), list):
            return self._list(document)
        if document.get("kind") == "Pod" and document.get("apiVersion") == "v1":
            return self._pod(document)
        if is_volcano_job(document):
            return self._job(document)
        group, kind = _group_and_kind(document)
        if (group, kind) in TEMPLATE_KINDS:
            self._template(document, group, kind)
        return None

    def _list(self, document: Object) -> list[Object] | None:
        items: list[Object] = []
        is_changed = False
        for item in document["items"]:
            changed = self._injected(item)
            is_changed = is_changed or changed is not None
            items += [item] if changed is None else changed
        return [{**document, "items": items}] if is_changed else None

    def _pod(self, pod: Object) -> list[Object] | None:
        where = _name_of(pod)
        try:
            injection = inject(pod, self._namespace_of(pod))
        except RefusedError as error:
            self.result.tell(error.where or where, error.mistakes)
            return None
        self._tell_injection(where, injection)
        self.result.tell(where, injection.warnings)
        if not injection.operations:
            return None
        return [jsonpatch.apply_patch(pod, injection.operations)]

    def _job(self, job: Object) -> list[Object] | None:
        where = _name_of(job)
        try:
            injected = inject_job(job, self._namespace_of(job), with_pods=self._as_pods)
        except RefusedError as error:
            self.result.tell(where, error.mistakes)
            return None
        if injected.reason is not None:
            self.result.tell(where, [injected.reason])
        for task, injection in injected.injections:
            self._tell_injection(f"{where}, task {task}", injection)
        self.result.tell(where, injected.report.findings)
        if injected.job is None or injected.service is None:
            return None
        if self._as_pods:
            return list(injected.pods)
        return [injected.job, injected.service]

    def _template(self, document: Object, group: str, kind: str) -> None:
        """Tell that a template stays as it is, and what is wrong with its Jobs."""
        where = _name_of(document)
        made = jobs_made_of(document, group, kind)
        report = check_made(made, self._namespace_of(document))
        if report is None:
            self.result.tell(where, [finding(Code.NOT_A_RAY_JOB)])
            return
        self.result.tell(where, [finding(Code.TEMPLATE, kind=kind), *report.findings])

    def _tell_injection(self, where: str, injection: Injection) -> None:
        role = f" ({injection.role})" if injection.role else ""
        self.result.tell(f"{where}{role}", [injection.reason])

    def _namespace_of(self, document: Object) -> str:
        return str(_metadata_of(document).get("namespace") or self._namespace)


def _metadata_of(document: Object) -> Object:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _group_and_kind(document: Object) -> tuple[str, str]:
    group = str(document.get("apiVersion", "")).partition("/")[0]
    return group, str(document.get("kind", ""))


def _name_of(document: Object) -> str:
    metadata = _metadata_of(document)
    name = metadata.get("name") or metadata.get("generateName") or "(no name)"
    return f"{document['kind']} {name}"
