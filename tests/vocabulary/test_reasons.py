from __future__ import annotations

import re
from string import Formatter

import pytest

from webhook.reasons import REASONS, Code, finding

FIELDS = re.compile(r"\{|\}")


def fields_of(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_code_has_a_reason_and_every_reason_a_code() -> None:
    assert set(REASONS) == set(Code)


def test_no_two_codes_share_a_name() -> None:
    assert len(Code.__members__) == len(set(Code))


@pytest.mark.parametrize("code", Code)
def test_a_code_is_words_in_lower_case_with_dashes(code: Code) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)


@pytest.mark.parametrize("code", Code)
def test_every_sentence_and_hint_ends_with_a_full_stop_and_begins_with_a_capital_or_a_name(code: Code) -> None:
    reason = REASONS[code]
    assert reason.sentence.endswith(".")
    assert not reason.hint or reason.hint.endswith(".")
    assert reason.sentence[0].isupper() or reason.sentence.startswith(
        ("{", "--", "hostNetwork", "ray.volcano.sh/", "volray")
    )
    assert not reason.hint or reason.hint[0].isupper()


@pytest.mark.parametrize("code", Code)
def test_every_template_is_filled_by_its_fields(code: Code) -> None:
    reason = REASONS[code]
    names = fields_of(reason.sentence) | fields_of(reason.hint)
    text = finding(code, **{name: f"<{name}>" for name in names}).text
    assert not FIELDS.search(text)
    assert all(f"<{name}>" in text for name in names)


def test_a_sentence_comes_before_its_hint() -> None:
    found = finding(Code.HEAD_REPLICAS, task="head", found=2)
    assert found.lines == ("The head task head has replicas: 2.", "Write replicas: 1.")
    assert found.text == "The head task head has replicas: 2. Write replicas: 1."


def test_a_sentence_without_a_hint_stands_alone() -> None:
    assert finding(Code.NOT_VOLCANO).lines == ("The pod does not belong to a Volcano Job.",)
    assert finding(Code.NOT_VOLCANO).text == "The pod does not belong to a Volcano Job."


def test_what_was_found_is_text_not_a_template() -> None:
    assert finding(Code.NOT_JSON, why="{0} {field}").text == "The body is not JSON: {0} {field}."


def test_a_finding_is_its_code_and_its_fields_as_text() -> None:
    found = finding(Code.TOO_LARGE, limit=7)
    assert (found.code, found.fields) == (Code.TOO_LARGE, (("limit", "7"),))
    assert found == finding(Code.TOO_LARGE, limit="7")
    assert found != finding(Code.TOO_LARGE, limit=8)
