"""All that a report says has its Chinese; only names and quotations remain in English there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from support import beacons
from support.bent_receipts import Honest, honest_receipts, make_cases, world
from support.chain_kinds import case_on
from support.chinese_text import what_is_english
from support.examples import examples
from support.world import MAIN, World, expect, judged

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate
from anchor.base.types import ChainId, Hash32
from anchor.cli.console import Output
from anchor.cli.report_text import print_report, print_summary
from anchor.verification.report import AGE_NOT_PROVEN, Report, Verdict, verdict_message
from anchor.verification.verifier import judge

LANGUAGES: tuple[Language, ...] = ("en", "zh")
SINCE = "北京时间 2026-09-21 22:14:26（2026-09-21 14:14:26 UTC）"
LATEST = "北京时间 2026-09-21 22:17:50（2026-09-21 14:17:50 UTC）"
POLICY = Message("policy-file-source", path="/p", sha256="ab", source="--trust")


def list_texts(report: Report) -> Iterator[str]:
    """Yield every text of a report that people read."""
    yield report.headline
    for step in report.steps:
        yield from (step.title, step.detail)
        if step.error is not None and step.error.hint is not None:
            yield step.error.hint
    for claim in report.claims:
        yield from (claim.title, verdict_message(claim.verdict), claim.reason)
    yield from (*report.unpinned, *report.notes, *report.not_proven)


def check_report(report: Report, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Assert that all texts of a report are messages with Chinese; return its details' ids."""
    for text in list_texts(report):
        assert isinstance(text, Message), text
        assert what_is_english(translate(text, "zh")) is None, text
    output = Output(as_json=False, language="zh")
    print_report(output, "FILE", report, policies=[POLICY], nodes=["http://n"], all_steps=True)
    print_report(output, "FILE", report, policies=(), nodes=())
    print_summary(output, "FILE", report)
    printed = capsys.readouterr().out
    for line in printed.splitlines():
        assert what_is_english(line) is None, line
    return {step.detail.id for step in report.steps}


def judge_as(honest: Honest, receipt: bytes) -> Report:
    """Verify a receipt with the evidence, the policy and the options of an honest one."""
    given = honest.given
    return judge(
        receipt,
        world().evidence(given.leaf),
        policy=given.policy,
        connect=None,
        block_hashes=[Hash32(named) for named in given.block_hashes],
        chain_ids=given.chain_ids,
        accept_unpinned=given.accept_unpinned,
    )


def test_a_verdicts_word_in_english_is_its_value() -> None:
    assert [verdict_message(verdict) for verdict in Verdict] == [each.value for each in Verdict]


def test_the_headline_is_in_capitals_in_english_only(capsys: pytest.CaptureFixture[str]) -> None:
    here = World()
    honest = judged(here)
    here.main.chain_id = ChainId(MAIN + 1)
    heads = []
    for report in (honest, judged(here)):
        for language in LANGUAGES:
            print_report(
                Output(as_json=False, language=language), "F", report, policies=(), nodes=()
            )
            heads.append(capsys.readouterr().out.splitlines()[0])
    assert heads == [
        "VERIFIED on a development chain (proves nothing about real time)  F",
        "在开发链上核验通过（不能证明真实时间）  F",
        "NOT VERIFIED: not what you trust  F",
        "未通过核验：不在您信任的范围之内  F",
    ]


def test_the_reports_of_honest_receipts_are_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    for honest in honest_receipts():
        report = judge_as(honest, json.dumps(honest.document).encode())
        assert report.exit_code == honest.code
        check_report(report, capsys)


def test_the_reports_of_named_blocks_are_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    for case in beacons.cases().values():
        check_report(beacons.judge_named(case), capsys)


@pytest.mark.parametrize(
    ("language", "sentence", "brief"),
    [
        (
            "en",
            "made not before 2026-09-21 14:14:26 UTC · not later than 2026-09-21 14:17:50 UTC",
            "not before 2026-09-21 14:14:26 UTC · not later than 2026-09-21 14:17:50 UTC",
        ),
        (
            "zh",
            f"该记录的形成时间不早于{SINCE}，不晚于{LATEST}，",
            f"不早于{SINCE}，不晚于{LATEST}",
        ),
    ],
)
def test_the_bracket_is_printed_with_what_it_does_not_say(
    language: Language, sentence: str, brief: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = beacons.judge_named(case_on("main"))
    output = Output(as_json=False, language=language)
    print_report(output, "F", report, policies=(), nodes=())
    shown = capsys.readouterr().out
    assert sentence in shown
    assert translate(AGE_NOT_PROVEN, language) in shown
    print_summary(output, "F", report)
    assert brief in capsys.readouterr().out


def test_every_step_has_a_line_also_one_that_was_not_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = World()
    plain = judged(here)
    here.main.chain_id = ChainId(MAIN + 1)
    for report, lines in (
        (plain, {11: "not present"}),
        (judged(here), {6: "cannot tell", 11: "not present"}),
    ):
        for language in LANGUAGES:
            output = Output(as_json=False, language=language)
            print_report(output, "F", report, policies=(), nodes=(), all_steps=True)
            shown = capsys.readouterr().out
            assert re.findall(r"^ {2,3}(\d+)\. ", shown, re.MULTILINE) == [
                str(number) for number in range(1, 12)
            ]
        by_number = {step.number: step.verdict.value for step in report.unmade}
        assert by_number.items() >= lines.items()
        (earliest,) = (step for step in report.unmade if step.number == 11)
        assert earliest.reason == Message("record-names-nothing-earlier")


def test_a_report_that_did_not_pass_says_which_way_and_claims_no_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    heads: dict[int, set[str]] = {}
    for case in make_cases(6, 0, examples(400, ordinary=300)):
        report = judge_as(case.honest, case.receipt)
        output = Output(as_json=False, language="en")
        print_report(output, "F", report, policies=(), nodes=())
        shown = capsys.readouterr().out
        heads.setdefault(int(report.exit_code), set()).add(shown.splitlines()[0])
        assert ("anchored by 0x" in shown) == (report.exit_code == 0)
    wrong = {
        2: "not well formed",
        10: "something does not match",
        11: "not anchored",
        12: "not what you trust",
        13: "abandoned by the log's owner",
    }
    found = heads.keys() & wrong.keys()
    assert all(heads[code] == {f"NOT VERIFIED: {wrong[code]}  F"} for code in found)
    open_ = {"CANNOT TELL  F"}
    assert (heads[20], heads[22], heads[21]) == (open_, open_, {"NOT FINAL YET  F"})
    assert {10, 12} <= found


def test_the_reports_of_bent_receipts_are_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    codes, said = set(), set()
    for case in make_cases(6, 0, examples(1_500, ordinary=800)):
        report = judge_as(case.honest, case.receipt)
        codes.add(int(report.exit_code))
        said |= check_report(report, capsys)
    assert codes == {0, 2, 10, 11, 12, 13, 20, 21, 22}
    assert len(said) > 60


def test_what_nodes_say_is_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    def lie(ends: int, **changes: object) -> None:
        here = World()
        for name, value in changes.items():
            setattr(here.main, name, value)
        report = judged(here)
        assert int(report.exit_code) == ends
        check_report(report, capsys)

    lie(0)
    lie(20, latest=15, final=10)
    lie(21, latest=21, final=19)
    lie(12, code={})
    here = World()
    here.rewrite(None)
    expect(judged(here), 11, [7], "PFFFF")
    check_report(judged(here), capsys)
    here = World()
    here.main.chain_id = MAIN + 1
    check_report(judged(here), capsys)
