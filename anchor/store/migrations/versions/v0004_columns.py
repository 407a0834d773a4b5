"""Schema 0004: evidence as runs of columns, in the order of the log.

A piece's index is its place in the log.  The queue follows the sealed pieces in its order, and
evidence that was neither sealed nor queued comes last.

The format of a run must stay what ``pack_run`` makes today: a release that changes it needs a copy
of this one here.  Fingerprints are derived from the runs, so a later migration can make them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic import op

from anchor.errors import ChainGuardError
from anchor.messages.message import Message
from anchor.store.columns import HASH, MOST_PIECES, EvidenceRow, Run, pack_run
from anchor.store.evidence_insertion import enter_runs
from anchor.store.migrations.operations import INT64, create_table

revision = "0004"
down_revision = "0003"

# Runs whose fingerprints are inserted at once: with fewer, more fingerprints have to be merged.
_ENTERED = 64
_NEEDED = ("shared", "leaves", "kinds")
_OPTIONAL = (
    "times", "sha256", "sm3", "starts", "tails", "salts", "sizes", "names", "sources", "records",
)  # fmt: skip
_NUMBERS = ("first", "pieces", "accepted_at", "record_bytes", "erased", "lost")
_RUN_COLUMNS = (*_NUMBERS, *_NEEDED, *_OPTIONAL)
_RUNS = sa.table("runs", *map(sa.column, _RUN_COLUMNS))

_LOCK = "LOCK TABLE evidence, waiting, positions, keys IN ACCESS EXCLUSIVE MODE"
_COUNT_PLACES = sa.text("SELECT count(*), coalesce(max(leaf_index) + 1, 0) FROM positions")
_SIZE = sa.text("SELECT coalesce(max(size), 0) FROM heads")
_PLACE_QUEUE = sa.text(
    "INSERT INTO positions (leaf_index, evidence_id) SELECT CAST(:first AS BIGINT) - 1 "
    "+ row_number() OVER (ORDER BY evidence_id), evidence_id FROM waiting"
)
_PLACE_OTHERS = sa.text(
    "INSERT INTO positions (leaf_index, evidence_id) SELECT CAST(:first AS BIGINT) - 1 "
    "+ row_number() OVER (ORDER BY id), id FROM evidence WHERE NOT EXISTS "
    "(SELECT 1 FROM positions WHERE evidence_id = evidence.id)"
)
_PIECES = sa.text(
    "SELECT identity, source, sha256, sm3, record, leaf, accepted_at FROM positions "
    "LEFT JOIN evidence ON evidence.id = positions.evidence_id ORDER BY leaf_index"
)
_MOVE_KEYS = sa.text(
    "INSERT INTO keys (key, piece) SELECT key, leaf_index FROM old_keys "
    "JOIN positions USING (evidence_id)"
)
_COUNT_LOST_KEYS = sa.text("SELECT (SELECT count(*) FROM old_keys) - (SELECT count(*) FROM keys)")
# A restore has replaced this store, and keeps everything from writing to it.
_IS_FENCED = sa.text(
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'anchor_replaced' "
    "AND tgrelid = 'evidence'::regclass)"
)
_FENCE = (
    "CREATE TRIGGER anchor_replaced BEFORE INSERT OR UPDATE ON runs "
    "FOR EACH STATEMENT EXECUTE FUNCTION anchor_replaced()"
)


def upgrade() -> None:
    """Create the tables, move all evidence and its keys, and drop the tables that they were in."""
    connection = op.get_bind()
    is_postgresql = connection.dialect.name == "postgresql"
    is_fenced = False
    if is_postgresql:
        # At once: a reader of these tables would otherwise stop the upgrade at its end.
        op.execute(_LOCK)
        is_fenced = connection.execute(_IS_FENCED).scalar_one()
    _create_tables(is_postgresql=is_postgresql)
    _give_places(connection)
    _move_evidence(connection)
    _move_keys(connection, is_postgresql=is_postgresql)
    for table in ("waiting", "positions", "evidence"):
        op.drop_table(table)
    if is_fenced:
        op.execute(_FENCE)


def _create_tables(*, is_postgresql: bool) -> None:
    create_table(
        "runs",
        sa.Column("first", INT64, autoincrement=False, primary_key=True),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("accepted_at", sa.Text(), nullable=False),
        sa.Column("record_bytes", INT64, nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in _NEEDED),
        *(sa.Column(name, sa.LargeBinary()) for name in _OPTIONAL),
    )
    create_table(
        "fingerprint_runs",
        sa.Column("run", INT64, autoincrement=False, primary_key=True),
        sa.Column("about", sa.Integer(), nullable=False),
        sa.Column("entries", INT64, nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("target", INT64),
    )
    create_table(
        "fingerprints",
        sa.Column("run", INT64, autoincrement=False, primary_key=True),
        sa.Column("first", sa.LargeBinary(), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    if is_postgresql:
        # Random bytes do not compress.  What may have to be erased is never sampled into the
        # catalogue, where no VACUUM of the table would remove it.
        for name in (*_NEEDED, *_OPTIONAL):
            _set_column("runs", name, "EXTERNAL")
        for name in ("first", "body"):
            _set_column("fingerprints", name, "PLAIN")
        # Merges leave as many dead pages as they write: they are used again if VACUUM keeps up.
        op.execute(
            "ALTER TABLE fingerprints SET (autovacuum_vacuum_scale_factor = 0.05, "
            "autovacuum_vacuum_cost_delay = 0)"
        )


def _set_column(table: str, name: str, storage: str) -> None:
    op.execute(
        f"ALTER TABLE {table} ALTER COLUMN {name} SET STORAGE {storage}, "
        f"ALTER COLUMN {name} SET STATISTICS 0"
    )


def _give_places(connection: sa.Connection) -> None:
    """Check the places of sealed evidence, and give all other evidence the places after them."""
    count, end = connection.execute(_COUNT_PLACES).one()
    if count != end:
        raise _damaged(Message("leaf-range-incomplete", actual=count, first=0, last=end - 1))
    size = connection.execute(_SIZE).scalar_one()
    if count != size:
        raise _damaged(Message("store-places-differ", placed=count, size=size))
    for place in (_PLACE_QUEUE, _PLACE_OTHERS):
        connection.execute(place, {"first": end})
        _, end = connection.execute(_COUNT_PLACES).one()


def _move_evidence(connection: sa.Connection) -> None:
    first = 0
    moved: list[Run] = []
    for pieces in _load_pieces(connection):
        run = pack_run(first, pieces)
        connection.execute(_RUNS.insert(), _values(run))
        # Without the records, of which there may be a gigabyte.
        moved.append(replace(run, records=None))
        first = run.end
        if len(moved) == _ENTERED:
            enter_runs(connection, moved)
            moved.clear()
    enter_runs(connection, moved)


def _load_pieces(connection: sa.Connection) -> Iterator[list[EvidenceRow]]:
    """Yield all evidence by its place, as many pieces at once as a run holds."""
    first = 0
    with connection.execute(_PIECES, execution_options={"stream_results": True}) as rows:
        for part in rows.partitions(MOST_PIECES):
            for index, row in enumerate(part, start=first):
                _check_row(index, row)
            yield [EvidenceRow(**row._asdict()) for row in part]
            first += len(part)


def _check_row(index: int, row: sa.Row[Any]) -> None:
    """Check that a row can be a piece of a run, whose values have a fixed length."""
    if row.leaf is None:
        raise _damaged(Message("log-leaf-missing", index=index))
    hashes = (row.identity, row.leaf, row.sha256, row.sm3)
    if any(value is not None and len(value) != HASH for value in hashes):
        raise _damaged(Message("evidence-run-damaged", first=index, last=index))


def _values(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in _RUN_COLUMNS}


def _move_keys(connection: sa.Connection, *, is_postgresql: bool) -> None:
    op.rename_table("keys", "old_keys")
    if is_postgresql:
        op.drop_constraint("pk_keys", "old_keys", type_="primary")
    create_table(
        "keys",
        sa.Column("key", sa.LargeBinary(), primary_key=True),
        sa.Column("piece", INT64, nullable=False),
    )
    connection.execute(_MOVE_KEYS)
    lost = connection.execute(_COUNT_LOST_KEYS).scalar_one()
    if lost:
        raise _damaged(Message("audit-keys-without-evidence", count=lost))
    op.drop_table("old_keys")


def _damaged(message: Message) -> ChainGuardError:
    return ChainGuardError(message, hint=Message("store-altered-unchanged-hint"))
