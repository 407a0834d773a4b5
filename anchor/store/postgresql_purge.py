"""Purging erased rows from a PostgreSQL server's disk by rewriting its tables and its log.

An UPDATE leaves the old row in the files of the table and of its long columns until VACUUM FULL
rewrites them, which keeps the rows that an older snapshot may still read, and in the write-ahead
log until its segments are overwritten.  A CHECKPOINT renames old segments for later use together
with their contents; switching to each of these fills it with zeros.  The log belongs to the whole
server: only a superuser, or a user with the rights named below, can rewrite it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, text

from anchor.base.errors import StoreBusyError
from anchor.base.messages.message import Message
from anchor.store.schema import (
    announcements,
    captures,
    case_exhibits,
    certificate_files,
    certificates,
    deliveries,
    fingerprints,
    kept_copies,
    keys,
    name_blocks,
    retentions,
    runs,
)

_WITH_EVIDENCE = (
    runs,
    fingerprints,
    keys,
    name_blocks,
    retentions,
    case_exhibits,
    certificates,
    certificate_files,
    kept_copies,
    captures,
    announcements,
    deliveries,
)
_REWRITTEN = [text(f"VACUUM (FULL, ANALYZE) {table.name}") for table in _WITH_EVIDENCE]
# No binary column with evidence is sampled, but those of earlier stores were: samples stay on disk
# when they are replaced, or their tables dropped.
_REWRITE_SAMPLES = text("VACUUM (FULL) pg_catalog.pg_statistic")
_MAY_REWRITE_CATALOGUE = text(
    "SELECT rolsuper OR pg_has_role(current_user, (SELECT datdba FROM pg_database "
    "WHERE datname = current_database()), 'USAGE') FROM pg_roles WHERE rolname = current_user"
)
_MAY_REWRITE_LOG = text(
    "SELECT has_function_privilege('pg_switch_wal()', 'EXECUTE') "
    "AND has_function_privilege('pg_ls_waldir()', 'EXECUTE') "
    "AND (rolsuper OR to_regrole('pg_checkpoint') IS NOT NULL "
    "AND pg_has_role(current_user, to_regrole('pg_checkpoint')::oid, 'USAGE')) "
    "FROM pg_roles WHERE rolname = current_user"
)
_CURRENT = text("SELECT pg_walfile_name(pg_current_wal_lsn())")
_SEGMENTS = text("SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' ORDER BY name")
# PostgreSQL does not switch segments without a change in between.
_EMIT = text("SELECT pg_logical_emit_message(false, 'anchor', '')")
_SWITCH = text("SELECT pg_switch_wal()")

_NOT_ALLOWED = Message("erasure-wal-not-overwritten")
_KEPT = Message("erasure-wal-kept")


# Snapshots of this database, of standbys that hold rows back, and of prepared transactions.  VACUUM
# keeps no row for snapshots that are not older than this transaction.
_OLD_SNAPSHOTS = text(
    "SELECT count(*) FROM ("
    "SELECT backend_xmin AS xmin FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
    "AND (datname = current_database() OR backend_type = 'walsender') "
    "UNION ALL SELECT xmin FROM pg_replication_slots "
    "UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()"
    ") AS held WHERE age(held.xmin) >= age(CAST(CAST(:newest AS text) AS xid))"
)
_THIS_TRANSACTION = text("SELECT CAST(pg_current_xact_id() AS xid)")
# Seconds to wait for these snapshots: a reader of the service ends within milliseconds.
_PATIENCE = 30.0
_PAUSE = 0.05


def wait_for_readers(connection: Connection) -> None:
    """Wait until every snapshot that may still show the erased rows has ended."""
    newest = connection.execute(_THIS_TRANSACTION).scalar_one()
    end = time.monotonic() + _PATIENCE
    while connection.execute(_OLD_SNAPSHOTS, {"newest": str(newest)}).scalar_one():
        if time.monotonic() >= end:
            raise StoreBusyError(
                Message("erasure-rows-still-readable"),
                hint=Message("erasure-rows-still-readable-hint"),
            )
        time.sleep(_PAUSE)


def rewrite_tables(connection: Connection) -> None:
    """Rewrite the tables that hold evidence, and the samples of columns."""
    for rewrite in _REWRITTEN:
        connection.execute(rewrite)
    if connection.execute(_MAY_REWRITE_CATALOGUE).scalar_one():
        connection.execute(_REWRITE_SAMPLES)


def rewrite_log(connection: Connection) -> Sequence[Message]:
    """Rewrite every segment of the write-ahead log; return which part was not, and why."""
    if not connection.execute(_MAY_REWRITE_LOG).scalar_one():
        return (_NOT_ALLOWED,)
    first = connection.execute(_CURRENT).scalar_one()
    last: str | None = None
    # Each pass uses one segment: the existing ones, and those that this loop creates.
    for _ in range(2 * len(connection.execute(_SEGMENTS).all()) + 16):
        connection.execute(_EMIT)
        connection.execute(_SWITCH)
        connection.execute(text("CHECKPOINT"))
        names = list(connection.execute(_SEGMENTS).scalars())
        if last is None and names[0] > first:
            # All earlier segments have been renamed by now, up to the name of the last one.
            last = names[-1]
        if last is not None and connection.execute(_CURRENT).scalar_one() > last:
            return ()
    return (_KEPT,)
