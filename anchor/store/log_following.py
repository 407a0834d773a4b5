"""Tables that are derived from the runs and follow them, such as the indices of records and names.

Intake writes nothing of them.  Each round of the operator's work enters what was accepted since, a
slice of pieces in a transaction, in which the position moves with what is entered; a crash leaves
the position behind, and the next call continues.  So does the store of an earlier release, whose
position is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from sqlalchemy import Connection, Table, insert, select, update

from anchor.store.database import Database
from anchor.store.runs import find_end, lock_intake

SLICE = 4 * 1024
"""Pieces entered in one transaction, which holds the intake lock for some ten milliseconds."""

Enter: TypeAlias = Callable[[Connection, int, int], int]
"""Enters the pieces from an index on, a slice or up to another index; returns where it ended."""


def follow_log(
    database: Database,
    position: Table,
    enter: Enter,
    report: Callable[[int], None] = lambda _: None,
) -> int:
    """Enter every piece that is accepted by now; return how many were new.

    ``position`` has one row with the number of entered pieces, ``size``.  What is accepted
    meanwhile waits for the next call: under steady intake, there would be no end.  ``report`` is
    called with the number of entered pieces after each transaction.
    """
    with database.read() as connection:
        end = find_end(connection)
        if count_followed(connection, position) == end:
            return 0
    count = 0
    while entered := database.write_with_retry(
        partial(_enter_slice, position=position, enter=enter, end=end)
    ):
        # A crash here leaves the position behind, from which the next call continues.
        count += entered
        report(count)
    return count


def count_followed(connection: Connection, position: Table) -> int:
    """Return how many pieces, the first ones, are entered."""
    return int(connection.execute(select(position.c.size)).scalar() or 0)


def _enter_slice(connection: Connection, position: Table, enter: Enter, end: int) -> int:
    lock_intake(connection)
    start = count_followed(connection, position)
    if start >= end:
        return 0
    stop = enter(connection, start, end)
    moved = connection.execute(update(position).values(size=stop))
    if not moved.rowcount:
        connection.execute(insert(position).values(id=1, size=stop))
    return stop - start
