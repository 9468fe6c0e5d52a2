"""Volcano's svc plugin in a Ray Job.

Volcano adds svc to a Job with `plugins.ray` (mutate_job.go), and some templates use what it brings.
Sources: volcano pkg/controllers/job/plugins/svc/svc.go (variables, host files, host names and the
NetworkPolicy).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from webhook.jobs.job import PLUGIN
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.jobs.job import VolcanoJob
    from webhook.names import Object

SVC: Final = "svc"
_NO_POLICY: Final = "disable-network-policy"
WITHOUT_POLICY: Final = [f"--{_NO_POLICY}=true"]
"""The arguments with which svc makes no NetworkPolicy."""

_YAML: Final = f'svc: ["{WITHOUT_POLICY[0]}"]'
_PLACE: Final = "spec.plugins"

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's strconv.ParseBool takes for true."""

_VARIABLE: Final = re.compile(r"\bVC_[A-Z0-9_]+_(?:HOSTS|NUM)\b")
_HOST_FILES: Final = "/etc/volcano"


def svc_warnings(job: VolcanoJob) -> Iterator[Finding]:
    """Yield the warning about the NetworkPolicy, or that adoption adds svc for the templates."""
    if SVC in job.plugins:
        words = job.plugins[SVC] or ()
        if not any(_disables_policy(word) for word in words):
            yield finding(Code.ONLY_OWN_PODS, place=f"{_PLACE}.{SVC}", yaml=_YAML)
        return
    used = used_of_svc(job)
    if used:
        yield finding(Code.SVC_ADDED, place=_PLACE, found=used, yaml=_YAML)


def _disables_policy(word: str) -> bool:
    name, equals, value = word.partition("=")
    return name.lstrip("-") == _NO_POLICY and (not equals or value in _TRUE)


def used_of_svc(job: VolcanoJob) -> str:
    """Return the first name of the svc plugin that a template uses, where Volcano would add svc.

    Volcano adds it only where `plugins.ray` asks for Ray.
    """
    if not job.asks_for_ray or SVC in job.plugins:
        return ""
    host_name: re.Pattern[str] | None = None
    if job.name:
        tasks = "|".join(re.escape(task.name) for task in job.tasks)
        name = re.escape(job.name)
        host_name = re.compile(rf"\b{name}-(?:{tasks})-\d+\.{name}\b")
    for task in job.tasks:
        for text in _texts(task.template["spec"]):
            found = _VARIABLE.search(text)
            if found is None and host_name is not None:
                found = host_name.search(text)
            if found is not None:
                return found.group()
            if _HOST_FILES in text:
                return _HOST_FILES
    return ""


def adopted_plugins(job: VolcanoJob) -> Object:
    """Return the plugins that a Job has after its adoption."""
    plugins = {name: words for name, words in job.plugins.items() if name != PLUGIN}
    if used_of_svc(job):
        plugins[SVC] = WITHOUT_POLICY
    return plugins


def _texts(spec: Object) -> Iterator[str]:
    """Yield the commands, arguments and variables of every container."""
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        yield from container.get("command") or ()
        yield from container.get("args") or ()
        for variable in container.get("env") or ():
            yield variable.get("value") or ""
