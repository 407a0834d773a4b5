"""The words of a report say the same in both languages, of everything there is."""

from __future__ import annotations

import dataclasses
from string import Formatter

from support.world import World, judged

from anchor.verification.report import NOT_PROVEN, Verdict
from anchor.verification.report_words import CHINESE, ENGLISH, WORDS
from anchor.verification.verifier import TITLES


def test_everything_has_its_words_in_chinese() -> None:
    assert list(CHINESE.steps) == list(TITLES)
    assert list(CHINESE.claims) == [claim.id for claim in judged(World()).claims]
    assert list(CHINESE.verdicts) == [verdict.value for verdict in Verdict]
    assert len(CHINESE.not_proven) == len(NOT_PROVEN)
    assert set(WORDS) == {"en", "zh"}


def test_both_languages_show_the_same_values() -> None:
    def values(text: str) -> set[str | None]:
        return {field for _, field, _, _ in Formatter().parse(text)} - {None}

    for field in dataclasses.fields(ENGLISH):
        english, chinese = getattr(ENGLISH, field.name), getattr(CHINESE, field.name)
        if isinstance(english, str):
            assert values(english) == values(chinese), field.name
