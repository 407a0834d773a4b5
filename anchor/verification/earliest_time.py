"""Step 11: the time before which a record was not made, by the block that the record names.

It bounds when the record was made, and says nothing about the evidence, which may be older.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from anchor.base.errors import AnchorError, CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.types import Anchor
from anchor.base.units import format_moment
from anchor.ethereum.header import Header, parse_header
from anchor.ethereum.known_chains import has_block_history
from anchor.evidence.not_before import MEMBER
from anchor.evidence.record import Record
from anchor.receipt.format import Receipt
from anchor.receipt.history_proof import HISTORY_WINDOW, check_beacon
from anchor.receipt.state_proof import StateProof
from anchor.verification.steps import VerificationTarget, add_rule, find_time_slack, limit_time


def explain_absence(receipt: Receipt, record: Record) -> Message | None:
    """Return why the receipt shows no earliest time; None if step 11 can be made."""
    named = record.not_before
    if named is None:
        return (
            Message("record-not-before-not-understood")
            if MEMBER in record.statements
            else Message("record-names-nothing-earlier")
        )
    chain, number = named.chain_id, named.block_number
    if not has_block_history(chain):
        return Message("chain-without-block-history", chain=chain)
    states = [anchor.state for anchor in receipt.anchors if anchor.state is not None]
    if any(state.beacon is not None for state in states):
        return None
    if all(anchor.chain_id != chain for anchor in receipt.anchors):
        return Message("receipt-without-anchor-on-chain", chain=chain, number=number)
    for anchor in receipt.anchors:
        if anchor.state is not None and anchor.chain_id == chain:
            with suppress(AnchorError):  # of the header, which step 5 reports
                block = parse_header(anchor.state.header).number
                if block - number > HISTORY_WINDOW:
                    return Message(
                        "beacon-window-missed", number=number, block=block, limit=HISTORY_WINDOW
                    )
    return Message("receipt-without-beacon", number=number)


def check_earliest_time(
    proof: StateProof, target: VerificationTarget, stored: Anchor, header: Header, record: Record
) -> tuple[datetime, Message]:
    """Step 11: return the time before which the record was not made.

    Only for a record that names a block, and a ``proof`` with a beacon.

    Raises:
        CannotCheckError: The possible error of the block's time is unknown, or the record states a
            time before the one at which it could be made.
    """
    assert record.not_before is not None, "step 11 is about the block that a record names"
    assert proof.beacon is not None, "step 11 is about a beacon"
    earlier = check_beacon(
        proof.beacon,
        record.not_before,
        header=header,
        chain_id=target.chain_id,
        anchored_at=stored.timestamp,
    )
    slack, basis = find_time_slack(target)
    detail = add_rule(Message("time-less-slack", basis=basis, slack=slack), target, slack)
    try:
        bound = datetime.fromtimestamp(max(0, earlier.timestamp - slack), UTC)
    except (OverflowError, ValueError) as error:
        raise CannotCheckError(
            Message("beacon-time-no-date", timestamp=earlier.timestamp)
        ) from error
    since = (record.recorded_at.replace(microsecond=0) - bound) // timedelta(seconds=1)
    if -since > target.recorded_at_tolerance:
        raise CannotCheckError(
            Message("record-earlier-than-beacon", seconds=-since, time=format_moment(bound)),
            hint=Message("record-earlier-than-beacon-hint"),
        )
    text = Message(
        "record-made-after",
        time=format_moment(bound),
        detail=detail,
        number=earlier.number,
        hash=earlier.hash.hex(),
    )
    return bound, limit_time(text, target.chain_id)
