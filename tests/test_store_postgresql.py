"""What is particular to a store in PostgreSQL: servers that lose commits, lost connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Connection
from support.stores import NOW, Postgres, damage, make_item, run_postgres

from anchor import log
from anchor.digest import Digests
from anchor.errors import ChainGuardError, ConfigError, StorageError
from anchor.pipeline.acceptance import Submission, accept, accept_once
from anchor.pipeline.project import Project
from anchor.store.database import Database, create_database, open_database
from anchor.store.evidence import count_evidence, insert_evidence
from anchor.store.places import PostgresDatabase


@pytest.fixture
def place(postgres: Postgres) -> PostgresDatabase:
    return postgres.create()


def submission(number: int) -> Submission:
    digests = Digests(sha256=number.to_bytes(32, "big"), sm3=None, size=None)
    return Submission(source=f"digest:{number}", name=f"{number}", digests=digests)


def project_of(database: Database) -> Project:
    return cast(Project, SimpleNamespace(database=database))


def count_of(place: PostgresDatabase) -> tuple[int, int]:
    opened = open_database(place)
    with opened.read() as connection:
        counted = count_evidence(connection)
    opened.close()
    return counted


def test_every_commit_waits_for_the_disk_whatever_the_servers_default_is(
    postgres: Postgres, place: PostgresDatabase
) -> None:
    with postgres.connect() as connection:
        connection.execute("ALTER ROLE postgres SET synchronous_commit = off")
    try:
        created = create_database(place)
        with created.write() as writing:
            shown = writing.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        created.close()
    finally:
        with postgres.connect() as connection:
            connection.execute("ALTER ROLE postgres RESET synchronous_commit")
    assert shown == "on"


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_does_not_wait_for_the_disk_is_refused(
    postgres: Postgres, place: PostgresDatabase, setting: str
) -> None:
    create_database(place).close()

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
            open_database(place)
        with pytest.raises(ConfigError, match=f"{setting} is off"):
            create_database(postgres.create())
    finally:
        turn("on")
    open_database(place).close()


@pytest.mark.fault(
    "F15", how="the store's URL names a server in recovery, a read replica", then="it is refused"
)
def test_a_server_that_only_follows_another_is_refused(
    postgres: Postgres, place: PostgresDatabase
) -> None:
    create_database(place).close()
    with run_postgres(copy_of=postgres) as replica:
        url = place.url.replace(str(postgres.folder), str(replica.folder))
        with pytest.raises(ConfigError, match="only follows another server"):
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
    # What a message must hold for the cut, and whether the server still gets it.
    word: bytes | None = None
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
                if self.word is not None and self.word in data:
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
    postgres: Postgres, place: PostgresDatabase, is_forwarded: bool, key: str | None
) -> None:
    create_database(place).close()
    schema = place.url.partition("options=")[2]
    with cutting(postgres) as (cutter, port):
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?options={schema}"
        database = open_database(PostgresDatabase(url))
        cutter.word, cutter.is_forwarded = b"\x0bCOMMIT\x00", is_forwarded
        with pytest.raises(StorageError, match="cannot be used"):
            accept_once(project_of(database), submission(1), key=key)
        assert cutter.cuts == 1
        for _ in range(100):
            if count_of(place) == (int(is_forwarded),) * 2:
                break
            threading.Event().wait(0.02)
        answer = accept_once(project_of(database), submission(1), key=key)
        database.close()
    assert answer.is_new == (not is_forwarded)
    assert count_of(place) == (1, 1)


@pytest.mark.fault(
    "G3",
    how="the server ends the connection that holds the lease; another process takes it",
    then="the first one is refused at its next seal",
)
def test_who_lost_the_connection_of_its_lease_is_fenced_off(
    postgres: Postgres, place: PostgresDatabase
) -> None:
    first, second = create_database(place), open_database(place)
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
                log.seal(first, NOW)
            assert log.seal(second, NOW) is not None
    first.close()
    second.close()
    assert count_of(place) == (1, 0)


@pytest.mark.fault(
    "F17",
    how="a seal and an intake that wait for each other: a deadlock",
    then="one of them is rolled back whole, and begins again",
)
def test_a_deadlock_is_broken_and_the_intake_begins_again(place: PostgresDatabase) -> None:
    database = create_database(place)
    barrier = threading.Barrier(2, timeout=20)
    tries: list[str] = []

    def take(name: str, one: int, other: int) -> None:
        def work(connection: Connection) -> None:
            tries.append(name)
            insert_evidence(connection, [make_item(one)])
            if tries.count(name) == 1:
                barrier.wait()
            insert_evidence(connection, [make_item(other)])

        database.write_again(work)

    threads = [
        threading.Thread(target=take, args=("a", 1, 2)),
        threading.Thread(target=take, args=("b", 2, 1)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert len(tries) > 2
    assert count_of(place) == (2, 2)


def test_a_store_in_another_schema_has_a_lease_of_its_own(postgres: Postgres) -> None:
    one, other = create_database(postgres.create()), create_database(postgres.create())
    with one.hold_lease(), other.hold_lease():
        assert one.is_leased()
        assert other.is_leased()
    one.close()
    other.close()


def test_what_lacks_a_table_is_refused(place: PostgresDatabase) -> None:
    create_database(place).close()
    damage(place, "DROP TABLE alembic_version")
    with pytest.raises(ConfigError, match="is empty"):
        open_database(place)


@pytest.mark.parametrize("count", [5, 1_500], ids=["inserted", "copied"])
def test_a_sequence_that_fell_behind_is_no_duplicate(place: PostgresDatabase, count: int) -> None:
    """As after a restore of the rows alone: what is not stored is never called known."""
    database = create_database(place)
    with database.write() as connection:
        insert_evidence(connection, [make_item(number) for number in range(3)])
    damage(place, "SELECT setval('evidence_id_seq', 1)")
    with (
        pytest.raises(ChainGuardError, match="contradicts itself"),
        database.write() as connection,
    ):
        insert_evidence(connection, [make_item(number) for number in range(10, 10 + count)])
    database.close()
    assert count_of(place) == (3, 3)


def test_of_two_creations_at_once_one_succeeds_and_the_other_says_why(
    place: PostgresDatabase,
) -> None:
    def create(_: int) -> str:
        try:
            create_database(place).close()
        except ConfigError as error:
            return error.message
        return "created"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(create, range(2)))
    assert outcomes[0] == "created"
    assert "there is already a store" in outcomes[1]


def test_what_the_user_may_not_do_or_the_schema_lacks_is_told(
    postgres: Postgres, place: PostgresDatabase
) -> None:
    create_database(place).close()
    schema = place.url.partition("search_path%3D")[2]
    with postgres.connect() as connection:
        connection.execute(
            f"CREATE ROLE reader_of_{schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO "
            f"reader_of_{schema}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO "
            f"reader_of_{schema}".encode()
        )
    reader = PostgresDatabase(place.url.replace("postgres@", f"reader_of_{schema}@"))
    database = open_database(reader)
    with pytest.raises(ConfigError, match="permission denied"):
        accept(project_of(database), [submission(1)])
    with pytest.raises(ConfigError, match="permission denied"), database.hold_lease():
        raise AssertionError
    database.close()
    elsewhere = PostgresDatabase(place.url.replace(schema, "nowhere"))
    with pytest.raises(ConfigError, match="no schema has been selected"):
        create_database(elsewhere)
    with pytest.raises(ConfigError, match="permission denied"):
        create_database(PostgresDatabase(reader.url.partition("&options")[0]))


def test_a_statement_that_is_cancelled_in_a_copy_is_a_failure_of_the_server(
    postgres: Postgres, place: PostgresDatabase
) -> None:
    created = create_database(place)
    with pytest.raises(StorageError), created.write() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 1")
        insert_evidence(connection, [make_item(number) for number in range(50_000)])
    created.close()
    assert count_of(place) == (0, 0)
