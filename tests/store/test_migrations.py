"""Stores of earlier schemas become what a new one is, with every row that they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from support.stores import NOW, make_item

from anchor.store.database import MIGRATION_HEAD, open_database
from anchor.store.erasures import find_by_leaves
from anchor.store.evidence import count_evidence, load_all, load_leaves
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.schema import metadata

COUNT = 300


def migrate(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "anchor.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def open_engine(location: StoreLocation) -> Engine:
    if isinstance(location, SqliteFile):
        return create_engine(f"sqlite:///{location.path}")
    return create_engine(make_url(location.url).set(drivername="postgresql+psycopg"))


def fill(connection: Connection) -> None:
    """Write rows as an earlier release did."""
    insert = text(
        "INSERT INTO evidence (id, identity, source, sha256, sm3, record, leaf, accepted_at) "
        "VALUES (:id, :identity, :source, :sha256, :sm3, :record, :leaf, :accepted_at)"
    )
    for number in range(1, COUNT + 1):
        connection.execute(insert, {"id": number, **make_item(number)._asdict()})
    for index in range(COUNT - 100):
        connection.execute(text(f"INSERT INTO positions VALUES ({index}, {index + 1})"))
    for number in range(COUNT - 99, COUNT + 1):
        connection.execute(text(f"INSERT INTO waiting VALUES ({number})"))
    key = {"key": b"k" * 32}
    connection.execute(text("INSERT INTO keys VALUES (:key, 7)"), key)
    connection.execute(
        text("INSERT INTO lease VALUES (1, 5, 'nobody')"),
    )
    connection.execute(text(f"INSERT INTO tenants VALUES ('acme', 5, 5, '{NOW}')"))


def snapshot(connection: Connection, tables: list[str]) -> dict[str, list[Any]]:
    return {
        table: sorted(map(repr, connection.execute(text(f"SELECT * FROM {table}"))))
        for table in tables
    }


@pytest.mark.fault(
    "F18",
    how="stores of each earlier schema, of both kinds and with rows, are migrated",
    then="the tables are those of a new store; every row, leaf and order is as it was",
)
@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_an_earlier_store_is_migrated_with_all_its_rows(
    location: StoreLocation, revision: str
) -> None:
    engine = open_engine(location)
    with engine.begin() as connection:
        migrate(connection, revision)
        tables = [name for name in inspect(connection).get_table_names() if "version" not in name]
        fill(connection)
    kept = [name for name in tables if name in ("evidence", "positions", "waiting", "keys")]
    with engine.begin() as connection:
        before = snapshot(connection, kept)
        migrate(connection, "head")
    with engine.connect() as connection:
        assert snapshot(connection, kept) == before
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == MIGRATION_HEAD
    engine.dispose()
    opened = open_database(location)
    with opened.read() as connection:
        assert count_evidence(connection) == (COUNT, 100)
        assert len(list(load_all(connection))) == COUNT
        assert load_leaves(connection, 0, 2) == make_item(1).leaf + make_item(2).leaf
        (piece,) = find_by_leaves(connection, [make_item(COUNT).leaf])
        assert piece.leaf_index is None
    opened.close()


def test_postgresql_samples_no_evidence(location: StoreLocation, tmp_path: Path) -> None:
    engine = open_engine(location)
    if engine.dialect.name != "postgresql":
        engine.dispose()
        return
    with engine.begin() as connection:
        migrate(connection, "head")
        fill(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE evidence"))
        sampled = connection.execute(
            text(
                "SELECT attname FROM pg_stats WHERE schemaname = current_schema() "
                "AND tablename = 'evidence'"
            )
        ).scalars()
        assert not {"identity", "source", "sha256", "sm3", "record"} & set(sampled)
    engine.dispose()
