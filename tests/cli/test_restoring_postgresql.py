"""Restoring into PostgreSQL, and from it: nothing passes for a store before it is whole."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import fixtures
from support.command import start_anchor
from support.crashes import crashing
from support.disasters import anchor_final, check_log_goes_on
from support.nodes import wait_until
from support.projects import Site, ask_store, make_site
from support.service import Served, bearer, digest, make_key, serve
from support.stopping import workers_of
from support.store_contents import count_pieces, load_keys, load_pieces
from support.stores import Postgres, damage, run_postgres

from anchor.base.digests import digest_bytes
from anchor.base.errors import AnchorError
from anchor.chain.devnet import Devnet
from anchor.cli.commands import restore as restore_command
from anchor.operate.acceptance import EvidenceInput, accept_once
from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.recovery import restore
from anchor.store.location import PostgresDatabase, SqliteFile, StoreLocation

pytestmark = pytest.mark.release

_numbers = itertools.count(6_000)
PASSWORD = "s3cret"


anvil = fixtures.module_anvil


@pytest.fixture
def site(tmp_path: Path, anvil: Devnet, postgres: Postgres) -> Site:
    return make_site(tmp_path / "project", anvil, number=next(_numbers), store=postgres.create())


def place_of(site: Site) -> StoreLocation:
    return load_config(site.folder / "anchor.toml").store


def schema_of(location: StoreLocation) -> str:
    assert isinstance(location, PostgresDatabase)
    return location.url.partition("search_path%3D")[2]


def lose_tables(site: Site, postgres: Postgres) -> None:
    schema = schema_of(place_of(site))
    with postgres.connect() as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        connection.execute(f"CREATE SCHEMA {schema}".encode())


def name_store(site: Site, location: StoreLocation) -> None:
    """Let the project's store be another one."""
    site.edit(f'store = "{site_store(site)}"', f'store = "{location}"')


def site_store(site: Site) -> str:
    text = (site.folder / "anchor.toml").read_text("utf-8")
    return text.partition('store = "')[2].partition('"')[0]


def with_password(location: PostgresDatabase) -> str:
    return location.url.replace("postgres@", f"postgres:{PASSWORD}@")


@pytest.mark.fault(
    "F21",
    how="the tables of a store in PostgreSQL are dropped",
    then="every command says that there is no store; restore makes it in the same place",
)
def test_a_lost_store_is_rebuilt_in_postgresql(site: Site, postgres: Postgres) -> None:
    anchor_final(site, "a", "b")
    anchor_final(site, "c")
    site.run("prove", "a", "b").expect(0)
    lose_tables(site, postgres)
    for command in (("status",), ("run", "--once"), ("add", "a"), ("audit",)):
        site.run(*command).refused(2, "is empty", "anchor restore")
    shown = site.run("restore", "--receipts", ".", "--json").expect(0).document
    assert (shown["records"], shown["hashes_only"], shown["anchors"]) == (2, 1, 2)
    assert shown["moved"] is None
    site.run("verify", "a", "b").expect(0)
    check_log_goes_on(site, "d")


def test_what_leads_to_no_anchor_makes_no_store_in_postgresql(
    site: Site, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    lose_tables(site, postgres)
    shutil.rmtree(site.folder / "tiles")
    site.run("restore").refused(20, "none of the remaining leaves match the registry's head")
    site.run("status").refused(2, "is empty")


@pytest.mark.fault(
    "A12",
    how="restore is killed while it fills the tables of a store in PostgreSQL",
    then="there is no store, and every command says so; running it again finishes",
)
@pytest.mark.parametrize(
    "crash",
    [
        pytest.param(("anchor.recovery.rebuild", "-", "_insert_heads"), marks=pytest.mark.slow),
        ("anchor.store.staging", "_Part", "write"),
        pytest.param(("anchor.project.project", "-", "_pin"), marks=pytest.mark.slow),
    ],
    ids=lambda crash: crash[2],
)
def test_a_kill_while_a_store_is_filled_leaves_none(
    site: Site, postgres: Postgres, crash: tuple[str, ...]
) -> None:
    anchor_final(site, "a")
    lose_tables(site, postgres)
    site.run("restore", command=crashing("before", *crash, "1"), killed=True)
    site.run("status").refused(2, "is empty")
    site.run("restore").expect(0, "1 leaves")
    check_log_goes_on(site, "b")


@pytest.mark.slow
def test_a_kill_after_the_commit_leaves_the_whole_store(site: Site, postgres: Postgres) -> None:
    """Only its tiles may be behind, which the next command that needs them makes."""
    anchor_final(site, "a")
    lose_tables(site, postgres)
    shown = crashing("after", "anchor.store.staging", "-", "create_filled", "1")
    site.run("restore", command=shown, killed=True)
    check_log_goes_on(site, "b")


def test_while_a_store_is_filled_it_is_none_and_a_failure_leaves_nothing(
    site: Site, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_final(site, "a", "b")
    lose_tables(site, postgres)
    fill = restore.fill_store

    def fill_and_fail(*arguments: Any) -> Any:
        fill(*arguments)
        site.run("status").refused(2, "is empty")
        site.run("restore").refused(32, "another process is sealing or anchoring")
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(restore, "fill_store", fill_and_fail)
        with pytest.raises(ZeroDivisionError):
            restore_command.command(config_path=site.folder / "anchor.toml")
    tables = f"SELECT 1 FROM pg_tables WHERE schemaname = '{schema_of(place_of(site))}'"
    assert ask_store(place_of(site), tables) == []
    site.run("restore").expect(0, "2 leaves")
    check_log_goes_on(site, "c")


def test_a_store_in_postgresql_is_never_replaced(site: Site) -> None:
    anchor_final(site, "a")
    before = load_pieces(site)
    for options in ((), ("--replace",)):
        ran = site.run("restore", *options)
        ran.refused(32, "there is a store in postgresql://", "another schema", "--backup")
    # Nor is what somebody left of one, or another program's table of such a name.
    place = place_of(site)
    damage(place, "DROP TABLE alembic_version")
    site.run("restore").refused(32, "there is a store in postgresql://")
    assert load_pieces(site) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("postgresql", "postgresql"),
        pytest.param("postgresql", "sqlite", marks=pytest.mark.slow),
        pytest.param("sqlite", "postgresql", marks=pytest.mark.slow),
    ],
)
def test_what_another_store_holds_is_taken_over(
    tmp_path: Path, anvil: Devnet, postgres: Postgres, old: str, new: str
) -> None:
    def place_for(kind: str) -> StoreLocation:
        return postgres.create() if kind == "postgresql" else SqliteFile(tmp_path / "store.db")

    first, second = place_for(old), place_for(new)
    site = make_site(tmp_path / "project", anvil, number=next(_numbers), store=first)
    anchor_final(site, "a", "b")
    with site.open() as project:
        digests = digest_bytes(b"w", ("sha256",))
        accept_once(project, EvidenceInput(source="w", name="w", digests=digests), key="waiting")
    queries = (
        "SELECT * FROM slots ORDER BY nonce",
        "SELECT * FROM attempts ORDER BY nonce",
        "SELECT * FROM anchors ORDER BY sequence",
        "SELECT * FROM heads ORDER BY size",
    )
    before = [load_pieces(site), load_keys(site), *(site.rows(query) for query in queries)]
    assert all(before)
    name_store(site, second)
    shutil.rmtree(site.folder / "tiles")
    backup = with_password(first) if isinstance(first, PostgresDatabase) else str(first)
    ran = site.run("restore", "--backup", backup, "--json").expect(0)
    assert PASSWORD not in ran.out + ran.err
    shown = ran.document
    assert (shown["size"], shown["records"], shown["waiting"]) == (2, 2, 1)
    assert shown["source"] == str(first)
    after = [load_pieces(site), load_keys(site), *(site.rows(query) for query in queries)]
    assert after == before
    check_log_goes_on(site, "c")


def test_no_store_is_taken_over_with_which_a_process_still_works(
    site: Site, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    old = place_of(site)
    assert isinstance(old, PostgresDatabase)
    with site.lead():
        name_store(site, postgres.create())
        ran = site.run("restore", "--backup", with_password(old))
        ran.refused(32, "another process is sealing or anchoring for this log (postgresql://")
    assert PASSWORD not in ran.out + ran.err
    site.run("restore", "--backup", old.url).expect(0, "1 leaves with their records")


def test_bad_places_get_one_sentence_without_their_password(
    site: Site, postgres: Postgres, tmp_path: Path
) -> None:
    anchor_final(site, "a")
    lose_tables(site, postgres)
    for url, code, expected in (
        (f"postgresql://me:{PASSWORD}#x@db/x", 2, "is not spelled"),
        (f"postgresql://me:{PASSWORD}@/db?host={tmp_path}", 33, "cannot be used"),
        (with_password(postgres.create()), 2, "is empty"),
        (f"mysql://me:{PASSWORD}@/db", 2, "there is no kind of store called"),
    ):
        ran = site.run("restore", "--backup", url)
        ran.refused(code, expected)
        assert PASSWORD not in ran.out + ran.err
    away = f"postgresql://me:{PASSWORD}@/db?host={tmp_path}"
    ran = site.run("restore", env={"ANCHOR_STORE": away})
    ran.refused(33, "cannot be used")
    assert PASSWORD not in ran.out + ran.err
    place = place_of(site)
    site.edit(schema_of(place), "nowhere")
    site.run("restore").refused(2, "the schema of postgresql://", "does not exist", "CREATE SCHEMA")


def test_a_store_without_its_pins_is_refused_everywhere(
    tmp_path: Path, embedded: Devnet, location: StoreLocation
) -> None:
    site = make_site(tmp_path / "project", embedded, number=next(_numbers), store=location)
    name = site.write("a", b"a")
    damage(location, "DELETE FROM project")
    for command in (("status",), ("add", name), ("run", "--once"), ("audit",), ("deploy",)):
        site.run(*command).refused(2, "is incomplete", "drop the tables")


@pytest.mark.fault(
    "F14",
    how="a streaming replica that does not hold commits up is cut off, and takes over later",
    then="run refuses (32), as with an old backup; restore finds the rest; the log goes on",
)
def test_a_replica_that_takes_over_without_the_last_commits_is_found_out(
    tmp_path: Path, anvil: Devnet
) -> None:
    with run_postgres() as primary, run_postgres(primary, streams=True) as replica:
        place = primary.create()
        site = make_site(tmp_path / "project", anvil, number=next(_numbers), store=place)
        anchor_final(site, "a")
        behind = PostgresDatabase(place.url.replace(str(primary.folder), str(replica.folder)))
        wait_until(lambda: count_final_anchors(replica, place) == 1)
        with replica.connect() as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
            receivers = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_until(lambda: connection.execute(receivers).fetchone() == (0,))
        anchor_final(site, "b")
        anchor_final(site, "c")
        site.run("prove", "a", "b", "c").expect(0)
        with replica.connect() as connection:
            connection.execute("SELECT pg_promote()")
        name_store(site, behind)
        assert count_final_anchors(replica, place) == 1
        site.add("d", b"d")
        for command in (("run", "--once"), ("seal",)):
            site.run(*command).refused(32, "older than the chain")
        name_store(site, replica.create())
        words = ("restore", "--backup", behind.url, "--receipts", ".", "--json")
        shown = site.run(*words).expect(0).document
        assert (shown["size"], shown["anchors"], shown["records"]) == (3, 3, 3)
        assert (shown["hashes_only"], shown["waiting"]) == (0, 1)
        check_log_goes_on(site, "e")
        for name in "abcde":
            site.run("prove", name).expect(0)
            site.run("verify", name).expect(0)


def count_final_anchors(server: Postgres, location: PostgresDatabase) -> int:
    schema = schema_of(location)
    with server.connect() as connection:
        there = connection.execute(f"SELECT to_regclass('{schema}.anchors')".encode()).fetchone()
        if there == (None,):
            return 0
        query = f"SELECT count(*) FROM {schema}.anchors WHERE final = 1"
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


# The fence around the store that is left


def submit_until_refused(site: Site, location: PostgresDatabase) -> tuple[list[bytes], AnchorError]:
    """Take pieces in, one after the other, until the store refuses; return what was taken."""
    taken: list[bytes] = []
    config = replace(load_config(site.folder / "anchor.toml"), store=location)
    project = open_project(config)
    try:
        for number in itertools.count():
            name = f"piece {number} of {threading.get_ident()}"
            digests = digest_bytes(name.encode(), ("sha256",))
            submission = EvidenceInput(source=name, name=name, digests=digests)
            taken.append(accept_once(project, submission).leaf)
    except AnchorError as error:
        return taken, error
    finally:
        project.database.close()
    raise AssertionError


@pytest.mark.fault(
    "F14",
    how="several processes go on taking evidence in while their store is restored into another",
    then="what was committed before the fence is in the new store; after it all is refused (33)",
)
def test_whoever_still_uses_the_old_store_is_refused_and_nothing_is_lost(
    site: Site, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    old = place_of(site)
    assert isinstance(old, PostgresDatabase)
    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(submit_until_refused, site, old) for _ in range(3)]
        wait_until(lambda: count_pieces(old) > 20)
        name_store(site, postgres.create())
        site.run("restore", "--backup", old.url).expect(0)
        ended = [writer.result(60) for writer in writers]
    acknowledged = {leaf for taken, _ in ended for leaf in taken}
    stored = {piece.leaf for piece in load_pieces(site)}
    assert len(acknowledged) > 20
    assert acknowledged <= stored
    for _, error in ended:
        assert error.exit_code == 33
        assert "was replaced by anchor restore" in error.message
        assert "anchor.toml" in (error.hint or "")
    # Nor does anybody seal or send with it, and reading it goes on.
    env = {"ANCHOR_STORE": old.url}
    for command in (
        ("seal",),
        ("run", "--once"),
        ("add", "a", "--again"),
        ("hold", "add", "case", "a", "--reason", "x"),
        ("api-key", "create", "acme"),
    ):
        site.run(*command, env=env).refused(33, "was replaced by anchor restore")
    assert site.run("prove", "a", "--output", "other", env=env).code == 0
    check_log_goes_on(site, "b")


def test_a_running_service_on_the_old_store_acknowledges_nothing_more(
    site: Site, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    old = place_of(site)
    assert isinstance(old, PostgresDatabase)
    headers = bearer(make_key(site.folder))
    with serve(site.folder, "--quiet") as served:
        answer = served.http.post("/v1/evidence", json={"sha256": digest(1)}, headers=headers)
        assert answer.status_code == 201
        name_store(site, postgres.create())
        site.run("restore", "--backup", old.url).expect(0)
        answer = served.http.post("/v1/evidence", json={"sha256": digest(2)}, headers=headers)
        # By then it may have the new store, in which the key is not.
        assert answer.status_code in (401, 503)
    digests = {piece.sha256 for piece in load_pieces(site)}
    assert bytes.fromhex(digest(1)) in digests and bytes.fromhex(digest(2)) not in digests


def test_an_idle_service_goes_over_to_the_store_that_was_restored(
    site: Site, postgres: Postgres
) -> None:
    """A web server in front sends nothing to one that is not ready: it has to see by itself."""
    anchor_final(site, "a")
    old = place_of(site)
    assert isinstance(old, PostgresDatabase)
    with serve(site.folder, "--quiet", workers=2) as served:
        wait_until(lambda: served.http.get("/readyz").status_code == 200)
        before = workers_of(served.running.process.pid)
        name_store(site, postgres.create())
        site.run("restore", "--backup", old.url).expect(0)
        headers = bearer(make_key(site.folder))  # no restore gives keys back
        wait_until(lambda: not {*before} & {*workers_of(served.running.process.pid)})
        wait_until(lambda: is_ready(served))
        answer = served.http.post("/v1/evidence", json={"sha256": digest(2)}, headers=headers)
        assert answer.status_code == 201
    assert bytes.fromhex(digest(2)) in {piece.sha256 for piece in load_pieces(site)}


def test_a_service_that_is_told_of_the_old_store_waits_for_the_new_ones_name(
    site: Site, postgres: Postgres
) -> None:
    """Its workers do not end one after the other meanwhile."""
    anchor_final(site, "a")
    old, new = place_of(site), postgres.create()
    assert isinstance(old, PostgresDatabase)
    headers = bearer(make_key(site.folder))
    with serve(site.folder, "--quiet") as served:
        # Not in the file, where a worker that begins again meanwhile would find it.
        site.run("restore", "--backup", old.url, env={"ANCHOR_STORE": new.url}).expect(0)
        wait_until(lambda: not is_ready(served))
        before = wait_for_the_same_workers(served)
        for _ in range(10):
            answer = served.http.post("/v1/evidence", json={"sha256": digest(2)}, headers=headers)
            assert answer.status_code == 503
            assert old.url not in answer.text
            time.sleep(0.5)
        assert workers_of(served.running.process.pid) == before
        name_store(site, new)
        wait_until(lambda: is_ready(served), 60)


def test_a_daemon_that_was_told_of_the_old_store_goes_on_once_it_is_told_of_the_new_one(
    site: Site, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    old, new = place_of(site), postgres.create()
    assert isinstance(old, PostgresDatabase)
    name_store(site, new)
    site.run("restore", "--backup", old.url).expect(0)
    name_store(site, old)
    with start_anchor("run", cwd=site.folder, log=site.folder / "run") as running:
        running.printed("was replaced by anchor restore")
        name_store(site, postgres.create())  # into which a restore has still to come
        time.sleep(5)
        assert running.process.poll() is None
        name_store(site, new)
        running.printed("started", 60)
        assert running.interrupt().code == 0


def wait_for_the_same_workers(served: Served, seconds: float = 5.0) -> list[int]:
    """Return the workers, once they have been the same ones for so long."""
    workers, since, end = list[int](), time.monotonic(), time.monotonic() + 120
    while not workers or time.monotonic() - since < seconds:
        assert time.monotonic() < end, "its workers end one after the other"
        time.sleep(0.1)
        if (seen := workers_of(served.running.process.pid)) != workers:
            workers, since = seen, time.monotonic()
    return workers


def is_ready(served: Served) -> bool:
    """Return whether it is, over a connection of its own; a worker may just be ending."""
    try:
        return httpx.get(f"{served.url}/readyz", trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def test_a_restore_that_fails_leaves_no_fence(site: Site, postgres: Postgres) -> None:
    anchor_final(site, "a")
    old = place_of(site)
    assert isinstance(old, PostgresDatabase)
    name_store(site, postgres.create())
    site.run("restore", "nowhere", "--backup", old.url).refused(20, "there is no checkpoint")
    name_store(site, old)
    site.add("b", b"b")
    # One that was made stays when another try fails.
    name_store(site, postgres.create())
    site.run("restore", "--backup", old.url).expect(0)
    name_store(site, postgres.create())
    site.run("restore", "nowhere", "--backup", old.url).refused(20, "there is no checkpoint")
    name_store(site, old)
    site.run("add", "a", "--again").refused(33, "was replaced by anchor restore")


@pytest.mark.fault(
    "A12",
    how="restore is killed after it has fenced the old store off",
    then="the old store refuses, and running it again finishes with all of it",
)
def test_a_kill_behind_the_fence_is_finished_by_the_next_restore(
    site: Site, postgres: Postgres
) -> None:
    anchor_final(site, "a")
    site.add("waits", b"waits")
    old = place_of(site)
    assert isinstance(old, PostgresDatabase)
    name_store(site, postgres.create())
    crash = crashing("after", "anchor.recovery.restore_sources", "-", "find_receipts", "1")
    site.run("restore", "--backup", old.url, command=crash, killed=True)
    site.run("add", "a", "--again", env={"ANCHOR_STORE": old.url}).refused(33, "was replaced")
    shown = site.run("restore", "--backup", old.url, "--json").expect(0).document
    assert (shown["records"], shown["waiting"]) == (1, 1)
    check_log_goes_on(site, "b")
