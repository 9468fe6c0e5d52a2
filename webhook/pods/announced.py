"""Tell `ray start` the resources of a node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from webhook.k8s import quantity
from webhook.pods.additions import MERGED_OPTION, Additions
from webhook.pods.resources import LEAST_MEMORY
from webhook.reasons import Code, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.pods.node import RayPod
    from webhook.pods.resources import NodeResources, Requests
    from webhook.pods.start_args import StartArgs

_FRACTIONS: Final = ("m", "u", "n")
"""Suffixes below one, which are always a slip in an amount of bytes."""
_ENOUGH: Final = "2Gi"


def additions(pod: RayPod) -> Additions:
    """Return the resources as options of `ray start`, with warnings about them."""
    options: dict[str, str | int] = {}
    findings: list[Finding] = []
    if not pod.starts_ray:
        announced = {
            "--num-cpus": pod.resources.num_cpus,
            "--num-gpus": pod.resources.num_gpus,
            "--memory": pod.resources.memory,
            "--object-store-memory": pod.resources.object_store_memory,
        }
        options |= {name: value for name, value in announced.items() if value is not None}
        custom = _merged_custom(pod.resources, pod.start_args)
        if custom:
            options[MERGED_OPTION] = custom
        if pod.resources.num_cpus is None and not pod.start_args.names("--num-cpus"):
            findings.append(finding(Code.NO_CPU, container=pod.container["name"]))
    findings += _memory_warnings(pod.requests)
    return Additions(options=options, findings=findings)


def _merged_custom(resources: NodeResources, extra: StartArgs) -> str:
    """Return the value of `--resources`, in which the user's own amounts win."""
    merged: dict[str, object] = dict(resources.custom)
    theirs = extra.value(MERGED_OPTION)
    if theirs is not None:
        merged |= json.loads(theirs)
    return json.dumps(merged) if merged else ""


def _memory_warnings(requests: Requests) -> Iterator[Finding]:
    """Yield the warning that Ray will not start with this memory.

    `512m` is the usual way to get there. That is half a byte, where 512Mi was meant.
    """
    for amount in (requests.memory_limit, requests.memory_request):
        if amount is None:
            continue
        is_fraction = amount.written.endswith(_FRACTIONS)
        # A small request is harmless below a limit that is large enough.
        is_covered = amount is requests.memory_request and requests.memory_limit is not None
        if is_fraction or (amount.number < LEAST_MEMORY and not is_covered):
            yield finding(
                Code.LITTLE_MEMORY,
                field=amount.place,
                found=amount.written,
                example=_enough(amount.written),
            )


def _enough(written: str) -> str:
    """Return the memory to write instead, with the number that the user wrote if Ray can use it."""
    if written.endswith("m"):
        meant = written.removesuffix("m") + "Mi"
        amount = quantity.parse(meant)
        if amount is not None and amount >= LEAST_MEMORY:
            return meant
    return _ENOUGH
