"""Schema 0009: the parts of the log in which each tenant has evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.errors import ChainGuardError
from anchor.store.columns import Run
from anchor.store.migrations.operations import INT64, create_table
from anchor.store.runs import parse_run
from anchor.store.tenant_slices import list_slices

revision = "0009"
down_revision = "0008"

# Runs in memory at once: some MiB.
_BATCH = 8
_RUN_COLUMNS = (
    "first", "pieces", "accepted_at", "record_bytes", "erased", "lost", "shared", "leaves", "kinds",
    "times", "sha256", "sm3", "starts", "tails", "salts", "sizes", "names", "sources", "records",
)  # fmt: skip
_RUNS = sa.table("runs", *map(sa.column, _RUN_COLUMNS))
_SLICES = sa.table("tenant_slices", sa.column("tenant"), sa.column("first"))


def upgrade() -> None:
    """Create the table, and enter the evidence that is there; damaged runs are left out."""
    create_table(
        "tenant_slices",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("first", INT64, primary_key=True, autoincrement=False),
    )
    connection = op.get_bind()
    low, entered = -1, set[tuple[str, int]]()
    while True:
        query = sa.select(_RUNS).where(_RUNS.c.first > low).order_by(_RUNS.c.first).limit(_BATCH)
        rows = connection.execute(query).all()
        if not rows:
            return
        new = {row for run in map(_parse, rows) if run is not None for row in list_slices(run)}
        new -= entered
        if new:
            values = [{"tenant": tenant, "first": first} for tenant, first in sorted(new)]
            connection.execute(_SLICES.insert(), values)
        low = rows[-1].first
        # Only neighbouring runs share a slice.
        entered = {row for row in entered | new if row[1] >= low - 1024}


def _parse(row: sa.Row[tuple[object, ...]]) -> Run | None:
    try:
        return parse_run(row)
    except ChainGuardError:
        return None
