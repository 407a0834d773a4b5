"""Stores of earlier schemas become what a new one is, with every row that they hold."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from support.old_rows import (
    OldRow,
    find_number,
    make_key,
    make_old_row,
    make_old_store,
    open_engine,
)
from support.store_contents import find_positions
from support.stores import Postgres, damage

from anchor.errors import ChainGuardError
from anchor.evidence.digests import Digests
from anchor.store.alembic_runner import migrate
from anchor.store.columns import MOST_PIECES, Run
from anchor.store.database import MIGRATION_HEAD, Database, create_database, open_database
from anchor.store.erasures import find_by_leaves
from anchor.store.evidence import (
    count_evidence,
    find_by_key,
    find_indices_from,
    find_indices_of,
)
from anchor.store.location import StoreLocation
from anchor.store.record_index import enter_records, find_records
from anchor.store.runs import load_leaves, load_runs
from anchor.store.schema import metadata
from anchor.store.schema_upgrade import hold_outdated

OLD = ["0001", "0002", "0003"]
MOVED = ("evidence", "positions", "waiting", "keys")
# What schemas after 0004 added.
LATER = (
    "state_proofs", "record_index", "jobs", "certificates", "certificate_files", "people",
    "identities", "memberships", "invitations", "sessions", "tenant_events", "cases",
    "case_parties", "case_exhibits", "case_notes", "case_members", "name_index", "name_blocks",
    "announcements", "webhooks", "deliveries", "mail_choices", "case_links",
    "retention_index", "retentions",
    "captures", "kept_copies", "kept_copy_parts", "passkeys", "answered_challenges",
    "mail_confirmations", "blocked_networks", "limited_addresses",
)  # fmt: skip
# What there is in a PostgreSQL schema, by table: columns, constraints, indexes.  PostgreSQL 18 also
# names what may not be NULL, after the table's name at that time.
DESCRIPTIONS = (
    """SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default,
    character_maximum_length FROM information_schema.columns
    WHERE table_schema = current_schema() ORDER BY 1, 2""",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND contype <> 'n' ORDER BY 1, 2""",
    """SELECT tablename, indexname, replace(indexdef, current_schema(), '') FROM pg_indexes
    WHERE schemaname = current_schema() ORDER BY 1, 2""",
)
SEALED, WAITING, OTHERS = MOST_PIECES + 700, 500, 3
COUNT = SEALED + WAITING + OTHERS


def snapshot(location: StoreLocation) -> dict[str, list[str]]:
    """Return every row of every table."""
    engine = open_engine(location)
    with engine.connect() as connection:
        names = inspect(connection).get_table_names()
        rows = {name: connection.execute(text(f"SELECT * FROM {name}")) for name in names}
        found = {name: sorted(map(repr, each)) for name, each in rows.items()}
    engine.dispose()
    return found


def upgrade(location: StoreLocation) -> None:
    with hold_outdated(location) as outdated:
        assert outdated is not None
        outdated.upgrade()


def expected_rows(sealed: int = SEALED, count: int = COUNT) -> list[OldRow]:
    """Return all evidence in its order: the log, the queue, what was in neither."""
    numbers = [*(find_number(place, sealed) for place in range(sealed)), *range(sealed, count)]
    return [make_old_row(number) for number in numbers]


def stored_rows(connection: Connection) -> list[OldRow]:
    return [row for run in load_runs(connection) for row in rows_of(run)]


def rows_of(run: Run) -> list[OldRow]:
    return [
        OldRow(row.identity, row.source, row.sha256, row.sm3, row.record, row.leaf, row.accepted_at)
        for row in run.rows()
    ]


def without_identity(rows: list[OldRow]) -> list[OldRow]:
    """Return the rows, without the identities of erased evidence, which say nothing."""
    return [row._replace(identity=b"") if row.source == "(erased)" else row for row in rows]


@pytest.mark.fault(
    "F18",
    how="stores of each earlier schema, of both kinds and with rows, are migrated",
    then="the tables are those of a new store; every row, leaf and order is as it was",
)
@pytest.mark.parametrize("revision", OLD)
def test_an_earlier_store_is_migrated_with_all_its_rows(
    location: StoreLocation, revision: str
) -> None:
    make_old_store(location, revision, SEALED, WAITING, OTHERS)
    before = snapshot(location)
    upgrade(location)
    after = snapshot(location)
    kept = [name for name in before if name not in (*MOVED, "alembic_version")]
    if revision == OLD[-1]:
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    engine = open_engine(location)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == MIGRATION_HEAD
    engine.dispose()
    with closing(open_database(location)) as opened:
        check_rows(opened, expected_rows())


def test_a_store_of_columns_gets_the_tables_that_came_later(location: StoreLocation) -> None:
    make_old_store(location, OLD[-1], 100, 3)
    engine = open_engine(location)
    with engine.begin() as connection:
        migrate(connection, "0004")
    engine.dispose()
    before = snapshot(location)
    upgrade(location)
    after = snapshot(location)
    for name in LATER:
        assert after.pop(name) == []
    assert after.pop("tenant_slices") == ["('acme', 0)"]
    del before["alembic_version"], after["alembic_version"]
    assert after == before
    with closing(open_database(location)) as opened:
        assert enter_records(opened) == 103
        with opened.read() as connection:
            for row in expected_rows(100, 103):
                assert row.record is None or find_records(
                    connection, hashlib.sha256(row.record).digest()[:10]
                )


def check_rows(opened: Database, rows: list[OldRow]) -> None:
    """Check that the store has these pieces, and finds each as it was found before."""
    with opened.read() as connection:
        assert count_evidence(connection) == (len(rows), len(rows) - SEALED)
        assert without_identity(stored_rows(connection)) == without_identity(rows)
        assert load_leaves(connection, 0, len(rows)) == b"".join(row.leaf for row in rows)
        runs = list(load_runs(connection))
        assert [run.pieces for run in runs[:-1]] == [MOST_PIECES] * (len(runs) - 1)
        assert sum(run.erased for run in runs) == sum(row.source == "(erased)" for row in rows)
        places = {
            row.identity: index if index < SEALED else None
            for index, row in enumerate(rows)
            if row.source != "(erased)"
        }
        assert find_positions(connection, [row.identity for row in rows]) == places
        files: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            if row.source.startswith("/"):
                files.setdefault(row.source, []).append(index)
        found = find_indices_from(connection, [row.source for row in rows])
        assert found == files
        for index, row in enumerate(rows[:50]):
            if row.sha256 is not None:
                digests = Digests(sha256=row.sha256, sm3=None, size=None)
                assert find_indices_of(connection, digests) == [index]
            if row.sm3 is not None:
                digests = Digests(sha256=None, sm3=row.sm3, size=None)
                assert find_indices_of(connection, digests) == [index]
        check_keys(connection, rows)
        (piece,) = find_by_leaves(connection, [rows[-1].leaf])
        assert (piece.id, piece.leaf_index) == (len(rows) - 1, None)


def check_keys(connection: Connection, rows: list[OldRow]) -> None:
    for number in range(0, len(rows), 10):
        place = find_number(number, SEALED) if number < SEALED else number
        stored = find_by_key(connection, make_key(number))
        assert stored is not None
        assert (stored.id, stored.leaf) == (place, rows[place].leaf)


def test_a_new_store_is_what_the_migrations_create(postgres: Postgres) -> None:
    """tests/unit/store/test_sqlite.py compares SQLite's."""
    created, migrated = postgres.create(), postgres.create()
    create_database(created).close()
    engine = open_engine(migrated)
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()

    def describe(location: StoreLocation) -> list[tuple[Any, ...]]:
        described = []
        engine = open_engine(location)
        with engine.connect() as connection:
            for query in DESCRIPTIONS:
                described += [tuple(row) for row in connection.exec_driver_sql(query)]
        engine.dispose()
        return described

    assert describe(created) == describe(migrated)
    assert {row[0] for row in describe(created)} >= {"alembic_version", *metadata.tables}


def test_an_empty_store_is_migrated(location: StoreLocation) -> None:
    make_old_store(location, OLD[-1], 0, 0)
    upgrade(location)
    with closing(open_database(location)) as opened, opened.read() as connection:
        assert count_evidence(connection) == (0, 0)


# What damages a store of ten sealed pieces and two that wait; and what is said.
DAMAGE = [
    ("DELETE FROM positions WHERE leaf_index = 4", "leaves 0 to 9, the store holds only 9"),
    ("DELETE FROM positions WHERE leaf_index = 9", "has 10 leaves, but 9 pieces"),
    ("DELETE FROM heads", "has 0 leaves, but 10 pieces"),
    ("DELETE FROM evidence WHERE id = 3", "no leaf 3"),
    ("DELETE FROM evidence WHERE id = 12", "no leaf 11"),
    ("INSERT INTO waiting VALUES (3)", "contradicts itself"),
    ("DELETE FROM keys; INSERT INTO keys SELECT identity, 99 FROM evidence WHERE id = 1", "1 idem"),
    (
        "UPDATE evidence SET leaf = (SELECT right_edge FROM heads) WHERE id = 2",
        "pieces 0 to 0 are damaged",
    ),
]


@pytest.mark.parametrize(("statement", "said"), DAMAGE)
def test_a_damaged_store_is_not_migrated(
    location: StoreLocation, statement: str, said: str
) -> None:
    make_old_store(location, OLD[-1], 10, 2)
    for each in statement.split("; "):
        damage(location, each)
    before = snapshot(location)
    with pytest.raises(ChainGuardError, match=said):
        upgrade(location)
    assert snapshot(location) == before


# Upgrades a store and prints its peak memory in KiB; stops before a run that is not the first.
UPGRADING = """
import sys, time
from pathlib import Path
from anchor.store import columns
from anchor.store.location import parse_location

pack_run = columns.pack_run
last = float(sys.argv[2])

def stop(first, rows):
    if first > last:
        print("stopped", flush=True)
        time.sleep(600)
    return pack_run(first, rows)

columns.pack_run = stop
from anchor.store.schema_upgrade import hold_outdated
with hold_outdated(parse_location(sys.argv[1], Path("/"))) as outdated:
    outdated.upgrade()
# Not ru_maxrss, which a process takes over from the one that started it.
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
"""


def kill_upgrade(location: StoreLocation, last: int) -> None:
    """Start an upgrade, and kill it before a run that begins after the piece ``last``."""
    arguments = [sys.executable, "-c", UPGRADING, str(location), str(last)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"stopped\n"
        process.kill()


@pytest.mark.fault(
    "A12",
    how="the process that upgrades a store is killed while it moves the rows",
    then="every row is as it was, and the next upgrade succeeds",
)
def test_a_kill_while_rows_are_moved_leaves_the_old_store(location: StoreLocation) -> None:
    make_old_store(location, OLD[-1], SEALED, WAITING, OTHERS)
    before = snapshot(location)
    kill_upgrade(location, 0)
    assert snapshot(location) == before
    upgrade(location)
    with closing(open_database(location)) as opened:
        check_rows(opened, expected_rows())


MILLION = 1_000_000
# Measured: 140 to 150, of which 56 are the program's.
MOST_MEBIBYTES = 250


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_pieces_are_moved_within_a_bound_of_memory(location: StoreLocation) -> None:
    """Also after a kill, when much of what was written is on the disk."""
    make_old_store(location, OLD[-1], MILLION, WAITING)
    kill_upgrade(location, MILLION // 2)
    engine = open_engine(location)
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM evidence")
        assert connection.execute(query).scalar_one() == MILLION + WAITING
        assert not inspect(connection).has_table("runs")
    engine.dispose()
    arguments = [sys.executable, "-c", UPGRADING, str(location), "inf"]
    peak = int(subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout)
    assert peak < MOST_MEBIBYTES << 10
    with closing(open_database(location)) as opened, opened.read() as connection:
        assert count_evidence(connection) == (MILLION + WAITING, WAITING)
        end = 0
        for run in load_runs(connection):
            assert run.first == end
            end = run.end
            if run.first // MOST_PIECES % 10 == 0:
                numbers = [
                    find_number(place, MILLION) if place < MILLION else place
                    for place in range(run.first, run.end)
                ]
                expected = without_identity([make_old_row(number) for number in numbers])
                assert without_identity(rows_of(run)) == expected
        rows = [make_old_row(number) for number in range(0, MILLION, 997)]
        found = find_positions(connection, [row.identity for row in rows])
        assert found == {
            row.identity: find_number(number, MILLION)
            for number, row in zip(range(0, MILLION, 997), rows, strict=True)
            if row.source != "(erased)"
        }


def test_postgresql_samples_no_evidence(postgres: Postgres) -> None:
    location = postgres.create()
    make_old_store(location, OLD[-1], SEALED, WAITING)
    upgrade(location)
    engine = open_engine(location)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
        sampled = connection.execute(
            text(
                "SELECT tablename || '.' || attname FROM pg_stats "
                "WHERE schemaname = current_schema() "
                "AND tablename IN ('runs', 'fingerprint_runs', 'fingerprints')"
            )
        ).scalars()
        blobs = {f"{table}.{column}" for table, column, _ in list_blobs(connection)}
        assert blobs
        assert not blobs & set(sampled)
        # Values that do not compress, and pages that are no longer than a row may be.
        stored = {(table, storage) for table, _, storage in list_blobs(connection)}
        assert stored == {("runs", "e"), ("fingerprints", "p")}
    engine.dispose()


def list_blobs(connection: Connection) -> list[Any]:
    """Return table, column and kind of storage of each binary column of the evidence."""
    query = (
        "SELECT relname, attname, attstorage::text FROM pg_attribute "
        "JOIN pg_class ON pg_class.oid = attrelid WHERE atttypid = 'bytea'::regtype "
        "AND relnamespace = current_schema()::regnamespace "
        "AND relname IN ('runs', 'fingerprints')"
    )
    return [tuple(row) for row in connection.execute(text(query))]


def test_a_store_that_a_restore_replaced_stays_fenced_off(postgres: Postgres) -> None:
    location = postgres.create()
    make_old_store(location, OLD[-1], 10, 2)
    damage(
        location,
        "CREATE FUNCTION anchor_replaced() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'replaced'; END $$",
    )
    damage(
        location,
        "CREATE TRIGGER anchor_replaced BEFORE INSERT OR UPDATE ON evidence "
        "FOR EACH STATEMENT EXECUTE FUNCTION anchor_replaced()",
    )
    upgrade(location)
    engine = open_engine(location)
    with engine.connect() as connection, pytest.raises(Exception, match="replaced"):
        connection.execute(text("UPDATE runs SET lost = 1"))
    engine.dispose()
