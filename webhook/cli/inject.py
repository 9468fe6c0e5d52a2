"""A stream of manifests → the stream that a cluster without volray needs, and a report for a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import jsonpatch

from webhook.cli import documents
from webhook.errors import DocumentError, RefusedError
from webhook.jobs.gang import stuck
from webhook.jobs.job import is_volcano_job
from webhook.jobs.standalone import inject_job, pods_of
from webhook.pods.inject import Injection, inject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.names import Object
    from webhook.reasons import Finding

_DONE: Final = "√"
_LEFT: Final = "-"
_DOUBT: Final = "‼"
_WRONG: Final = "\N{MULTIPLICATION SIGN}"
"""The marks that `linkerd check` made known."""


@dataclass
class Result:
    """The documents that come out, and what is said of those that went in."""

    texts: list[str] = field(default_factory=list)
    report: list[str] = field(default_factory=list)
    wrong: bool = False

    @property
    def text(self) -> str:
        """The stream."""
        return documents.join(self.texts)

    def refuse(self, where: str, error: RefusedError) -> None:
        """Says each mistake."""
        self.wrong = True
        self.report += [f"{_WRONG} {error.where or where}: {mistake.text}" for mistake in error.mistakes]

    def reject(self, where: str, error: DocumentError) -> None:
        """Says why a document cannot be read."""
        self.wrong = True
        self.report.append(f"{_WRONG} {where}: {error}")

    def tell(self, where: str, injection: Injection) -> None:
        """Says what became of a pod, and each warning."""
        mark = _DONE if injection.operations else _LEFT
        role = f" ({injection.role})" if injection.role else ""
        self.report.append(f"{mark} {where}{role}: {injection.reason.text}")
        self.report += [f"{_DOUBT} {where}: {warning.text}" for warning in injection.warnings]

    def doubt(self, where: str, doubts: Iterable[Finding]) -> None:
        """Says what is allowed and rarely meant."""
        self.report += [f"{_DOUBT} {where}: {each.text}" for each in doubts]

    def leave(self, where: str, reason: Finding) -> None:
        """Says why something was left alone."""
        self.report.append(f"{_LEFT} {where}: {reason.text}")


def inject_stream(text: str, namespace: str, *, as_pods: bool = False) -> Result:
    """Injects every pod and every Volcano Job of a stream; the rest comes out as it went in, to the letter.

    Args:
        text: YAML or JSON documents.
        namespace: Of the objects that name none.
        as_pods: A Job gives its pods instead of itself.
    """
    result = Result()
    for number, part in enumerate(documents.split(text), 1):
        try:
            result.texts += _rewritten(part, namespace, result, as_pods=as_pods)
        except DocumentError as error:
            result.reject(f"document {number}", error)
    return result


def _rewritten(part: str, namespace: str, result: Result, *, as_pods: bool) -> list[str]:
    document = documents.load(part)
    if document is None:
        return []
    changed = _injected(document, namespace, result, as_pods=as_pods)
    return [part] if changed is None else [documents.dump(one) for one in changed]


def _injected(document: Any, namespace: str, result: Result, *, as_pods: bool) -> list[Object] | None:
    """The documents that stand in for one, or None for the same again."""
    if not isinstance(document, dict):
        raise DocumentError(
            f"A document is {type(document).__name__}, not an object. Write apiVersion, kind and so on."
        )
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        items = _items(document["items"], namespace, result, as_pods=as_pods)
        return None if items is None else [{**document, "items": items}]
    if document.get("kind") == "Pod" and document.get("apiVersion") == "v1":
        return _pod(document, _namespace(document, namespace), result)
    if is_volcano_job(document):
        return _job(document, _namespace(document, namespace), result, as_pods=as_pods)
    return None


def _items(items: list[Any], namespace: str, result: Result, *, as_pods: bool) -> list[Object] | None:
    """The items that stand in for those of a list, or None for the same again."""
    changes = [_injected(item, namespace, result, as_pods=as_pods) for item in items]
    if all(changed is None for changed in changes):
        return None
    pairs = zip(items, changes, strict=True)
    return [one for item, changed in pairs for one in ([item] if changed is None else changed)]


def _namespace(document: Object, fallback: str) -> str:
    metadata = document.get("metadata")
    return str((metadata.get("namespace") if isinstance(metadata, dict) else None) or fallback)


def _called(document: Object) -> str:
    metadata = document.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    return f"{document['kind']} {named.get('name') or named.get('generateName') or '(no name)'}"


def _pod(pod: Object, namespace: str, result: Result) -> list[Object] | None:
    where = _called(pod)
    try:
        injection = inject(pod, namespace)
    except RefusedError as error:
        result.refuse(where, error)
        return None
    result.tell(where, injection)
    return [jsonpatch.apply_patch(pod, injection.operations)] if injection.operations else None


def _job(job: Object, namespace: str, result: Result, *, as_pods: bool) -> list[Object] | None:
    where = _called(job)
    injected = inject_job(job, namespace)
    for error in injected.refusals:
        result.refuse(where, error)
    if injected.reason is not None:
        result.leave(where, injected.reason)
    for task, injection in injected.injections:
        result.tell(f"{where}, task {task}", injection)
    if injected.service is None:
        return None
    result.doubt(where, stuck(job))
    for task, warning in injected.warnings:
        result.doubt(f"{where}, task {task}", [warning])
    return pods_of(job, namespace) if as_pods else [injected.job, injected.service]
