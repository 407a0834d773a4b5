"""Erasure of evidence: an erased piece keeps only its leaf, its place and its time."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, true, update

from anchor.base.digests import Digests
from anchor.base.types import Hash32
from anchor.store import fingerprints
from anchor.store.captures import forget_captures
from anchor.store.certificates import forget_certificates
from anchor.store.columns import ERASED, HASH, EvidenceRow, Run
from anchor.store.deliveries import forget_in_messages
from anchor.store.erased_exhibits import forget_exhibits
from anchor.store.evidence import find_indices_from, find_indices_of
from anchor.store.evidence_insertion import replace_pieces
from anchor.store.file_origins import tenant_of
from anchor.store.fingerprint_pages import About
from anchor.store.idempotency_keys import CHAINED, delete_keys
from anchor.store.kept_copies import forget_copies
from anchor.store.name_index import forget_names
from anchor.store.retentions import forget_retentions
from anchor.store.runs import (
    add_up,
    find_size,
    load_kept_records,
    load_pieces,
    load_runs,
    lock_intake,
)
from anchor.store.schema import erasures, project, runs

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
    """Lock the legal holds and the intake until this transaction ends.

    No other transaction can erase or place a hold meanwhile, or accept evidence that this one would
    have to find.
    """
    connection.execute(select(project.c.id).with_for_update())
    lock_intake(connection)


def find_by_ids(connection: Connection, identities: Collection[bytes]) -> list[Piece]:
    """Return the evidence with these identities."""
    by_identity = fingerprints.find(connection, About.IDENTITY, list(identities))
    return _load(connection, [index for indices in by_identity.values() for index in indices])


def find_by_digests(connection: Connection, digests: Digests) -> list[Piece]:
    """Return all evidence with one of these digests, of every tenant."""
    return _load(connection, find_indices_of(connection, digests))


def find_by_source(connection: Connection, source: str) -> list[Piece]:
    """Return the evidence from the file with exactly this path."""
    return _load(connection, find_indices_from(connection, [source]).get(source, []))


def find_by_tenant(connection: Connection, tenant: str) -> list[Piece]:
    """Return all evidence of a tenant; every run is read."""
    size = find_size(connection)
    return [
        _describe(run, at, size)
        for run in load_runs(connection)
        for at in range(run.pieces)
        if tenant_of(run.source(at)) == tenant
    ]


def find_by_leaves(connection: Connection, leaves: Collection[bytes]) -> list[Piece]:
    """Return the evidence with these leaves; equal records share one leaf.

    The leaves of every run are read, because leaves have no index.
    """
    wanted = frozenset(leaves)
    if not wanted:
        return []
    indices: list[int] = []
    rows = connection.execute(
        select(runs.c.first, runs.c.leaves).order_by(runs.c.first).execution_options(yield_per=64)
    )
    for first, column in rows:
        each = (column[at : at + HASH] for at in range(0, len(column), HASH))
        indices += (first + place for place, leaf in enumerate(each) if leaf in wanted)
    return _load(connection, indices)


def load_records(
    connection: Connection, pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, bytes | None]]:
    """Yield each piece with its record, in the order of the log."""
    by_id = {piece.id: piece for piece in pieces}
    for index, run, at in load_pieces(connection, by_id):
        yield by_id[index], run.record(at)


def erase_rows(
    connection: Connection, pieces: Sequence[Piece], said: Sequence[tuple[Hash32 | None, str]]
) -> None:
    """Erase everything of ``pieces`` except their leaves, and record the erasures.

    ``said`` gives, for each piece, the leaf of the record that states the erasure (None if that is
    unknown), and the time.  The key of a custody event or a notice stays, so that no other can
    take its place; it is a hash of the hashes of one or two records.
    """
    if not pieces:
        return
    times = {index: run.time(at) for index, run, at in load_pieces(connection, _ids(pieces))}
    replace_pieces(
        connection,
        [(piece.id, blank(piece.leaf, times[piece.id])) for piece in pieces if piece.id in times],
    )
    delete_keys(connection, {piece.id for piece in pieces if not piece.source.startswith(CHAINED)})
    identities = [piece.identity for piece in pieces]
    forget_certificates(connection, identities)
    forget_captures(connection, identities)
    forget_in_messages(connection, identities)
    forget_retentions(connection, identities)
    forget_names(connection, [(tenant_of(piece.source), piece.id) for piece in pieces])
    erased = [(piece.identity, at) for piece, (_, at) in zip(pieces, said, strict=True)]
    forget_exhibits(connection, erased)
    forget_copies(connection, erased)
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


def blank(leaf: Hash32, accepted_at: str) -> EvidenceRow:
    """Return what is left of erased evidence."""
    return EvidenceRow(
        identity=b"",
        source=ERASED,
        sha256=None,
        sm3=None,
        record=None,
        leaf=leaf,
        accepted_at=accepted_at,
    )


def _ids(pieces: Sequence[Piece]) -> list[int]:
    return [piece.id for piece in pieces]


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
    size = find_size(connection)
    erased = add_up(connection, runs.c.erased, Run.is_erased, 0, size)
    lost = add_up(connection, runs.c.lost, Run.is_lost, 0, size)
    return erased, lost


def find_unfinished(connection: Connection) -> tuple[int, str | None]:
    """Return how many erasures may have left data on disk, and when the oldest was ordered."""
    query = select(func.count(), func.min(erasures.c.erased_at)).where(
        erasures.c.finished_at.is_(None)
    )
    number, oldest = connection.execute(query).one()
    return number, oldest


def finish_erasures(connection: Connection, done: Sequence[Erasure], finished_at: str) -> None:
    """Record that no data of these erasures is left on disk.

    A later erasure of the same leaf, which was submitted again, stays unfinished.
    """
    finish = update(erasures).where(
        erasures.c.leaf == bindparam("leaf_done"),
        erasures.c.erased_at == bindparam("at"),
        erasures.c.finished_at.is_(None),
    )
    if done:
        connection.execute(
            finish.values(finished_at=finished_at),
            [{"leaf_done": each.leaf, "at": each.erased_at} for each in done],
        )


def is_erased(connection: Connection, tenant: str | None, identity: bytes) -> bool:
    """Return whether a tenant's evidence with this id was erased."""
    return find_erasure(connection, tenant, identity) is not None


def find_erasure(connection: Connection, tenant: str | None, identity: bytes) -> Erasure | None:
    """Return the last erasure of a tenant's evidence with this id, or None."""
    columns = [erasures.c[field.name] for field in fields(Erasure)]
    query = select(*columns).where(erasures.c.id_hash == hash_id(tenant, identity))
    row = connection.execute(query.order_by(erasures.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else Erasure(**row._asdict())


def hash_id(tenant: str | None, identity: bytes) -> bytes:
    """Return the stored hash of an erased id, by which the erasure is reported to its tenant."""
    return hashlib.sha256(b"anchor erased id\0" + f"{tenant or ''}\0".encode() + identity).digest()


def load_statement_records(connection: Connection) -> Iterator[tuple[Hash32, bytes]]:
    """Yield leaf and record of each candidate for an operator's erasure statement.

    A tenant's record never is such a statement, whatever its content.
    """
    for run, at, record in load_kept_records(connection, _MEMBER):
        if tenant_of(run.source(at)) is None:
            yield run.leaf(at), record


def _insert(connection: Connection, added: Sequence[Erasure]) -> None:
    if added:
        connection.execute(insert(erasures), list(map(asdict, added)))


def _load(connection: Connection, indices: Sequence[int]) -> list[Piece]:
    size = find_size(connection)
    return [_describe(run, at, size) for _, run, at in load_pieces(connection, indices)]


def _describe(run: Run, at: int, size: int) -> Piece:
    index = run.first + at
    return Piece(
        id=index,
        identity=run.identity(at),
        source=run.source(at),
        leaf=run.leaf(at),
        leaf_index=index if index < size else None,
    )
