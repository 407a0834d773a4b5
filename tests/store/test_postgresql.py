"""What is particular to a store in PostgreSQL: servers that lose commits, lost connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Connection, text
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.nodes import wait_until
from support.stores import NOW, Postgres, damage, make_item, run_postgres

from anchor.base.digests import Digests
from anchor.base.errors import ChainGuardError, ConfigError, StorageError
from anchor.base.types import Hash32, Head, LogId
from anchor.operate.acceptance import EvidenceInput, accept, accept_once
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.recovery.successor_contents import enqueue_unplaced
from anchor.store import sealing
from anchor.store.acknowledged_log import SideFile
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database, is_taken, open_database
from anchor.store.erasures import find_by_ids, lock_holds
from anchor.store.evidence import count_evidence, load_all
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import PostgresDatabase
from anchor.store.runs import find_end, load_leaves, lock_intake
from anchor.store.staging import Writable, build_database


@pytest.fixture
def location(postgres: Postgres) -> PostgresDatabase:
    return postgres.create()


def submission(number: int) -> EvidenceInput:
    digests = Digests(sha256=number.to_bytes(32, "big"), sm3=None, size=None)
    return EvidenceInput(source=f"digest:{number}", name=f"{number}", digests=digests)


def project_of(database: Database) -> OpenProject:
    config = SimpleNamespace(log=LogId(bytes(32)), chain_id=1, file=Path("none/anchor.toml"))
    return OpenProject(config=cast(Config, config), database=database)


def count_of(location: PostgresDatabase) -> tuple[int, int]:
    opened = open_database(location)
    with opened.read() as connection:
        counted = count_evidence(connection)
    opened.close()
    return counted


def test_every_commit_waits_for_the_disk_whatever_the_servers_default_is(
    postgres: Postgres, location: PostgresDatabase
) -> None:
    with postgres.connect() as connection:
        connection.execute("ALTER ROLE postgres SET synchronous_commit = off")
    try:
        created = create_database(location)
        with created.write() as writing:
            shown = writing.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        created.close()
    finally:
        with postgres.connect() as connection:
            connection.execute("ALTER ROLE postgres RESET synchronous_commit")
    assert shown == "on"


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_does_not_wait_for_the_disk_is_refused(
    postgres: Postgres, location: PostgresDatabase, setting: str
) -> None:
    create_database(location).close()

    def turn(value: str) -> None:
        with postgres.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET {setting} = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")
        for _ in range(200):
            with postgres.connect() as connection:
                row = connection.execute(f"SHOW {setting}".encode()).fetchone()
            if row == (value,):
                return
            threading.Event().wait(0.02)
        raise AssertionError("the server did not take the setting")

    turn("off")
    try:
        with pytest.raises(ConfigError, match=f"{setting} is off"):
            open_database(location)
        with pytest.raises(ConfigError, match=f"{setting} is off"):
            create_database(postgres.create())
    finally:
        turn("on")
    open_database(location).close()


@pytest.mark.fault(
    "F15", how="the store's URL names a server in recovery, a read replica", then="it is refused"
)
def test_a_server_that_only_follows_another_is_refused(
    postgres: Postgres, location: PostgresDatabase
) -> None:
    create_database(location).close()
    with run_postgres(copy_of=postgres) as replica:
        url = location.url.replace(str(postgres.folder), str(replica.folder))
        with pytest.raises(ConfigError, match="only replica of another server"):
            open_database(PostgresDatabase(url))


def test_a_server_that_is_away_is_no_answer_and_shows_no_password(tmp_path: Path) -> None:
    place = PostgresDatabase(f"postgresql://me:s3cret@/db?host={tmp_path}")
    for opening in (open_database, create_database):
        with pytest.raises(StorageError) as caught:
            opening(place)
        assert caught.value.exit_code == 33
        assert "s3cret" not in str(caught.value) + str(caught.value.hint)


@dataclass
class Cutter:
    """Stands between a client and the server; cuts the connection where it is told to."""

    server: Path
    # What a message must hold for the cut, what has to come before it, and whether the server still
    # gets it.
    word: bytes | None = None
    after: bytes | None = None
    is_forwarded: bool = True
    cuts: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.server / ".s.PGSQL.5432"))
            self._open += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self.after is not None and self.after in data:
                    self.after = None
                if self.after is None and self.word is not None and self.word in data:
                    self.cuts += 1
                    self.word = None
                    # Nobody hears the answer, which may well be that it is done.
                    client.shutdown(socket.SHUT_RDWR)
                    if self.is_forwarded:
                        server.sendall(data)
                    else:
                        server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)

    def close(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # closing tells no one while a thread reads it
            each.close()


@contextmanager
def cutting(postgres: Postgres) -> Iterator[tuple[Cutter, int]]:
    cutter = Cutter(postgres.folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=cutter.serve, args=(listener,), daemon=True)
        thread.start()
        yield cutter, listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    cutter.close()


@pytest.mark.fault(
    "F16",
    how="the connection dies at COMMIT, before and after the server has it",
    then="the outcome is unknown (exit code 33); repeated, the evidence is there once",
)
@pytest.mark.parametrize("is_forwarded", [True, False])
@pytest.mark.parametrize("key", [None, "key"])
def test_when_the_connection_dies_at_commit_a_repetition_finds_what_came_of_it(
    postgres: Postgres, location: PostgresDatabase, is_forwarded: bool, key: str | None
) -> None:
    create_database(location).close()
    schema = location.url.partition("options=")[2]
    with cutting(postgres) as (cutter, port):
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?options={schema}"
        database = open_database(PostgresDatabase(url))
        cutter.word, cutter.is_forwarded = b"\x0bCOMMIT\x00", is_forwarded
        cutter.after = b"INSERT INTO runs"  # reads end with a COMMIT, too
        with pytest.raises(StorageError, match="cannot be used"):
            accept_once(project_of(database), submission(1), key=key)
        assert cutter.cuts == 1
        wait_until(lambda: count_of(location) == (int(is_forwarded),) * 2)
        answer = accept_once(project_of(database), submission(1), key=key)
        database.close()
    assert answer.is_new == (not is_forwarded)
    assert count_of(location) == (1, 1)


@pytest.mark.fault(
    "F16",
    how="the connection dies at the COMMIT of a new store, before and after the server has it",
    then="the outcome is unknown (exit code 33); there is a whole store, or none and a next try",
)
@pytest.mark.parametrize("is_forwarded", [True, False])
def test_when_the_connection_dies_at_the_commit_of_a_new_store_it_is_whole_or_none(
    postgres: Postgres, location: PostgresDatabase, is_forwarded: bool
) -> None:
    schema = location.url.partition("options=")[2]

    def fill(database: Writable) -> None:
        with database.write() as connection:
            insert_evidence(connection, [make_item(1)])
        cutter.word, cutter.is_forwarded = b"\x0bCOMMIT\x00", is_forwarded

    with cutting(postgres) as (cutter, port):
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?options={schema}"
        with pytest.raises(StorageError, match="cannot be used"):
            build_database(PostgresDatabase(url), fill)
        assert cutter.cuts == 1
    wait_until(lambda: is_taken(location) == is_forwarded)
    if not is_forwarded:
        build_database(location, fill)
    assert count_of(location) == (1, 1)


@pytest.mark.fault(
    "G3",
    how="the server ends the connection that holds the lease; another process takes it",
    then="the first one is refused at its next seal",
)
def test_who_lost_the_connection_of_its_lease_is_fenced_off(
    postgres: Postgres, location: PostgresDatabase
) -> None:
    first, second = create_database(location), open_database(location)
    with suppress(StorageError), first.hold_lease():
        accept(project_of(first), [submission(1)])
        with postgres.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
        while second.is_leased():
            threading.Event().wait(0.01)
        with second.hold_lease():
            with pytest.raises(ChainGuardError, match="taken over this log"):
                sealing.seal(first, NOW)
            assert sealing.seal(second, NOW) is not None
    first.close()
    second.close()
    assert count_of(location) == (1, 0)


def test_an_intake_waits_for_the_one_before_it_so_that_numbers_have_no_gap(
    location: PostgresDatabase,
) -> None:
    first, second = create_database(location), open_database(location)
    done: list[str] = []

    def take() -> None:
        with second.write() as connection:
            insert_evidence(connection, [make_item(3)])
        done.append("second")

    thread = threading.Thread(target=take)
    with first.write() as connection:
        insert_evidence(connection, [make_item(1), make_item(2)])
        thread.start()
        threading.Event().wait(0.3)
        done.append("first")
    thread.join()
    assert done == ["first", "second"]
    with first.read() as connection:
        assert [(each.id, each.source) for each in load_all(connection)] == [
            (number - 1, make_item(number).source) for number in (1, 2, 3)
        ]
    first.close()
    second.close()


def test_an_erasure_finds_what_was_being_accepted_when_it_began(location: PostgresDatabase) -> None:
    first, second = create_database(location), open_database(location)
    found: list[str] = []

    def look() -> None:
        with second.write() as connection:
            lock_holds(connection)
            found.extend(piece.source for piece in find_by_ids(connection, [make_item(1).identity]))

    thread = threading.Thread(target=look)
    with first.write() as connection:
        insert_evidence(connection, [make_item(1)])
        thread.start()
        threading.Event().wait(0.3)
    thread.join()
    first.close()
    second.close()
    assert found == [make_item(1).source]


def test_what_was_committed_while_an_intake_waited_is_known(location: PostgresDatabase) -> None:
    """Whatever the server's default isolation is: a snapshot from before would not show it."""
    strict = PostgresDatabase(
        f"{location.url}%20-cdefault_transaction_isolation%3Drepeatable%5C%20read"
    )
    first, second = create_database(location), open_database(strict)
    counts: list[int] = []

    def take() -> None:
        with second.write() as connection:
            counts.append(insert_evidence(connection, [make_item(1), make_item(2)]))

    thread = threading.Thread(target=take)
    with first.write() as connection:
        insert_evidence(connection, [make_item(1)])
        thread.start()
        threading.Event().wait(0.3)
    thread.join()
    first.close()
    second.close()
    assert counts == [1]
    assert count_of(location) == (2, 2)


@pytest.mark.fault(
    "G3",
    how="a store is lost while a process has its lease; another is made in its place, and leased",
    then="the first process is refused at its next seal",
)
def test_who_has_the_lease_of_a_lost_store_has_none_of_the_next_ones(
    postgres: Postgres, location: PostgresDatabase
) -> None:
    schema = location.url.partition("search_path%3D")[2]
    first = create_database(location)
    with suppress(StorageError), first.hold_lease():
        with postgres.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        second = create_database(location)
        with second.hold_lease():
            accept(project_of(second), [submission(1)])
            with pytest.raises(ChainGuardError, match="taken over this log"):
                sealing.seal(first, NOW)
    first.close()
    second.close()
    assert count_of(location) == (1, 1)


@pytest.mark.fault(
    "F17",
    how="two transactions, one an intake, that wait for each other: a deadlock",
    then="one of them is rolled back whole, and begins again",
)
def test_a_deadlock_is_broken_and_the_intake_begins_again(location: PostgresDatabase) -> None:
    database = create_database(location)
    barrier = threading.Barrier(2, timeout=20)
    tries: list[str] = []

    def lock_first(connection: Connection) -> None:
        work(connection, "a", lock_lease, take)

    def take_first(connection: Connection) -> None:
        work(connection, "b", take, lock_lease)

    def lock_lease(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM lease FOR UPDATE"))

    def take(connection: Connection) -> None:
        insert_evidence(connection, [make_item(1), make_item(2)])

    def work(
        connection: Connection,
        name: str,
        first: Callable[[Connection], None],
        second: Callable[[Connection], None],
    ) -> None:
        tries.append(name)
        first(connection)
        if tries.count(name) == 1:
            barrier.wait()
        second(connection)

    threads = [
        threading.Thread(target=database.write_with_retry, args=(each,))
        for each in (lock_first, take_first)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert len(tries) > 2
    assert count_of(location) == (2, 2)


def test_a_store_in_another_schema_has_a_lease_of_its_own(postgres: Postgres) -> None:
    one, other = create_database(postgres.create()), create_database(postgres.create())
    with one.hold_lease(), other.hold_lease():
        assert one.is_leased()
        assert other.is_leased()
    one.close()
    other.close()


def test_a_store_is_filled_as_slowly_as_it_takes(location: PostgresDatabase) -> None:
    """The server ends transactions that idle; here one waits for what a node answers."""
    impatient = PostgresDatabase(f"{location.url}%20-cidle_in_transaction_session_timeout%3D1000")

    def fill(database: Writable) -> None:
        threading.Event().wait(3)
        with database.write() as connection:
            insert_evidence(connection, [make_item(1)])

    build_database(impatient, fill)
    assert count_of(location) == (1, 1)


def test_what_lacks_a_table_is_refused(location: PostgresDatabase) -> None:
    create_database(location).close()
    damage(location, "DROP TABLE alembic_version")
    with pytest.raises(ConfigError, match="is empty"):
        open_database(location)


# A list that fills more than one run.
LONG = range(10_000, 11_500)


def stored(location: PostgresDatabase) -> list[str]:
    """Return the sources of what waits for a seal, in its order."""
    opened = open_database(location)
    with opened.read() as connection:
        sources = [item.source for item in load_all(connection)]
        leaves = b"".join(item.leaf for item in load_all(connection))
        assert load_leaves(connection, 0, len(sources)) == leaves
    opened.close()
    return sources


@pytest.mark.parametrize("known", [[], [1], [7, 1_201], [0, 15], list(range(1_500))])
def test_of_a_long_list_what_is_stored_already_is_left_out(
    location: PostgresDatabase, known: list[int]
) -> None:
    items = [make_item(number) for number in LONG]
    database = create_database(location)
    with database.write() as connection:
        insert_evidence(connection, [items[number] for number in known])
    with database.write() as connection:
        assert insert_evidence(connection, items) == len(items) - len(known)
    database.close()
    first = [items[number].source for number in known]
    rest = [item.source for item in items if item.source not in first]
    assert stored(location) == first + rest


@pytest.mark.parametrize("twice", [1, 15, 1_499])
def test_what_stands_twice_in_a_long_list_is_taken_once_at_its_first_place(
    location: PostgresDatabase, twice: int
) -> None:
    items = [make_item(number) for number in LONG]
    database = create_database(location)
    with database.write() as connection:
        assert insert_evidence(connection, [*items, items[twice]]) == len(items)
    with database.write() as connection:
        assert insert_evidence(connection, [items[twice], *items]) == 0
    database.close()
    assert stored(location) == [item.source for item in items]


def test_two_long_lists_of_the_same_never_wait_for_each_other_in_a_circle(
    location: PostgresDatabase,
) -> None:
    create_database(location).close()
    items = [make_item(number) for number in range(20_000)]
    begin = threading.Barrier(2)

    def take(some: list[NewEvidence]) -> int:
        database = open_database(location)
        begin.wait()
        with database.write() as connection:
            count = insert_evidence(connection, some)
        database.close()
        return count

    with ThreadPoolExecutor(2) as pool:
        counts = sorted(pool.map(take, (items, items[::-1])))
    assert counts == [0, 20_000]


def test_of_two_creations_at_once_one_succeeds_and_the_other_says_why(
    location: PostgresDatabase,
) -> None:
    def create(_: int) -> str:
        try:
            create_database(location).close()
        except ConfigError as error:
            return error.message
        return "created"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(create, range(2)))
    assert outcomes[0] == "created"
    assert "there is already a store" in outcomes[1]


def test_what_the_user_may_not_do_or_the_schema_lacks_is_told(
    postgres: Postgres, location: PostgresDatabase
) -> None:
    create_database(location).close()
    schema = location.url.partition("search_path%3D")[2]
    with postgres.connect() as connection:
        connection.execute(
            f"CREATE ROLE reader_of_{schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO "
            f"reader_of_{schema}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO "
            f"reader_of_{schema}".encode()
        )
    reader = PostgresDatabase(location.url.replace("postgres@", f"reader_of_{schema}@"))
    database = open_database(reader)
    with pytest.raises(ConfigError, match="permission denied"):
        accept(project_of(database), [submission(1)])
    with pytest.raises(ConfigError, match="permission denied"), database.hold_lease():
        raise AssertionError
    database.close()
    elsewhere = PostgresDatabase(location.url.replace(schema, "nowhere"))
    with pytest.raises(ConfigError, match="no schema has been selected"):
        create_database(elsewhere)
    with pytest.raises(ConfigError, match="permission denied"):
        create_database(PostgresDatabase(reader.url.partition("&options")[0]))


def test_a_statement_that_is_cancelled_in_a_copy_is_a_failure_of_the_server(
    postgres: Postgres, location: PostgresDatabase
) -> None:
    created = create_database(location)
    with pytest.raises(StorageError), created.write() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 1")
        insert_evidence(connection, [make_item(number) for number in range(50_000)])
    created.close()
    assert count_of(location) == (0, 0)


def test_two_that_fill_a_successor_at_once_queue_each_piece_once(
    postgres: Postgres, location: PostgresDatabase, tmp_path: Path
) -> None:
    chain = MemoryChain(recover=read_sender, interval=12)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    site.add("a", "b", "c")
    head = Head(root=Hash32(bytes(32)), size=0)
    stores = [create_database(location), open_database(location), open_database(location)]
    projects = [site.open(), site.open()]

    def fill(number: int) -> int:
        side_file = SideFile(tmp_path / f"side{number}")
        return enqueue_unplaced(projects[number], stores[number], head, side_file)

    def both_wait() -> bool:
        with postgres.connect() as asked:
            row = asked.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        return row == (2,)

    with ThreadPoolExecutor(2) as workers:
        with stores[2].write() as connection:
            lock_intake(connection)
            filling = [workers.submit(fill, number) for number in range(2)]
            wait_until(both_wait, 60)
        assert [each.result() for each in filling] == [3, 3]
    with stores[2].read() as connection:
        assert find_end(connection) == 3
    for store in stores:
        store.close()


def test_evidence_is_stored_as_it_is_and_never_sampled(location: PostgresDatabase) -> None:
    created = create_database(location)
    with created.write() as connection:
        insert_evidence(connection, [make_item(number) for number in range(500)])
    created.close()
    damage(location, "ANALYZE")
    with closing(open_database(location)) as opened, opened.read() as connection:
        sampled = connection.execute(
            text(
                "SELECT tablename, attname FROM pg_stats WHERE schemaname = current_schema() "
                "AND tablename IN ('runs', 'fingerprints', 'name_blocks')"
            )
        )
        columns = connection.execute(
            text(
                "SELECT relname, attname, attstorage::text FROM pg_attribute "
                "JOIN pg_class ON pg_class.oid = attrelid WHERE atttypid = 'bytea'::regtype "
                "AND relnamespace = current_schema()::regnamespace AND relkind = 'r' "
                "AND relname IN ('runs', 'fingerprints', 'name_blocks')"
            )
        ).all()
        found = {(table, name) for table, name in sampled}
        assert ("runs", "pieces") in found
        assert not found & {(table, name) for table, name, _ in columns}
        # Values that do not compress, and pages that are no longer than a row may be.
        stored = {(table, storage) for table, _, storage in columns}
        assert stored == {("runs", "e"), ("fingerprints", "p"), ("name_blocks", "e")}
