"""What a record states is named on the page as in the report of ``anchor verify``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.custodies import encode
from support.group_bends import bend_groups
from support.group_examples import DIGEST, FULL
from support.page_script import PageScript, run_page_script
from support.world import World

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate
from anchor.cli.console import Output
from anchor.cli.report_text import print_report
from anchor.evidence.record import parse_record
from anchor.verification.report import Report

LANGUAGES: tuple[Language, ...] = ("en", "zh")
EVIDENCE = World().evidence(2)
NAMED = {"account": "acme", "actor": "person:1f0c3ad2b1e4f506"}
ALL = "".join(map(chr, range(0x21, 0x7F)))
# A member ``submitter``, and whether it names somebody.
SUBMITTERS: dict[str, tuple[Any, bool]] = {
    "account and actor": (NAMED, True),
    "every character": ({"account": ALL, "actor": ALL}, True),
    "one character": ({"account": "a", "actor": "!"}, True),
    "200 characters": ({"account": "x" * 200, "actor": "y" * 200}, True),
    "201 characters": ({**NAMED, "account": "x" * 201}, False),
    "201 characters of the actor": ({**NAMED, "actor": "x" * 201}, False),
    "a member more": ({**NAMED, "name": "Ann"}, False),
    "no actor": ({"account": "acme"}, False),
    "no account": ({"actor": "person:1"}, False),
    "another member": ({"account": "acme", "person": "1"}, False),
    "no members": ({}, False),
    "an empty account": ({**NAMED, "account": ""}, False),
    "an empty actor": ({**NAMED, "actor": ""}, False),
    "a number": ({**NAMED, "actor": 1}, False),
    "true": ({**NAMED, "actor": True}, False),
    "null": ({**NAMED, "actor": None}, False),
    "a list within": ({**NAMED, "account": ["acme"]}, False),
    "ideographs": ({**NAMED, "account": "某公司"}, False),
    "a letter like another": ({**NAMED, "account": "\u0430cme"}, False),
    "wide letters": ({**NAMED, "account": "\uff41cme"}, False),
    "a line feed": ({**NAMED, "account": "acme\nx"}, False),
    "a line feed at the end": ({**NAMED, "account": "acme\n"}, False),
    "a space": ({**NAMED, "account": "Acme Ltd"}, False),
    "U+007F": ({**NAMED, "account": "acme\x7f"}, False),
    "another direction": ({**NAMED, "account": "a\u202e"}, False),
    "a list": (["acme", "person:1"], False),
    "an empty list": ([], False),
    "a text": ("acme", False),
    "of null": (None, False),
}
EVENT = {"subject": DIGEST, "event": "copy", "at": "2026-01-02T03:04:05Z", "actor": "王"}
NOTICE = {"subject": DIGEST, "reason": "x", "at": "2026-01-02T03:04:05Z", "actor": "王"}
MANIFEST = {"format": "bagit-1.0", "sha256": DIGEST, "files": 1, "bytes": 1}
GROUPS: dict[str, dict[str, Any]] = {
    "all": FULL,
    "none": {},
    "names of JavaScript": dict.fromkeys(("__proto__", "constructor", "toString", "valueOf"), "x"),
    "another not_before": {"not_before": "x"},
    "an empty platform": {"platform": {}},
    "a platform as observed": {"platform": {"software": "x"}},
    "a platform as stated": {"platform": {"chain": "eip155:1"}},
    "a platform of another form": {"platform": {"software": 1}},
    "items and a manifest": {"items": FULL["items"], "manifest": MANIFEST, "source": "x"},
    "a manifest": {"manifest": MANIFEST},
    "an item without digests": {"items": [{"path": "a", "digests": {}, "size": 1}]},
    "a custody event": {"kind": "custody-event", "custody": EVENT},
    "a custody event of another kind": {"kind": "file", "custody": EVENT},
    "a custody event without a kind": {"custody": EVENT},
    "a kind without its custody event": {"kind": "custody-event"},
    "a custody event and a notice": {"kind": "custody-event", "custody": EVENT, "notice": NOTICE},
    "a withdrawal": {"kind": "withdraws", "notice": NOTICE},
    "a withdrawal that replaces": {
        "kind": "withdraws", "notice": {**NOTICE, "replacement": DIGEST},
    },
    "a replacement": {"kind": "supersedes", "notice": {**NOTICE, "replacement": DIGEST}},
    "a replacement by nothing": {"kind": "supersedes", "notice": NOTICE},
    "a kind of JavaScript's": {"kind": "constructor"},
    "no word for a kind": {"kind": ["file"]},
    "a submitter among groups": {**FULL, "submitter": NAMED, "verdict": "authentic"},
}  # fmt: skip


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


def make(statements: dict[str, Any]) -> bytes:
    return encode(EVIDENCE, "x", statements)


def select(lines: list[str], language: Language) -> list[str]:
    """Return the lines that name what a record states, and not those with its values."""
    openings = [
        translate(text, language).partition("\0")[0]
        for text in (
            Message("account-part", title=Message("account-stated"), groups="\0"),
            Message("account-part", title=Message("account-observed"), groups="\0"),
            Message("account-uninterpreted", names="\0"),
            Message("report-submitted-by", actor="\0", account="\0"),
            Message("report-statements-unchecked", names="\0"),
        )
    ]
    assert all(openings)
    stripped = [line.strip() for line in lines]
    return [line for line in stripped if line.startswith(tuple(openings))]


def by_package(record: bytes, language: Language, capsys: pytest.CaptureFixture[str]) -> list[str]:
    report = Report(record=parse_record(record), steps=(), claims=(), proven=(), unpinned=())
    output = Output(as_json=False, language=language)
    print_report(output, "F", report, policies=(), nodes=())
    return select(capsys.readouterr().out.splitlines(), language)


def compare(
    records: list[bytes], script: PageScript, capsys: pytest.CaptureFixture[str]
) -> list[list[str]]:
    """Compare what page and package name of each record; return the lines in English."""
    answers = script.ask("statements", records=[record.decode() for record in records])
    for record, lines in zip(records, answers, strict=True):
        for place, language in enumerate(LANGUAGES):
            named = select([line[place] for line in lines], language)
            assert named == by_package(record, language, capsys), record
    return [[english for english, _ in lines] for lines in answers]


@pytest.mark.parametrize("name", SUBMITTERS)
def test_a_submitter_is_named_only_in_its_own_form(
    name: str, script: PageScript, capsys: pytest.CaptureFixture[str]
) -> None:
    value, is_named = SUBMITTERS[name]
    (lines,) = compare([make({"submitter": value})], script, capsys)
    unchecked = Message("report-statements-unchecked", names="submitter")
    assert lines == [Message("report-submitted-by", **value) if is_named else unchecked]


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_of_another_form_is_no_statement_that_the_page_interprets(
    name: str, script: PageScript, capsys: pytest.CaptureFixture[str]
) -> None:
    compare([make(GROUPS[name])], script, capsys)


def test_bent_groups_are_named_alike(
    script: PageScript, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(7)
    records = [make(FULL | bend_groups(chance)) for _ in range(300)]
    lines = compare(records, script, capsys)
    uninterpreted = str(Message("account-uninterpreted", names=""))
    count = sum(any(line.startswith(uninterpreted) for line in each) for each in lines)
    assert 100 < count < 300
