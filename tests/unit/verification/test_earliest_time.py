"""Step 11 and C5: the time before which a record was not made."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from support.beacons import (
    ABSENT,
    EARLIEST,
    FAIL,
    PASS,
    UNKNOWN,
    Named,
    cases,
    honest,
    judge_named,
    make_bent,
    verdict_of_c5,
)
from support.examples import examples
from support.world import World

from anchor.base.messages.message import Message
from anchor.receipt.format import encode_receipt, parse_receipt
from anchor.verification.report import AGE_NOT_PROVEN, Report
from anchor.verification.report_json import describe_report

SEED = 20261128


def ids_in(message: object) -> set[str]:
    """Return the ids of a message and of those within it."""
    if not isinstance(message, Message):
        return set()
    return {message.id}.union(*map(ids_in, message.operands.values()))


def reason_of(report: Report) -> str:
    return next(claim.reason for claim in report.claims if claim.id == "C5")


@pytest.mark.parametrize("name", cases())
def test_each_beacon_ends_as_it_has_to_and_says_why(name: str) -> None:
    case = cases()[name]
    report = judge_named(case)
    assert (int(report.exit_code), verdict_of_c5(report)) == (case.code, case.verdict)
    # A receipt that is malformed says nothing, and so nothing about a block.
    said = report.error.message if report.error and case.code == 2 else reason_of(report)
    assert case.rule in ids_in(said)
    assert (report.not_before is None) is (case.verdict != PASS)


def test_every_refusal_of_the_rule_has_a_case() -> None:
    assert {PASS, FAIL, UNKNOWN, ABSENT} == {case.verdict for case in cases().values()}
    rules = {case.rule for case in cases().values()}
    assert rules >= {
        *("beacon-of-other-chain", "beacon-number-differs", "beacon-hash-differs"),
        *("beacon-not-earlier", "beacon-too-old", "beacon-hash-not-kept"),
        *("beacon-later-than-anchor", "history-contract-missing", "history-code-foreign"),
    }


def test_the_bracket_is_the_blocks_time_less_the_slack_to_the_anchors_and_it() -> None:
    report = judge_named(honest())
    (proven,) = report.proven
    assert proven.not_before == datetime(2026, 9, 21, 14, 14, 26, tzinfo=UTC)
    assert proven.existed_by == datetime(2026, 9, 21, 14, 17, 50, tzinfo=UTC)
    (document,) = describe_report("file", report).anchors
    assert document.made_no_earlier_than == EARLIEST
    assert AGE_NOT_PROVEN in report.not_proven
    assert "not the age of the evidence" in reason_of(report)


@pytest.mark.parametrize(("slack", "second"), [(0, 56), (12, 44), (None, 44)])
def test_the_bound_is_earlier_by_the_slack_of_policy_or_chain(
    slack: int | None, second: int
) -> None:
    report = judge_named(with_entry(honest(), time_slack=slack))
    assert report.not_before == datetime(2026, 9, 21, 14, 14, second, tzinfo=UTC)


def test_a_slack_of_more_than_the_blocks_time_is_no_time_before_1970() -> None:
    report = judge_named(with_entry(cases()["of 1970"], time_slack=12))
    assert report.not_before == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("tolerance", "code"), [(259, 20), (260, 0), (86_400, 0)])
def test_a_record_may_say_to_be_older_than_its_block_by_the_tolerance(
    tolerance: int, code: int
) -> None:
    case = cases()["a record of a time just before the block"]
    # 14:09:26 is 300 s before the bound with a slack of 30 s, and 260 s with one of 70 s.
    report = judge_named(with_entry(case, time_slack=70, recorded_at_tolerance=tolerance))
    assert int(report.exit_code) == code


def with_entry(case: Named, **changes: Any) -> Named:
    policy = case.given.policy
    assert policy is not None
    entry = dataclasses.replace(policy.entries[0], **changes)
    return case._replace(given=case.given._replace(policy=World().policy(entry)))


def test_a_receipt_with_a_beacon_is_read_and_written_again() -> None:
    receipt = parse_receipt(honest().data)
    assert parse_receipt(encode_receipt(receipt)) == receipt
    assert json.loads(encode_receipt(receipt)) == honest().document
    assert receipt.beacon_count == 1


def test_no_bent_beacon_shows_a_time() -> None:
    codes: Counter[int] = Counter()
    for number in range(examples(2_000, 200)):
        codes[check_bent(SEED, number)] += 1
    assert set(codes) >= {2, 10}


def check_bent(seed: int, number: int) -> int:
    report = judge_named(make_bent(seed, number))
    assert report.not_before is None, number
    assert verdict_of_c5(report) != PASS, number
    assert report.exit_code != 0, number
    return int(report.exit_code)


@pytest.mark.slow
def test_of_a_hundred_thousand_bent_beacons_none_shows_a_time() -> None:
    codes = Counter(check_bent(SEED, number) for number in range(100_000))
    print(dict(codes))
    assert codes.total() == 100_000
    assert 0 not in codes
