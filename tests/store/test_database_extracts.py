"""Extracts of real databases: every value comes back, one moment is seen, and nothing by halves."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from support.stores import Postgres

from anchor.base.errors import CannotCheckError, UsageError
from anchor.extraction.extract_query import load_queries
from anchor.extraction.extract_tables import ExtractLimits
from anchor.operate.database_extraction import parse_database, write_extract
from anchor.store.location import PostgresDatabase

VALUES = """
SELECT * FROM (VALUES
  (1, true, 32767::smallint, 9007199254740993::bigint, 1.50::numeric(10,2),
   123456789012345678901234567890.123456789::numeric, 0.1::real, 0.1::float8, ''::text,
   '\\x00ff'::bytea, '2026-02-03 04:05:06.7+08'::timestamptz, '2026-02-03 04:05:06'::timestamp,
   '2026-02-03'::date, '24:00'::time, '1 day 2 hours'::interval, '{1,NULL}'::int[],
   '{"a": 1.0}'::jsonb, 'NaN'::float8, '9999999.99'::numeric(9,2), 'infinity'::date),
  (2, NULL, NULL, NULL, NULL::numeric(10,2), NULL, NULL, '-0'::float8, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, 'Infinity', 'NaN'::numeric(9,2), '2026-02-03')
) AS t(id, flag, small, big, money, exact, "real", double, text, bytes, zoned, local, day, time,
       span, list, json, nan, odd, ever)
"""
LIMITS = ExtractLimits(10_000_000, 10_000_000_000)


def extract(url: Any, folder: Path, limits: ExtractLimits = LIMITS, **queries: str) -> Path:
    paths = []
    for name, text in queries.items():
        paths.append(folder / f"{name}.sql")
        paths[-1].write_text(text)
    location = parse_database(url) if isinstance(url, str) else url
    write_extract(location, load_queries(paths), folder / "out", replace(limits))
    return folder / "out"


def read(folder: Path, name: str) -> pa.Table:
    return pa.parquet.read_table(folder / f"{name}.parquet")


def describe(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "extract.json").read_bytes())
    return document


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE orders (id INTEGER, price NUMERIC, note TEXT, data BLOB, rate REAL);"
            "INSERT INTO orders VALUES (1, 5, '', X'00FF', 0.1), (2, 5.25, NULL, NULL, 9e999),"
            "(9007199254740993, 'x''y', '合同', X'', 0.5);"
        )
    yield f"sqlite:///{path}"


def test_postgresql_values_come_back_with_their_types(postgres: Postgres, tmp_path: Path) -> None:
    folder = extract(postgres.create(), tmp_path, values=VALUES)
    table = read(folder, "values")
    first, second = table.to_pylist()
    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "id": "int32", "flag": "bool", "small": "int16", "big": "int64",
        "money": "decimal128(10, 2)", "exact": "string", "real": "float", "double": "double",
        "text": "string", "bytes": "binary", "zoned": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]", "day": "date32[day]", "time": "string", "span": "string",
        "list": "string", "json": "string", "nan": "double", "odd": "string", "ever": "string",
    }  # fmt: skip
    assert first["big"] == 9007199254740993
    assert str(first["money"]) == "1.50"
    assert first["exact"] == "123456789012345678901234567890.123456789"
    assert first["double"] == 0.1
    assert first["text"] == "" and second["text"] is None
    assert first["bytes"] == b"\x00\xff"
    assert first["zoned"].isoformat() == "2026-02-02T20:05:06.700000+00:00"
    assert (first["time"], first["span"], first["list"]) == ("24:00:00", "P1DT2H", "{1,NULL}")
    assert first["nan"] != first["nan"] and second["nan"] == float("inf")
    assert str(second["double"]) == "-0.0"
    assert (first["odd"], second["odd"]) == ("9999999.99", "NaN")
    assert (first["ever"], second["ever"]) == ("infinity", "2026-02-03")
    lines = (folder / "values.csv").read_text().splitlines()
    assert lines[1].startswith(
        '"1","t","32767","9007199254740993","1.50","123456789012345678901234567890.123456789",'
        '"0.1","0.1","","\\x00ff","2026-02-02 20:05:06.7+00",'
    )
    assert lines[2].startswith('"2",,,,,,,"-0",,,')


@pytest.mark.parametrize("url", ["postgresql://a:s3cret@h/d", "postgres://h/d?password=s3cret"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_database(url)
    assert "PGPASSWORD" in str(raised.value.hint)
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"


def test_an_extract_says_what_was_observed_and_never_the_password(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    url = postgres.create().url
    folder = extract(url, tmp_path, one="SELECT 1 AS one;  -- a comment\n", two="TABLE pg_am")
    document = describe(folder)
    observed = document["database"]
    assert observed["system"] == "PostgreSQL"
    assert (observed["isolation"], observed["transaction_mode"]) == ("repeatable read", "read only")
    assert (observed["database"], observed["user"]) == ("postgres", "postgres")
    assert len(observed["system_identifier"]) > 15
    assert document["started_at"] <= document["ended_at"]
    assert document["database_started_at"] <= document["database_ended_at"]
    one = document["queries"][0]
    assert (one["name"], one["rows"]) == ("one", 1)
    assert one["columns"] == [{"name": "one", "type": "integer", "parquet": "int32"}]
    assert (folder / "one.sql").read_bytes() == (tmp_path / "one.sql").read_bytes()
    assert not [path for path in folder.iterdir() if b"s3cret" in path.read_bytes()]


def test_all_queries_see_one_moment(postgres: Postgres, tmp_path: Path) -> None:
    location = postgres.create()
    schema = location.url.rpartition("%3D")[2]
    with postgres.connect() as connection:
        connection.execute(f"CREATE TABLE {schema}.t AS SELECT 1 AS n".encode())
        connection.execute(
            f"CREATE FUNCTION {schema}.wait() RETURNS int LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM pg_advisory_lock(4711); RETURN 1; END$$".encode()
        )
        connection.execute("SELECT pg_advisory_lock(4711)")
        outcome: list[Path] = []
        work = threading.Thread(
            target=lambda: outcome.append(
                extract(location, tmp_path, a="SELECT * FROM t, wait()", b="SELECT * FROM t")
            )
        )
        work.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while connection.execute(waiting).fetchone() == (0,):
            pass
        connection.execute(f"INSERT INTO {schema}.t VALUES (2)".encode())
        connection.execute("SELECT pg_advisory_unlock(4711)")
        work.join()
    assert [read(outcome[0], name).num_rows for name in "ab"] == [1, 1]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT nothing", "does not exist"),
        ("DELETE FROM pg_class", "syntax error"),
        ("SELECT 1; COMMIT; CREATE TABLE x (y int)", "multiple commands"),
        ("SELECT 1 AS a, 2 AS a", "two columns called 'a'"),
        ("SELECT", "no columns"),
        ("SELECT * FROM pg_class FOR UPDATE", "read-only transaction"),
        ("SELECT 1/(5-n) AS n FROM generate_series(1, 9) AS n", "division by zero"),
    ],
)
def test_a_statement_that_fails_leaves_nothing(
    postgres: Postgres, tmp_path: Path, statement: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        extract(postgres.create(), tmp_path, good="SELECT 1 AS n", bad=statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.sql", "good.sql"]


def test_a_lost_connection_is_no_verdict_and_leaves_nothing(
    postgres: Postgres, tmp_path: Path
) -> None:
    statement = (
        "SELECT n, CASE WHEN n = 90000 THEN pg_terminate_backend(pg_backend_pid()) END AS gone "
        "FROM generate_series(1, 100000) AS n"
    )
    with pytest.raises(CannotCheckError, match="nothing was recorded"):
        extract(postgres.create(), tmp_path, lost=statement)
    assert [path.name for path in tmp_path.iterdir()] == ["lost.sql"]


def test_a_server_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    location = PostgresDatabase(f"postgresql://user:s3cret@/db?host={tmp_path}")
    with pytest.raises(CannotCheckError) as raised:
        extract(location, tmp_path, one="SELECT 1 AS n")
    assert "s3cret" not in str(raised.value)


def test_sqlite_values_keep_their_own_types(database: str, tmp_path: Path) -> None:
    folder = extract(database, tmp_path, orders="SELECT * FROM orders ORDER BY rowid")
    table = read(folder, "orders")
    assert table.to_pylist() == [
        {"id": 1, "price": "5", "note": "", "data": b"\x00\xff", "rate": 0.1},
        {"id": 2, "price": "5.25", "note": None, "data": None, "rate": float("inf")},
        {"id": 9007199254740993, "price": "'x''y'", "note": "合同", "data": b"", "rate": 0.5},
    ]
    columns = describe(folder)["queries"][0]["columns"]
    assert columns[1] == {"name": "price", "type": "integer, real, text", "parquet": "string"}
    assert (folder / "orders.csv").read_text() == (
        '"id","price","note","data","rate"\n'
        '"1","5","","\\x00ff","0.1"\n'
        '"2","5.25",,,"inf"\n'
        '"9007199254740993","\'x\'\'y\'","合同","\\x","0.5"\n'
    )


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM orders", "not authorized"),
        ("ATTACH 'other.db' AS other", "not authorized"),
        ("COMMIT", "not authorized"),
        ("SELECT 1 AS n; SELECT 2 AS n", "one statement"),
        ("SELECT CAST(X'FF' AS TEXT) AS n", "decode"),
        ("SELECT absent FROM orders", "no such column"),
    ],
)
def test_sqlite_only_reads(database: str, tmp_path: Path, statement: str, said: str) -> None:
    before = (tmp_path / "shop.db").read_bytes()
    with pytest.raises(UsageError, match=said):
        extract(database, tmp_path, bad=statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.sql", "shop.db"]
    assert (tmp_path / "shop.db").read_bytes() == before


def test_the_same_rows_give_the_same_bytes(
    postgres: Postgres, database: str, tmp_path: Path
) -> None:
    rows = "SELECT n, repeat(n::text, n % 90) AS t FROM generate_series(1, 70000) AS n ORDER BY n"
    for url, statement in ((postgres.create(), rows), (database, "SELECT * FROM orders")):
        written = []
        for attempt in ("first", "second"):
            inner = tmp_path / attempt / type(url).__name__
            inner.mkdir(parents=True)
            folder = extract(url, inner, rows=statement)
            written.append([(folder / f"rows.{end}").read_bytes() for end in ("parquet", "csv")])
        assert written[0] == written[1]


@pytest.mark.parametrize(
    ("limits", "said"),
    [(ExtractLimits(2, 10_000), "--max-rows"), (ExtractLimits(10, 100), "--max-bytes")],
)
def test_more_than_the_limits_is_refused_and_not_cut(
    database: str, tmp_path: Path, limits: ExtractLimits, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        extract(database, tmp_path, limits, orders="SELECT * FROM orders")
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_stays(database: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        extract(database, tmp_path, orders="SELECT * FROM orders")


_IN_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from anchor.base.errors import AnchorError
from anchor.extraction.extract_query import load_queries
from anchor.extraction.extract_tables import ExtractLimits
from anchor.operate.database_extraction import parse_database, write_extract
url, query, folder, most = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
try:
    write_extract(parse_database(url), load_queries([Path(query)]), Path(folder),
                  ExtractLimits(10**7, 10**10))
except AnchorError as error:
    print(type(error).__name__, error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run_apart(database: str, tmp_path: Path, statement: str, most: int) -> list[str]:
    query = tmp_path / "rows.sql"
    query.write_text(statement)
    arguments = [database, str(query), str(tmp_path / "out"), str(most)]
    ran = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_ROOM, *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ran.stdout.splitlines()


def count(rows: int) -> str:
    return (
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) "
        "SELECT n, hex(randomblob(500)) AS t FROM c"
    )


def test_a_full_disk_leaves_nothing(database: str, tmp_path: Path) -> None:
    first, _ = run_apart(database, tmp_path, count(20_000), 1 << 20)
    assert first.startswith("StorageError")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.sql", "shop.db"]


def test_memory_does_not_grow_with_the_rows(database: str, tmp_path: Path) -> None:
    peaks = []
    for rows in (20_000, 100_000):
        inner = tmp_path / str(rows)
        inner.mkdir()
        peaks.append(int(run_apart(database, inner, count(rows), 1 << 40)[-1]))
    assert peaks[1] < peaks[0] + 40_000, peaks  # KiB; the rows are 80 MB more
