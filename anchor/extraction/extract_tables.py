"""The rows of a query as Parquet and CSV, written with a bounded memory.

Rows are first spooled beside the files, because the type of a column is known only after its last
value.  The same rows in the same order give the same bytes: groups of rows end after fixed numbers
of rows and bytes, and no file holds a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.extraction.database_snapshot import QueryResult, Row
from anchor.extraction.extract_column import ExtractColumn

_GROUP_ROWS = 65_536
_GROUP_BYTES = 8 << 20
# What a value takes in memory beside its bytes, about.
_VALUE_BYTES = 8


@dataclass(slots=True)
class ExtractLimits:
    """What all queries of an extract may still return: rows, and bytes of their values as text."""

    rows: int
    bytes: int

    def take(self, rows: int, size: int) -> None:
        """Count rows that were read."""
        self.rows -= rows
        self.bytes -= size
        if self.rows < 0:
            raise UsageError(Message("extract-too-many-rows"), hint=Message("extract-limits-hint"))
        if self.bytes < 0:
            raise UsageError(Message("extract-too-many-bytes"), hint=Message("extract-limits-hint"))


def write_tables(result: QueryResult, parquet: Path, csv: Path, limits: ExtractLimits) -> int:
    """Write the rows of a query to two files; return how many rows there are.

    Raises:
        UsageError: The query returns no columns, two of one name, or too many rows.
    """
    names = [column.name for column in result.columns]
    if not names:
        raise UsageError(Message("extract-no-columns"))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(Message("extract-column-twice", name=twice))
    spool = parquet.with_suffix(".spool")
    with spool.open("w+b") as file:
        spool.unlink()  # it ends with this process
        rows = _spool_rows(file, result, limits)
        file.seek(0)
        _write_files(file, result.columns, parquet, csv)
    return rows


def _spool_rows(file: BinaryIO, result: QueryResult, limits: ExtractLimits) -> int:
    import pyarrow as pa

    schema = pa.schema([(column.name, pa.string()) for column in result.columns])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    count = 0
    with pa.ipc.new_stream(file, schema, options=options) as writer:
        for group in _divide(result.rows, limits):
            values = zip(*group, strict=True)
            arrays = [
                column.spool(each) for column, each in zip(result.columns, values, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(group)
    return count


def _divide(rows: Iterator[Row], limits: ExtractLimits) -> Iterator[list[Row]]:
    """Yield groups of rows, which end at the same row each time."""
    group: list[Row] = []
    size = 0
    for row in rows:
        length = sum(len(value) for value in row if isinstance(value, (str, bytes)))
        length += _VALUE_BYTES * len(row)
        limits.take(1, length)
        group.append(row)
        size += length
        if len(group) == _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write_files(
    spool: BinaryIO, columns: Sequence[ExtractColumn], parquet: Path, csv: Path
) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    names = [column.name for column in columns]
    nothing = pa.array([], pa.string())
    schema = pa.schema([(column.name, column.restore(nothing)[0].type) for column in columns])
    texts = pa.schema([(name, pa.string()) for name in names])
    # Quotes around every value that is not NULL, so that an empty text differs from NULL.
    quoting = pa.csv.WriteOptions(quoting_style="all_valid", quoting_header="all_valid")
    with (
        parquet.open("wb") as first,
        csv.open("wb") as second,
        pa.parquet.ParquetWriter(first, schema, compression="zstd") as table_writer,
        pa.csv.CSVWriter(second, texts, write_options=quoting) as text_writer,
    ):
        for batch in pa.ipc.open_stream(spool):
            pairs: list[tuple[Any, Any]] = [
                column.restore(array) for column, array in zip(columns, batch.columns, strict=True)
            ]
            table_writer.write_batch(pa.record_batch([pair[0] for pair in pairs], schema=schema))
            text_writer.write_batch(pa.record_batch([pair[1] for pair in pairs], schema=texts))
