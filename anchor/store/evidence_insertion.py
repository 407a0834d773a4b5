"""Insertion of evidence into the store, once for each identity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, insert, text, update
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import IntegrityError

from anchor.errors import StoreBusyError, UsageError
from anchor.messages.message import Message
from anchor.store.acknowledged_log import build_entry, noted_entries
from anchor.store.acknowledged_log_frames import Entry
from anchor.store.batches import in_batches
from anchor.store.evidence import Batch, NewEvidence, StoredEvidence, find_by_identity, find_by_key
from anchor.store.schema import evidence, waiting

# For fewer rows, PostgreSQL takes longer to set up a COPY than to insert them.
_WORTH_A_COPY = 1_000


def insert_evidence(connection: Connection, items: Batch, *, key: bytes | None = None) -> int:
    """Insert and queue the evidence whose identity is new, in this order; return how many were new.

    ``key`` is the hash of an idempotency key, which is allowed for a single piece only.
    """
    if not len(items):
        return 0
    if connection.dialect.name == "postgresql":
        new = _insert_into_postgresql(connection, items)
    else:
        new = _insert_into_sqlite(connection, list(items))
    _note_in_side_file(connection, new, key)
    return len(new)


def insert_reporting(connection: Connection, items: Sequence[NewEvidence]) -> list[bool]:
    """Insert and queue the evidence whose identity is new; return for each item whether it was new.

    Of equal identities only the first is new. Intended for up to 10,000 items.
    """
    if not items:
        return []
    if connection.dialect.name == "postgresql":
        new = _insert_into_postgresql(connection, items)
    else:
        new = _insert_chunks(connection, items)
    _note_in_side_file(connection, new)
    if len(new) == len(items):
        return [True] * len(items)
    rest = {submitted.identity for submitted in new}
    is_new = []
    for submitted in items:
        is_new.append(submitted.identity in rest)
        rest.discard(submitted.identity)
    return is_new


def claim_rows(connection: Connection, claims: Iterable[tuple[bytes, bytes, str]]) -> None:
    """Give rows another identity and source: the old identity, the new one and the source of each.

    A row whose record is lost, and one whose new identity is taken, stays as it is.  The side file
    gets no entry, because another copy of it may turn up and name a tenant for the record.
    """
    for old, identity, source in claims:
        known = find_by_identity(connection, old)
        if (
            known is None
            or known.record is None
            or find_by_identity(connection, identity) is not None
        ):
            continue
        this = evidence.c.id == known.id
        connection.execute(update(evidence).where(this).values(identity=identity, source=source))


def _note_in_side_file(
    connection: Connection, new: Sequence[Entry], key: bytes | None = None
) -> None:
    """Record the entries of inserted evidence, which the side file gets before the commit."""
    noted = noted_entries(connection)
    if noted is not None:
        noted += new if key is None else [entry._replace(key=key) for entry in new]


_INSERT_NEW = (
    "INSERT INTO evidence (identity, source, sha256, sm3, record, leaf, accepted_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO NOTHING"
)
_LAST_ID = "SELECT coalesce(max(id), 0) FROM evidence"
_LET_WAIT = "INSERT INTO waiting SELECT id FROM evidence WHERE id > ?"
_FIND_NEW = "SELECT identity FROM evidence WHERE id > ?"
# Rows per statement: between two statements another thread may take Python's lock, and keep it for
# milliseconds.  With more rows, SQLite takes longer for each row.
_ROWS_AT_ONCE = 100


def _insert_into_sqlite(connection: Connection, items: Sequence[NewEvidence]) -> list[Entry]:
    """Insert the evidence that is new, and return its entries."""
    # With the driver's cursor, because SQLAlchemy's overhead is larger than SQLite's own time.
    cursor = connection.connection.cursor()
    cursor.execute(_LAST_ID)
    last = cursor.fetchone()
    cursor.executemany(_INSERT_NEW, items)
    return _enqueue(cursor, last, items)


def _insert_chunks(connection: Connection, items: Sequence[NewEvidence]) -> list[Entry]:
    """Insert the evidence that is new, and return its entries."""
    cursor = connection.connection.cursor()
    cursor.execute(_LAST_ID)
    last = cursor.fetchone()
    for chunk in in_batches(items, _ROWS_AT_ONCE):
        cursor.execute(
            _insert_rows(len(chunk)), [value for submitted in chunk for value in submitted]
        )
    return _enqueue(cursor, last, items)


def _enqueue(cursor: DBAPICursor, last: Any, items: Sequence[NewEvidence]) -> list[Entry]:
    """Queue the rows inserted after row ``last``; return their entries."""
    # This transaction is the only writer, so that these are exactly the rows inserted above.
    cursor.execute(_LET_WAIT, last)
    if cursor.rowcount == len(items):
        return [build_entry(submitted) for submitted in items]
    cursor.execute(_FIND_NEW, last)
    return _pick(items, {identity for (identity,) in cursor.fetchall()})


def _pick(items: Iterable[NewEvidence], identities: set[bytes]) -> list[Entry]:
    """Return the entry of the first item with each of these identities."""
    picked = []
    for submitted in items:
        if submitted.identity in identities:
            identities.remove(submitted.identity)
            picked.append(build_entry(submitted))
    return picked


@lru_cache(maxsize=_ROWS_AT_ONCE)
def _insert_rows(count: int) -> str:
    """Return the statement that inserts ``count`` rows."""
    before, row, after = _INSERT_NEW.partition("(?, ?, ?, ?, ?, ?, ?)")
    return before + ", ".join([row] * count) + after


def _insert_into_postgresql(connection: Connection, items: Batch) -> list[Entry]:
    """Insert the evidence that is new, and return its entries."""
    from sqlalchemy.dialects.postgresql import insert as insert_or_not

    from anchor.store.postgresql_copy import copy_new

    if len(items) >= _WORTH_A_COPY:
        return copy_new(connection, items)
    items = list(items)  # a batch builds its items anew on each pass
    unless_known = insert_or_not(evidence).on_conflict_do_nothing(index_elements=["identity"])
    fresh = unless_known.returning(evidence.c.id, evidence.c.identity)
    added = connection.execute(fresh, [submitted._asdict() for submitted in items]).all()
    if added:
        ids = sorted(row.id for row in added)
        connection.execute(insert(waiting), [{"evidence_id": id} for id in ids])
    return _pick(items, {row.identity for row in added})


def insert_once(
    connection: Connection, submitted: NewEvidence, key: bytes | None
) -> tuple[NewEvidence | StoredEvidence, bool]:
    """Insert ``submitted`` unless it is stored; return the stored evidence, and whether it is new.

    ``key`` is the hash of an idempotency key, which belongs to this evidence alone.

    Raises:
        UsageError: The key was used for other evidence.
        StoreBusyError: Another process is using the key at the same time.
    """
    if key is not None:
        known = find_by_key(connection, key)
        if known is not None and known.identity != submitted.identity:
            raise UsageError(
                Message("idempotency-key-taken"),
                hint=Message("idempotency-key-reused-hint"),
            )
    if insert_evidence(connection, [submitted], key=key) == 0:
        stored = find_by_identity(connection, submitted.identity)
        if stored is None:
            raise StoreBusyError(
                Message("evidence-erased-meanwhile"), hint=Message("command-run-again-hint")
            )
        return stored, False
    if key is not None:
        _insert_key(connection, key, submitted.identity)
    return submitted, True


_INSERT_KEY = text("INSERT INTO keys SELECT :key, id FROM evidence WHERE identity = :identity")


def _insert_key(connection: Connection, key: bytes, identity: bytes) -> None:
    try:
        connection.execute(_INSERT_KEY, {"key": key, "identity": identity})
    except IntegrityError as error:
        raise StoreBusyError(
            Message("idempotency-key-busy"), hint=Message("command-run-again-hint")
        ) from error
