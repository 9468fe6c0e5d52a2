"""Jobs as people write them, as Volcano's webhook completes them, and as kubectl applies them again."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import jsonpatch

from webhook.jobs.adopt import adopt
from webhook.jobs.update import restore

if TYPE_CHECKING:
    from webhook.names import Object

OPT_IN = {"ray.volcano.sh/cluster": "true"}
ARGS = "ray.volcano.sh/args"
COMPLETES = {"event": "TaskCompleted", "action": "CompleteJob"}
RETRIES = {"event": "PodFailed", "action": "RestartJob"}


def task(  # noqa: PLR0913 - each is a thing that a user may write
    name: str = "head",
    *,
    labels: dict[str, str] | None = None,
    notes: dict[str, str] | None = None,
    flags: str = "",
    container: Object | None = None,
    others: list[Object] | None = None,
    spec: Object | None = None,
    **fields: Any,
) -> Object:
    notes = {**(notes or {}), **({ARGS: flags} if flags else {})}
    metadata = {**({"labels": labels} if labels else {}), **({"annotations": notes} if notes else {})}
    own = {"name": name, "image": "ray", "resources": {"limits": {"cpu": "1000m"}}, **(container or {})}
    pod = {"containers": [own, *(others or [])], "restartPolicy": "OnFailure", **(spec or {})}
    return {
        "name": name,
        "replicas": 1,
        **fields,
        "template": {**({"metadata": metadata} if metadata else {}), "spec": pod},
    }


def job(*tasks: Object, plugins: Object | None = None, notes: dict[str, str] | None = None, **spec: Any) -> Object:
    return {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": "demo", "namespace": "team", **({"annotations": notes} if notes else {})},
        "spec": {**({} if plugins is None else {"plugins": plugins}), **spec, "tasks": list(tasks)},
    }


def asking(*words: str, tasks: list[Object] | None = None, **spec: Any) -> Object:
    """The documentation's Job."""
    return job(*(tasks or [task(), task("worker", replicas=2)]), plugins={"ray": list(words)}, **spec)


def labelled(*tasks: Object, **rest: Any) -> Object:
    """A Job whose templates all have the label."""
    found = deepcopy(list(tasks) or [task(), task("worker", replicas=2)])
    for one in found:
        metadata = one["template"].setdefault("metadata", {})
        metadata["labels"] = {**OPT_IN, **metadata.get("labels", {})}
    return job(*found, **rest)


def adopted(whole: Object) -> Object:
    """With volray's patch applied by a library that is not volray; the Job given stays as it was."""
    before = deepcopy(whole)
    patched: Object = jsonpatch.apply_patch(whole, adopt(whole).operations)
    assert whole == before
    return patched


def completed(whole: Object) -> Object:
    """As Volcano's mutator leaves a Job: defaults, and the tasks written back through Go types (mutate_job.go)."""
    found = deepcopy(whole)
    spec = found["spec"]
    tasks = [_completed_task(one, index) for index, one in enumerate(spec["tasks"])]
    total = sum(one["minAvailable"] for one in tasks)
    defaults = {"queue": "default", "schedulerName": "volcano", "maxRetry": 3, "minAvailable": total}
    spec |= {key: value for key, value in defaults.items() if not spec.get(key)}
    frameworks = {"tensorflow", "mpi", "pytorch", "ray"}
    if frameworks & set(spec.get("plugins") or {}):
        spec["plugins"].setdefault("svc", [])
    spec["tasks"] = tasks
    return found


def _completed_task(body: Object, index: int) -> Object:
    found = deepcopy(body)
    found["name"] = found.get("name") or f"default{index}"
    spec = found["template"]["spec"]
    if spec.get("hostNetwork") and not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirstWithHostNet"
    if found.get("minAvailable") is None:
        partitions = found.get("partitionPolicy")
        least = partitions["minPartitions"] * partitions["partitionSize"] if partitions else found.get("replicas")
        found["minAvailable"] = least or 0
    found["maxRetry"] = found.get("maxRetry") or 3
    found["template"].setdefault("metadata", {})
    for container in spec["containers"]:
        container.setdefault("resources", {})
        for amounts in container["resources"].values():
            amounts |= {key: {"1000m": "1", "1024Mi": "1Gi"}.get(value, value) for key, value in amounts.items()}
        for variable in container.get("env", ()):
            if variable.get("value") == "":
                del variable["value"]
    if not found.get("replicas"):
        found.pop("replicas", None)
    return found


def stored(whole: Object) -> Object:
    """A Job as it lives: adopted, then completed, as the order of the configurations' names has it."""
    return completed(adopted(whole))


def applied(file: Object, live: Object) -> Object:
    """The request of `kubectl apply`: the file over the live object, maps merged, lists replaced."""
    found: Object = _merged(live, file)
    return found


def _merged(live: Any, file: Any) -> Any:
    if isinstance(live, dict) and isinstance(file, dict):
        merged = {key: _merged(live[key], value) if key in live else deepcopy(value) for key, value in file.items()}
        return {**deepcopy(live), **merged}
    return deepcopy(file)


def restored(request: Object, old: Object) -> Object:
    before = deepcopy((request, old))
    patched: Object = jsonpatch.apply_patch(request, restore(request, old))
    assert (request, old) == before
    return patched


def templates(whole: Object) -> list[Object]:
    """The metadata of each template."""
    return [one["template"].get("metadata", {}) for one in whole["spec"]["tasks"]]


def flags(whole: Object) -> list[str | None]:
    return [(metadata.get("annotations") or {}).get(ARGS) for metadata in templates(whole)]
