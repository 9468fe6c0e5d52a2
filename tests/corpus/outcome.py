"""What volray does with the Jobs of this folder, as text that a person reads; `make golden` writes it.

Scripts are not shown, but what they do is: the waits, the options of `ray start` and the command that runs beside it.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from click.testing import CliRunner

from tests.corpus.admission import Applied, MadePod, apply
from webhook.cli import documents
from webhook.cli.main import main
from webhook.names import ARGS, INJECTED, NODE_TYPE, OPT_IN, TASK_SPEC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.names import Object

FOLDER: Final = Path(__file__).parent

_SMALLEST: Final = "guide-smallest"
"""The case whose nodes have nothing but what every node has."""

_WIDTH: Final = 118
_LABEL: Final = 12
_LONGEST_COMMAND: Final = 320

_RAY_START: Final = re.compile(r"\bray start (?P<options>--(?:[^\n\\]|\\\n)*)")
_WAIT_HEAD: Final = re.compile(r"waiting for the head.*?\n' (?P<seconds>\d+)", re.DOTALL)
_WAIT_NODES: Final = re.compile(r"waiting for nodes.*?\n' (?P<nodes>\d+)", re.DOTALL)
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_ASKED: Final = re.compile(r"\b\d+/api/\w+")
_SHOWN_CONTAINER_FIELDS: Final = frozenset(
    {"command", "args", "env", "ports", "livenessProbe", "readinessProbe", "volumeMounts"}
)
_EVERYWHERE: Final = frozenset({OPT_IN, NODE_TYPE, INJECTED})
"""Labels and annotations that are the same on every node."""


@dataclass(frozen=True)
class Case:
    """A file of this folder as its user wrote it."""

    name: str
    text: str

    @property
    def description(self) -> str:
        """The comment at the top of the file, in one line."""
        lines = (line.removeprefix("#").strip() for line in self.text.splitlines() if line.startswith("#"))
        return " ".join(lines)

    @property
    def documents(self) -> list[Object]:
        return [documents.load(part) for part in documents.split(self.text)]

    @property
    def file(self) -> str:
        return f"{self.name}.yaml"

    @property
    def outcome_file(self) -> str:
        return f"{self.name}.outcome.txt"


@dataclass(frozen=True)
class Said:
    """What `volray inject` answers."""

    exit_code: int
    report: tuple[str, ...]
    documents: tuple[Object, ...]


def case_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def case(name: str) -> Case:
    return Case(name, (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def applied(name: str) -> tuple[Applied, ...]:
    """What became of each document of a case."""
    return tuple(apply(document) for document in case(name).documents)


@cache
def said(name: str, *options: str) -> Said:
    """Run `volray inject` on a case."""
    runner = CliRunner(catch_exceptions=False)
    result = runner.invoke(main, ["inject", "-f", "-", *options], input=case(name).text)
    printed = tuple(documents.load(part) for part in documents.split(result.stdout))
    return Said(result.exit_code, tuple(result.stderr.splitlines()), printed)


def outcome(name: str) -> str:
    """The whole outcome file of a case."""
    lines = [f"$ kubectl apply -f {case(name).file}"]
    for one in applied(name):
        lines += _applied(one)
    lines += ["", f"$ volray inject -f {case(name).file}", *_compared(name)]
    return "\n".join(lines) + "\n"


def verdict(name: str) -> str:
    """The outcome in a few words."""
    results = applied(name)
    if any(one.stored is None for one in results):
        return "refused"
    jobs = [job for one in results for job in (one.jobs or (one,))]
    if any(job.stored is None for job in jobs):
        return "the Jobs made from it are refused"
    if not any(job.is_ray for job in jobs):
        return "left alone"
    pods = [pod for job in jobs for pod in job.pods if pod.answer]
    if not all(pod.answer["allowed"] for pod in pods):
        return "its pods are refused"
    own = any("own" in pod.answer["auditAnnotations"]["reason"] for pod in pods)
    nodes = sum(NODE_TYPE in pod.after["metadata"]["labels"] for pod in pods)
    words = ["1 Ray node" if nodes == 1 else f"{nodes} Ray nodes"]
    if own:
        words.append("Ray started by the user's command")
    if any(one.warnings for one in results):
        words.append("with warnings")
    return ", ".join(words)


def index() -> str:
    """The README of this folder."""
    rows = [f"| [{name}]({name}.yaml) | {_cell(case(name).description)} | {_link(name)} |" for name in case_names()]
    environment = "\n".join(f"    {one}" for one in usual_environment())
    usual = _USUAL.format(environment=environment, paces="\n".join(f"    {pace}" for pace in usual_paces()))
    return _README + "\n".join(["| Job | whose | outcome |", "| --- | --- | --- |", *rows]) + "\n" + usual


_README: Final = """\
# Jobs as people write them, and what volray does with them

Each Job has the shape of one that people run, in a public manifest, a guide or a report of an issue. Beside each is its
outcome: what the API server answers when the Job is applied, what each of its pods then runs and is told, the head's
Service, and where `volray inject` says something else than the API server.

This table and the outcomes are written by `make golden`, and `test_corpus.py` holds them. To add a Job, put a YAML file
here that begins with a comment saying whose it is, and run `make golden`.

"""


_USUAL: Final = """
## What every node gets

An outcome leaves out what every node of volray's gets: the label `ray.volcano.sh/node-type`, the annotation
`ray.volcano.sh/injected`, the pace of the probes and these variables. A variable that a node does not get, as its user
set it, is named.

{paces}

{environment}
"""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _link(name: str) -> str:
    return f"[{verdict(name)}]({case(name).outcome_file})"


def _applied(one: Applied, maker: Applied | None = None) -> Iterator[str]:
    said_before = maker.warnings if maker else []
    yield from (f"Warning: {line}" for line in one.warnings if line not in said_before)
    if one.stored is None:
        yield from _wrapped("refused", one.refusal)
        return
    yield f"{_called(one)}{f' (made from {_called(maker)})' if maker else ''}: {_reason(one)}"
    yield from _changes_of_job(one)
    for event in one.events:
        yield from _wrapped("event", event)
    if one.is_ray and not one.jobs:
        yield from _tasks(one)
        yield ""
        yield _service(one)
    for job in one.jobs:
        yield ""
        yield from _applied(job, one)


def _called(one: Applied) -> str:
    document = one.stored or one.document
    return f"{document['kind']} {document['metadata']['name']}"


def _reason(one: Applied) -> str:
    """The code of the first webhook that was asked: the mutating one, where a kind has one."""
    codes = [answer["auditAnnotations"]["reason"] for answer in one.answers]
    return codes[0] if codes else "volray is not asked"


def _changes_of_job(one: Applied) -> Iterator[str]:
    """What adoption changed: plugins, labels and flags."""
    if one.stored is None or one.document["kind"] != "Job":
        return
    before, after = one.document["spec"], one.stored["spec"]
    gone = (before.get("plugins") or {}).keys() - (after.get("plugins") or {}).keys()
    if gone:
        yield from _wrapped("removed", ", ".join(f"plugins.{name}" for name in sorted(gone)))
    added: dict[str, list[str]] = {}
    for old, new in zip(before["tasks"], after["tasks"], strict=True):
        for kind in ("labels", "annotations"):
            for key, value in _new(_metadata(old, kind), _metadata(new, kind)).items():
                added.setdefault(f"{key}: {value}", []).append(new["name"])
    for text, tasks in added.items():
        yield from _wrapped("added", f"{text}   (task{'s' if len(tasks) > 1 else ''} {', '.join(tasks)})")


def _metadata(task: Object, kind: str) -> Object:
    return (task["template"].get("metadata") or {}).get(kind) or {}


def _new(before: Object, after: Object) -> Object:
    return {key: value for key, value in after.items() if before.get(key) != value}


def _tasks(one: Applied) -> Iterator[str]:
    assert one.stored is not None
    for task in one.stored["spec"]["tasks"]:
        pods = [pod for pod in one.pods if pod.task == task["name"]]
        yield ""
        yield from _task(task["name"], pods, "\n".join(one.warnings))


def _task(name: str, pods: list[MadePod], warned: str) -> Iterator[str]:
    title = f"{name}, {len(pods)} pod{'' if len(pods) == 1 else 's'}"
    if not pods:
        yield title
        return
    pod = pods[0]
    if not pod.answer:
        yield f"{title}: left alone, as its template has no label"
    elif not pod.answer["allowed"]:
        yield f"{title}: refused"
        yield from _wrapped("  message", pod.answer["status"]["message"])
    elif "patch" not in pod.answer:
        yield f"{title}: left alone ({pod.answer['auditAnnotations']['reason']})"
    else:
        yield from _node(title, pod)
    told = [line for line in pod.answer.get("warnings", ()) if line not in warned]
    for line in told:
        yield from _wrapped("  warning", line)


def _node(title: str, pod: MadePod) -> Iterator[str]:
    role = pod.after["metadata"]["labels"][NODE_TYPE]
    old, new = _ray_containers(pod)
    yield f"{title}: Ray {role} in container {new['name']}"
    yield from _command(old, new)
    yield from _wrapped("  env", _environment(old, new))
    yield from _wrapped("  ports", ", ".join(_port(one) for one in _added(old, new, "ports")))
    yield from _wrapped("  probes", ", ".join(_probes(old, new)))
    volumes = {volume["name"]: volume for volume in pod.after["spec"].get("volumes") or ()}
    mounts = _added(old, new, "volumeMounts")
    yield from _wrapped("  volumes", ", ".join(_mount(mount, volumes) for mount in mounts))
    yield from _wrapped("  also", ", ".join(_others(pod, new["name"])))


def _command(old: Object, new: Object) -> Iterator[str]:
    argv = [*(old.get("command") or ()), *(old.get("args") or ())]
    if new.get("command") == old.get("command"):
        yield from _wrapped("  runs", _shown(argv) or "the image's entrypoint")
        return
    script = new["command"][2]
    start = _RAY_START.search(script)
    assert start is not None, script
    if waits := _WAIT_HEAD.search(script):
        yield from _wrapped("  waits", _seconds(waits["seconds"]))
    yield from _wrapped("  ray start", " ".join(shlex.split(start["options"].replace("\\\n", " "))))
    if waits := _WAIT_NODES.search(script):
        yield from _wrapped("  waits", f"until {waits['nodes']} Ray nodes are alive")
    if new.get("args"):
        yield from _wrapped("  beside", _shown(new["args"]) + ("" if new["args"] == argv else "   (changed)"))
    elif argv:
        yield from _wrapped("  dropped", _shown(argv))


def _seconds(text: str) -> str:
    return f"for the head, {text} s" if int(text) else "for the head, for ever"


def _shown(argv: list[str]) -> str:
    """An argv in one line, cut where it is long."""
    text = shlex.join(argv).replace("\n", r"\n")
    return text if len(text) <= _LONGEST_COMMAND else text[:_LONGEST_COMMAND] + " …"


def _added(old: Object, new: Object, key: str) -> list[Object]:
    before = old.get(key) or []
    return [one for one in new.get(key) or () if one not in before]


def _environment(old: Object, new: Object) -> str:
    """What is particular to this node; of what every node gets, what this one does not."""
    added = [_variable(one) for one in _added(old, new, "env")]
    names = {one.partition("=")[0] for one in added}
    missing = [name for one in usual_environment() if (name := one.partition("=")[0]) not in names]
    without = f"   (without {', '.join(missing)})" if missing else ""
    return " ".join(one for one in added if one not in usual_environment()) + without


@cache
def usual_environment() -> tuple[str, ...]:
    """The variables that head and worker of the smallest Job have in common."""
    head, worker = (_ray_containers(node) for node in _usual_nodes())
    found = [{_variable(one): None for one in _added(*pair, "env")} for pair in (head, worker)]
    return tuple(one for one in found[0] if one in found[1])


@cache
def usual_paces() -> tuple[str, ...]:
    """How often the probes of the smallest Job's head run."""
    _, new = _ray_containers(_usual_nodes()[0])
    return tuple(f"{_kind(key)} {_pace(new[key])}" for key in _PROBES if key in new)


def _usual_nodes() -> tuple[MadePod, MadePod]:
    pods = applied(_SMALLEST)[0].pods
    return pods[0], pods[-1]


def _ray_containers(pod: MadePod) -> tuple[Object, Object]:
    """Ray's container before and after: the one that changed, or the first one if none did."""
    containers = list(zip(pod.before["spec"]["containers"], pod.after["spec"]["containers"], strict=True))
    return next((pair for pair in containers if pair[0] != pair[1]), containers[0])


def _variable(variable: Object) -> str:
    source = variable.get("valueFrom")
    if source is None:
        return f"{variable['name']}={variable['value']}"
    return f"{variable['name']}={(source.get('fieldRef') or {}).get('fieldPath') or source}"


def _port(port: Object) -> str:
    return f"{port.get('name') or '(no name)'} {port['containerPort']}"


def _probes(old: Object, new: Object) -> Iterator[str]:
    for key in _PROBES:
        probe = new.get(key)
        if probe and probe != old.get(key):
            pace = f"{_kind(key)} {_pace(probe)}"
            yield f"{_kind(key)} {_action(probe)}" + ("" if pace in usual_paces() else f" ({_pace(probe)})")


def _kind(key: str) -> str:
    return key.removesuffix("Probe")


def _pace(probe: Object) -> str:
    return f"every {probe['periodSeconds']} s, for {probe['timeoutSeconds']} s, {probe['failureThreshold']} times"


def _action(probe: Object) -> str:
    if "exec" in probe:
        script = probe["exec"]["command"][-1]
        asked = " and ".join(_ASKED.findall(script))
        if asked:
            return f"asks {asked}"
        return "asks the GCS" if "speaks(" in script else "looks for a raylet"
    if "tcpSocket" in probe:
        return f"connects to {probe['tcpSocket']['port']}"
    return f"gets {probe['httpGet']['port']}{probe['httpGet'].get('path', '/')}"


def _mount(mount: Object, volumes: dict[str, Object]) -> str:
    volume = volumes.get(mount["name"], {})
    kinds = [key for key in volume if key != "name"]
    details = [str(value) for kind in kinds if isinstance(volume[kind], dict) for value in volume[kind].values()]
    return " ".join([mount["mountPath"], *kinds, *details])


def _others(pod: MadePod, ray: str) -> Iterator[str]:
    """Every other change: none of what volray does may be missing here."""
    before, after = pod.before, pod.after
    for kind in ("labels", "annotations"):
        added = _new(before["metadata"].get(kind) or {}, after["metadata"].get(kind) or {})
        yield from (f"{key}={value}" for key, value in added.items() if key not in _EVERYWHERE)
    for key in after["spec"]:
        if key not in {"containers", "volumes"} and before["spec"].get(key) != after["spec"][key]:
            yield f"spec.{key}"
    for old, new in zip(before["spec"]["containers"], after["spec"]["containers"], strict=True):
        shown = _SHOWN_CONTAINER_FIELDS if new["name"] == ray else frozenset()
        yield from (f"{new['name']}.{key}" for key in new if key not in shown and old.get(key) != new[key])


def _service(one: Applied) -> str:
    if one.service is None:
        return "no Service for the head"
    ports = ", ".join(f"{port['name']} {port['port']}" for port in one.service["spec"]["ports"])
    return f"Service {one.service['metadata']['name']}: {ports}"


def _compared(name: str) -> Iterator[str]:
    """How `volray inject` differs from the API server: its exit status, what it adds, and what it does not say."""
    result = said(name)
    results = applied(name)
    refused = any(one.stored is None for one in results)
    at_server = _words(line for one in _all(results) for line in (*one.warnings, one.refusal, *_of_pods(one)))
    by_command = _words(result.report)
    silent = "" if result.report else ", without a word"
    yield f"exit status {result.exit_code}{silent}{_disagreement(refused=refused, failed=result.exit_code != 0)}"
    for line in result.report:
        mark, _, text = line.partition(" ")
        sentence = text.partition(": ")[2]
        if mark != "√" and _words([sentence]) not in at_server:
            yield from _wrapped(f"says {mark}", text)
    warned = dict.fromkeys(line for one in results for line in one.warnings)
    unsaid = [line for line in warned if _words([_after_place(line)]) not in by_command]
    yield from _wrapped("unsaid", " ".join(unsaid))
    for difference in differences(name):
        yield from _wrapped("differs", difference)


def _disagreement(*, refused: bool, failed: bool) -> str:
    return "" if refused == failed else ", but the API server " + ("refuses" if refused else "admits")


def _all(results: Iterable[Applied]) -> Iterator[Applied]:
    for one in results:
        yield one
        yield from one.jobs


def _of_pods(one: Applied) -> Iterator[str]:
    for pod in one.pods:
        yield from pod.answer.get("warnings", ())


def _words(lines: Iterable[str]) -> str:
    return " ".join(word for line in lines for word in line.split())


def _after_place(sentence: str) -> str:
    return re.sub(r"^Task \S+: ", "", sentence)


def _wrapped(label: str, text: str) -> list[str]:
    """A labelled text with its lines under each other; nothing for no text."""
    if not text:
        return []
    first = label.ljust(_LABEL) + ("" if len(label) < _LABEL else " ")
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def differences(name: str) -> list[str]:
    """Where a pod of `volray inject --pods` is another than the one in a cluster, if both ways make pods at all."""
    in_cluster, by_command = _pods_in_cluster(name), _pods_by_command(name)
    if not in_cluster or not by_command:
        return []
    found: list[str] = []
    for pod in sorted(in_cluster.keys() | by_command.keys()):
        pair = in_cluster.get(pod), by_command.get(pod)
        task = next(one["metadata"]["labels"][TASK_SPEC] for one in pair if one)
        found += [f"task {task}: {text}" for text in _between(*pair)]
    return list(dict.fromkeys(found))


def _pods_in_cluster(name: str) -> dict[str, Object]:
    return {pod.after["metadata"]["name"]: pod.after for one in applied(name) for pod in one.pods}


def _pods_by_command(name: str) -> dict[str, Object]:
    printed = said(name, "--pods").documents
    return {one["metadata"]["name"]: one for one in printed if one["kind"] == "Pod"}


def _between(in_cluster: Object | None, by_command: Object | None) -> Iterable[str]:
    if in_cluster is None or by_command is None:
        return [f"has this pod {'by volray inject' if in_cluster is None else 'in the cluster'} alone"]
    injected = [INJECTED in one["metadata"]["annotations"] for one in (in_cluster, by_command)]
    if injected == [False, True]:
        return ["is a Ray node by volray inject alone"]
    if injected == [True, False]:
        return ["is a Ray node in the cluster alone"]
    return _paths(in_cluster, by_command, "")


def _paths(one: Any, other: Any, path: str) -> Iterator[str]:
    """The fields that differ, but for the flags: adoption writes down there what `volray inject` finds by itself."""
    if path == f".metadata.annotations.{ARGS}" or one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _paths(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _paths(*pair, f"{path}[{index}]")
    else:
        yield f"{path.removeprefix('.')} is {one} in the cluster, {other} by volray inject"
