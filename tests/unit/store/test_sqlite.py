"""What is particular to a store in a SQLite file."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from anchor.base.errors import (
    ConfigError,
    StorageError,
    StoreReplacedError,
    UsageError,
)
from anchor.store import sqlite
from anchor.store.database import Database, create_database, open_database
from anchor.store.location import SqliteFile
from anchor.store.schema import metadata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anchor.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    created = create_database(SqliteFile(path))
    yield created
    created.close()


def test_every_table_is_strict(path: Path, store: Database) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for name in metadata.tables:
            row = connection.execute("SELECT strict FROM pragma_table_list WHERE name = ?", (name,))
            assert row.fetchone() == (1,), name
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in BLOB"):
            connection.execute("INSERT INTO heads VALUES (1, 'root', x'', 'now')")


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


def test_a_store_is_for_its_owners_eyes_only(path: Path, store: Database) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET holder = 'somebody'")
    files = sorted(path.parent.glob("anchor.db*"))
    names = [file.name.removeprefix("anchor.db") for file in files]
    assert names == ["", "-queue.lock", "-shm", "-turn.lock", "-wal"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_creating_below_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be created: No such file"):
        create_database(SqliteFile(tmp_path / "missing" / "anchor.db"))


@pytest.mark.fault(
    "F11",
    how="the store is missing when it is opened",
    then="opening is refused, and creates nothing",
)
def test_opening_a_missing_store_creates_nothing(path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing") as caught:
        open_database(SqliteFile(path))
    assert "backup" in str(caught.value.hint)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be read" * 100])
def test_opening_what_is_no_store_is_refused_and_leaves_it_alone(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="the store"):
        open_database(SqliteFile(path))
    assert path.read_bytes() == content


def test_opening_another_programs_database_is_refused_and_leaves_it_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="the store"):
        open_database(SqliteFile(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["plain", "with space", "what?", "per%20cent", "hash#", "käse"])
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "anchor.db"
    path.parent.mkdir()
    create_database(SqliteFile(path)).close()
    open_database(SqliteFile(path)).close()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.is_file()


@pytest.mark.parametrize("is_gone", [False, True])
def test_who_had_a_store_open_that_was_replaced_changes_nothing_any_more(
    path: Path, store: Database, is_gone: bool
) -> None:
    """`anchor restore` puts another file there, while a standby waits for its turn, say."""
    copy = path.with_name("copy.db")
    with (
        closing(sqlite3.connect(path)) as here,
        closing(sqlite3.connect(copy)) as there,
    ):
        here.backup(there)
    opened = open_database(SqliteFile(path))

    with ExitStack() as lease:

        def replace() -> None:
            path.unlink()
            if not is_gone:
                copy.rename(path)
            lease.close()

        lease.enter_context(store.hold_lease())
        waited = opened.wait_for_lease(replace)
        with pytest.raises(StoreReplacedError, match="replaced while this process had it open"):
            waited.__enter__()
    for other in (store, opened):
        with pytest.raises(StoreReplacedError, match="replaced"), other.write():
            pytest.fail("a transaction began")
        with pytest.raises(StoreReplacedError, match="replaced"), other.read():
            pytest.fail("the file that was moved away was read")
        with pytest.raises(StoreReplacedError, match="replaced"):
            other.is_leased()
    opened.close()


def test_a_creation_that_fails_leaves_nothing_in_the_way_of_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr("anchor.store.database.create_schema", lambda *_: 1 // 0)
        create_database(SqliteFile(path))
    assert [file.name for file in path.parent.iterdir()] == []
    create_database(SqliteFile(path)).close()


def test_the_room_for_a_batch_is_counted_beside_what_is_kept_for_anchoring(
    store: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1 << 30
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    store.check_room((free - sqlite.RESERVE) // sqlite._ROOM_FACTOR)
    with pytest.raises(StorageError, match="64 are reserved for anchoring"):
        store.check_room((free - sqlite.RESERVE) // sqlite._ROOM_FACTOR + 1)
