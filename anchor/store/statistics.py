"""Figures about the log's state; every query reads a few rows by an index.

The time of these queries does not grow with the number of pieces, heads or anchors, because they
serve pages that are open to the public.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Float, Row, cast, func, literal_column, select

from anchor.base.types import MAX_LOG_SIZE, Address, ChainId, Hash32, Head
from anchor.store.evidence import find_first_since
from anchor.store.heads import AnchoredHead, parse_anchor
from anchor.store.runs import find_end, find_run, find_size
from anchor.store.schema import anchors, attempts, heads, slots

_ABOVE_ALL = MAX_LOG_SIZE + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRow:
    """A sealed head, the number of leaves it added, and its sealing time (RFC 3339)."""

    head: Head
    added: int
    sealed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRow:
    """An anchored head with its sealing time and the cost of its transaction.

    ``covers`` counts the leaves that the previous anchor did not cover.  Gas, its price (wei per
    gas) and the sender are None if this project did not send the transaction.
    """

    anchored: AnchoredHead
    covers: int
    sealed_at: str
    gas_used: int | None
    gas_price: int | None
    sender: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """The nonce that is not settled, with its newest attempt (None: no attempt is signed).

    ``first_signed_at`` and ``signed_at`` (RFC 3339) belong to the first and the newest attempt.
    """

    sender: Address
    nonce: int
    reserved_at: str
    attempts: int
    head_size: int | None
    max_fee: int | None
    first_signed_at: str | None
    signed_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The total cost of transactions since some time; ``wei`` is accurate to 15 digits."""

    transactions: int
    wei: int
    first_included_at: int | None


def find_oldest_waiting(connection: Connection) -> str | None:
    """Return when the oldest queued evidence was accepted (RFC 3339); None if none is queued."""
    size = find_size(connection)
    run = find_run(connection, size)
    return None if run is None else run.time(size - run.first)


def count_accepted_since(connection: Connection, moment: str) -> int:
    """Return the number of pieces accepted at ``moment`` (RFC 3339) or later."""
    end = find_end(connection)
    return end - find_first_since(connection, moment, 0, end)


def load_newest_heads(
    connection: Connection, count: int, *, below: int = _ABOVE_ALL
) -> list[HeadRow]:
    """Return the ``count`` largest heads smaller than ``below``, the largest first."""
    rows = connection.execute(
        select(heads.c.size, heads.c.root, heads.c.sealed_at)
        .where(heads.c.size < below)
        .order_by(heads.c.size.desc())
        .limit(count + 1)
    ).all()
    sizes = [row.size for row in rows[1:]] + [0]
    return [
        HeadRow(
            head=Head(root=Hash32(row.root), size=row.size),
            added=row.size - before,
            sealed_at=row.sealed_at,
        )
        for row, before in zip(rows[:count], sizes, strict=False)
    ]


def find_head_above(connection: Connection, index: int) -> HeadRow | None:
    """Return the first head that holds the leaf at ``index``."""
    row = connection.execute(
        select(heads.c.size).where(heads.c.size > index).order_by(heads.c.size).limit(1)
    ).one_or_none()
    return None if row is None else load_newest_heads(connection, 1, below=row.size + 1)[0]


def load_newest_anchors(
    connection: Connection, chain_id: ChainId, count: int, *, below: int = _ABOVE_ALL
) -> list[AnchorRow]:
    """Return the ``count`` largest anchored heads smaller than ``below``, the largest first."""
    rows = connection.execute(
        select(
            anchors,
            heads.c.root,
            heads.c.sealed_at,
            slots.c.gas_used,
            slots.c.gas_price,
            attempts.c.sender,
        )
        .select_from(
            anchors.join(heads)
            .outerjoin(attempts, attempts.c.tx_hash == anchors.c.tx_hash)
            .outerjoin(slots)
        )
        .where(anchors.c.chain_id == chain_id, anchors.c.head_size < below)
        .order_by(anchors.c.head_size.desc())
        .limit(count + 1)
    ).all()
    sizes = [row.head_size for row in rows[1:]] + [0]
    return [_parse_anchor(row, before) for row, before in zip(rows[:count], sizes, strict=False)]


def find_anchor_above(
    connection: Connection, chain_id: ChainId, index: int, *, final: bool
) -> AnchorRow | None:
    """Return the first anchored head with the leaf at ``index``; if ``final``, only a final one."""
    query = select(anchors.c.head_size).where(
        anchors.c.chain_id == chain_id, anchors.c.head_size > index
    )
    if final:
        query = query.where(anchors.c.final == literal_column("1"))
    size = connection.execute(query.order_by(anchors.c.head_size).limit(1)).scalar_one_or_none()
    if size is None:
        return None
    return load_newest_anchors(connection, chain_id, 1, below=size + 1)[0]


def _parse_anchor(row: Row[Any], before: int) -> AnchorRow:
    return AnchorRow(
        anchored=parse_anchor(row),
        covers=row.head_size - before,
        sealed_at=row.sealed_at,
        gas_used=row.gas_used,
        gas_price=row.gas_price,
        sender=row.sender,
    )


def find_open_transaction(connection: Connection, chain_id: ChainId) -> OpenTransaction | None:
    """Return the nonce that is reserved and not settled; None if all are settled."""
    slot = connection.execute(
        select(slots).where(slots.c.chain_id == chain_id, slots.c.outcome.is_(None))
    ).one_or_none()
    if slot is None:
        return None
    signed = connection.execute(
        select(attempts.c.head_size, attempts.c.max_fee, attempts.c.signed_at)
        .where(
            attempts.c.chain_id == chain_id,
            attempts.c.sender == slot.sender,
            attempts.c.nonce == slot.nonce,
        )
        .order_by(attempts.c.max_fee)
    ).all()
    newest = signed[-1] if signed else None
    return OpenTransaction(
        sender=Address(slot.sender),
        nonce=slot.nonce,
        reserved_at=slot.reserved_at,
        attempts=len(signed),
        head_size=newest and newest.head_size,
        max_fee=newest and newest.max_fee,
        first_signed_at=signed[0].signed_at if signed else None,
        signed_at=newest and newest.signed_at,
    )


def sum_costs_since(connection: Connection, chain_id: ChainId, since: int) -> Costs:
    """Return the cost of transactions in blocks after ``since`` (Unix seconds)."""
    row = connection.execute(
        select(
            func.count().label("number"),
            # As floating point: the product may not fit into 64 bits.
            func.sum(
                cast(slots.c.gas_used, Float) * slots.c.gas_price + func.coalesce(slots.c.l1_fee, 0)
            ).label("wei"),
            func.min(slots.c.included_at).label("first"),
        ).where(slots.c.chain_id == chain_id, slots.c.included_at > since)
    ).one()
    return Costs(transactions=row.number, wei=int(row.wei or 0), first_included_at=row.first)
