"""Legal holds: evidence that must not be erased during a dispute or a retention period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

from sqlalchemy import Connection, delete, insert, select

from anchor.base.types import Hash32
from anchor.store.batches import in_batches
from anchor.store.erasures import Piece
from anchor.store.file_origins import tenant_of
from anchor.store.schema import case_exhibits, cases, holds

# Leaves in one query.
_BATCH = 1_000
CASE = "case:"
"""What the names of holds by cases begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """A hold named ``name`` on one piece of evidence, or on all evidence of a tenant."""

    name: str
    leaf: Hash32 | None
    tenant: str | None
    reason: str
    placed_by: str
    placed_at: str


def load_holds(connection: Connection, name: str | None = None) -> list[LegalHold]:
    """Return all holds, or those with one name, oldest first."""
    query = select(*(holds.c[field.name] for field in fields(LegalHold))).order_by(holds.c.id)
    rows = connection.execute(query if name is None else query.where(holds.c.name == name))
    return [LegalHold(**row._asdict()) for row in rows]


def load_case_holds(
    connection: Connection, leaves: Sequence[Hash32] | None = None
) -> list[LegalHold]:
    """Return the holds on the exhibits of open cases, or on those with these leaves.

    The name of each is ``CASE`` and the case's id.
    """
    query = (
        select(cases, case_exhibits.c.leaf)
        .join(case_exhibits, case_exhibits.c.case == cases.c.id)
        .where(cases.c.hold_at.is_not(None) & cases.c.closed_at.is_(None))
        .order_by(cases.c.hold_at, cases.c.id, case_exhibits.c.position)
    )
    if leaves is not None:
        query = query.where(case_exhibits.c.leaf.in_(leaves))
    rows = connection.execute(query)
    return [
        LegalHold(
            name=f"{CASE}{row.id}",
            leaf=row.leaf,
            tenant=None,
            reason=row.hold_reason,
            placed_by=row.hold_by,
            placed_at=row.hold_at,
        )
        for row in rows
    ]


def insert_holds(connection: Connection, added: Iterable[LegalHold]) -> int:
    """Insert the holds whose name and scope are new; return their number."""
    known = {(hold.name, hold.leaf, hold.tenant) for hold in load_holds(connection)}
    new: dict[tuple[str, Hash32 | None, str | None], LegalHold] = {}
    for hold in added:
        key = (hold.name, hold.leaf, hold.tenant)
        if key not in known:
            new.setdefault(key, hold)
    if new:
        connection.execute(insert(holds), list(map(asdict, new.values())))
    return len(new)


def remove_holds(connection: Connection, name: str) -> int:
    """Remove the holds with one name; return their number."""
    return connection.execute(delete(holds).where(holds.c.name == name)).rowcount


def find_held(connection: Connection, pieces: Sequence[Piece]) -> tuple[Piece, LegalHold] | None:
    """Return the first piece that is held, and its hold; None if no piece is held."""
    in_force = load_holds(connection)
    for batch in in_batches((piece.leaf for piece in pieces), _BATCH):
        in_force += load_case_holds(connection, batch)
    if not in_force:
        return None
    leaves = {hold.leaf: hold for hold in in_force if hold.leaf is not None}
    tenants = {hold.tenant: hold for hold in in_force if hold.tenant is not None}
    for piece in pieces:
        hold = leaves.get(piece.leaf) or tenants.get(tenant_of(piece.source) or "")
        if hold is not None:
            return piece, hold
    return None
