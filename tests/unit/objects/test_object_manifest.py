"""Manifests: ours are the same each time, others' are taken, and malformed ones are refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anchor.base.digests import Digests
from anchor.base.errors import ExitCode, MalformedError, UsageError
from anchor.objects import object_manifest
from anchor.objects.object_hashing import ObjectRow
from anchor.objects.object_manifest import encode_rows, list_manifests, read_rows

SHA256 = hashlib.sha256(b"evidence").digest()
SM3 = hashlib.new("sm3", b"evidence").digest()
ROWS = [
    ObjectRow(
        url="s3://bucket/a",
        revision='etag:"1"',
        size=8,
        digests=Digests(sha256=SHA256, sm3=SM3, size=8),
        error=None,
    ),
    ObjectRow(
        url="s3://bucket/中文\n",
        revision=None,
        size=8,
        digests=Digests(sha256=SHA256, sm3=None, size=8),
        error=None,
    ),
    ObjectRow(url="s3://bucket/c", revision=None, size=None, digests=None, error="gone"),
]
Columns = dict[str, Any]


def required(row: ObjectRow) -> tuple[object, ...]:
    return row.url, row.size, row.error, row.digests and row.digests.sha256


def test_what_is_written_is_read_and_is_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    path.write_bytes(encode_rows(ROWS))
    assert list(read_rows(path)) == ROWS
    assert encode_rows(ROWS) == path.read_bytes()


def test_the_rows_are_those_that_were_checked_even_if_the_file_is_replaced(tmp_path: Path) -> None:
    path, other = tmp_path / "part.parquet", tmp_path / "other.parquet"
    path.write_bytes(encode_rows(ROWS))
    other.write_bytes(encode_rows(ROWS[:1]))
    rows = read_rows(path)
    other.replace(path)
    assert list(rows) == ROWS


@pytest.mark.parametrize("digest", ["unhex('{0}')", "'{0}'", "upper('{0}')"])
def test_duckdb_alone_writes_a_manifest(tmp_path: Path, digest: str) -> None:
    path = tmp_path / "made.parquet"
    value = digest.format(SHA256.hex())
    duckdb.sql(
        f"COPY (SELECT 's3://bucket/' || n AS key, n AS size, {value} AS sha256 FROM range(3) t(n))"
        f" TO '{path}' (FORMAT parquet)"
    )
    rows = list(read_rows(path))
    assert [row.url for row in rows] == [f"s3://bucket/{n}" for n in range(3)]
    assert {row.digests and row.digests.sha256 for row in rows} == {SHA256}
    assert [row.size for row in rows] == [0, 1, 2]


def table(**changed: Any) -> Columns:
    columns: Columns = {
        "key": ["s3://bucket/a", "s3://bucket/b"],
        "size": [1, 2],
        "sha256": [SHA256, SHA256],
        "sm3": [None, SM3],
        "error": pa.array([None, None], pa.string()),
    }
    return columns | changed


MALFORMED: list[tuple[Columns, str]] = [
    (table(key=["s3://bucket/a", ""]), "row 2: the key is empty"),
    (table(key=["s3://bucket/a", None]), "row 2: the key is empty"),
    (table(key=["s3://bucket/a", "s3://b/" + "x" * 5_000]), "row 2: the key .* 4096"),
    (table(key=["bucket/a", "s3://bucket/b"]), "row 1: it is not the URL"),
    (table(key=["file:///etc/passwd", "s3://bucket/b"]), "row 1: the scheme file"),
    (table(key=["https://u:p@host/x", "s3://bucket/b"]), "row 1: the URL holds a password"),
    (table(key=[b"a", b"b"]), "column key has the type binary"),
    (table(key=[1, 2]), "column key has the type int64"),
    (table(size=[1, -2]), "row 2: the size -2"),
    (table(size=[1, None]), "row 2: it has neither an error"),
    (table(size=["1", "2"]), "column size has the type string"),
    (table(size=[1.0, 2.0]), "column size has the type double"),
    (table(sha256=[SHA256, SHA256[:31]]), "row 2: a digest is neither"),
    (table(sha256=[SHA256, SHA256 + b"0"]), "row 2: a digest is neither"),
    (table(sha256=[SHA256.hex(), SHA256.hex()[:-1] + "g"]), "row 2: a digest is neither"),
    (table(sha256=[SHA256.hex(), " " + SHA256.hex()[1:]]), "row 2: a digest is neither"),
    (table(sha256=[SHA256, None]), "row 2: it has neither an error"),
    (table(sha256=[[1], [2]]), "column sha256 has the type list"),
    (table(sm3=[b"", SM3]), "row 1: a digest is neither"),
    (table(revision=["version:1", "17"]), "row 2: the revision is neither version:… nor etag:…"),
    (table(revision=["etag:", None]), "row 1: the revision is neither"),
    (table(revision=["", None]), "row 1: the revision is neither"),
    (table(revision=["Version:1", None]), "row 1: the revision is neither"),
    (table(error=[None, "gone"]), "row 2: it has an error and a digest"),
    (table(error=[1, 2]), "column error has the type int64"),
    ({"size": [1], "sha256": [SHA256]}, "column key is missing"),
    ({"key": ["s3://b/a"], "sha256": [SHA256]}, "column size is missing"),
    ({"key": ["s3://b/a"], "size": [1]}, "column sha256 is missing"),
]


@pytest.mark.parametrize(("columns", "message"), MALFORMED)
def test_a_malformed_manifest_is_refused_for_its_reason(
    tmp_path: Path, columns: Columns, message: str
) -> None:
    path = tmp_path / "made.parquet"
    pq.write_table(pa.table(columns), path)
    # Before the first row: nothing of it is recorded.
    with pytest.raises(MalformedError, match=message):
        next(read_rows(path))


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    arrays = [pa.array(values) for values in (["s3://b/a"], [1], [SHA256], [SHA256])]
    pq.write_table(pa.table(arrays, names=["key", "size", "sha256", "sha256"]), path)
    with pytest.raises(MalformedError, match="column sha256 is there twice"):
        next(read_rows(path))


def test_a_manifest_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    path.write_bytes(encode_rows([]))
    with pytest.raises(MalformedError, match=r"has no rows.*; leave it out") as caught:
        next(read_rows(path))
    assert str(path) in caught.value.message
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("size", [0, 3, 100, 500])
def test_a_damaged_file_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "made.parquet"
    path.write_bytes(encode_rows(ROWS)[:size])
    with pytest.raises(MalformedError, match="no Parquet file, or it is damaged"):
        next(read_rows(path))


def test_no_bent_byte_is_anything_but_a_refusal_or_rows(tmp_path: Path) -> None:
    path, data = tmp_path / "made.parquet", encode_rows(ROWS)
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            rows = list(read_rows(path))
        except MalformedError:
            continue
        # Pages have checksums; the name of a column that may be missing has none.
        assert [required(row) for row in rows] == [required(row) for row in ROWS]


def test_a_row_group_too_long_for_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.parquet"
    path.write_bytes(encode_rows(ROWS))
    monkeypatch.setattr(object_manifest, "MAX_ROW_GROUP", 10)
    with pytest.raises(MalformedError, match="row group"):
        next(read_rows(path))


@pytest.mark.parametrize(
    ("key", "sha256"),
    [
        (pa.array(["s3://b/a"] * 2).dictionary_encode(), pa.array([SHA256] * 2)),
        (pa.array(["s3://b/a"] * 2, pa.string_view()), pa.array([SHA256] * 2, pa.binary_view())),
    ],
)
def test_other_ways_of_keeping_texts_and_bytes_are_read(
    tmp_path: Path, key: pa.Array, sha256: pa.Array
) -> None:
    path = tmp_path / "made.parquet"
    pq.write_table(pa.table({"key": key, "size": [1, 1], "sha256": sha256}), path)
    assert [required(row) for row in read_rows(path)] == [("s3://b/a", 1, None, SHA256)] * 2


def test_a_manifest_is_checked_before_any_row_of_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(MalformedError):
        read_rows(path)


def test_a_pipe_in_place_of_a_manifest_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        read_rows(tmp_path / "pipe")


def test_a_folder_holds_the_manifests_that_another_program_wrote(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no manifest"):
        list_manifests(tmp_path)
    written = ["0_000.parquet", "out-00000-of-00002.parquet", "part-00001-a.snappy.parquet"]
    others = ["_temporary.parquet", ".part-00001.parquet", "_SUCCESS", "listing-00000.parquet"]
    for name in written + others:
        (tmp_path / name).touch()
    assert list_manifests(tmp_path) == [tmp_path / name for name in written]
    assert list_manifests(tmp_path / "none") == [tmp_path / "none"]


def test_a_manifest_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        next(read_rows(tmp_path / "none"))
