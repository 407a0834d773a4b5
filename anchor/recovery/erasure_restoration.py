"""Erasures and legal holds in a rebuilt store: erased evidence is never restored.

Erasures are known from the surviving stores, from the statements in the project's folder, and
from the statements' records in the log itself.  Only leaves are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from anchor.base.errors import AnchorError
from anchor.base.types import Hash32
from anchor.evidence.erasure_statement import ErasureStatement, find_statement, parse_statement
from anchor.evidence.record import MAX_RECORD_BYTES
from anchor.log.merkle import hash_leaf
from anchor.store.columns import ERASED, EvidenceRow
from anchor.store.database import Database
from anchor.store.erased_exhibits import settle_exhibits
from anchor.store.erasures import (
    Erasure,
    erase_rows,
    find_by_leaves,
    hash_id,
    insert_erasures,
    load_erasures,
    load_records,
    load_statement_records,
)
from anchor.store.file_origins import tenant_of
from anchor.store.idempotency_keys import insert_erased_keys, load_erased_keys
from anchor.store.legal_holds import insert_holds, load_holds
from anchor.store.retentions import settle_retentions
from anchor.store.row_transfer import Skipped
from anchor.store.staging import Writable


class KnownErasures:
    """The erasures known before any row is written, so that none is restored with an erased id."""

    def __init__(self, erasures: Sequence[Erasure]) -> None:
        self._said = list(erasures)
        self._by_leaf = {erasure.leaf: erasure for erasure in reversed(self._said)}
        self._identified: dict[tuple[Hash32, bytes | None], Erasure] = {}
        self._guessed: dict[Hash32, Erasure] = {}
        self.leaves = frozenset(self._by_leaf)

    @property
    def erasures(self) -> list[Erasure]:
        """Return the erasures, first those that record the evidence's tenant and id.

        A receipt, or a leaf alone, does not tell the id for certain: what it gives counts only if
        no store knew the piece.
        """
        known = {leaf for leaf, _ in self._identified}
        known |= {erasure.leaf for erasure in self._said if erasure.id_hash is not None}
        guessed = (each for leaf, each in self._guessed.items() if leaf not in known)
        return [*self._identified.values(), *guessed, *self._said]

    def blank(self, row: EvidenceRow) -> EvidenceRow:
        """Return the row as its erasure left it, or unchanged if its evidence was not erased.

        Evidence that was resubmitted after its erasure keeps its id.
        """
        known = self._by_leaf.get(row.leaf)
        if known is None:
            return row
        if row.source != ERASED:
            hashed = hash_id(tenant_of(row.source), row.identity)
            erasure = replace(known, id_hash=hashed)
            if row.is_stored:
                self._identified[row.leaf, hashed] = erasure
            else:
                self._guessed.setdefault(row.leaf, erasure)
        return replace(
            row,
            identity=hashlib.sha256(b"erased leaf" + row.leaf).digest(),
            source=ERASED,
            sha256=None,
            sm3=None,
            record=None,
            is_stored=False,
        )


def load_known_erasures(stores: Sequence[Database], folders: Sequence[Path]) -> KnownErasures:
    """Return the erasures recorded in the stores and in the statements in ``folders``."""
    erasures: list[Erasure] = []
    for store in stores:
        with store.read() as source:
            erasures += load_erasures(source)
    return KnownErasures([*erasures, *_read_folders(folders)])


def reapply_erasures(database: Writable, stores: Sequence[Database], known: KnownErasures) -> int:
    """Repeat all known erasures in a new store, and copy all legal holds into it.

    Returns how many leaves of the log lost their record in this step.
    Exhibits of cases whose evidence the store does not hold are marked as erased, or lost.
    A hold that was ended after one of ``stores`` was saved is in force again: a hold can be ended
    once more, but erased evidence cannot be recovered.
    """
    for store in stores:
        with store.read() as source:
            holds = load_holds(source)
        with database.write() as connection:
            insert_holds(connection, holds)
    with database.write() as connection:
        stated = list(_find_in_log(connection))
        # The folder's statements do not say which record in the log states the same.
        said_by = {(each.leaf, each.erased_at): each.statement for each in stated}
        erasures = [
            replace(each, statement=each.statement or said_by.get((each.leaf, each.erased_at)))
            for each in known.erasures
        ]
        erasures += stated
        by_leaf = {erasure.leaf: erasure for erasure in reversed(erasures)}
        back = find_by_leaves(connection, by_leaf.keys())
        back = [piece for piece in back if piece.source != ERASED]
        lost = sum(
            record is not None and piece.leaf_index is not None
            for piece, record in load_records(connection, back)
        )
        said = [by_leaf[piece.leaf] for piece in back]
        erase_rows(connection, back, [(erasure.statement, erasure.erased_at) for erasure in said])
        insert_erasures(connection, erasures)
        settle_exhibits(connection)
        settle_retentions(connection)
    return lost


def restore_erased_keys(
    database: Writable, stores: Sequence[Database], known: KnownErasures, skipped: Skipped | None
) -> int:
    """Copy the keys of erased custody events and notices, so that nothing takes their place.

    Returns how many erased pieces no store had: whether they were such, and about which record,
    nothing says any more.
    """
    leaves = {each.leaf for each in known.erasures}
    kept: dict[bytes, Hash32] = {}
    held: set[Hash32] = set()
    for store in stores:
        with store.read() as source:
            kept |= load_erased_keys(source, leaves, skipped)
            held |= {piece.leaf for piece in find_by_leaves(source, leaves)}
    with database.write() as connection:
        unknown = len(find_by_leaves(connection, leaves - held))
        pieces = {piece.leaf: piece.id for piece in find_by_leaves(connection, kept.values())}
        insert_erased_keys(
            connection, [(key, pieces[leaf]) for key, leaf in kept.items() if leaf in pieces]
        )
    return unknown


def _find_in_log(connection: Connection) -> Iterator[Erasure]:
    for leaf, record in load_statement_records(connection):
        statement = find_statement(record)
        if statement is not None and hash_leaf(record) == leaf:
            yield from _list_erasures(statement, leaf)


def _read_folders(folders: Sequence[Path]) -> Iterator[Erasure]:
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            try:
                with path.open("rb") as file:
                    statement = parse_statement(file.read(MAX_RECORD_BYTES + 1))
            except (AnchorError, OSError):
                continue
            yield from _list_erasures(statement, None)


def _list_erasures(statement: ErasureStatement, said_by: Hash32 | None) -> Iterator[Erasure]:
    for piece in statement.pieces:
        yield Erasure(
            leaf=piece.leaf, id_hash=None, statement=said_by, erased_at=statement.erased_at
        )
