"""Projects whose store is of an older schema, with the rows that the release of it wrote."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url
from support.paths import VECTORS
from support.projects import Site
from support.store_contents import load_keys, load_pieces

from anchor.ethereum.keccak import format_address
from anchor.project.config import load_config
from anchor.project.log_key import create_log_key
from anchor.store.alembic_runner import migrate
from anchor.store.location import PostgresDatabase, SqliteFile, StoreLocation
from anchor.store.snapshot import upgrade_copy
from anchor.types import Address

# Schemas up to 0003 hold these in rows, see ``_insert_evidence``.
_EVIDENCE = ("evidence", "waiting", "positions", "keys")
_DUMPS = VECTORS / "stores"
VERSIONS = sorted(path.stem.removeprefix("schema-") for path in _DUMPS.glob("schema-*.sql"))
# The node that was asked is gone.
_NOWHERE = "http://127.0.0.1:1"


def make_old_site(folder: Path, location: StoreLocation, version: str) -> Site:
    """Make a project with the store of that schema; its chain is gone."""
    folder.mkdir(parents=True)
    source = folder / "dump.db"
    load_dump(source, version)
    with closing(sqlite3.connect(source)) as rows:
        (pins,) = rows.execute("SELECT log, chain_id, genesis, registry, code_hash FROM project")
        if isinstance(location, PostgresDatabase):
            fill_postgres(location, version, rows)
    if isinstance(location, SqliteFile):
        source.rename(location.path)
    else:
        source.unlink()
    (folder / "anchor.toml").write_text(_encode(location, pins), "ascii")
    create_log_key(load_config(folder / "anchor.toml"))
    return Site(folder=folder, url=_NOWHERE, number=int.from_bytes(pins[0][:12], "big"))


def load_dump(path: Path, version: str) -> None:
    """Make the SQLite file that was dumped."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((_DUMPS / f"schema-{version}.sql").read_text("ascii"))
        connection.execute("PRAGMA journal_mode=WAL")


def downgrade(path: Path, version: str) -> None:
    """Make a store's file one of an older schema, with what of its rows that one can hold."""
    old = path.with_name(path.name + ".old")
    in_rows = version <= "0003"
    sqlite3.connect(old).close()
    upgrade_copy(old, version)
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS newer", (str(path),))
        names = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        for (name,) in names.fetchall():
            if name != "alembic_version" and not (in_rows and name in _EVIDENCE):
                info = connection.execute(f'PRAGMA main.table_info("{name}")')
                columns = ", ".join(f'"{row[1]}"' for row in info)
                connection.execute(
                    f'INSERT INTO main."{name}" ({columns}) SELECT {columns} FROM newer."{name}"'
                )
        connection.execute("DETACH newer")
        if in_rows:
            _insert_evidence(path, connection)
        connection.execute("PRAGMA journal_mode=WAL")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    old.replace(path)


def _insert_evidence(newer: Path, connection: sqlite3.Connection) -> None:
    """Insert evidence and keys of a store of today's schema as rows of the schemas up to 0003."""
    pieces = load_pieces(SqliteFile(newer))
    numbers = {piece.identity: piece.index + 1 for piece in pieces}
    connection.executemany(
        "INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (piece.index + 1, piece.identity, piece.source, piece.sha256, piece.sm3, piece.record,
             piece.leaf, piece.accepted_at)
            for piece in pieces
        ],
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO positions VALUES (?, ?)",
        [(piece.leaf_index, piece.index + 1) for piece in pieces if piece.leaf_index is not None],
    )
    connection.executemany(
        "INSERT INTO waiting VALUES (?)",
        [(piece.index + 1,) for piece in pieces if piece.leaf_index is None],
    )
    connection.executemany(
        "INSERT INTO keys VALUES (?, ?)",
        [(key, numbers[identity]) for key, identity in load_keys(SqliteFile(newer))],
    )


def fill_postgres(location: PostgresDatabase, version: str, rows: sqlite3.Connection) -> None:
    """Make the tables by the migrations of then, and insert the rows."""
    engine = create_engine(make_url(location.url).set(drivername="postgresql+psycopg"))
    names = [name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    with engine.begin() as connection:
        migrate(connection, version)
        connection.exec_driver_sql("SET session_replication_role = replica")
        for name in names:
            if name == "alembic_version":
                continue
            found = rows.execute(f'SELECT * FROM "{name}"')
            columns = ", ".join(f'"{item[0]}"' for item in found.description)
            marks = ", ".join("%s" for _ in found.description)
            for row in found:
                connection.exec_driver_sql(
                    f'INSERT INTO "{name}" ({columns}) VALUES ({marks})', tuple(row)
                )
        for table in ("evidence", "incidents", "erasures", "holds"):
            if table in names:
                connection.exec_driver_sql(
                    f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
                )
    engine.dispose()


def _encode(location: StoreLocation, pins: tuple[Any, ...]) -> str:
    log, chain_id, genesis, registry, code_hash = pins
    return "\n".join(
        [
            'format = "anchor-config/1"',
            f'store = "{location}"',
            "[chain]",
            f'rpc = "{_NOWHERE}"',
            f"chain_id = {chain_id}",
            f'genesis = "0x{genesis.hex()}"',
            f'registry = "{format_address(Address(registry))}"',
            f'code_hash = "0x{code_hash.hex()}"',
            "[log]",
            f'owner = "{format_address(Address(log[12:]))}"',
            f"number = {int.from_bytes(log[:12], 'big')}",
            "[signer]",
            'keystore = "key.json"',
            "",
        ]
    )
