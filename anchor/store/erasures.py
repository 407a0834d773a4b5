"""Erasure of evidence: an erased row keeps only its leaf and its place in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    true,
    update,
)

from anchor.evidence.digests import Digests
from anchor.store.batches import in_batches
from anchor.store.evidence import has_digest, select_with_place
from anchor.store.file_origins import tenant_of
from anchor.store.schema import erasures, evidence, keys, positions, project
from anchor.types import Hash32

ERASED = "(erased)"
"""The source of erased evidence, which is neither a path nor a tenant's."""

# For more leaves than this, one scan of the table is faster: leaves have no index.
_FEW = 500
_MEMBER = b'"erasure":{'


class Piece(NamedTuple):
    """One piece of evidence, without its record; ``leaf_index`` is None until it is sealed."""

    id: int
    identity: bytes
    source: str
    leaf: Hash32
    leaf_index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erased leaf; ``statement`` is the leaf of the record that states the erasure."""

    leaf: Hash32
    id_hash: bytes | None
    statement: Hash32 | None
    erased_at: str


def lock_holds(connection: Connection) -> None:
    """Lock the legal holds: no other transaction can erase or place a hold before this one ends."""
    connection.execute(select(project.c.id).with_for_update())


def stop_intake(connection: Connection) -> None:
    """Block the intake of evidence, after pending intake has ended, until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE evidence IN SHARE MODE"))


def find_by_ids(connection: Connection, identities: Collection[bytes]) -> list[Piece]:
    """Return the evidence with these identities."""
    pieces: list[Piece] = []
    for part in in_batches(identities, _FEW):
        pieces += _load(connection, evidence.c.identity.in_(part))
    return pieces


def find_by_digests(connection: Connection, digests: Digests) -> list[Piece]:
    """Return all evidence with one of these digests, of every tenant."""
    return list(_load(connection, has_digest(digests)))


def find_by_source(connection: Connection, source: str) -> list[Piece]:
    """Return the evidence with exactly this source."""
    return list(_load(connection, evidence.c.source == source))


def find_by_tenant(connection: Connection, tenant: str) -> list[Piece]:
    """Return all evidence of a tenant."""
    label = f"tenant:{tenant}/"
    begins = func.substr(evidence.c.source, 1, len(label)) == label
    return list(_load(connection, begins))


def find_by_leaves(connection: Connection, leaves: Collection[bytes]) -> list[Piece]:
    """Return the evidence with these leaves; equal records share one leaf."""
    if len(leaves) <= _FEW:
        return list(_load(connection, evidence.c.leaf.in_(leaves)))
    return [piece for piece in _load(connection, true()) if piece.leaf in leaves]


def load_records(
    connection: Connection, pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, bytes | None]]:
    """Yield each piece with its record."""
    for part in in_batches(pieces, _FEW):
        rows = connection.execute(
            select(evidence.c.id, evidence.c.record).where(
                evidence.c.id.in_([piece.id for piece in part])
            )
        )
        records: dict[int, bytes | None] = {row.id: row.record for row in rows}
        for piece in part:
            yield piece, records.get(piece.id)


def erase_rows(
    connection: Connection, pieces: Sequence[Piece], said: Sequence[tuple[Hash32 | None, str]]
) -> None:
    """Erase everything except leaf and place from the rows of ``pieces``, and record the erasures.

    ``said`` gives, for each piece, the leaf of the record that states the erasure (None if that is
    unknown), and the time.
    """
    if not pieces:
        return
    blank = update(evidence).where(evidence.c.id == bindparam("piece"))
    blank = blank.values(
        identity=bindparam("blank"), source=ERASED, sha256=None, sm3=None, record=None
    )
    connection.execute(
        blank, [{"piece": piece.id, "blank": _blank_identity(piece)} for piece in pieces]
    )
    # In one pass, because keys have no index by evidence.
    blanked = select(evidence.c.id).where(evidence.c.source == ERASED)
    connection.execute(delete(keys).where(keys.c.evidence_id.in_(blanked)))
    _insert(
        connection,
        [
            Erasure(
                leaf=piece.leaf,
                id_hash=hash_id(tenant_of(piece.source), piece.identity),
                statement=statement,
                erased_at=erased_at,
            )
            for piece, (statement, erased_at) in zip(pieces, said, strict=True)
        ],
    )


def insert_erasures(connection: Connection, added: Sequence[Erasure]) -> None:
    """Insert erasures from another store or a statement, except those already known."""
    known = {(erasure.leaf, erasure.id_hash) for erasure in load_erasures(connection)}
    leaves = {leaf for leaf, _ in known}
    new: dict[tuple[Hash32, bytes | None], Erasure] = {}
    for erasure in added:
        key = (erasure.leaf, erasure.id_hash)
        is_said = erasure.id_hash is None and erasure.leaf in leaves
        if key not in known and not is_said:
            new.setdefault(key, erasure)
            leaves.add(erasure.leaf)
    _insert(connection, list(new.values()))


def load_erasures(connection: Connection, *, is_unfinished: bool = False) -> list[Erasure]:
    """Return every erasure, oldest first, or only those whose data may still be on disk."""
    condition = erasures.c.finished_at.is_(None) if is_unfinished else true()
    columns = [erasures.c[field.name] for field in fields(Erasure)]
    rows = connection.execute(select(*columns).where(condition).order_by(erasures.c.id))
    return [Erasure(**row._asdict()) for row in rows]


def count_without_record(connection: Connection) -> tuple[int, int]:
    """Return of how many leaves of the log the record was erased, and of how many it was lost."""
    is_erased = evidence.c.source == ERASED
    missing = select_with_place(evidence.c.id).where(
        positions.c.leaf_index.is_not(None), evidence.c.record.is_(None)
    )
    erased, lost = (
        connection.execute(
            select(func.count()).select_from(missing.where(condition).subquery())
        ).scalar_one()
        for condition in (is_erased, ~is_erased)
    )
    return erased, lost


def finish_erasures(connection: Connection, leaves: Collection[Hash32], finished_at: str) -> None:
    """Record that no data of these leaves is left on disk."""
    finish = update(erasures).where(
        erasures.c.leaf == bindparam("erased"), erasures.c.finished_at.is_(None)
    )
    if leaves:
        connection.execute(
            finish.values(finished_at=finished_at), [{"erased": leaf} for leaf in leaves]
        )


def is_erased(connection: Connection, tenant: str | None, identity: bytes) -> bool:
    """Return whether a tenant's evidence with this id was erased."""
    hashed = hash_id(tenant, identity)
    return bool(
        connection.execute(select(exists().where(erasures.c.id_hash == hashed))).scalar_one()
    )


def hash_id(tenant: str | None, identity: bytes) -> bytes:
    """Return the stored hash of an erased id, by which the erasure is reported to its tenant."""
    return hashlib.sha256(b"anchor erased id\0" + f"{tenant or ''}\0".encode() + identity).digest()


def load_statement_records(connection: Connection) -> Iterator[tuple[Hash32, bytes]]:
    """Yield leaf and record of each candidate for an operator's erasure statement.

    A tenant's record never is such a statement, whatever its content.
    """
    encoded = evidence.c.record
    member: BindParameter[bytes] = bindparam("member", _MEMBER)
    if connection.dialect.name == "postgresql":
        position = func.position(member.op("IN")(encoded))
    else:
        position = func.instr(encoded, member)
    rows = connection.execute(
        select(evidence.c.leaf, evidence.c.record, evidence.c.source)
        .where(encoded.is_not(None), position > 0)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        if tenant_of(row.source) is None:
            yield Hash32(row.leaf), row.record


def _insert(connection: Connection, added: Sequence[Erasure]) -> None:
    if added:
        connection.execute(insert(erasures), list(map(asdict, added)))


def _load(connection: Connection, condition: ColumnElement[bool]) -> Iterator[Piece]:
    rows = connection.execute(
        select_with_place(evidence.c.id, evidence.c.identity, evidence.c.source, evidence.c.leaf)
        .where(condition)
        .order_by(evidence.c.id)
        .execution_options(yield_per=10_000)
    )
    return map(Piece._make, rows)


def _blank_identity(piece: Piece) -> bytes:
    """Return an identity that says nothing of the evidence, unique even among equal leaves."""
    return hashlib.sha256(b"erased" + piece.id.to_bytes(8, "big") + piece.leaf).digest()
