"""`anchor upgrade-store`: every schema that a release wrote is brought to this release's."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.ddl.impl import DefaultImpl
from sqlalchemy import create_engine, inspect, make_url
from support import fixtures
from support.crashes import crashing
from support.disasters import anchor_final, check_log_goes_on, lose_store
from support.oldstores import VERSIONS, downgrade, load_dump, make_old_site
from support.projects import Site, ask_store, make_site
from support.store_contents import load_keys, load_pieces
from support.stores import Postgres, damage

from anchor.chain.devnet import Devnet
from anchor.errors import StorageError
from anchor.messages.message import Message
from anchor.project.config import load_config
from anchor.recovery.backup_check import check_backup
from anchor.recovery.store_audit import audit_project
from anchor.recovery.store_upgrade import upgrade_store
from anchor.store import schema_upgrade
from anchor.store.backup_files import make_durable, read_manifest, write_manifest
from anchor.store.backup_folder import list_generations
from anchor.store.backup_manifest import Manifest
from anchor.store.columns import ERASED
from anchor.store.database import MIGRATION_HEAD, Database, lock_location
from anchor.store.evidence import count_waiting
from anchor.store.fingerprint_pages import About
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.schema import metadata
from anchor.store.schema_upgrade import hold_outdated
from anchor.store.snapshot import upgrade_copy

_numbers = itertools.count(8_000)

anvil = fixtures.module_anvil

OLD = [version for version in VERSIONS if version != MIGRATION_HEAD]


# The oldest, whose upgrade takes every step, and the newest; the others before a release.
_OFTEN = (OLD[0], OLD[-1])


@pytest.fixture(
    params=[pytest.param(it, marks=() if it in _OFTEN else pytest.mark.release) for it in OLD]
)
def site(request: pytest.FixtureRequest, tmp_path: Path, location: StoreLocation) -> Site:
    return make_old_site(tmp_path / "project", location, request.param)


def place_of(site: Site) -> StoreLocation:
    return load_config(site.folder / "anchor.toml").store


def rows_of(location: StoreLocation) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, without the columns that the newest schema adds."""
    if isinstance(location, SqliteFile):
        engine = create_engine(f"sqlite:///{location.path}")
    else:
        engine = create_engine(make_url(location.url).set(drivername="postgresql+psycopg"))
    tables = inspect(engine)
    found = {}
    for name in tables.get_table_names():
        columns = ", ".join(f'"{item["name"]}"' for item in tables.get_columns(name))
        rows = ask_store(location, f'SELECT {columns} FROM "{name}"')
        found[name] = sorted(rows, key=repr)
    engine.dispose()
    return found


def first_columns(
    rows: dict[str, list[tuple[Any, ...]]], like: dict[str, list[tuple[Any, ...]]]
) -> dict[str, list[tuple[Any, ...]]]:
    """Return the same tables with as many columns as ``like`` has."""
    return {
        name: sorted((row[: len(like[name][0])] for row in rows[name]), key=repr) if like[name]
        else rows[name]
        for name in like
    }  # fmt: skip


# What the index of records has: its young pages, and its runs.
INDEXES = (About.RECORD, About.LEAF)
# The tables of schemas up to 0003 whose rows became columns.
MOVED = ("evidence", "waiting", "positions", "keys")


def check_upgraded(site: Site, before: dict[str, list[tuple[Any, ...]]]) -> None:
    after = rows_of(place_of(site))
    assert after.pop("alembic_version") == [(MIGRATION_HEAD,)]
    moved = MOVED if "evidence" in before else ()
    kept = {name: rows for name, rows in before.items() if name not in ("alembic_version", *moved)}
    # The index of records is new: it is not finished where the process was killed after all else.
    entered = after["record_index"]
    assert entered in ([], [(1, sum(row[1] for row in after["runs"]))])
    for name, first in (("fingerprints", 0), ("fingerprint_runs", 1)):
        after[name] = [row for row in after[name] if row[first] not in INDEXES]
    assert first_columns(after, kept) == kept
    assert set(after) == set(metadata.tables)
    check_pieces(site, before)
    with site.open() as project:
        audit = audit_project(project)
        assert (audit.breaches, audit.leaves, audit.heads) == ((), 6, 3)
        with project.database.read() as connection:
            assert count_waiting(connection) == waiting_of(before)
    # It takes evidence in as any other, and finds what it has.
    site.write("new", b"new")
    site.run("add", "new").expect(0, "added 1 new")
    site.run("add", "new").expect(0, "added 0 new")


def waiting_of(before: dict[str, list[tuple[Any, ...]]]) -> int:
    """Return how many pieces wait: since schema 0004 all have a place in a run, 6 are sealed."""
    if "waiting" in before:
        return len(before["waiting"])
    return sum(row[1] for row in before["runs"]) - 6


def check_pieces(site: Site, before: dict[str, list[tuple[Any, ...]]]) -> None:
    """Check that all evidence is there, sealed evidence by its place and then the queue."""
    if "evidence" not in before:
        return  # it is in columns, which are compared as they are
    rows = {row[0]: row[1:] for row in before["evidence"]}
    order = [number for _, number in sorted(before["positions"])]
    order += [number for (number,) in sorted(before["waiting"])]
    found = [astuple(piece)[2:] for piece in load_pieces(site)]
    assert [without_identity(row) for row in found] == [
        without_identity(rows[number]) for number in order
    ]
    identities = {number: found[place][0] for place, number in enumerate(order)}
    assert load_keys(site) == sorted((key, identities[number]) for key, number in before["keys"])


def without_identity(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the row without its identity if that says nothing, because it was erased."""
    return row[1:] if row[1] == ERASED else row


@pytest.mark.fault(
    "F18",
    how="stores that every older release wrote are upgraded",
    then="every row is as it was, leaves lead to the same roots, and evidence is taken in",
)
def test_a_store_of_an_older_release_is_upgraded_with_all_its_rows(site: Site) -> None:
    before = rows_of(place_of(site))
    version = before["alembic_version"][0][0]
    for words in (("status",), ("add", "anchor.toml"), ("run", "--once"), ("serve",),
                  ("audit", "--offline"), ("backup", "b"), ("prove", "--all")):  # fmt: skip
        site.run(*words).refused(22, f"has schema {version}", "anchor upgrade-store")
    site.run("doctor").expect(2, f"has schema {version}", "anchor upgrade-store")
    shown = site.run("upgrade-store", "--json").expect(0).document
    assert (shown["before"], shown["after"]) == (version, MIGRATION_HEAD)
    backup = Path(shown["backup"])
    assert read_manifest(backup).schema == version
    assert rows_of(SqliteFile(backup / "store.db")) == before
    if isinstance(place_of(site), SqliteFile):
        # Nothing is left of the old tables, whose evidence may be erased later.
        assert ask_store(place_of(site), "PRAGMA freelist_count") == [(0,)]
    check_upgraded(site, before)
    # Once more: there is nothing to do, and no backup of it.
    site.run("upgrade-store").expect(0, f"already has schema {MIGRATION_HEAD}")
    assert list_generations(site.folder / "before-upgrade") == [backup]
    # The backup is of the older schema, and a check of it changes nothing.
    for path in backup.glob("store.db-*"):
        path.unlink()
    assert check_backup(backup).breaches == ()
    waiting = waiting_of(before)
    site.run("backup", "--check", backup).expect(
        0, f"schema {version}", f"6 leaves; {waiting} pieces"
    )


def count_statements(path: Path, version: str) -> int:
    """Return how many statements bring a store of this schema to the newest."""
    load_dump(path, version)
    with pytest.MonkeyPatch.context() as patched:
        counted: list[object] = []
        execute = DefaultImpl._exec

        def count(*arguments: Any, **named: Any) -> Any:
            counted.append(arguments)
            return execute(*arguments, **named)

        patched.setattr(DefaultImpl, "_exec", count)
        upgrade_copy(path)
    return len(counted)


# Two copies are upgraded before it.
PACKING = ("before", "anchor.store.columns", "-", "pack_run", "3")
# How far the upgrade of the store itself comes, in parts of its statements; or what it ends after.
MOMENTS = [
    pytest.param(
        ("after", "anchor.store.schema_upgrade", "-", "lock_location"), marks=pytest.mark.slow
    ),
    ("after", "anchor.recovery.store_upgrade", "-", "make_backup"),
    pytest.param(0.0, marks=pytest.mark.slow),
    0.5,
    pytest.param(1.0, marks=pytest.mark.slow),
    PACKING,
    ("after", "anchor.store.schema_upgrade", "-", "migrate"),
    ("before", "anchor.recovery.store_upgrade", "-", "open_project"),
    ("after", "anchor.recovery.store_upgrade", "-", "open_project"),
    ("after", "anchor.store.record_index", "-", "_enter_slice"),
]


@pytest.mark.fault(
    "A12",
    how="the upgrade of a store is killed before, amid and after its statements",
    then="the store has the old schema or the new one, with every row; again finishes",
)
@pytest.mark.parametrize(
    "moment", MOMENTS, ids=lambda it: str(it) if isinstance(it, float) else f"{it[0]}-{it[3]}"
)
def test_a_kill_while_a_store_is_upgraded_leaves_the_old_one_or_the_new_one(
    site: Site, tmp_path: Path, moment: tuple[str, ...] | float
) -> None:
    before = rows_of(place_of(site))
    version = before["alembic_version"][0][0]
    if moment == PACKING and "evidence" not in before:
        return  # evidence is in columns already
    if isinstance(moment, float):
        # Two copies of it are upgraded before: where the tiles are made, and where it is checked.
        each = count_statements(tmp_path / "counted.db", version)
        count = 2 * each + max(1, round(moment * each))
        crash: tuple[str, ...] = ("after", "alembic.ddl.impl", "DefaultImpl", "_exec", str(count))
    else:
        crash = (*moment, "1")[:5]
    site.run("upgrade-store", command=crashing(*crash), killed=True)
    if crash[3] in ("open_project", "_enter_slice"):
        site.run("upgrade-store").expect(0, "already")
    else:
        site.run("status").refused(22, f"has schema {version}")
        assert rows_of(place_of(site)) == before
        site.run("upgrade-store").expect(0, f"from schema {version} to schema {MIGRATION_HEAD}")
    check_upgraded(site, before)


def test_an_upgrade_that_frees_no_space_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(place_of(site), SqliteFile):
        return

    def fail(_: Database) -> None:
        raise StorageError(Message("store-read-or-write-failed", reason="disk full"))

    before = rows_of(place_of(site))
    monkeypatch.setattr(Database, "purge", fail)
    reports: list[str] = []
    upgrade_store(
        load_config(site.folder / "anchor.toml"), None, lambda note: reports.append(str(note))
    )
    assert "keeps the space of the old tables" in reports[-1]
    check_upgraded(site, before)


def test_a_store_that_others_have_open_is_not_upgraded(site: Site) -> None:
    """As an older release's service has, which takes no lock."""
    before = rows_of(place_of(site))
    place = place_of(site)
    with having_open(place):
        site.run("upgrade-store").refused(32, "other processes have the store", "anchor serve")
    assert rows_of(place) == before
    assert not (site.folder / "before-upgrade").exists()
    with lock_location(place):
        site.run("upgrade-store").refused(32, "another process is sealing or anchoring")
    site.run("upgrade-store").expect(0)


def test_a_session_that_ends_meanwhile_hinders_no_upgrade(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server lists it for as long as its process takes to end."""
    place = postgres.create()
    make_old_site(tmp_path / "project", place, OLD[-1])
    with ExitStack() as stack:
        stack.enter_context(having_open(place))
        monkeypatch.setattr(schema_upgrade.time, "sleep", lambda _: stack.close())
        with hold_outdated(place) as outdated:
            assert outdated is not None


@contextmanager
def having_open(location: StoreLocation) -> Iterator[None]:
    """Have a connection that is idle, as one in a pool."""
    if isinstance(location, SqliteFile):
        with closing(sqlite3.connect(location.path)) as connection:
            connection.execute("SELECT count(*) FROM heads").fetchone()
            yield
    else:
        with psycopg.connect(location.url, autocommit=True) as connection:
            connection.execute("SELECT count(*) FROM heads")
            yield


def test_other_logs_in_the_same_database_do_not_hinder(
    tmp_path: Path, postgres: Postgres, embedded: Devnet
) -> None:
    site = make_old_site(tmp_path / "project", postgres.create(), OLD[-1])
    other = make_site(tmp_path / "other", embedded, number=1, store=postgres.create())
    with other.open() as project, project.database.read() as connection:
        assert count_waiting(connection) == 0
        site.run("upgrade-store").expect(0)


def test_a_newer_releases_store_is_left_alone(site: Site) -> None:
    place = place_of(site)
    damage(place, "UPDATE alembic_version SET version_num = '9999'")
    before = rows_of(place)
    for words in (("upgrade-store",), ("status",)):
        site.run(*words).refused(22, "has schema 9999", "a newer release created it")
    assert rows_of(place) == before


def test_a_damaged_store_is_not_upgraded(site: Site) -> None:
    place = place_of(site)
    zeros = "zeroblob(32)" if isinstance(place, SqliteFile) else "decode(repeat('00', 32), 'hex')"
    before = rows_of(place)
    if "evidence" in before:
        damage(place, f"UPDATE evidence SET leaf = {zeros} WHERE id = 1")
    else:
        damage(place, f"UPDATE runs SET sha256 = {zeros} WHERE first = 0")
    before = rows_of(place)
    site.run("upgrade-store").refused(10, "no backup was made")
    assert rows_of(place) == before


def test_a_store_that_is_missing_or_empty_is_told(tmp_path: Path, site: Site) -> None:
    place = place_of(site)
    if isinstance(place, SqliteFile):
        place.path.unlink()
        site.run("upgrade-store").refused(2, "is missing")
    else:
        damage(place, "DROP TABLE alembic_version")
        site.run("upgrade-store").refused(2, "is empty")


def test_the_backup_goes_where_it_is_told_to(site: Site, tmp_path: Path) -> None:
    site.run("upgrade-store", "--backup", tmp_path / "missing/b").refused(2, "No such file")
    site.run("status").refused(22)
    site.run("upgrade-store", "--backup", tmp_path / "b").expect(0, str(tmp_path / "b"))
    assert check_backup(tmp_path / "b").breaches == ()


EACH = pytest.mark.parametrize(
    "version",
    [pytest.param(it, marks=() if it == OLD[0] else pytest.mark.slow) for it in OLD],
)


@EACH
def test_a_log_goes_on_after_its_store_was_upgraded(live: Site, version: str) -> None:
    """On its chain, with a transaction of the older release in the journal."""
    downgrade(live.folder / "anchor.db", version)
    live.run("run", "--once").refused(22, "anchor upgrade-store")
    live.run("upgrade-store").expect(0)
    live.run("prove", "a").expect(0)
    live.run("verify", "a").expect(0)
    check_log_goes_on(live, "c")


@EACH
def test_a_backup_that_an_older_release_made_is_restored(
    live: Site, tmp_path: Path, version: str
) -> None:
    place = tmp_path / "backup"
    live.run("backup", place).expect(0)
    downgrade(place / "store.db", version)
    (place / "backup.json").unlink()
    manifest = replace(read_manifest_of(live, tmp_path), schema=version, files=make_durable(place))
    write_manifest(place, manifest)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    lose_store(live)
    shown = live.run("restore", "--backup", place, "--json").expect(0).document
    assert (shown["records"], shown["hashes_only"], shown["lost"]) == (2, 0, [])
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    check_log_goes_on(live, "c")


def read_manifest_of(site: Site, folder: Path) -> Manifest:
    site.run("backup", folder / "another").expect(0)
    return read_manifest(folder / "another")


@pytest.fixture
def live(tmp_path: Path, anvil: Devnet) -> Site:
    """A project whose chain is there."""
    site = make_site(tmp_path / "live", anvil, number=next(_numbers))
    anchor_final(site, "a", "b")
    return site
