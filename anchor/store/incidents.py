"""Incidents: final anchors that the chain later contradicted, with both observations.

While an incident is open, nothing is sealed, sent or issued.  It is closed when the operator
accepts it, or withdrawn when a later final block shows the anchor at its old position; both are
recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from anchor.base.types import ChainId, Hash32, Head
from anchor.store.heads import AnchoredHead, AnchorPosition, reversible_anchor, save_anchor
from anchor.store.schema import anchors, heads, incidents


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A final anchor that the chain contradicts.

    The head was final at ``before``; block ``seen_block`` shows it at ``current``, or no longer at
    all (None).  ``seen_block`` is None if it was not recorded.
    """

    head: Head
    before: AnchorPosition
    current: AnchorPosition | None
    seen_block: int | None
    noticed_at: str


def open_incident(
    connection: Connection,
    chain_id: ChainId,
    anchored: AnchoredHead,
    current: AnchorPosition | None,
    *,
    seen_block: int,
    at: str,
) -> None:
    """Record that the chain contradicts a final anchor, unless its head has an open incident."""
    same = _open(chain_id) & (incidents.c.head_size == anchored.head.size)
    if connection.execute(select(incidents.c.id).where(same)).first() is not None:
        return
    connection.execute(
        insert(incidents).values(
            chain_id=chain_id,
            head_size=anchored.head.size,
            noticed_at=at,
            sequence=anchored.sequence,
            block_number=anchored.block_number,
            timestamp=anchored.timestamp,
            tx_hash=anchored.tx_hash,
            block_hash=anchored.block_hash,
            seen_block=seen_block,
            **{f"now_{name}": value for name, value in asdict(current).items()} if current else {},
        )
    )


def load_open_incidents(connection: Connection, chain_id: ChainId) -> list[Incident]:
    """Return the open incidents, the largest head first."""
    rows = connection.execute(
        select(incidents, heads.c.root)
        .join(heads)
        .where(_open(chain_id))
        .order_by(incidents.c.head_size.desc())
    )
    return [
        Incident(
            head=Head(root=Hash32(row.root), size=row.head_size),
            before=AnchorPosition(
                sequence=row.sequence, block_number=row.block_number, timestamp=row.timestamp
            ),
            current=None
            if row.now_sequence is None
            else AnchorPosition(
                sequence=row.now_sequence,
                block_number=row.now_block_number,
                timestamp=row.now_timestamp,
            ),
            seen_block=row.seen_block,
            noticed_at=row.noticed_at,
        )
        for row in rows
    ]


def count_changes(connection: Connection, chain_id: ChainId) -> tuple[int, int]:
    """Return the numbers of all and of closed incidents, neither of which ever decreases."""
    closed = incidents.c.accepted_at.is_not(None) | incidents.c.withdrawn_at.is_not(None)
    row = connection.execute(
        select(func.count(), func.count(case((closed, 1)))).where(incidents.c.chain_id == chain_id)
    ).one()
    return row[0], row[1]


def accept_incidents(connection: Connection, chain_id: ChainId, at: str) -> int:
    """Accept the open incidents: replace their anchors by the chain's state, not yet final."""
    accepted = load_open_incidents(connection, chain_id)
    for incident in accepted:
        key = (anchors.c.chain_id == chain_id) & (anchors.c.head_size == incident.head.size)
        if incident.current is None:
            connection.execute(delete(anchors).where(key))
            continue
        stored = reversible_anchor(incident.head, incident.current)
        save_anchor(connection, chain_id, stored, keep_hints=False)
    connection.execute(update(incidents).where(_open(chain_id)).values(accepted_at=at))
    return len(accepted)


def withdraw_incident(
    connection: Connection, chain_id: ChainId, incident: Incident, block: int, at: str
) -> None:
    """Withdraw an incident because final ``block`` shows the anchor at its old position."""
    connection.execute(
        update(incidents)
        .where(_open(chain_id) & (incidents.c.head_size == incident.head.size))
        .values(withdrawn_at=at, withdrawn_block=block)
    )


def _open(chain_id: ChainId) -> ColumnElement[bool]:
    return (
        (incidents.c.chain_id == chain_id)
        & incidents.c.accepted_at.is_(None)
        & incidents.c.withdrawn_at.is_(None)
    )


def load_incident_rows(connection: Connection) -> list[tuple[Head, Mapping[str, Any]]]:
    """Return every incident, open or closed, as its head and its stored row without the id."""
    columns = [column for column in incidents.c if column is not incidents.c.id]
    rows = connection.execute(
        select(*columns, heads.c.root)
        .join(heads, heads.c.size == incidents.c.head_size)
        .order_by(incidents.c.id)
    )
    return [
        (
            Head(root=Hash32(row.root), size=row.head_size),
            {column.name: row._mapping[column] for column in columns},
        )
        for row in rows
    ]


def insert_incident_row(connection: Connection, row: Mapping[str, Any]) -> None:
    """Insert an incident from another store; its head must be stored already."""
    connection.execute(insert(incidents).values(**row))
