"""Claim C7 with custody events passes on a whole chain and a complete record, and on no less."""

from __future__ import annotations

import pytest
from support.custodies import AT, COMPLETE, Custody, all_events, encode
from support.group_examples import FULL
from support.world import World, judged

from anchor.base.types import make_log_id
from anchor.evidence.group_reading import read_custody_event
from anchor.receipt.format import encode_receipt
from anchor.verification.collection_account import CustodyReceipt, apply_custody
from anchor.verification.report import Report, Verdict
from anchor.verification.report_json import describe_report


def outcome(report: Report) -> tuple[int, Verdict, str]:
    claim = next(claim for claim in report.claims if claim.id == "C7")
    return int(report.exit_code), claim.verdict, claim.reason


def test_a_whole_chain_and_a_complete_record_pass():
    custody = Custody()
    code, verdict, reason = outcome(custody.judge(*all_events(custody)))
    assert (code, verdict) == (0, Verdict.PASS)
    assert "3 custody events without a gap" in reason
    assert "later events are not excluded" in reason
    document = describe_report("x", custody.judge(*all_events(custody))).model_dump()
    assert document["claims"][6]["verdict"] == "pass"


def test_an_incomplete_record_does_not_pass_and_names_what_is_missing():
    custody = Custody(FULL)
    code, verdict, reason = outcome(custody.judge(*all_events(custody)))
    assert (code, verdict) == (0, Verdict.NOT_PRESENT)
    assert "collection.operators" in reason
    assert "3 custody events without a gap" in reason


def test_a_record_without_a_profile_does_not_pass():
    custody = Custody({"source": {"origin": "x"}})
    assert outcome(custody.judge(*all_events(custody)))[1] is Verdict.NOT_PRESENT
    assert outcome(Custody({}).judge())[1] is Verdict.NOT_PRESENT


def test_what_should_be_there_is_no_condition():
    without = {name: value for name, value in COMPLETE.items() if name != "clock"}
    custody = Custody(without)
    code, verdict, reason = outcome(custody.judge(*all_events(custody)))
    assert (code, verdict) == (0, Verdict.PASS)
    assert "lacks clock" in reason


@pytest.mark.parametrize("left_out", [0, 1])
def test_a_gap_cannot_be_told(left_out: int):
    custody = Custody()
    events = [each for at, each in enumerate(all_events(custody)) if at != left_out]
    code, verdict, reason = outcome(custody.judge(*events))
    assert (code, verdict) == (20, Verdict.CANNOT_TELL)
    assert "has a gap" in reason


def test_a_digest_that_does_not_meet_fails():
    custody = Custody(event_1={"digest_before": "ee" * 32})
    code, verdict, _ = outcome(custody.judge(*all_events(custody)))
    assert (code, verdict) == (10, Verdict.FAIL)


def test_an_event_without_a_digest_does_not_pass():
    custody = Custody(event_1={"digest_after": None})
    code, verdict, reason = outcome(custody.judge(*all_events(custody)))
    assert (code, verdict) == (0, Verdict.NOT_PRESENT)
    assert "without a digest: event 2" in reason


def test_an_event_of_another_record_fails():
    custody = Custody(event_2={"subject": "ee" * 32})
    assert outcome(custody.judge(*all_events(custody)))[:2] == (10, Verdict.FAIL)


def test_an_event_that_does_not_verify_decides_the_result():
    custody = Custody()
    events = all_events(custody)
    event = read_custody_event(events[1].receipt.record)
    assert event is not None
    unread = judged(
        custody.world,
        encode_receipt(custody.world.receipt(AT + 2)),
        evidence=event.digests(),
        offline=True,
    )
    events[1] = CustodyReceipt(receipt=events[1].receipt, report=unread)
    assert outcome(custody.judge(*events))[:2] == (20, Verdict.CANNOT_TELL)


def test_an_event_whose_record_has_the_digests_of_other_bytes_is_none():
    custody = Custody()
    records = list(custody.world.records)
    event = read_custody_event(records[AT + 1])
    assert event is not None
    bent = encode(
        custody.world.evidence(AT), "x", {"kind": "custody-event", "custody": {
            "subject": event.subject, "event": event.event, "at": event.at, "actor": event.actor,
        }},
    )  # fmt: skip
    assert read_custody_event(bent) is None
    records[AT + 1] = bent
    custody.world = World(records)
    events = [custody.event(0)]
    assert outcome(custody.judge(*events))[:2] == (2, Verdict.FAIL)


def test_an_event_in_another_owners_log_fails():
    custody = Custody()
    events = all_events(custody)
    foreign = events[1].receipt
    object.__setattr__(foreign, "log", make_log_id(b"\x77" * 20, 0))
    assert outcome(custody.judge(*events))[:2] == (10, Verdict.FAIL)


def test_a_custody_finding_never_hides_the_evidences_own():
    custody = Custody()
    receipt = custody.receipt(AT)
    report = judged(custody.world, encode_receipt(receipt), evidence=custody.world.evidence(AT + 5))
    both = apply_custody(report, receipt, all_events(custody))
    assert both.exit_code == 10
    assert both.steps == report.steps
