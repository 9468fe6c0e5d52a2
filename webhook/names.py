"""Names that volray and Volcano write on objects, and the shape of plain Kubernetes objects."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON gives it."""

PREFIX: Final = "ray.volcano.sh"
OPT_IN: Final = f"{PREFIX}/cluster"
ARGS: Final = f"{PREFIX}/args"
START_ARGS: Final = f"{PREFIX}/start-args"
ROLE: Final = f"{PREFIX}/role"
COMMAND: Final = f"{PREFIX}/command"
ADOPT: Final = f"{PREFIX}/adopt"
NODE_TYPE: Final = f"{PREFIX}/node-type"
INJECTED: Final = f"{PREFIX}/injected"

JOB_NAME: Final = "volcano.sh/job-name"
JOB_NAMESPACE: Final = "volcano.sh/job-namespace"
TASK_SPEC: Final = "volcano.sh/task-spec"
TASK_INDEX: Final = "volcano.sh/task-index"
QUEUE_NAME: Final = "volcano.sh/queue-name"
