"""Profiles name what a record lacks, with the source of the demand, and refuse nothing."""

from __future__ import annotations

from typing import Any

import pytest
from support.group_examples import FULL

from anchor.base.messages.message import translate
from anchor.evidence.collection_profiles import PROFILE_DEMANDS, list_lacking
from anchor.evidence.group_reading import parse_groups
from anchor.evidence.record_groups import PROFILES


def lacking(profile: str, **changes: Any) -> list[str]:
    members = {**FULL, "profile": profile, **changes}
    kept = {name: value for name, value in members.items() if value is not None}
    return [demand.name for demand in list_lacking(parse_groups(kept))]


def test_a_record_with_everything_lacks_only_what_it_has_too_little_of():
    assert lacking("criminal-zh") == ["collection.operators", "platform.version"]
    assert lacking("plain") == []


def test_two_operators_are_enough_for_the_criminal_profile_and_one_for_the_civil():
    two = {**FULL["collection"], "operators": [{"name": "a"}, {"name": "b"}]}
    assert "collection.operators" not in lacking("criminal-zh", collection=two)
    assert "collection.operators" not in lacking("civil-zh")


def test_a_reason_stands_for_witnesses_who_are_missing():
    without = {name: value for name, value in FULL["collection"].items() if name != "witnesses"}
    assert "collection.witnesses" in lacking("criminal-zh", collection=without)
    reason = {**without, "refusal_reason": "无适格见证人"}
    assert "collection.witnesses" not in lacking("criminal-zh", collection=reason)


@pytest.mark.parametrize(
    ("state", "is_lacking"),
    [("agree", False), ("disagree", False), ("one_answer", True), ("unanswered", True),
     ("not_asked", True)],
)  # fmt: skip
def test_a_clock_that_was_not_compared_with_two_servers_is_lacking(state: str, is_lacking: bool):
    clock = {**FULL["clock"], "state": state}
    assert ("clock" in lacking("civil-zh", clock=clock)) == is_lacking


@pytest.mark.parametrize("profile", PROFILES)
def test_without_any_group_a_profile_lacks_all_that_it_demands(profile: Any):
    found = list_lacking(parse_groups({"profile": profile}))
    assert found == PROFILE_DEMANDS[profile]


def test_without_a_profile_nothing_is_demanded():
    assert list_lacking(parse_groups({})) == ()


def test_each_demand_names_its_member_and_source_in_both_languages():
    for demand in (each for demands in PROFILE_DEMANDS.values() for each in demands):
        sentence = demand.describe()
        for language in ("en", "zh"):
            words = translate(sentence, language)
            assert demand.name in words
            assert translate(demand.source, language) in words
            assert not any(word in words for word in ("accept", "采信", "authentic", "真实"))
