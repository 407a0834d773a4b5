"""A notice that verifies shows the record as superseded or withdrawn, beside what is proven."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import jsonschema_rs
import pytest
from support.notices import OF_A, OF_B, A, B, C, Notices
from support.paths import ROOT
from support.world import World

from anchor.base.errors import ExitCode, NotFinalError, SupersededError
from anchor.base.messages.message import Message
from anchor.base.types import make_log_id
from anchor.verification.notice_claim import GivenNotice
from anchor.verification.report import STATUS_NOT_PROVEN, Report, Verdict, severest_code
from anchor.verification.report_json import describe_report


@pytest.fixture(scope="module")
def notices() -> Notices:
    return Notices()


def shown(report: Report) -> list[tuple[str, bool]]:
    return [(each.name, each.error is None) for each in report.notices]


def bend(given: GivenNotice, error: NotFinalError) -> GivenNotice:
    def judge() -> Report:
        raise error

    return dataclasses.replace(given, judge=judge)


def test_the_evidence_stays_proven_beside_the_notice(notices: Notices):
    plain = notices.judge(A, [])
    report = notices.judge(A, [notices.give(OF_A)])
    assert (plain.exit_code, report.exit_code) == (0, 14)
    assert (report.steps, report.claims, report.proven) == (
        plain.steps,
        plain.claims,
        plain.proven,
    )
    assert report.evidence_error is None
    assert isinstance(report.error, SupersededError)
    assert report.error.replacement == notices.give(OF_B).notice.subject
    assert "for this reason: 缺页" in report.error.message
    assert report.headline == f"superseded by another record; the evidence itself: {plain.headline}"
    (finding,) = report.notices
    assert finding.existed_by == report.proven[0].existed_by


def test_a_withdrawn_record_and_one_that_stands(notices: Notices):
    given = [notices.give(OF_A), notices.give(OF_B)]
    assert notices.judge(B, given).headline.startswith("withdrawn by the log's operator; ")
    assert notices.judge(C, given).exit_code == 0
    assert notices.judge(C, given).notices == ()


def test_a_chain_is_followed_to_its_end(notices: Notices):
    report = notices.judge(A, [notices.give(OF_B), notices.give(OF_A)])
    assert shown(report) == [("notice-4", True), ("notice-5", True)]
    assert [each.is_about_record for each in report.notices] == [True, False]
    assert [each.fault is None for each in report.notices] == [False, True]
    assert isinstance(report.error, SupersededError) and report.error.replacement


def test_records_in_a_circle_are_each_followed_once():
    ring = Notices()
    back = ring.give(OF_B)
    notice = dataclasses.replace(back.notice, replacement=ring.give(OF_A).notice.subject)
    report = ring.judge(A, [ring.give(OF_A), dataclasses.replace(back, notice=notice)])
    assert len(report.notices) == 2


def test_a_receipt_alone_never_tells_that_a_record_stands(notices: Notices):
    assert STATUS_NOT_PROVEN in notices.judge(A, []).not_proven
    assert STATUS_NOT_PROVEN in notices.judge(C, [notices.give(OF_A)]).not_proven
    assert STATUS_NOT_PROVEN not in notices.judge(A, [notices.give(OF_A)]).not_proven
    assert STATUS_NOT_PROVEN not in notices.judge(A, [], is_log_at_hand=True).not_proven
    unread = notices.give(OF_A, offline=True)
    assert STATUS_NOT_PROVEN in notices.judge(A, [unread]).not_proven


@pytest.mark.parametrize("is_demanded", [False, True])
def test_a_notice_that_cannot_be_verified_leaves_it_open(notices: Notices, is_demanded: bool):
    given = notices.give(OF_A, is_demanded=is_demanded, offline=True)
    report = notices.judge(A, [given])
    assert (report.exit_code, report.evidence_error) == (20, None)
    assert report.headline.startswith("cannot tell whether it still stands; the evidence itself: v")
    pending = bend(given, NotFinalError(Message("receipt-needs-node")))
    assert notices.judge(A, [pending]).exit_code == 21


def test_a_forged_notice_counts_only_where_it_was_named(notices: Notices):
    bent = notices.receipt(OF_A)
    bent = dataclasses.replace(bent, index=OF_A + 1)
    for is_demanded, code in ((False, 0), (True, 10)):
        report = notices.judge(A, [notices.give(OF_A, bent, is_demanded=is_demanded)])
        assert report.exit_code == code
        assert shown(report) == [("notice-4", False)]
        assert STATUS_NOT_PROVEN in report.not_proven


def test_a_notice_in_another_owners_log_does_not_count(notices: Notices):
    foreign = dataclasses.replace(notices.receipt(OF_A), log=make_log_id(b"\x77" * 20, 0))
    given = dataclasses.replace(notices.give(OF_A), log=foreign.log)
    assert notices.judge(A, [given]).exit_code == 0
    named = dataclasses.replace(given, is_demanded=True)
    assert notices.judge(A, [named]).exit_code == 10


def test_a_notice_whose_record_has_other_digests_does_not_count():
    bent = Notices(digests=World().evidence(A))
    assert bent.judge(A, [bent.give(OF_A)]).exit_code == 0
    assert bent.judge(A, [bent.give(OF_A, is_demanded=True)]).exit_code == 10


def test_the_same_notice_counts_by_the_receipt_that_verifies(notices: Notices):
    twice = [notices.give(OF_A, offline=True), notices.give(OF_A), notices.give(OF_A)]
    for given in (twice, twice[::-1]):
        report = notices.judge(A, given)
        assert report.exit_code == 14
        assert shown(report) == [("notice-4", True)]


def test_two_notices_about_a_record_are_both_shown(notices: Notices):
    other = Notices(reason="other")
    given = [notices.give(OF_A), dataclasses.replace(other.give(OF_A), name="other")]
    assert shown(notices.judge(A, given)) == [("notice-4", True), ("other", True)]


def test_the_order_of_exit_codes_is_that_of_the_table(notices: Notices):
    given = [notices.give(OF_A)]
    wrong = notices.world.evidence(C)
    assert notices.judge(A, given, evidence=wrong).exit_code == 10
    assert notices.judge(A, given, offline=True).exit_code == 14
    report = notices.judge(A, given, offline=True)
    assert report.headline == "superseded by another record; the evidence itself: cannot tell"
    order = [0, 21, 20, 22, 2, 14, 13, 11, 12, 10]
    for lower, higher in pairwise(order):
        codes = [ExitCode(lower), ExitCode(higher)]
        assert severest_code(codes) == severest_code(codes[::-1]) == higher


def test_the_document_has_the_notice_and_what_is_proven(notices: Notices):
    given = [notices.give(OF_A), notices.give(OF_B, offline=True)]
    document = describe_report("a", notices.judge(A, given)).model_dump()
    first, second = document["notices"]
    assert first | {"subject": "", "replacement": ""} == {
        "file": "notice-4", "kind": "supersedes", "subject": "", "replacement": "",
        "reason": "缺页", "at": "2026-09-21T14:00:08Z", "actor": "Li", "verdict": "pass",
        "detail": document["problem"]["message"], "of_this_record": True,
        "existed_no_later_than": document["anchors"][0]["existed_no_later_than"],
    }  # fmt: skip
    assert (second["verdict"], second["existed_no_later_than"]) == (Verdict.CANNOT_TELL.value, None)
    assert "notices" not in describe_report("a", notices.judge(A, [])).model_dump()
    whole = {
        "format": "anchor-verify/1", "exit_code": 14, "policies": [], "unused_project": None,
        "nodes": [], "bags": [], "files": [document],
    }  # fmt: skip
    schema = json.loads((ROOT / "docs/schemas/verification.json").read_bytes())
    jsonschema_rs.validator_for(schema).validate(whole)
