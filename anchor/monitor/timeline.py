"""The state of each head, and its anchor's cost and latency.

Times are Unix seconds of the operator's clock, except ``included_at``, which is the block's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection

from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time
from anchor.base.types import MAX_LOG_SIZE, ChainId, Hash32, Head
from anchor.operate.finality import anchored_message
from anchor.store.statistics import (
    AnchorRow,
    HeadRow,
    find_anchor_above,
    find_open_transaction,
    load_newest_anchors,
    load_newest_heads,
)


class HeadState(Enum):
    """How far a head has come, in the words of the JSON documents."""

    SEALED = "sealed"
    SUBMITTED = "submitted"
    INCLUDED = "included (reversible)"
    ANCHORED = "anchored (final)"
    COVERED = "covered by a later anchor (reversible)"
    COVERED_FINALLY = "covered by a later anchor (final)"


def head_state_message(state: HeadState, *, is_by_depth: bool) -> Message:
    """Return the message of a state; its English is the state's value.

    ``is_by_depth`` is whether a number of blocks, and not the nodes, decides what is final: the
    message of a final state then says so.
    """
    match state:
        case HeadState.SEALED:
            return Message("head-state-sealed")
        case HeadState.SUBMITTED:
            return Message("head-state-submitted")
        case HeadState.INCLUDED:
            return Message("head-state-included")
        case HeadState.ANCHORED:
            return anchored_message(is_by_depth=is_by_depth)
        case HeadState.COVERED:
            return Message("head-covered")
        case HeadState.COVERED_FINALLY if is_by_depth:
            return Message("head-covered-finally-by-depth")
        case HeadState.COVERED_FINALLY:
            return Message("head-covered-finally")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLine:
    """A head, the number of leaves it added, and its state.

    ``anchor_size`` and ``sequence`` are those of the first anchor that covers the head; None
    without one.
    """

    head: Head
    added: int
    sealed_at: float
    state: HeadState
    anchor_size: int | None
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorLine:
    """An anchor, the number of leaves it is the first to cover, its cost and its latency.

    ``gas_used`` and ``gas_price`` (wei) are None if the transaction is not one of this project.
    ``final_at`` is when this project first saw the anchor final; None if it has not, or did not
    record it.
    """

    head: Head
    covers: int
    sequence: int
    block_number: int
    sealed_at: float
    included_at: float
    final: bool
    final_at: float | None
    gas_used: int | None
    gas_price: int | None
    tx_hash: Hash32 | None

    @property
    def wei(self) -> int | None:
        """Cost in wei, without an L2's fee for its data on L1."""
        if self.gas_used is None or self.gas_price is None:
            return None
        return self.gas_used * self.gas_price

    @property
    def wei_each(self) -> int | None:
        """Cost in wei per leaf that this anchor is the first to cover."""
        return None if self.wei is None else self.wei // max(self.covers, 1)

    @property
    def to_included(self) -> float:
        """Seconds from seal to block, at least 0 although two clocks may differ."""
        return max(self.included_at - self.sealed_at, 0.0)

    @property
    def to_final(self) -> float | None:
        """Seconds from seal until finality was seen."""
        return None if self.final_at is None else max(self.final_at - self.sealed_at, 0.0)


def load_head_lines(
    connection: Connection, chain_id: ChainId, count: int, *, below: int = MAX_LOG_SIZE + 1
) -> list[HeadLine]:
    """Return ``count`` heads smaller than ``below`` (the newest), the largest first."""
    rows = load_newest_heads(connection, count, below=below)
    if not rows:
        return []
    # An upper bound on the anchors of these heads, counted down from the first anchor above the
    # largest head.
    above = find_anchor_above(connection, chain_id, rows[0].head.size - 1, final=False)
    top = rows[0].head.size if above is None else above.anchored.head.size
    known = load_newest_anchors(connection, chain_id, count + 1, below=top + 1)
    final = find_anchor_above(connection, chain_id, rows[0].head.size - 1, final=True)
    transaction = find_open_transaction(connection, chain_id)
    submitted = (transaction.head_size if transaction else None) or 0
    return [_make_head_line(row, known, final is not None, submitted) for row in rows]


def _make_head_line(
    row: HeadRow, known: list[AnchorRow], has_final_above: bool, submitted: int
) -> HeadLine:
    holding = [each.anchored for each in known if each.anchored.head.size >= row.head.size]
    anchored = holding[-1] if holding else None
    is_final = has_final_above or any(each.final for each in holding)
    if anchored is None:
        state = HeadState.SUBMITTED if submitted >= row.head.size else HeadState.SEALED
    elif anchored.head.size == row.head.size:
        state = HeadState.ANCHORED if anchored.final else HeadState.INCLUDED
    else:
        state = HeadState.COVERED_FINALLY if is_final else HeadState.COVERED
    return HeadLine(
        head=row.head,
        added=row.added,
        sealed_at=parse_time(row.sealed_at),
        state=state,
        anchor_size=None if anchored is None else anchored.head.size,
        sequence=None if anchored is None else anchored.sequence,
    )


def make_anchor_line(row: AnchorRow) -> AnchorLine:
    """Return the row of an anchor with times in Unix seconds."""
    anchored = row.anchored
    return AnchorLine(
        head=anchored.head,
        covers=row.covers,
        sequence=anchored.sequence,
        block_number=anchored.block_number,
        sealed_at=parse_time(row.sealed_at),
        included_at=anchored.timestamp,
        final=anchored.final,
        final_at=None if anchored.final_at is None else parse_time(anchored.final_at),
        gas_used=row.gas_used,
        gas_price=row.gas_price,
        tx_hash=anchored.tx_hash,
    )
