"""The index of names: each tenant's pieces by any part of their name, newest first.

Like the index of records it is derived from the runs and follows them.  A block has the folded
names of up to 1,024 pieces of one tenant, with a filter of their short parts, by which most blocks
are not read; the newest block of a tenant is rewritten until it is full.  Erasure removes the names
of pieces.  What is not entered yet is searched piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from struct import pack, unpack
from typing import Any

from sqlalchemy import Connection, insert, select, update

from anchor.evidence.search_query import (
    build_name_filter,
    find_lines,
    fold_name,
    list_marks,
    may_hold,
)
from anchor.store.columns import Run
from anchor.store.database import Database
from anchor.store.evidence_kinds import parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.log_following import SLICE, count_followed, follow_log
from anchor.store.runs import find_end, load_runs
from anchor.store.schema import name_blocks, name_index

BLOCK = 1_024
"""The most names in a block: some 30 KB, which are read for a match."""
MOST_UNENTERED = 4 * SLICE
"""Pieces that a search reads one by one: the newest of those that are not entered yet."""

_FILTERS = (
    "SELECT first, filter FROM name_blocks WHERE tenant = ? AND first < ? ORDER BY first DESC"
)
_BODIES = (
    "SELECT places, body FROM name_blocks WHERE tenant = ? AND first IN ({}) ORDER BY first DESC"
)
# Blocks read at once: few for a query that matches often, many for one that matches rarely.
_FEWEST_READ = 4
_MOST_READ = 64

Entry = tuple[int, str]
"""The index of a piece, and its folded name, empty if the digest is its name."""


def enter_names(database: Database, report: Callable[[int], None] = lambda _: None) -> int:
    """Enter every piece that is accepted by now; return how many were new to the index."""
    return follow_log(database, name_index, _enter_slice, report)


def count_entered(connection: Connection) -> int:
    """Return how many pieces, the first ones, are in the index."""
    return count_followed(connection, name_index)


def find_named_pieces(
    connection: Connection, tenant: str, terms: Sequence[str], start: int, end: int, limit: int
) -> tuple[list[int], bool]:
    """Return the tenant's pieces from index ``start`` up to ``end`` whose names have all terms.

    They are the newest ``limit`` of them, newest first; and whether all pieces were searched, of
    which too many may not be entered yet.
    """
    entered = count_entered(connection)
    last = min(end, find_end(connection))
    first = max(start, entered, last - MOST_UNENTERED)
    matches: list[int] = []
    if first < last:
        loose = list_entries(load_runs(connection, first, last), first, last).get(tenant, [])
        matches += (index for index, name in reversed(loose) if all(t in name for t in terms))
    if len(matches) < limit:
        rest = _find_entered(connection, tenant, terms, start, end)
        matches += islice(rest, limit - len(matches))
    return matches[:limit], first <= max(start, entered)


def forget_names(connection: Connection, pieces: Sequence[tuple[str | None, int]]) -> None:
    """Remove the names of pieces, each with its tenant and index, from the index."""
    for tenant, index in pieces:
        key = (name_blocks.c.tenant == tenant) & (name_blocks.c.first <= index)
        query = select(name_blocks).where(key).order_by(name_blocks.c.first.desc()).limit(1)
        row = connection.execute(query).one_or_none()
        if row is None:
            continue
        entries = decode_block(row.places, row.body)
        left = [entry for entry in entries if entry[0] != index]
        if left != entries:
            same = (name_blocks.c.tenant == tenant) & (name_blocks.c.first == row.first)
            connection.execute(update(name_blocks).where(same).values(**encode_block(left)))


def _enter_slice(connection: Connection, start: int, end: int) -> int:
    end = min(end, start + SLICE)
    # Damage is what `anchor audit` reports; it must not keep the other pieces from being found.
    parts = load_runs(connection, start, end, skipped=lambda _: None)
    for tenant, entries in list_entries(parts, start, end).items():
        _append(connection, tenant, entries)
    return end


def list_entries(parts: Iterable[Run], start: int, end: int) -> dict[str, list[Entry]]:
    """Return the entries of the pieces from index ``start`` up to ``end``, by tenant."""
    entries: dict[str, list[Entry]] = {}
    for run in parts:
        # By kind: to make the source of a piece that its digest names would cost most of a seal.
        unnamed = {
            code: tenant_of(kind.prefix)
            for code, kind in enumerate(parse_kinds(run.shared))
            if kind.is_named_by_digest and kind.prefix is not None
        }
        for at in range(max(start - run.first, 0), min(end, run.end) - run.first):
            code, name = run.kinds[at], ""
            if code in unnamed:
                tenant = unnamed[code]
            else:
                source = run.source(at)
                tenant = tenant_of(source)
                name = "" if run.is_named_by_digest(at) else source.partition("/")[2]
            if tenant is not None:
                folded = name and fold_name(name)
                entries.setdefault(tenant, []).append((run.first + at, folded))
    return entries


def _append(connection: Connection, tenant: str, entries: list[Entry]) -> None:
    query = select(name_blocks).where(name_blocks.c.tenant == tenant)
    newest = connection.execute(query.order_by(name_blocks.c.first.desc()).limit(1)).one_or_none()
    if newest is not None and len(newest.places) // 8 < BLOCK:
        known = decode_block(newest.places, newest.body)
        room = BLOCK - len(known)
        same = (name_blocks.c.tenant == tenant) & (name_blocks.c.first == newest.first)
        values = encode_block([*known, *entries[:room]])
        connection.execute(update(name_blocks).where(same).values(**values))
        entries = entries[room:]
    for at in range(0, len(entries), BLOCK):
        part = entries[at : at + BLOCK]
        connection.execute(
            insert(name_blocks).values(tenant=tenant, first=part[0][0], **encode_block(part))
        )


def _find_entered(
    connection: Connection, tenant: str, terms: Sequence[str], start: int, end: int
) -> Iterator[int]:
    """Yield the entered pieces of a tenant whose names have all terms, newest first."""
    needles, marks = [term.encode() for term in terms], list_marks(terms)
    rows = _read(connection, _FILTERS, tenant, end)
    promising = (first for first, name_filter in rows if may_hold(name_filter, marks))
    count = _FEWEST_READ
    while batch := list(islice(promising, count)):
        wanted = ", ".join("?" * len(batch))
        for packed, body in _read(connection, _BODIES.format(wanted), tenant, *batch):
            places = _decode_places(packed)
            if places and places[-1] < start:
                return
            for line in reversed(find_lines(body, needles)):
                if start <= places[line] < end:
                    yield places[line]
        count = min(4 * count, _MOST_READ)


def _read(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return rows with the driver's cursor, which passes bytes as they are."""
    driver: Any = connection.connection
    if connection.dialect.name == "postgresql":
        cursor = driver.driver_connection.cursor(binary=True)
        query = query.replace("?", "%s")
    else:
        cursor = driver.cursor()
    cursor.execute(query, values)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def load_blocks(connection: Connection) -> Iterator[tuple[str, int, dict[str, bytes]]]:
    """Yield every block, by tenant and in the order of the log: tenant, ``first`` and columns."""
    order = (name_blocks.c.tenant, name_blocks.c.first)
    rows = connection.execute(
        select(name_blocks).order_by(*order), execution_options={"yield_per": _MOST_READ}
    )
    for row in rows:
        columns = {"places": row.places, "filter": row.filter, "body": row.body}
        yield row.tenant, row.first, columns


def encode_block(entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return the columns of a block."""
    names = [name for _, name in entries]
    return {
        "places": pack(f"<{len(entries)}q", *(index for index, _ in entries)),
        "filter": build_name_filter(set(names)),
        "body": "".join(f"{name}\n" for name in names).encode(),
    }


def decode_block(places: bytes, body: bytes) -> list[Entry]:
    """Return the entries of a block."""
    return list(zip(_decode_places(places), body.decode().split("\n")[:-1], strict=True))


def _decode_places(places: bytes) -> tuple[int, ...]:
    return unpack(f"<{len(places) // 8}q", places)
