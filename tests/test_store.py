"""The store: what it promises about creation, durability, order and concurrent writers."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select

from anchor import log
from anchor.digest import Digests
from anchor.errors import ChainGuardError, ConfigError, UnknownVersionError
from anchor.merkle import hash_leaf
from anchor.store.database import (
    MIGRATION_HEAD,
    Database,
    create_database,
    open_database,
)
from anchor.store.evidence import (
    NewEvidence,
    count_evidence,
    insert_evidence,
    known_identities,
    load_leaves,
    load_waiting,
    place_waiting,
)
from anchor.store.heads import newest_head
from anchor.store.schema import evidence, heads, metadata, positions, waiting
from anchor.tree import Tree

NOW = "2026-01-01T00:00:00.000Z"


def make_item(number: int) -> NewEvidence:
    name = b"evidence %d" % number
    return NewEvidence(
        identity=hashlib.sha256(name).digest(),
        source=name.decode(),
        digests=Digests(sha256=hashlib.sha256(name).digest(), sm3=None, size=len(name)),
        record=name,
        leaf=hash_leaf(name),
        accepted_at=NOW,
    )


def accept(store: Database, *numbers: int) -> None:
    with store.write() as connection:
        insert_evidence(connection, [make_item(number) for number in numbers])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anchor.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    created = create_database(path)
    yield created
    created.close()


def indices(store: Database) -> list[tuple[int, int | None]]:
    with store.read() as connection:
        rows = connection.execute(
            select(evidence.c.id, positions.c.leaf_index)
            .select_from(evidence.outerjoin(positions, positions.c.evidence_id == evidence.c.id))
            .order_by(evidence.c.id)
        )
        return [(row.id, row.leaf_index) for row in rows]


# The schema


def test_the_migrations_lead_to_the_schema(store: Database) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_create_what_the_schema_would_create(path: Path, store: Database) -> None:
    """Compare what compare_metadata does not see: checks, partial indexes, STRICT."""
    declared = path.with_name("declared.db")
    engine = create_engine(f"sqlite:///{declared}")
    metadata.create_all(engine)
    engine.dispose()

    def describe(file: Path) -> dict[str, Any]:
        with closing(sqlite3.connect(file)) as connection:
            query = "SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE 'sqlite%'"
            tables = dict(connection.execute(query).fetchall())
            tables.pop("alembic_version", None)
            return {
                name: (
                    strict,
                    connection.execute(f"PRAGMA table_info({name})").fetchall(),
                    sorted(
                        row[1:] for row in connection.execute(f"PRAGMA foreign_key_list({name})")
                    ),
                    sorted(
                        (row[1], row[2], row[4], str(_index(connection, row[1])))
                        for row in connection.execute(f"PRAGMA index_list({name})")
                    ),
                    re.findall(r"CONSTRAINT \w+ CHECK .*\)", _sql(connection, name)),
                )
                for name, strict in tables.items()
            }

    def _index(connection: sqlite3.Connection, name: str) -> list[Any]:
        return [connection.execute(f"PRAGMA index_info({name})").fetchall(), _sql(connection, name)]

    def _sql(connection: sqlite3.Connection, name: str) -> str:
        query = "SELECT sql FROM sqlite_master WHERE name = ?"
        return str(connection.execute(query, (name,)).fetchone()[0])

    assert describe(path) == describe(declared)
    assert set(describe(path)) == set(metadata.tables)


def test_every_table_is_strict(path: Path, store: Database) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for name in metadata.tables:
            row = connection.execute("SELECT strict FROM pragma_table_list WHERE name = ?", (name,))
            assert row.fetchone() == (1,), name
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in BLOB"):
            connection.execute("INSERT INTO heads VALUES (1, 'root', x'', 'now')")


def test_the_newest_migration_is_the_one_this_release_works_with(store: Database) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "anchor.store:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [MIGRATION_HEAD]


def test_each_connection_writes_ahead_and_waits_for_the_disk(store: Database) -> None:
    for opening in (store.read, store.write, store.read):
        with opening() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        # 2 is FULL (https://www.sqlite.org/pragma.html#pragma_synchronous).
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 10_000,
        }


# Creating and opening


def test_only_one_of_two_creations_succeeds(path: Path, store: Database) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="already a store"):
        create_database(path)
    assert path.read_bytes() == before


def test_a_store_is_for_its_owners_eyes_only(path: Path, store: Database) -> None:
    accept(store, 1)
    for file in path.parent.glob("anchor.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_creating_below_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be created: No such file"):
        create_database(tmp_path / "missing" / "anchor.db")


@pytest.mark.fault(
    "F11",
    how="the store is missing when it is opened",
    then="opening is refused, and creates nothing",
)
def test_opening_a_missing_store_creates_nothing(path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing") as caught:
        open_database(path)
    assert "backup" in str(caught.value.hint)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be read" * 100])
def test_opening_what_is_no_store_is_refused_and_leaves_it_alone(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="the store"):
        open_database(path)
    assert path.read_bytes() == content


def test_opening_another_programs_database_is_refused_and_leaves_it_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="the store"):
        open_database(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", ["0002", "0000"])
def test_opening_a_store_of_another_version_is_refused(
    path: Path, store: Database, version: str
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.commit()
    with pytest.raises(UnknownVersionError, match=version):
        open_database(path)


@pytest.mark.parametrize("name", ["plain", "with space", "what?", "per%20cent", "hash#", "käse"])
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "anchor.db"
    path.parent.mkdir()
    create_database(path).close()
    open_database(path).close()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.is_file()


# Sealing


def test_a_seal_gives_indices_in_the_order_of_acceptance(store: Database) -> None:
    accept(store, 3, 1, 2)
    sealed = log.seal(store, NOW)
    accept(store, 9, 8)
    assert log.seal(store, NOW) is not None
    assert indices(store) == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
    leaves = b"".join(make_item(number).leaf for number in (3, 1, 2, 9, 8))
    with store.read() as connection:
        newest = newest_head(connection)
        assert newest is not None
        assert load_leaves(connection, 0, 5) == leaves
    assert newest.head.root == Tree(leaves).root(5)
    assert sealed is not None
    assert sealed[0].root == Tree(leaves).root(3)


def test_a_seal_without_anything_waiting_changes_nothing(path: Path, store: Database) -> None:
    assert log.seal(store, NOW) is None
    accept(store, 1)
    log.seal(store, NOW)
    with store.read() as connection:
        before = connection.execute(select(heads)).all()
    assert log.seal(store, NOW) is None
    with store.read() as connection:
        assert connection.execute(select(heads)).all() == before


@pytest.mark.fault(
    "A3",
    how="each step of a seal's transaction fails, before or after it was done",
    then="every leaf stays unsealed; the next seal takes all of them",
)
@pytest.mark.parametrize("breaks", ["load_waiting", "newest_head", "place_waiting", "insert_head"])
@pytest.mark.parametrize("applied", [False, True])
def test_a_seal_that_fails_half_way_leaves_every_leaf_unsealed(
    store: Database, monkeypatch: pytest.MonkeyPatch, breaks: str, applied: bool
) -> None:
    accept(store, 1, 2, 3)
    original = getattr(log, breaks)

    def fails(*arguments: Any) -> Any:
        if applied:
            original(*arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(log, breaks, fails)
        log.seal(store, NOW)
    assert indices(store) == [(1, None), (2, None), (3, None)]
    with store.read() as connection:
        assert newest_head(connection) is None
    sealed = log.seal(store, NOW)
    assert sealed is not None
    assert sealed[0].size == 3


def test_a_sealed_leaf_never_gets_another_index(store: Database) -> None:
    accept(store, 1, 2)
    log.seal(store, NOW)
    before = indices(store)
    with pytest.raises(ChainGuardError, match="UNIQUE"), store.write() as connection:
        connection.execute(waiting.insert().values(evidence_id=1))
        place_waiting(connection, 7)
    assert indices(store) == before


def test_two_leaves_never_get_the_same_index(store: Database) -> None:
    accept(store, 1, 2)
    log.seal(store, NOW)
    accept(store, 3)
    with pytest.raises(ChainGuardError, match="UNIQUE"), store.write() as connection:
        place_waiting(connection, 1)
    assert indices(store) == [(1, 0), (2, 1), (3, None)]


@pytest.mark.parametrize(("lost", "left"), [("= 2", [(1, None), (3, None)]), ("> 0", [])])
def test_a_seal_refuses_a_store_that_lost_waiting_leaves(
    path: Path, store: Database, lost: str, left: list[tuple[int, int | None]]
) -> None:
    accept(store, 1, 2, 3)
    with closing(sqlite3.connect(path)) as connection:  # foreign keys are off in there
        connection.execute(f"DELETE FROM evidence WHERE id {lost}")
        connection.commit()
    with pytest.raises(ChainGuardError, match=f"{len(left)} of the 3 leaves that wait"):
        log.seal(store, NOW)
    assert indices(store) == left
    with store.read() as connection:
        assert newest_head(connection) is None


def test_erasing_a_record_keeps_its_leaf_and_place(store: Database) -> None:
    accept(store, 1, 2)
    log.seal(store, NOW)
    with store.write() as connection:
        connection.execute(evidence.update().where(evidence.c.id == 1).values(record=None))
    accept(store, 3)
    sealed = log.seal(store, NOW)
    assert sealed is not None
    leaves = b"".join(make_item(number).leaf for number in (1, 2, 3))
    assert sealed[0].root == Tree(leaves).root(3)


# Concurrent writers

ACCEPT_MANY = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from anchor.store.database import open_database
from anchor.store.evidence import NewEvidence, insert_evidence, known_identities
from anchor.digest import Digests
from anchor.types import Hash32

store = open_database(Path(sys.argv[1]))

def accept(number):
    item = NewEvidence(
        identity=b"one and the same", source="here", record=b"%d" % number,
        digests=Digests(sha256=bytes(32), sm3=None, size=0), leaf=Hash32(bytes(32)), accepted_at="",
    )
    with store.write() as connection:
        if not known_identities(connection, [item.identity]):
            insert_evidence(connection, [item])
            return 1
    return 0

with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(accept, range(50))))
"""


def test_a_hundred_writers_in_two_processes_accept_the_same_evidence_once(
    path: Path, store: Database
) -> None:
    command = [sys.executable, "-W", "error", "-c", ACCEPT_MANY, str(path)]
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(
                lambda _: subprocess.run(command, capture_output=True, text=True, check=True),
                range(2),
            )
        )
    assert sorted(run.stdout.strip() for run in done) == ["0", "1"]
    assert [run.stderr for run in done] == ["", ""]
    with store.read() as connection:
        assert count_evidence(connection) == (1, 1)


def test_a_reader_sees_one_state_while_others_write(store: Database) -> None:
    accept(store, 1)
    with store.read() as connection:
        assert count_evidence(connection) == (1, 1)
        accept(store, 2)
        log.seal(store, NOW)
        assert count_evidence(connection) == (1, 1)
        assert load_waiting(connection) == make_item(1).leaf
    with store.read() as connection:
        assert count_evidence(connection) == (2, 0)


def test_more_identities_than_one_statement_may_bind_are_looked_up(store: Database) -> None:
    accept(store, *range(1_200))
    identities = [make_item(number).identity for number in range(0, 2_400, 2)]
    with store.read() as connection:
        assert len(known_identities(connection, identities)) == 600
