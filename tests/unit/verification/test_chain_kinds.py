"""By kind of chain, whether its times count: every face shows what one table says."""

from __future__ import annotations

import dataclasses

import pytest
from support.beacons import judge_named
from support.chain_kinds import CHAINS, PAIRS, PROVES_TIME, case_on, receipt_on, world_on
from support.notices import OF_A, A, Notices
from support.two_verifiers import judge_alone
from support.world import World, judged

from anchor.bag.exhibit_list import ExhibitEntry, render_exhibits
from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.report_text import print_notice, print_report, print_summary
from anchor.ethereum.known_chains import ChainKind, find_chain, proves_time
from anchor.verification.report import Report, Verdict
from anchor.verification.report_json import describe_report

OUTPUT = Output(as_json=False, language="en")
BOUNDS = ("no later than", "not later than", "not before", "Unchanged since")
OF_CHAIN = "by the chain's own clock, which proves no actual time: "


def verdicts(report: Report, *, shown: bool) -> list[str]:
    claims = report.shown_claims if shown else report.claims
    return [claim.verdict.value for claim in claims if claim.id in ("C4", "C5")]


def judge_pair(one: ChainKind, other: ChainKind) -> Report:
    """Judge a receipt with an anchor on each of two chains."""
    here = world_on(one, other)
    return judged(here, receipt_on(here), policy=here.policy(*map(here.entry, here.chains)))


@pytest.mark.parametrize("kind", CHAINS)
def test_the_chains_of_the_table_are_of_their_kinds(kind: ChainKind) -> None:
    assert find_chain(CHAINS[kind]).kind == kind
    assert proves_time(kind) == PROVES_TIME[kind]


@pytest.mark.parametrize("kind", CHAINS)
def test_a_time_is_open_where_no_chain_proves_it_and_the_json_keeps_the_verdict(
    kind: ChainKind,
) -> None:
    report = judge_named(case_on(kind))
    assert report.exit_code == 0
    assert verdicts(report, shown=False) == ["pass", "pass"]
    assert verdicts(report, shown=True) == ["pass" if PROVES_TIME[kind] else "cannot tell"] * 2
    document = describe_report("file", report).model_dump()
    claims = [claim for claim in document["claims"] if claim["id"] in ("C4", "C5")]
    assert [claim["verdict"] for claim in claims] == ["pass", "pass"]
    assert document["anchors"][0]["chain"]["kind"] == kind
    texts = [claim["reason"] for claim in claims]
    texts += [step["detail"] for step in document["steps"] if step["number"] in (10, 11)]
    assert [text.startswith(OF_CHAIN) for text in texts] == [not PROVES_TIME[kind]] * 4


@pytest.mark.parametrize("kind", CHAINS)
def test_the_standalone_verifier_says_so_too(kind: ChainKind) -> None:
    case = case_on(kind)
    report = judge_alone(case.data, case.given)
    texts = [text for number, _, text in report.lines if number in (10, 11)]
    texts += [note for note in report.notes if "made not before" in note]
    assert [text.startswith(OF_CHAIN) for text in texts] == [not PROVES_TIME[kind]] * 3


@pytest.mark.parametrize("kind", CHAINS)
def test_the_command_prints_bounds_only_where_they_are_proven(
    kind: ChainKind, capsys: pytest.CaptureFixture[str]
) -> None:
    report = judge_named(case_on(kind))
    (proven,) = report.proven
    print_report(OUTPUT, "F", report, policies=(), nodes=())
    lines = capsys.readouterr().out.splitlines()
    (c4,) = (line for line in lines if line.startswith("  C4 "))
    (c5,) = (line for line in lines if line.startswith("  C5 "))
    others = [line for line in lines if line not in (c4, c5)]
    stated = [word for word in BOUNDS if any(word in line for line in others)]
    unproven = [line for line in lines if line.startswith("  Time stated by the block, which")]
    print_summary(OUTPUT, "F", report)
    brief = capsys.readouterr().out
    if PROVES_TIME[kind]:
        assert c4.split()[1] == c5.split()[1] == "pass"
        assert stated == ["not later than", "not before", "Unchanged since"] and not unproven
        assert "not before" in brief
    else:
        assert c4.split()[1:3] == c5.split()[1:3] == ["cannot", "tell"]
        assert stated == [] and len(unproven) == 1
        assert "time stated by the block, which proves nothing: 2026-09-21 14:17:20" in brief
        assert f"{proven.block_time:%Y-%m-%d %H:%M:%S} UTC" in unproven[0]


@pytest.mark.parametrize("kinds", PAIRS)
def test_one_chain_whose_times_count_suffices_in_any_order(
    kinds: tuple[ChainKind, ChainKind],
) -> None:
    is_proven = any(PROVES_TIME[kind] for kind in kinds)
    for one, other in (kinds, kinds[::-1]):
        report = judge_pair(one, other)
        assert (report.exit_code, len(report.proven)) == (0, 2)
        assert report.leading is not None and report.leading.proves_time == is_proven
        (claim,) = (claim for claim in report.shown_claims if claim.id == "C4")
        assert claim.verdict is (Verdict.PASS if is_proven else Verdict.CANNOT_TELL)
        assert claim.reason.startswith(OF_CHAIN) != is_proven


@pytest.mark.parametrize("kind", CHAINS)
def test_a_time_stays_open_also_where_the_anchor_itself_is_not_accepted(kind: ChainKind) -> None:
    here = World(chain_ids=[CHAINS[kind]])
    strict = here.policy(dataclasses.replace(here.entry(), operators=()))
    report = judged(here, policy=strict)
    assert (report.exit_code, report.proven) == (12, ())
    (claim,) = (claim for claim in report.shown_claims if claim.id == "C4")
    assert claim.verdict is (Verdict.PASS if PROVES_TIME[kind] else Verdict.CANNOT_TELL)


@pytest.mark.parametrize("kind", CHAINS)
def test_a_notice_was_recorded_by_a_time_only_where_that_is_proven(
    kind: ChainKind, capsys: pytest.CaptureFixture[str]
) -> None:
    notices = Notices(chain_ids=[CHAINS[kind]])
    (finding,) = notices.judge(A, [notices.give(OF_A)]).notices
    assert finding.chain_kind == kind
    print_notice(OUTPUT, finding)
    shown = capsys.readouterr().out
    assert "Li replaced the record" in shown
    assert ("This was recorded no later than 2026-09-21 14:17:50" in shown) == PROVES_TIME[kind]
    unproven = "Its block states the time 2026-09-21 14:17:20 UTC, which proves nothing"
    assert (unproven in shown) == (not PROVES_TIME[kind])


@pytest.mark.parametrize("kind", CHAINS)
def test_the_list_of_a_bag_labels_a_time_by_its_chain(kind: ChainKind) -> None:
    entry = ExhibitEntry(
        original="data/originals/a", receipt="receipts/a.anchor.json", name="a",
        recorded_at="2026-11-28T00:00:00Z", size=3, sha256="0" * 64, sm3="1" * 64,
        anchored={
            "chain_id": CHAINS[kind], "block_number": 17, "log": "0x00", "index": 2,
            "existed_no_later_than": "2026-11-28T00:00:12Z",
        },
        stated={}, record=b"{}",
    )  # fmt: skip
    bracket = {**entry.anchored, "made_no_earlier_than": "2026-11-27T00:00:00Z"}
    for each in (entry, dataclasses.replace(entry, anchored=bracket)):
        page = render_exhibits({}, [each]).decode()
        assert ("no later than" in page or "not later than" in page) == PROVES_TIME[kind]
        assert (Message("certificate-bound-not-proven") in page) == (not PROVES_TIME[kind])
