"""The ledger as Parquet files, for questions in SQL; the columns are in ``docs/ledger.md``."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time
from anchor.base.system.durable_files import write_chunks
from anchor.base.system.os_errors import explain_os_error
from anchor.project.project import OpenProject
from anchor.store.ledger import (
    LedgerRow,
    list_anchors,
    list_evidence,
    list_exhibits,
    list_transactions,
)

_GROUP_ROWS = 50_000

_BYTES, _INT, _TEXT, _FLAG, _TIME, _WEI = "bytes", "int", "text", "flag", "time", "wei"
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "evidence": {
        "index": _INT, "id": _BYTES, "tenant": _TEXT, "source": _TEXT, "name": _TEXT, "size": _INT,
        "sha256": _BYTES, "sm3": _BYTES, "leaf": _BYTES, "number": _TEXT, "accepted_at": _TIME,
        "has_record": _FLAG, "head_size": _INT, "anchored_size": _INT, "anchored_at": _TIME,
        "is_final": _FLAG,
    },
    "anchors": {
        "chain_id": _INT, "head_size": _INT, "root": _BYTES, "sealed_at": _TIME,
        "block_number": _INT, "block_hash": _BYTES, "anchored_at": _TIME, "tx_hash": _BYTES,
        "is_final": _FLAG,
    },
    "transactions": {
        "chain_id": _INT, "sender": _BYTES, "nonce": _INT, "outcome": _TEXT, "head_size": _INT,
        "gas_used": _INT, "cost_wei": _WEI, "included_at": _TIME, "is_confirmed": _FLAG,
    },
    "exhibits": {
        "tenant": _TEXT, "case": _TEXT, "title": _TEXT, "is_closed": _FLAG, "position": _INT,
        "label": _TEXT, "id": _BYTES, "leaf": _BYTES,
    },
}  # fmt: skip
"""The columns of each file, with their kinds."""


def export_ledger(project: OpenProject, folder: Path) -> dict[str, int]:
    """Write the ledger of one moment to ``folder``; return the rows of each file.

    Each file is replaced as a whole.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            Message("manifest-package-missing"), hint=Message("object-package-missing-hint")
        ) from None
    kinds = {
        _BYTES: pa.binary(), _INT: pa.int64(), _TEXT: pa.string(), _FLAG: pa.bool_(),
        _TIME: pa.timestamp("ms", tz="UTC"), _WEI: pa.decimal128(38, 0),
    }  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        failure = Message("folder-unusable", path=folder)
        raise explain_os_error(failure, error, is_named=True) from error
    chain_id = project.config.chain_id
    lists: dict[str, Callable[[Any], Iterator[LedgerRow]]] = {
        "evidence": lambda connection: list_evidence(connection, chain_id),
        "anchors": list_anchors,
        "transactions": list_transactions,
        "exhibits": list_exhibits,
    }
    counts = {}
    with project.database.read() as connection:
        for name, columns in COLUMNS.items():
            schema = pa.schema([(column, kinds[kind]) for column, kind in columns.items()])
            groups = _group(lists[name](connection), columns)
            tables = (pa.Table.from_pylist(group, schema=schema) for group in groups)
            sink = _Sink()
            writer = pq.ParquetWriter(sink, schema, compression="zstd")
            write_chunks(folder / f"{name}.parquet", _write(writer, sink, tables))
            counts[name] = sink.rows
    return counts


class _Sink(io.RawIOBase):
    """The bytes that a writer of Parquet has written and that were not taken yet."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self._pending = bytearray()
        self._size = 0

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def write(self, data: Any, /) -> int:
        """Take bytes."""
        self._pending += data
        self._size += len(data)
        return len(data)

    def take(self) -> bytes:
        """Return the bytes that were written since the last call."""
        data = bytes(self._pending)
        self._pending.clear()
        return data


def _write(writer: Any, sink: _Sink, tables: Iterable[Any]) -> Iterator[bytes]:
    for table in tables:
        writer.write_table(table)
        sink.rows += len(table)
        yield sink.take()
    writer.close()
    yield sink.take()


def _group(rows: Iterable[LedgerRow], columns: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
    times = [name for name, kind in columns.items() if kind == _TIME]
    rest = iter(rows)
    while group := [_convert(row, times) for row in islice(rest, _GROUP_ROWS)]:
        yield group


def _convert(row: LedgerRow, times: Iterable[str]) -> dict[str, Any]:
    """Return a row with its times in milliseconds since 1970."""
    converted = dict(row)
    for name in times:
        value = row[name]
        if value is not None:
            seconds = parse_time(value) if isinstance(value, str) else value
            converted[name] = round(1000 * seconds)
    return converted
