"""The ledger: what the store knows of evidence, anchors, costs and cases, as plain rows."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from anchor.base.types import ChainId
from anchor.evidence.preservation_number import number_record
from anchor.store.columns import EvidenceRow
from anchor.store.file_origins import tenant_of
from anchor.store.runs import load_runs
from anchor.store.schema import anchors, attempts, case_exhibits, cases, heads, slots

LedgerRow = Mapping[str, Any]


def list_evidence(connection: Connection, chain_id: ChainId) -> Iterator[LedgerRow]:
    """Yield each piece in order of acceptance, with the first head and anchor that cover it.

    Of erased evidence only the leaf and the times are left.  The origins of a tenant's evidence,
    which name nothing but the tenant, are left out.
    """
    sizes = list(connection.execute(select(heads.c.size).order_by(heads.c.size)).scalars())
    covering = list(
        connection.execute(
            select(anchors.c.head_size, anchors.c.timestamp, anchors.c.final)
            .where(anchors.c.chain_id == chain_id)
            .order_by(anchors.c.head_size)
        )
    )
    anchored = [row.head_size for row in covering]
    pieces = (piece for run in load_runs(connection) for piece in run.rows())
    for index, piece in enumerate(pieces):
        head = bisect_right(sizes, index)
        at = bisect_right(anchored, index)
        anchor = covering[at] if at < len(covering) else None
        yield {
            "index": index,
            **_describe(piece),
            "head_size": sizes[head] if head < len(sizes) else None,
            "anchored_size": None if anchor is None else anchor.head_size,
            "anchored_at": None if anchor is None else anchor.timestamp,
            "is_final": anchor is not None and bool(anchor.final),
        }


def _describe(piece: EvidenceRow) -> LedgerRow:
    tenant = tenant_of(piece.source)
    record = piece.record
    stated = {} if record is None else json.loads(record)
    return {
        "id": piece.identity or None,
        "tenant": tenant,
        "source": piece.source if tenant is None and piece.source else None,
        "name": stated.get("name"),
        "size": stated.get("size"),
        "sha256": piece.sha256,
        "sm3": piece.sm3,
        "leaf": piece.leaf,
        "number": None if record is None else number_record(record),
        "accepted_at": piece.accepted_at,
        "has_record": record is not None,
    }


def list_anchors(connection: Connection) -> Iterator[LedgerRow]:
    """Yield the anchors of every chain, with the roots of their heads."""
    query = (
        select(anchors, heads.c.root, heads.c.sealed_at)
        .join_from(anchors, heads)
        .order_by(anchors.c.chain_id, anchors.c.head_size)
    )
    for row in connection.execute(query):
        yield {
            "chain_id": row.chain_id,
            "head_size": row.head_size,
            "root": row.root,
            "sealed_at": row.sealed_at,
            "block_number": row.block_number,
            "block_hash": row.block_hash,
            "anchored_at": row.timestamp,
            "tx_hash": row.tx_hash,
            "is_final": bool(row.final),
        }


def list_transactions(connection: Connection) -> Iterator[LedgerRow]:
    """Yield each nonce of the keys that signed for the log, with its outcome and cost in wei."""
    keys = ("chain_id", "sender", "nonce")
    sizes = (
        select(*(attempts.c[key] for key in keys), func.max(attempts.c.head_size).label("size"))
        .group_by(*(attempts.c[key] for key in keys))
        .subquery()
    )
    on = [slots.c[key] == sizes.c[key] for key in keys]
    query = (
        select(slots, sizes.c.size)
        .select_from(slots.outerjoin(sizes, on[0] & on[1] & on[2]))
        .order_by(*(slots.c[key] for key in keys))
    )
    for row in connection.execute(query):
        has_cost = row.gas_used is not None
        yield {
            "chain_id": row.chain_id,
            "sender": row.sender,
            "nonce": row.nonce,
            "outcome": row.outcome,
            "head_size": row.size,
            "gas_used": row.gas_used,
            "cost_wei": row.gas_used * row.gas_price + (row.l1_fee or 0) if has_cost else None,
            "included_at": row.included_at,
            "is_confirmed": row.confirmed_at is not None,
        }


def list_exhibits(connection: Connection) -> Iterator[LedgerRow]:
    """Yield the exhibits of every case."""
    query = (
        select(case_exhibits, cases)
        .join_from(case_exhibits, cases)
        .order_by(cases.c.tenant, cases.c.number, case_exhibits.c.position)
    )
    for row in connection.execute(query):
        exhibit = row._mapping
        yield {
            "tenant": exhibit[cases.c.tenant],
            "case": exhibit[cases.c.number],
            "title": exhibit[cases.c.title],
            "is_closed": exhibit[cases.c.closed_at] is not None,
            "position": exhibit[case_exhibits.c.position],
            "label": exhibit[case_exhibits.c.label],
            "id": exhibit[case_exhibits.c.identity],
            "leaf": exhibit[case_exhibits.c.leaf],
        }
