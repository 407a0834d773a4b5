"""A summary of several verifications counts passes with a reservation by themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from support.world import MAIN, World, judged

from anchor.base.errors import CannotCheckError, MalformedError, MismatchError, SupersededError
from anchor.base.messages.message import Message, translate
from anchor.base.types import ChainId
from anchor.verification.outcome_tally import (
    VerificationOutcome,
    describe_tally,
    outcome_of,
    outcome_of_error,
)
from anchor.verification.report import Report

TEXT = Message("list-single", text="x")
MAIN_CHAIN = ChainId(1)


def passing(chain_id: ChainId = MAIN_CHAIN) -> Report:
    """Return the report of a pass on a development chain, with its proof said to be of another."""
    report = judged(World())
    assert report.error is None
    return replace(report, proven=tuple(replace(each, chain_id=chain_id) for each in report.proven))


def test_a_pass_on_a_main_chain_with_everything_pinned_is_plain() -> None:
    assert outcome_of(passing()) is VerificationOutcome.VERIFIED
    assert not passing().is_qualified


def test_a_pass_is_qualified_by_its_chain_its_block_or_what_nothing_pins() -> None:
    plain = passing()
    asserted = tuple(replace(each, assurance="asserted") for each in plain.proven)
    for report in (
        passing(MAIN),
        replace(plain, proven=asserted),
        replace(plain, unpinned=(TEXT,)),
    ):
        assert report.exit_code == 0
        assert outcome_of(report) is VerificationOutcome.QUALIFIED


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MismatchError(TEXT), VerificationOutcome.FAILED),
        (MalformedError(TEXT), VerificationOutcome.FAILED),
        (CannotCheckError(TEXT), VerificationOutcome.OPEN),
        (SupersededError(TEXT, replacement=None), VerificationOutcome.SUPERSEDED),
    ],
)
def test_what_does_not_pass_is_counted_by_its_kind(
    error: CannotCheckError, outcome: VerificationOutcome
) -> None:
    assert outcome_of_error(error) is outcome
    assert outcome_of(replace(passing(MAIN), status_error=error)) is outcome


def test_the_summary_names_what_occurs_and_nothing_else() -> None:
    one = describe_tally(Counter({VerificationOutcome.QUALIFIED: 1}))
    assert one == "1 in all: 1 verified with reservation"
    assert translate(one, "zh") == "共 1 份：有保留地通过 1 份"
    each = describe_tally(
        {outcome: number for number, outcome in enumerate(VerificationOutcome, start=1)}
    )
    assert translate(each, "zh") == (
        "共 15 份：核验通过 1 份，有保留地通过 2 份，"
        "已被替代或撤回 3 份，未通过 4 份，无法判断 5 份"
    )
