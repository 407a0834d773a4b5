"""What is acknowledged with two copies is on a second server's disk, whatever settings say."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from support.nodes import wait_until
from support.standbys import (
    NAME,
    Server,
    Servers,
    copy_words,
    is_followed,
    run_program,
    run_servers,
)
from support.store_contents import alter_piece, count_pieces

from anchor.base.digests import Digests
from anchor.base.errors import ConfigError, CopyMissingError, ExitCode, StorageError
from anchor.base.types import LogId
from anchor.monitor.second_copy_check import check_second_copy
from anchor.operate.acceptance import Acceptance, EvidenceInput, accept, accept_once
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store import standby_confirmation
from anchor.store.database import Database, create_database, open_database
from anchor.store.location import PostgresDatabase, SqliteFile
from anchor.store.replication import Copies, CopyRule, Position, Standby, is_counted
from anchor.store.standby_confirmation import StandbyCopies

RULE = CopyRule(copies=2, seconds=0.5, standbys=(NAME,))
# The server itself says who counts.
UNNAMED = CopyRule(copies=2, seconds=0.5)
DEGRADING = CopyRule(copies=2, seconds=0.5, standbys=(NAME,), degrade=True)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each pause while a commit is waited for."""
    seconds: list[float] = []

    def sleep(pause: float) -> None:
        seconds.append(pause)
        time.sleep(pause)

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(standby_confirmation, "time", clock)
    return seconds


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Servers, Server, Server]]:
    with run_servers() as (servers, first):
        yield servers, first, servers.follow(first)


@pytest.fixture
def first(servers: tuple[Servers, Server, Server]) -> Server:
    return servers[1]


@pytest.fixture
def standby(servers: tuple[Servers, Server, Server]) -> Server:
    return servers[2]


@pytest.fixture
def location(first: Server) -> PostgresDatabase:
    place = first.create()
    create_database(place).close()
    return place


@contextmanager
def opened(location: PostgresDatabase, rule: CopyRule | None = RULE) -> Iterator[OpenProject]:
    database = open_database(location, copies=rule)
    config = SimpleNamespace(log=LogId(bytes(32)), chain_id=1, file=Path("none/anchor.toml"))
    try:
        yield OpenProject(config=cast(Config, config), database=database)
    finally:
        database.close()


def submission(number: int) -> EvidenceInput:
    digests = Digests(sha256=number.to_bytes(32, "big"), sm3=None, size=None)
    return EvidenceInput(source=f"digest:{number}", name=f"{number}", digests=digests)


def take(project: OpenProject, *numbers: int) -> Acceptance:
    return accept(project, [submission(number) for number in numbers])


def schema_of(location: PostgresDatabase) -> str:
    return location.url.partition("search_path%3D")[2]


def held(server: Server, location: PostgresDatabase) -> int:
    """Return how many pieces a server has."""
    return count_pieces(server.locate(location))


@contextmanager
def setting(server: Server, name: str, value: str) -> Iterator[None]:
    before = str(server.ask(f"SHOW {name}")[0][0])
    server.set(name, value)
    try:
        yield
    finally:
        server.set(name, before)


def test_what_is_acknowledged_is_on_the_second_servers_disk(
    location: PostgresDatabase, standby: Server
) -> None:
    with opened(location) as project:
        assert take(project, 1, 2) == Acceptance(new=2, known=0, copies=2)
        assert accept_once(project, submission(3), key="k").copies == 2
        assert take(project, 1) == Acceptance(new=0, known=1, copies=2)
    wait_until(lambda: held(standby, location) == 3)


def test_without_the_option_nothing_is_counted(location: PostgresDatabase, standby: Server) -> None:
    with opened(location, None) as project, standby.deaf():
        assert take(project, 1) == Acceptance(new=1, known=0)
        assert project.database.read_copies() is None
        check_second_copy(project.database)


@pytest.mark.fault(
    "F23",
    how="the standby hears nothing while its server still sees it connected",
    then="nothing is acknowledged, new or known (33); repeated later, it is there once",
)
def test_nothing_is_acknowledged_while_the_standby_is_away(
    location: PostgresDatabase, first: Server, standby: Server, pauses: list[float]
) -> None:
    with opened(location) as project:
        take(project, 1)
        with standby.deaf():
            with pytest.raises(CopyMissingError, match="1 of 2 servers") as caught:
                take(project, 2)
            assert caught.value.exit_code == ExitCode.STORAGE
            assert isinstance(caught.value, StorageError)
            # It is written, and known; that is no reason to acknowledge it.
            assert held(first, location) == 2
            for numbers in ((2,), (1,), (3,)):
                pauses.clear()
                with pytest.raises(CopyMissingError, match="nothing is written"):
                    take(project, *numbers)
                # Nobody waits again for what is known to be away.
                assert not pauses
            assert held(first, location) == 2
            # Another process does not know that it is away, nor that it has not 2.
            with opened(location) as other, pytest.raises(CopyMissingError, match="1 of 2 servers"):
                take(other, 2)
            with pytest.raises(CopyMissingError, match="1 of 2 servers"):
                check_second_copy(project.database)
        wait_until(lambda: _is_back(project))
        assert take(project, 2) == Acceptance(new=0, known=1, copies=2)
        assert take(project, 3) == Acceptance(new=1, known=0, copies=2)
        check_second_copy(project.database)


def _is_back(project: OpenProject) -> bool:
    seen = project.database.read_copies()
    assert seen is not None
    return seen.is_enough


@pytest.mark.fault(
    "F23",
    how="the standby hears nothing, and degrade is on",
    then="acknowledged with one copy, without waiting; with two as soon as it is back",
)
def test_degrade_acknowledges_with_the_copies_there_are(
    location: PostgresDatabase, standby: Server, pauses: list[float]
) -> None:
    with opened(location, DEGRADING) as project:
        assert take(project, 1).copies == 2
        with standby.deaf():
            assert take(project, 2) == Acceptance(new=1, known=0, copies=1)
            assert pauses
            pauses.clear()
            assert take(project, 3).copies == 1
            assert not pauses
            seen = project.database.read_copies()
            assert seen is not None
            assert (seen.count, seen.is_enough) == (1, False)
        wait_until(lambda: _is_back(project))
        assert take(project, 2, 4) == Acceptance(new=1, known=1, copies=2)


@pytest.mark.fault(
    "F23",
    how="synchronous_standby_names is empty, changed, or names one that is not there",
    then="what the server does not wait for is no copy; what is named counts all the same",
)
def test_only_a_standby_that_is_waited_for_or_named_counts(
    location: PostgresDatabase, first: Server, standby: Server
) -> None:
    with opened(location, UNNAMED) as project:
        with pytest.raises(CopyMissingError, match="async, does not count"):
            take(project, 1)
        with setting(first, "synchronous_standby_names", NAME):
            wait_until(lambda: _is_back(project))
            assert take(project, 1).copies == 2
            rule = CopyRule(copies=2, seconds=0.5, standbys=("other",))
            with opened(location, rule) as other, pytest.raises(CopyMissingError):
                take(other, 1)
            # While the server waits for it, the program's own waiting has an end.
            with standby.deaf(), pytest.raises(CopyMissingError, match="1 of 2 servers"):
                take(project, 2)
        with pytest.raises(CopyMissingError):
            take(project, 3)
    with opened(location) as named, setting(first, "synchronous_standby_names", ""):
        assert take(named, 3).copies == 2
        # Nor does anything hang where the server waits for one that never comes.
        with setting(first, "synchronous_standby_names", "nobody"):
            assert take(named, 4).copies == 2


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
@pytest.mark.fault(
    "F23",
    how="the role has synchronous_commit off, local or remote_write",
    then="what is not on the second disk is not acknowledged all the same",
)
def test_a_roles_own_synchronous_commit_changes_nothing(
    location: PostgresDatabase, first: Server, standby: Server, value: str
) -> None:
    with first.connect() as connection:
        connection.execute(f"ALTER ROLE postgres SET synchronous_commit = {value}".encode())
    try:
        with (
            setting(first, "synchronous_standby_names", NAME),
            opened(location, UNNAMED) as project,
        ):
            wait_until(lambda: _is_back(project))
            assert take(project, 1).copies == 2
            with standby.deaf(), pytest.raises(CopyMissingError):
                take(project, 2)
    finally:
        with first.connect() as connection:
            connection.execute("ALTER ROLE postgres RESET synchronous_commit")


@pytest.mark.fault(
    "F23",
    how="every backend is cancelled again and again while commits wait",
    then="a cancelled wait is no acknowledgement",
)
def test_a_wait_that_is_cancelled_is_no_acknowledgement(
    location: PostgresDatabase, first: Server, standby: Server
) -> None:
    over = threading.Event()

    def cancel() -> None:
        query = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with first.connect() as connection:
            while not over.wait(0.005):
                connection.execute(f"{query} AND backend_type = 'client backend'".encode())

    cancelling = threading.Thread(target=cancel)
    with setting(first, "synchronous_standby_names", NAME), opened(location, UNNAMED) as project:
        wait_until(lambda: _is_back(project))
        with standby.deaf():
            cancelling.start()
            try:
                for number in range(5):
                    with pytest.raises(StorageError):
                        take(project, number)
            finally:
                over.set()
                cancelling.join()


@pytest.mark.fault(
    "F23",
    how="a row that another session committed without waiting for any disk is submitted again",
    then="acknowledged once the row is on the second disk",
)
def test_a_known_submission_waits_until_its_row_is_on_the_standby(
    location: PostgresDatabase, first: Server, standby: Server
) -> None:
    relaxed = PostgresDatabase(f"{location.url}%20-csynchronous_commit%3Doff")
    # Left to itself, the server would not write the row's commit out for ten seconds.
    with setting(first, "wal_writer_delay", "10s"), opened(location) as project:
        take(project, 1)
        alter_piece(relaxed, 0, source="digest:1")
        (where,) = first.ask("SELECT pg_current_wal_insert_lsn()")
        assert take(project, 1) == Acceptance(new=0, known=1, copies=2)
        query = f"SELECT pg_last_wal_receive_lsn() >= '{where[0]}'"
        assert standby.ask(query) == [(True,)]


@pytest.mark.fault(
    "F23",
    how="a base backup, a log receiver and a standby's standby follow, and nobody else",
    then="none of them is a copy",
)
def test_tools_and_cascaded_standbys_are_no_copies(
    servers: tuple[Servers, Server, Server], location: PostgresDatabase
) -> None:
    group, first, standby = servers
    cascaded = group.follow(standby, "cascaded")
    target = group.folder / "received"
    target.mkdir(0o777)
    target.chmod(0o777)
    rule = CopyRule(copies=2, seconds=0.5, standbys=("cascaded", "copying"))
    slow = ("--max-rate", "32k", "-D", target / "copy")
    copying = run_program(
        "pg_basebackup", *copy_words(first, "copying"), *slow, folder=standby.folder
    )
    reach = ("-h", first.folder, "-U", "postgres", "-D", target, "--slot", "receiver")
    making = run_program("pg_receivewal", *reach, "--create-slot", folder=standby.folder)
    assert making.wait(30) == 0
    receiving = run_program(
        "pg_receivewal", *reach, "--synchronous", "--no-loop", folder=standby.folder
    )
    try:
        wait_until(lambda: is_followed(first, "pg_receivewal"))
        wait_until(lambda: is_followed(first, "copying"))
        with opened(location, rule) as project, pytest.raises(CopyMissingError) as caught:
            take(project, 1)
        assert "copying (a running base backup" in caught.value.message
        with (
            setting(first, "synchronous_standby_names", "pg_receivewal"),
            opened(location, UNNAMED) as project,
            pytest.raises(CopyMissingError),
        ):
            take(project, 2)
        # It counts where the operator named it: the log alone is a copy, too.
        with opened(location, CopyRule(copies=2, standbys=("pg_receivewal",))) as project:
            assert take(project, 2).copies == 2
        assert copying.poll() is None
    finally:
        for process in (copying, receiving):
            process.send_signal(signal.SIGKILL)
            process.wait()
        cascaded.stop()
        wait_until(lambda: not is_followed(first, "pg_receivewal"))
        first.ask("SELECT pg_drop_replication_slot('receiver')")


def test_a_logical_subscription_is_no_copy_by_whatever_name() -> None:
    standby = Standby(
        name=NAME,
        sync_state="sync",
        flushed=1,
        is_logical=True,
        is_backup=False,
        is_near=False,
    )
    assert not is_counted(RULE, standby)
    assert not is_counted(UNNAMED, standby)
    position = Position(timeline="00000001", lsn=1)
    seen = Copies(rule=RULE, position=position, standbys=(standby,), waited_for="*")
    assert seen.count == 1
    assert "a logical subscription" in seen.format_standbys()


def test_a_role_that_may_not_see_the_standbys_is_refused(
    location: PostgresDatabase, first: Server
) -> None:
    schema = schema_of(location)
    with first.connect() as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        for statement in (
            f"GRANT ALL ON SCHEMA {schema} TO plain",
            f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO plain",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO plain",
        ):
            connection.execute(statement.encode())
    plain = PostgresDatabase(location.url.replace("postgres@", "plain@"))
    open_database(plain).close()
    with pytest.raises(ConfigError, match="cannot see which standbys") as caught:
        open_database(plain, copies=RULE)
    assert "GRANT pg_read_all_stats" in str(caught.value.hint)
    first.ask("SELECT 1")
    with first.connect() as connection:
        connection.execute("GRANT pg_read_all_stats TO plain")
    with opened(plain) as project:
        assert take(project, 1).copies == 2
        with first.connect() as connection:
            connection.execute("REVOKE pg_read_all_stats FROM plain")
        with pytest.raises(CopyMissingError, match="can no longer see"):
            take(project, 2)


def test_a_sqlite_file_has_no_second_server(tmp_path: Path) -> None:
    place = SqliteFile(tmp_path / "anchor.db")
    create_database(place).close()
    with pytest.raises(ConfigError, match="replicated block device"):
        open_database(place, copies=RULE)


def test_who_seals_and_sends_waits_for_the_second_copy_too(
    location: PostgresDatabase, standby: Server
) -> None:
    database: Database
    with opened(location) as project:
        database = project.database
        with database.hold_lease():
            with database.sequence() as connection:
                connection.exec_driver_sql("SELECT 1")
            with (
                standby.deaf(),
                pytest.raises(CopyMissingError),
                database.sequence() as connection,
            ):
                connection.exec_driver_sql("SELECT 1")
            wait_until(lambda: _is_back(project))
            with database.sequence() as connection:
                connection.exec_driver_sql("SELECT 1")


@pytest.mark.fault(
    "F23",
    how="another server answers after the commit than before it: the standby was promoted",
    then="what the first one held is not taken for held by the second: 33",
)
def test_a_commit_is_never_confirmed_by_another_server_than_made_it() -> None:
    with run_servers() as (group, first), suppress(ProcessLookupError):
        standby = group.follow(first)
        place = first.create()
        create_database(place).close()
        moving = PostgresDatabase(place.url.replace(str(first.folder), str(group.address)))
        copies = StandbyCopies(RULE)
        with opened(moving, None) as project, project.database.write() as connection:
            mark = copies.mark(connection)
        standby.catch_up(first)
        standby.promote()
        wait_until(lambda: standby.ask("SELECT pg_is_in_recovery()") == [(False,)])
        group.follow(standby)
        group.use(standby)
        first.destroy()
        with (
            opened(moving, None) as project,
            project.database._writer.connect() as connection,
            pytest.raises(CopyMissingError, match="was replaced"),
        ):
            copies.confirm(connection, mark)
        with opened(moving) as project:
            assert take(project, 1).copies == 2
