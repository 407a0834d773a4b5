"""PgBouncer before a test's PostgreSQL server."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.nodes import wait_until
from support.stores import Postgres
from support.tools import check_program

from anchor.store.location import PostgresDatabase

_PORT = 6432  # of the socket's name


@contextmanager
def run_pooler(
    server: Postgres, database: str, *, mode: str, size: int
) -> Iterator[PostgresDatabase]:
    """Run PgBouncer with ``size`` connections to the server; yield a URL behind it."""
    import psycopg

    owner = server.folder.stat()
    with tempfile.TemporaryDirectory(prefix="anchor-pool-", dir="/tmp") as name:
        folder = Path(name)
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"""[databases]
store = host={server.folder} dbname={database} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {_PORT}
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
"""
        )
        for path in (folder, settings):
            os.chown(path, owner.st_uid, owner.st_gid)
        url = f"postgresql://postgres@/store?host={folder}&port={_PORT}"

        def answers() -> bool:
            with suppress(psycopg.OperationalError), psycopg.connect(url):
                return True
            return False

        # It refuses to run as root.
        with subprocess.Popen(
            [check_program("pgbouncer"), "-q", settings],
            user=owner.st_uid,
            group=owner.st_gid,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                wait_until(answers, 30)
                yield PostgresDatabase(url)
            finally:
                process.terminate()
