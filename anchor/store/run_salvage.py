"""Salvage of runs from a damaged SQLite file: columns of up to 1,024 pieces in one long row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from struct import error as struct_error
from typing import Any, Self

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.log.merkle import hash_leaf
from anchor.store.columns import HASH, MOST_PIECES, EvidenceRow, Run, pack_run
from anchor.store.evidence_kinds import parse_kinds
from anchor.store.row_transfer import row_of_leaf
from anchor.store.run_parts import cut
from anchor.store.schema import Bytes, runs
from anchor.store.sqlite_pages import TablePages

_NAMES = [column.name for column in runs.c]
_BLOBS = [column.name for column in runs.c if isinstance(column.type, Bytes)]
# What damaged columns may raise.
_DAMAGE = (AnchorError, ValueError, TypeError, LookupError, AttributeError, struct_error)
# A piece that depends on damaged pages differs between readings with these bytes in their place.
_FILLINGS = (0x00, 0xFF)
_SELECT = " ".join(("SELECT", ", ".join(_NAMES), "FROM runs WHERE first = ?"))
_ROOT = "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = 'runs'"


class RunSource:
    """The runs in a damaged file, which nothing changes meanwhile.

    ``damaged_records`` counts, in runs whose columns fit each other, the records that do not hash
    to their leaf.
    """

    def __init__(self, source: sqlite3.Connection, path: Path) -> None:
        """``path`` is the source's file, without a write-ahead log."""
        self.damaged_records = 0
        self._source = source
        self._path = path
        self._pages: TablePages | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, first: int, lost: list[Message]) -> Run | None:
        """Return what can be read of a run, or None; ``lost`` receives a message if a part is lost.

        The run is as it was stored if its columns fit each other. Otherwise, a piece that is not
        proven by its record has only its leaf and that record, because either may be intact.
        """
        run = self._read_whole(first)
        if run is not None:
            return run
        rows = list(_rescue(*(self._read_damaged(first, filling) for filling in _FILLINGS)))
        if not rows:
            return None
        count = sum(not _is_proven(row) for row in rows)
        last = first + len(rows) - 1
        lost.append(Message("salvage-run-damaged", first=first, last=last, count=count))
        return pack_run(first, rows)

    def _read_whole(self, first: int) -> Run | None:
        """Return a run if its columns and sums fit each other."""
        try:
            row = self._source.execute(_SELECT, (first,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        with suppress(*_DAMAGE):
            run = Run(**dict(zip(_NAMES, row, strict=True)))
            run.check()
            if run == cut(run, 0, run.pieces):  # its sums are right
                self.damaged_records += len(run.find_false_leaves())
                return run
        return None

    def _read_damaged(self, first: int, filling: int) -> Run:
        """Return a damaged run, with each byte of damaged pages as ``filling``."""
        if self._pages is None:
            root = self._source.execute(_ROOT).fetchone()[0]
            self._pages = self._stack.enter_context(TablePages(self._path, root))
        names = [row[1] for row in self._source.execute("PRAGMA table_info(runs)")]
        values = self._pages.read_row(first, filling) or ()
        return _read_run(first, dict(zip(names, values, strict=False)))


def _read_run(first: int, values: Mapping[str, Any]) -> Run:
    """Return the columns of a damaged run, which may not fit each other."""
    columns: dict[str, Any] = {
        name: values[name] if isinstance(values.get(name), bytes) else None for name in _BLOBS
    }
    return Run(
        first=first,
        pieces=min(len(columns["leaves"] or b"") // HASH, MOST_PIECES),
        accepted_at=str(values.get("accepted_at") or ""),
        record_bytes=0,
        erased=0,
        lost=0,
        **columns,
    )


def _rescue(run: Run, other: Run) -> Iterator[EvidenceRow]:
    """Yield the pieces of a run from two readings of its damaged pages."""
    by_kind = list(zip(_try_kinds(run), _try_kinds(other), strict=False))
    for at in range(min(run.pieces, other.pieces)):
        row = _prove(run, other, at)
        if row is None:
            # With several, which differ in the tenant, none is proven.
            rows = {_prove(one, two, at) for one, two in by_kind} - {None}
            row = rows.pop() if len(rows) == 1 else None
        yield row or _strip(run, other, at)


def _prove(run: Run, other: Run, at: int) -> EvidenceRow | None:
    """Return a piece that is the same in both readings, and whose record hashes to its leaf."""
    row = _read_piece(run, at)
    if row is None or row != _read_piece(other, at) or not _is_proven(row):
        return None
    # Columns that are too short leave less of a value.
    hashes = (row.identity, row.sha256, row.sm3)
    return row if all(value is None or len(value) == HASH for value in hashes) else None


def _strip(run: Run, other: Run, at: int) -> EvidenceRow:
    """Return a piece with only its leaf, and its record if both readings have the same."""
    row, again = _read_piece(run, at), _read_piece(other, at)
    bare = row_of_leaf(run.first + at, run.leaf(at), run.accepted_at)
    return (
        replace(bare, record=row.record) if row and again and row.record == again.record else bare
    )


def _try_kinds(run: Run) -> list[Run]:
    """Return the run with each of its kinds as that of all pieces, because kinds may be damaged."""
    with suppress(*_DAMAGE):
        codes = range(len(parse_kinds(run.shared)))
        return [replace(run, kinds=bytes([code]) * run.pieces) for code in codes]
    return []


def _read_piece(run: Run, at: int) -> EvidenceRow | None:
    with suppress(*_DAMAGE):
        return run.row(at)
    return None


def _is_proven(row: EvidenceRow) -> bool:
    return row.record is not None and hash_leaf(row.record) == row.leaf
