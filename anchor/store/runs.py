"""The table of runs: the pieces of evidence in the order of the log, without a gap.

A piece's number is its index in the log: intake holds one lock, so that numbers are given in the
order of the commits.  Pieces beyond the newest head wait for the next seal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, text

from anchor.base.errors import ChainGuardError
from anchor.base.messages.message import Message
from anchor.store.columns import HASH, Run, pack_run
from anchor.store.location import lock_key
from anchor.store.schema import heads, runs

# Runs in memory at once while many are read: some MiB.
_BATCH = 8
# So many neighbouring runs that each have fewer pieces than the limit are joined.
_JOINED = 8
_JOIN_BELOW = (8, 64)
_LOCK = text(f"SELECT pg_advisory_xact_lock({lock_key('intake of')})")
_HELD = "anchor_intake"
_COLUMNS = tuple(runs.c)


def lock_intake(connection: Connection) -> None:
    """Hold the intake of evidence until this transaction ends; SQLite's write lock does already."""
    if connection.dialect.name != "postgresql":
        return
    transaction = connection.get_transaction()
    if connection.info.get(_HELD) is not transaction:
        connection.execute(_LOCK)
        connection.info[_HELD] = transaction


def find_end(connection: Connection) -> int:
    """Return the number of pieces, which is the index of the next one."""
    last = select(runs.c.first + runs.c.pieces).order_by(runs.c.first.desc()).limit(1)
    return int(connection.execute(last).scalar() or 0)


def find_size(connection: Connection) -> int:
    """Return the number of sealed pieces."""
    return int(connection.execute(select(func.max(heads.c.size))).scalar() or 0)


def append_runs(connection: Connection, added: Iterable[Run]) -> list[Run]:
    """Append runs, in this order; return them with the indices that they got.

    The transaction holds the intake lock.
    """
    end = find_end(connection)
    numbered = []
    for run in added:
        numbered.append(replace(run, first=end))
        end += run.pieces
    if numbered:
        connection.execute(insert(runs), [_values(run) for run in numbered])
        _join_small(connection)
    return numbered


def _join_small(connection: Connection) -> None:
    """Join the newest runs if many of them are small, so that single submissions share columns."""
    for most in _JOIN_BELOW:
        newest = connection.execute(
            select(runs.c.first, runs.c.pieces).order_by(runs.c.first.desc()).limit(_JOINED)
        ).all()
        if len(newest) < _JOINED or any(row.pieces >= most for row in newest):
            return
        small = list(load_runs(connection, newest[-1].first))
        connection.execute(delete(runs).where(runs.c.first >= small[0].first))
        joined = pack_run(small[0].first, [row for run in small for row in run.rows()])
        connection.execute(insert(runs), _values(joined))


def rewrite_run(connection: Connection, run: Run) -> None:
    """Store other columns of a run that is there."""
    values = _values(run)
    connection.execute(runs.update().where(runs.c.first == values.pop("first")).values(values))


def find_run(
    connection: Connection, index: int, skipped: Callable[[Message], None] | None = None
) -> Run | None:
    """Return the run with the piece ``index``; None if there is none.

    ``skipped`` is as for ``load_runs``.
    """
    query = _up_to(select(*_COLUMNS), index)
    row = connection.execute(query).one_or_none()
    run = None if row is None else _parse(row, skipped)
    return None if run is None or index >= run.end else run


def find_run_end(connection: Connection, index: int) -> int:
    """Return the index after the run with the piece ``index``, or after one before that."""
    query = _up_to(select(runs.c.first + runs.c.pieces), index)
    return int(connection.execute(query).scalar() or 0)


def find_run_start(connection: Connection, index: int) -> str:
    """Return when the first piece of the run with the piece ``index`` was accepted (RFC 3339)."""
    return str(connection.execute(_up_to(select(runs.c.accepted_at), index)).scalar() or "")


def load_kept_records(connection: Connection, part: bytes) -> Iterator[tuple[Run, int, bytes]]:
    """Yield each record with ``part`` in it that has other members than ``encode_record`` makes.

    Only those are kept as they are.  They are yielded with their run and place there, in order.
    """
    for run in load_runs(connection, where=runs.c.records.is_not(None)):
        for at in range(run.pieces):
            record = run.kept_record(at)
            if record is not None and part in record:
                yield run, at, record


def load_runs(
    connection: Connection,
    start: int = 0,
    end: int | None = None,
    *,
    where: ColumnElement[bool] | None = None,
    newest_first: bool = False,
    skipped: Callable[[Message], None] | None = None,
) -> Iterator[Run]:
    """Yield the runs with pieces from ``start`` up to ``end``, in order, that meet ``where``.

    Damaged runs are left out if ``skipped``, which receives a message for each, is given.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    query = select(*_COLUMNS).limit(_BATCH)
    query = query if where is None else query.where(where)
    low = _find_first(connection, start)
    high = runs.c.first < (find_end(connection) if end is None else end)
    while True:
        if newest_first:
            page = query.where(runs.c.first >= low, high).order_by(runs.c.first.desc())
        else:
            page = query.where(runs.c.first >= low, high).order_by(runs.c.first)
        rows = connection.execute(page).all()
        for row in rows:
            run = _parse(row, skipped)
            if run is not None and run.end > start:
                yield run
        if len(rows) < _BATCH:
            return
        if newest_first:
            high = runs.c.first < rows[-1].first
        else:
            low = rows[-1].first + 1


def load_pieces(
    connection: Connection,
    indices: Iterable[int],
    skipped: Callable[[Message], None] | None = None,
) -> Iterator[tuple[int, Run, int]]:
    """Yield each index that is stored, in order, with its run and its place in the run.

    ``skipped`` is as for ``load_runs``.
    """
    run: Run | None = None
    for index in sorted(set(indices)):
        if run is None or not run.first <= index < run.end:
            run = find_run(connection, index, skipped)
        if run is not None:
            yield index, run, index - run.first


def load_leaves(connection: Connection, start: int, end: int) -> bytes:
    """Return the leaf hashes of the pieces from ``start`` up to ``end``, back to back."""
    low = _find_first(connection, start)
    rows = connection.execute(
        select(runs.c.first, runs.c.leaves)
        .where(runs.c.first >= low, runs.c.first < end)
        .order_by(runs.c.first)
    ).all()
    parts = [
        leaves[max(start - first, 0) * HASH : max(end - first, 0) * HASH] for first, leaves in rows
    ]
    return b"".join(parts)


def add_up(
    connection: Connection,
    column: ColumnElement[int],
    measure: Callable[[Run, int], int],
    start: int,
    end: int,
) -> int:
    """Return the sum over the pieces from ``start`` up to ``end``.

    ``column`` has it for whole runs; ``measure`` gives the value of one piece of the runs that are
    inside only in part.
    """
    is_within = (runs.c.first >= start) & (runs.c.first + runs.c.pieces <= end)
    total = int(connection.execute(select(func.sum(column)).where(is_within)).scalar() or 0)
    parts = {}
    for index in (start, end) if start < end else ():
        run = find_run(connection, index)
        if run is not None and run.first < index:
            parts[run.first] = run
    for run in parts.values():
        places = range(max(start - run.first, 0), min(end, run.end) - run.first)
        total += sum(measure(run, at) for at in places)
    return total


def parse_run(row: Row[Any]) -> Run:
    """Return the run in a row of the table."""
    run = Run(**row._asdict())
    run.check()
    return run


def _parse(row: Row[Any], skipped: Callable[[Message], None] | None) -> Run | None:
    """Return the run in a row; None if it is damaged and ``skipped`` was told so."""
    try:
        return parse_run(row)
    except ChainGuardError as error:
        if skipped is None:
            raise
        skipped(error.message)
        return None


def _values(run: Run) -> dict[str, Any]:
    return {column.name: getattr(run, column.name) for column in _COLUMNS}


def _find_first(connection: Connection, index: int) -> int:
    """Return where the run begins that has the piece ``index``, or may have it."""
    first = _up_to(select(runs.c.first), index)
    known: int | None = connection.execute(first).scalar()
    return index if known is None else known


def _up_to(query: Select[Any], index: int) -> Select[Any]:
    return query.where(runs.c.first <= index).order_by(runs.c.first.desc()).limit(1)
