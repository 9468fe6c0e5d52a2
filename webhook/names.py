"""Names that volray and Volcano write on objects, and the types that every package uses."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON gives it."""

Role: TypeAlias = Literal["head", "worker"]
"""What a Ray node is in its cluster."""

# Labels and annotations of volray.
PREFIX: Final = "ray.volcano.sh"
OPT_IN: Final = f"{PREFIX}/cluster"
OPTED_IN: Final = "true"
"""The one value of the opt-in label that counts."""

ARGS: Final = f"{PREFIX}/args"
START_ARGS: Final = f"{PREFIX}/start-args"
ROLE: Final = f"{PREFIX}/role"
COMMAND: Final = f"{PREFIX}/command"
ADOPT: Final = f"{PREFIX}/adopt"
NODE_TYPE: Final = f"{PREFIX}/node-type"
INJECTED: Final = f"{PREFIX}/injected"

# Labels and annotations of Volcano.
JOB_NAME: Final = "volcano.sh/job-name"
JOB_NAMESPACE: Final = "volcano.sh/job-namespace"
TASK_SPEC: Final = "volcano.sh/task-spec"
TASK_INDEX: Final = "volcano.sh/task-index"
QUEUE_NAME: Final = "volcano.sh/queue-name"


def annotation_place(annotation: str) -> str:
    """Return where an annotation is written in a pod or a template, for findings."""
    return f"metadata.annotations[{annotation}]"
