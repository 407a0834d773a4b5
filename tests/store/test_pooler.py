"""A store behind a pooler: refused where a transaction gets any connection to the server."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.pooler import run_pooler
from support.stores import NOW, Postgres, make_item

from anchor.base.errors import ConfigError, LeaseHeldError
from anchor.store.database import create_database, lock_location, open_database
from anchor.store.evidence import count_evidence
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import PostgresDatabase
from anchor.store.sealing import seal


@pytest.fixture
def database(postgres: Postgres, tmp_path: Path) -> str:
    name = "db" + hashlib.sha256(bytes(tmp_path)).hexdigest()[:16]
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return name


@pytest.mark.parametrize("size", [1, 5])
def test_a_pooler_in_transaction_mode_is_refused_by_all_that_use_a_store(
    postgres: Postgres, database: str, size: int
) -> None:
    direct = PostgresDatabase(f"postgresql://postgres@/{database}?host={postgres.folder}")
    refused = pytest.raises(ConfigError, match="a pooler that gives each transaction another")
    with run_pooler(postgres, database, mode="transaction", size=size) as pooled:
        with refused:
            create_database(pooled)
        create_database(direct).close()  # nothing is left of the refused one
        with refused as caught:
            open_database(pooled)
        assert "pool_mode = session" in (caught.value.hint or "")
        with refused, lock_location(pooled):
            pass
    # No lock is left behind.
    with lock_location(direct):
        pass


def test_a_pooler_in_session_mode_holds_the_lock_as_the_server_does(
    postgres: Postgres, database: str
) -> None:
    with run_pooler(postgres, database, mode="session", size=10) as pooled:
        create_database(pooled).close()
        first, second = open_database(pooled), open_database(pooled)
        with first.hold_lease():
            assert second.is_leased()
            with pytest.raises(LeaseHeldError), second.hold_lease():
                pass
            second.write_with_retry(lambda connection: insert_evidence(connection, [make_item(1)]))
            seal(first, NOW)
        with second.hold_lease(), second.read() as connection:
            assert count_evidence(connection) == (1, 0)
        first.close()
        second.close()
