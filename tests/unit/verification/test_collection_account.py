"""Claim C7 says what is documented and what is missing; it passes on nothing of that alone."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from support.certificates import recorded
from support.group_examples import FULL
from support.world import INDEX, SIZE, World, judged

from anchor.base.messages.message import translate
from anchor.cli.console import Output
from anchor.cli.report_text import print_report
from anchor.evidence.group_reading import parse_groups
from anchor.receipt.format import encode_receipt
from anchor.verification.report import Claim, Report, Verdict
from anchor.verification.report_json import FileDocument, describe_report

MEMBERS = parse_groups(FULL).members()


def report_on(statements: dict[str, Any] | None) -> Report:
    world = World() if statements is None else recorded(INDEX, statements=statements)
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    return judged(
        world,
        encode_receipt(receipt),
        evidence=world.evidence(INDEX),
        policy=world.policy(),
    )


def claim_of(report: Report) -> Claim:
    return next(claim for claim in report.claims if claim.id == "C7")


def test_a_record_without_groups_holds_no_account():
    report = report_on(None)
    assert report.account is None
    assert claim_of(report).reason == "the record holds no account of collection or custody"
    assert "account" not in describe_report("x", report).model_dump()


def test_the_claim_names_what_the_profile_lacks_and_does_not_pass():
    report = report_on(MEMBERS)
    assert (report.exit_code, claim_of(report).verdict) == (0, Verdict.NOT_PRESENT)
    reason = claim_of(report).reason
    assert "it lacks collection.operators (collected by), platform.version (version)" in reason
    assert "no custody event was given" in reason
    assert "缺少 取证人员（collection.operators）" in translate(reason, "zh")


def test_a_complete_account_without_custody_does_not_pass_either():
    report = report_on({**MEMBERS, "profile": "plain"})
    assert claim_of(report).verdict is Verdict.NOT_PRESENT
    assert "with all that profile plain lists" in claim_of(report).reason


def test_an_account_without_a_profile_says_so():
    report = report_on({"source": {"origin": "x"}})
    assert "names no profile" in claim_of(report).reason


def test_groups_of_another_form_are_uninterpreted_and_never_a_fault():
    report = report_on({"source": 5, "clock": {"state": "agree"}, "verdict": "x"})
    assert (report.exit_code, claim_of(report).verdict) == (0, Verdict.NOT_PRESENT)
    assert "cannot be interpreted: source, clock" in claim_of(report).reason
    document = describe_report("x", report).model_dump()
    assert document["account"]["uninterpreted"] == ["source", "clock"]
    assert document["statements"] == ["clock", "source", "verdict"]


def test_json_has_what_is_stated_and_what_was_observed_apart():
    document = describe_report("x", report_on(MEMBERS)).model_dump()
    stated, observed = document["account"]["stated"], document["account"]["observed"]
    assert set(observed) == {
        "platform",
        "environment",
        "cleanliness",
        "extract",
        "foreign_capture",
        "clock",
        "capture",
    }
    assert set(stated) & set(observed) == {"platform"}
    assert stated["platform"] == {"chain": "eip155:1"}
    assert set(observed["platform"]) == {"software", "argv"}
    merged = {**stated, **observed, "platform": {**stated["platform"], **observed["platform"]}}
    assert merged == MEMBERS
    assert [entry["member"] for entry in document["account"]["lacking"]] == [
        "collection.operators",
        "platform.version",
    ]
    FileDocument.model_validate(document)
    jsonschema_rs.validator_for(FileDocument.model_json_schema()).validate(document)


@pytest.mark.parametrize("profile", ["civil-zh", "us-902"])
def test_no_profile_makes_the_claim_pass(profile: str):
    assert claim_of(report_on({"profile": profile})).verdict is Verdict.NOT_PRESENT


def test_the_printed_claim_says_stated_and_names_the_submitter(
    capsys: pytest.CaptureFixture[str],
):
    report = report_on(MEMBERS | {"submitter": {"account": "acme", "actor": "person:1"}})
    output = Output(as_json=False, language="zh")
    print_report(output, "FILE", report, policies=(), nodes=(), all_steps=True)
    printed = capsys.readouterr().out
    assert "C7 有陈述，未核对 取证与保管过程有记载" in printed
    assert "记录载明的提交人：person:1，存证主体：租户 acme" in printed
    assert "未提供 取证" not in printed and "submitter" not in printed
