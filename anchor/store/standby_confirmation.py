"""Confirmation that a commit is on a second PostgreSQL server before it is acknowledged.

The server's own wait (``synchronous_standby_names``) is not relied on: the setting may be empty or
changed, a role may have ``synchronous_commit = local``, and a COMMIT whose wait is cancelled ends
with only a warning.  So a transaction is committed to the local disk, which never hangs, and then
the same connection queries which standbys have flushed the log up to that position.
"""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Lock

from sqlalchemy import Connection, text

from anchor.base.errors import ConfigError, CopyMissingError
from anchor.base.messages.message import Message
from anchor.store.replication import Copies, CopyRule, Position, Standby

# First and longest pause between two queries, in seconds: a nearby standby answers after about one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
# A standby that lags by this many seconds delays acknowledgements, or does not count as a copy.
_LATE = 2.0

_MAY_SEE = text("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')")

# The message makes the commit flush the log up to it, even for a repeated submission, which writes
# nothing else.
_MARK = text(
    "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, "
    "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), "
    "set_config('synchronous_commit', 'local', true), "
    "pg_logical_emit_message(true, 'anchor', '')"
)
_LOOK = text(
    "SELECT here.place, here.timeline, here.may_see, here.waited_for, follower.pid, "
    "follower.application_name, follower.sync_state, (follower.flush_lsn - '0/0')::bigint, "
    "coalesce(slot.slot_type = 'logical', false), "
    "coalesce(slot.temporary AND slot.slot_name LIKE 'pg\\_basebackup\\_%', false), "
    "follower.client_addr IS NULL OR follower.client_addr <<= '127.0.0.0/8' "
    "OR follower.client_addr = '::1' OR follower.client_addr = inet_server_addr() "
    "FROM (SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint AS place, "
    "substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) AS timeline, "
    "pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see, "
    "current_setting('synchronous_standby_names') AS waited_for) AS here "
    "LEFT JOIN pg_stat_replication AS follower ON true "
    "LEFT JOIN pg_replication_slots AS slot ON slot.active_pid = follower.pid"
)
_GRANT = Message("store-role-grant-hint")


class StandbyCopies:
    """Waits until commits are on as many servers as the rule requires; thread-safe."""

    def __init__(self, rule: CopyRule) -> None:
        """Store the rule, without querying the server."""
        self.rule = rule
        self._lock = Lock()
        # The first position without enough copies; until it has them, no later commit waits.
        self._lacking: Position | None = None

    def check_rights(self, connection: Connection) -> None:
        """Check that the role may see the server's standbys."""
        if not connection.execute(_MAY_SEE).scalar_one():
            raise ConfigError(
                Message("store-copies-unobservable"),
                hint=_GRANT,
            )

    def admit(self, connection: Connection) -> None:
        """Check, before a transaction begins, that copies are not known to be missing.

        Raises:
            CopyMissingError: Copies are missing; nothing was written.
        """
        if self._lacking is None or self.rule.degrade:
            return
        seen = read_copies(connection, self.rule)
        if self._is_lacking(seen):
            raise CopyMissingError(
                Message("store-writes-stopped-copy-missing", detail=seen.format_standbys()),
                hint=_HINT,
            )

    def mark(self, connection: Connection) -> Position:
        """Return the log's present position; call it as a transaction's last statement."""
        lsn, timeline, *_ = connection.execute(_MARK).one()
        return Position(timeline=timeline, lsn=lsn)

    def confirm(self, connection: Connection, mark: Position) -> int:
        """Wait until enough servers hold the commit of this connection; return how many do.

        The connection must be the one that committed: another one may lead to another server.
        """
        # A transaction for each query: within one, the list of standbys never changes.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        seen = read_copies(connection, self.rule)
        target = seen.position
        if not target.continues(mark):
            raise CopyMissingError(
                Message("store-server-exchanged"),
                hint=Message("store-server-exchanged-hint"),
            )
        pause = _FIRST_PAUSE
        end = time.monotonic() + self.rule.seconds
        while seen.count_at(target) < self.rule.copies:
            if self._is_lacking(seen) or time.monotonic() >= end:
                return self._fall_short(seen, target)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            seen = read_copies(connection, self.rule)
        with self._lock:
            self._lacking = None
        return self.rule.copies

    def _fall_short(self, seen: Copies, target: Position) -> int:
        with self._lock:
            if self._lacking is None:
                self._lacking = target
        if self.rule.degrade:
            return seen.count_at(target)
        raise CopyMissingError(
            Message(
                "store-copy-late",
                count=seen.count_at(target),
                required=self.rule.copies,
                seconds=self.rule.seconds,
                detail=seen.format_standbys(),
            ),
            hint=_HINT,
        )

    def _is_lacking(self, seen: Copies) -> bool:
        """Return whether the position that lacked copies still does."""
        with self._lock:
            lacking = self._lacking
            if lacking is None:
                return False
            is_over = lacking.timeline != seen.position.timeline
            if is_over or seen.count_at(lacking) >= self.rule.copies:
                self._lacking = None
                return False
            return True


_HINT = Message("standby-check-hint")


def read_copies(connection: Connection, rule: CopyRule) -> Copies:
    """Return the server's flushed log position, and the position of each standby.

    Raises:
        CopyMissingError: The role may not see the server's standbys.
    """
    rows = connection.execute(_LOOK).all()
    lsn, timeline, may_see, waited_for = rows[0][:4]
    if not may_see:
        raise CopyMissingError(Message("store-role-blinded"), hint=_GRANT)
    return Copies(
        rule=rule,
        position=Position(timeline=timeline, lsn=lsn),
        standbys=tuple(
            Standby(
                name=name or "",
                sync_state=sync_state or "unknown",
                flushed=flushed,
                is_logical=is_logical,
                is_backup=is_backup,
                is_near=is_near,
            )
            for *_, pid, name, sync_state, flushed, is_logical, is_backup, is_near in rows
            if pid is not None
        ),
        waited_for=waited_for,
    )


def wait_for_copies(connection: Connection, rule: CopyRule) -> Copies:
    """Return the servers that hold the present commits, after waiting up to ``_LATE`` seconds."""
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    first = read_copies(connection, rule)
    seen, end = first, time.monotonic() + _LATE
    while seen.count_at(first.position) < rule.copies and time.monotonic() < end:
        time.sleep(_LONGEST_PAUSE)
        seen = read_copies(connection, rule)
    return replace(seen, position=first.position)
