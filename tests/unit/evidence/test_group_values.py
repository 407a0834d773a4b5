"""Values of a fixed choice are shown in words, in both languages; others as they were written."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from support.group_examples import FULL

from anchor.base.messages.message import translate
from anchor.evidence.custody_event import EVENTS
from anchor.evidence.group_lines import list_lines
from anchor.evidence.group_values import spell_value
from anchor.evidence.observed_groups import CheckResult, ClockState, Environment
from anchor.evidence.record_groups import Kind

CHOICES = {
    "kind": get_args(Kind),
    "event": EVENTS,
    "state": get_args(ClockState),
    "result": get_args(CheckResult),
    "reproducible": ("yes", "no", "not_attempted"),
    "modifications": ("none-declared",),
}


@pytest.mark.parametrize("member", CHOICES)
def test_every_choice_has_words_of_its_own_in_both_languages(member: str) -> None:
    for language in ("en", "zh"):
        words = [translate(spell_value(member, choice), language) for choice in CHOICES[member]]
        assert len(set(words)) == len(words)
        assert all(bool(re.search("[\u4e00-\u9fff]", each)) == (language == "zh") for each in words)


def test_members_that_were_not_observed_are_named_by_their_labels() -> None:
    names = [name for name in Environment.model_fields if name != "not_observed"]
    shown = translate(spell_value("not_observed", names), "zh")
    assert not any(name in shown for name in names if "_" in name)
    assert spell_value("not_observed", []) == ""


def test_what_the_operator_wrote_is_shown_as_written() -> None:
    values = {line.path: line.value for line in list_lines(FULL)}
    assert values["source.storage_history"] == "硬盘; U 盘"
    assert values["items.0.path"] == "a/合同.pdf"
    assert values["environment.proxy"] == ""
