from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, Final

import pytest

import webhook
from tests.pods.examples import PODS, findings_for
from webhook.reasons import REASONS, Code, Level, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.golden.files import Golden
    from webhook.reasons import Finding

PRODUCT: Final = sorted(Path(webhook.__file__).parent.rglob("*.py"))
SENTENCES: Final = Path(__file__).parent / "sentences.txt"

COMPLETES: Final = "policies: [{event: TaskCompleted, action: CompleteJob}]"
RETRIES: Final = COMPLETES.replace("]", ", {event: PodFailed, action: RestartJob}]")
NO_POLICY: Final = 'svc: ["--disable-network-policy=true"]'
SERVICE: Final = "demo-head-svc"

FIELDS: Final[dict[Code, dict[str, Any]]] = {
    Code.NOT_A_POD: {"kind": "Job"},
    Code.OTHER_PLUGIN: {"plugin": "mpi"},
    Code.NOT_A_JOB: {"kind": "Job", "group": "batch"},
    Code.TEMPLATE: {"kind": "CronJob"},
    Code.NO_HEAD: {"tasks": "master, worker", "head": "head"},
    Code.TWO_HEADS: {"tasks": "head, master"},
    Code.HEAD_REPLICAS: {"task": "head", "found": 2},
    Code.NO_HEAD_POD: {"task": "head"},
    Code.NO_SUCH_WORKER: {"worker": "gpu", "tasks": "head, worker"},
    Code.TOO_FEW_NODES: {"wanted": 4, "found": 3},
    Code.SERVICE_NAME: {"service": "a.b-head-svc", "why": "it must be a DNS label that starts with a letter"},
    Code.HEAD_WAITS_FOR_WORKER: {"head": "head", "worker": "worker"},
    Code.FLAGS_DISAGREE: {"first": "head", "second": "worker", "flag": "--port", "ours": 6380, "theirs": 6379},
    Code.LABELLED_NOT_ADOPTED: {"task": "worker"},
    Code.HEAD_NOT_LABELLED: {"task": "worker", "head": "head"},
    Code.SETTINGS_CHANGED: {"what": "--port", "then": 6379, "now": 6380},
    Code.RAY_LEFT_OUT: {"task": "head"},
    Code.SERVICE_FOREIGN: {"service": SERVICE, "owner": "controlled by Job other"},
    Code.SERVICE_QUOTA: {"service": SERVICE, "why": "exceeded quota: small"},
    Code.SERVICE_REFUSED: {"service": SERVICE, "why": "admission webhook policy.example denied the request"},
    Code.OWN_START_JOINS_ELSEWHERE: {"worker": "worker", "found": 6344, "head": "head", "port": 6379},
    Code.NEVER_ENDS: {"head": "head", "yaml": COMPLETES},
    Code.RUNS_AGAIN: {"head": "head", "more": f", and in task head: {COMPLETES}"},
    Code.FAILS_FOR_EVER: {"head": "head", "yaml": RETRIES},
    Code.FAILURE_UNSEEN: {"head": "head", "yaml": RETRIES},
    Code.ONLY_OWN_PODS: {"yaml": NO_POLICY},
    Code.SVC_ADDED: {"found": "VC_HEAD_HOSTS", "yaml": NO_POLICY},
    Code.UNLABELLED_NODE: {"task": "worker", "role": "worker", "yaml": 'labels: {ray.volcano.sh/cluster: "true"}'},
    Code.GANG_WAITS: {"needed": "3 pods (minAvailable)", "count": 1, "first": "head", "waiting": "worker", "enough": 1},
    Code.SCALED_BELOW_WAIT: {"wanted": 4, "found": 3},
    Code.CONTENT_TYPE: {"found": "text/plain"},
    Code.TOO_LARGE: {"limit": 8388608},
    Code.NOT_JSON: {"why": "unexpected end of data"},
    Code.NOT_A_REVIEW: {"field": "kind", "found": "missing", "wanted": "AdmissionReview"},
}
"""Fields as the product fills them in findings that are not of pods."""


def example(code: Code) -> Finding:
    """Return a finding as a user gets it."""
    if code in PODS:
        return next(found for found in findings_for(code) if found.code is code)
    return finding(code, **FIELDS.get(code, {}))


def named_by(code: Code) -> set[str]:
    """The fields that a code's sentence and hint name."""
    template = REASONS[code].sentence + REASONS[code].hint
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_sentence_reads_well(golden: Golden) -> None:
    lines: list[str] = []
    for level in (Level.REFUSED, Level.WARNING, Level.LEFT_ALONE, Level.DONE):
        lines.append(f"# {level}\n")
        for code in sorted(code for code in Code if REASONS[code].level is level):
            lines += [f"{code}", *(f"    {line}" for line in example(code).lines), ""]
    golden.check_file(SENTENCES, "\n".join(lines))


def test_every_code_has_a_reason_and_a_name_of_its_own() -> None:
    assert set(REASONS) == set(Code)
    assert len(Code.__members__) == len(set(Code))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code) for code in Code)


@pytest.mark.parametrize("code", list(Code))
def test_a_sentence_is_filled_by_its_example_and_is_one(code: Code) -> None:
    reason, names = REASONS[code], dict(example(code).fields)
    assert set(names) == named_by(code)
    filled: dict[str, Any] = {name: f"<{name}>" for name in names}
    text = finding(code, **filled).text
    assert all(filled[name] in text for name in names)
    assert not re.search(r"[{}]", text)
    assert reason.sentence.endswith(".")
    assert reason.sentence[0].isupper() or reason.sentence.startswith(("{", "--", "`", "volray"))
    assert not reason.hint or (reason.hint.endswith(".") and reason.hint[0].isupper())


# How the product uses the codes


def calls() -> Iterator[tuple[str, str, set[str], bool]]:
    """Each `finding(Code.NAME, …)` of the product: where, its code, its fields, and whether there may be others."""
    for path in PRODUCT:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_finding = isinstance(call, ast.Call) and ast.unparse(call.func) == "finding" and call.args
            if is_finding and isinstance(call, ast.Call) and isinstance(call.args[0], ast.Attribute):
                names = {keyword.arg for keyword in call.keywords} - {"place"}
                known = {name for name in names if name is not None}
                yield f"{path.name}:{call.lineno}", call.args[0].attr, known, None in names


def test_the_product_fills_every_field_of_a_sentence_and_no_other() -> None:
    wrong: list[str] = []
    for where, name, given, more in calls():
        wanted = named_by(Code[name])
        if not (given <= wanted if more else given == wanted):
            wrong.append(f"{where}: {name} has {sorted(given)}, not {sorted(wanted)}")
    assert wrong == []


def test_every_code_is_used() -> None:
    used: set[str] = set()
    for path in PRODUCT:
        if path.name != "reasons.py":
            used |= set(re.findall(r"\bCode\.([A-Z_0-9]+)\b", path.read_text(encoding="utf-8")))
    assert used == set(Code.__members__)


# Findings


def test_a_finding_is_its_code_its_fields_as_text_and_its_place() -> None:
    found = finding(Code.TOO_LARGE, limit=7)
    assert (found.code, found.level, found.place) == (Code.TOO_LARGE, Level.REFUSED, "")
    assert found.fields == (("limit", "7"),)
    assert found == finding(Code.TOO_LARGE, limit="7")
    assert found != finding(Code.TOO_LARGE, limit=8)
    assert found.at("here") == finding(Code.TOO_LARGE, place="here", limit=7) != found


def test_a_place_comes_before_the_sentence_and_a_hint_after_it() -> None:
    found = finding(Code.TWO_HEADS, tasks="a, {b} {0}")
    sentence, hint = "Several tasks are heads: a, {b} {0}.", "Keep one head and make the others workers."
    assert (found.lines, found.text) == ((sentence, hint), f"{sentence} {hint}")
    assert found.at("spec.tasks").lines == (f"spec.tasks: {sentence}", hint)
    assert finding(Code.NOT_VOLCANO).lines == ("The pod does not belong to a Volcano Job.",)
