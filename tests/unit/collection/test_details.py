"""Details are validated in full, all faults at once; the template asks for what is demanded."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.collection.collection_details import (
    FORMAT,
    build_template,
    check_details,
    list_asked,
    parse_collection_details,
)
from anchor.collection.questions import ask_details
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.group_reading import GroupsError, parse_groups
from anchor.evidence.record_groups import PROFILES, ProfileName

HEAD = f'format = "{FORMAT}"\n'
TIME = "2026-01-02T03:04:05Z"
HEX = "ab" * 32


def parse(text: str) -> dict[str, Any]:
    return dict(parse_collection_details((HEAD + text).encode()).members())


def filled(profile: ProfileName) -> str:
    """Return the template with a value for each member."""
    text = build_template(profile)
    text = re.sub(r'^(\w+_at|generated_at_claimed) = ""', rf'\1 = "{TIME}"', text, flags=re.M)
    text = text.replace('recording_digest = ""', f'recording_digest = "{HEX}"')
    text = text.replace('modifications = ""', 'modifications = "none-declared"')
    return text.replace('""', '"值"')


@pytest.mark.parametrize("profile", PROFILES)
def test_a_filled_template_has_all_that_the_operator_states(profile: ProfileName):
    groups = parse_collection_details(filled(profile).encode())
    complete = parse_groups({**groups.members(), "profile": profile})
    assert {demand.origin for demand in list_lacking(complete)} <= {"observed"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_template_as_printed_names_every_member_that_is_still_empty(profile: ProfileName):
    text = build_template(profile)
    assert all(demand.name in text for demand in list_asked(profile))
    if profile == "plain":
        assert parse_collection_details(text.encode()).members() == {}
        return
    with pytest.raises(GroupsError) as error:
        parse_collection_details(text.encode())
    named = {re.sub(r"\.\d+(\.name)?$", "", fault.name) for fault in error.value.faults}
    assert named == {demand.name for demand in list_asked(profile)}


def test_a_template_is_commented_in_both_languages():
    text = build_template("criminal-zh")
    assert "# 取证地点" in text
    assert "# place of the collection" in text
    assert len(tomllib.loads(text)["collection"]["operators"]) == 2


def test_what_the_program_observes_cannot_be_stated():
    with pytest.raises(GroupsError) as error:
        parse('[environment]\nos = "x"\n[clock]\nstate = "agree"\n[platform]\n[source]\nurl = ""')
    assert [fault.name for fault in error.value.faults] == [
        "platform", "environment", "clock", "source.url", "clock.checked_at",
    ]  # fmt: skip
    for name in ("environment", "cleanliness", "clock", "platform", "profile", "items", "manifest"):
        with pytest.raises(GroupsError, match=f"{name}: is "):
            check_details({name: {}})


def test_a_time_with_an_offset_becomes_utc():
    members = parse("retention_until = 2026-01-02T11:04:05+08:00")
    assert members == {"retention_until": TIME}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retention_until = 2026-01-02T11:04:05", "retention_until: Input should be a valid"),
        ("retention_until = 2026-01-02", "retention_until: Input should be a valid"),
        ("legal_hold = 1.5", "legal_hold: Input should be a valid string"),
        ("legal_hold = nan", "legal_hold: Input should be a valid string"),
        ("sauce = 1", "sauce: Extra"),
        ("[source", "not TOML"),
        ("a" + ".b" * 600 + " = 1", "more than 500 dots"),
        ("a = " + "[" * 3_000, "not TOML"),
        ("a" + ".b" * 490 + " = 1", "more than 32 levels"),
        ("retention_until = 0001-01-01T00:00:00+01:00", "retention_until: must be a time in UTC"),
        ("retention_until = 9999-12-31T23:59:59-01:00", "retention_until: must be a time in UTC"),
    ],
    ids=lambda text: text[:30],
)
def test_malformed_details_are_refused(text: str, said: str):
    with pytest.raises(MalformedError, match=said):
        parse(text)


@pytest.mark.parametrize("text", ["", 'format = "anchor-collection/2"', "format = 1"])
def test_another_format_is_unknown(text: str):
    with pytest.raises(UnknownVersionError, match="format is"):
        parse_collection_details(text.encode())


def test_bytes_that_are_no_text_or_too_many_are_refused():
    with pytest.raises(MalformedError, match="not TOML"):
        parse_collection_details(b"\xff")
    with pytest.raises(MalformedError, match="longer than"):
        parse_collection_details(b"#" * ((1 << 20) + 1))


class Terminal:
    """Answers each question with the next line."""

    def __init__(self, *lines: str) -> None:
        self._lines: Iterator[str] = iter(lines)
        self.asked: list[str] = []
        self.refused: list[str] = []

    def ask(self, question: Message) -> str:
        self.asked.append(question)
        return next(self._lines, "")

    def refuse(self, reason: Message) -> None:
        self.refused.append(reason)


def answer(profile: ProfileName, terminal: Terminal) -> dict[str, Any]:
    groups = ask_details(profile, ask=terminal.ask, refuse=terminal.refuse)
    return dict(groups.members())


def test_a_terminal_is_asked_for_each_statement_that_the_profile_demands():
    terminal = Terminal(
        "the server", "disk", "tape", "", "Ms Li", "yesterday", TIME, TIME, "杭州", "copy",
        "connect", "copy", "", "Wang, officer, police", "Chen，officer", "", "Zhao", "", HEX,
        "cut", "privacy",
    )  # fmt: skip
    assert answer("criminal-zh", terminal) == {
        "source": {"origin": "the server", "storage_history": ["disk", "tape"], "holder": "Ms Li"},
        "collection": {
            "started_at": TIME,
            "ended_at": TIME,
            "place": "杭州",
            "method": "copy",
            "steps": ["connect", "copy"],
            "operators": [
                {"name": "Wang", "role": "officer", "organisation": "police"},
                {"name": "Chen", "role": "officer"},
            ],
            "witnesses": [{"name": "Zhao"}],
            "recording_digest": HEX,
        },
        "modifications": [{"change": "cut", "why": "privacy"}],
    }
    assert len(terminal.refused) == 1
    assert "collection.started_at: must be a time" in terminal.refused[0]


def test_empty_answers_leave_everything_out():
    terminal = Terminal()
    assert answer("civil-zh", terminal) == {}
    assert len(terminal.asked) == len(list_asked("civil-zh"))


def test_the_plain_profile_asks_nothing():
    terminal = Terminal()
    assert answer("plain", terminal) == {}
    assert terminal.asked == []


def test_no_changes_are_declared_only_in_so_many_words():
    terminal = Terminal(*[""] * (len(list_asked("us-902")) - 1), "none-declared")
    assert answer("us-902", terminal) == {"modifications": "none-declared"}


def test_an_end_before_the_start_is_asked_for_again():
    terminal = Terminal(*["x"] * 4, TIME, "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    members = answer("us-902", terminal)
    assert members["collection"]["ended_at"] == "2026-01-03T00:00:00Z"
    assert terminal.refused == [
        "the record's groups are invalid: collection: ends before it starts"
    ]
