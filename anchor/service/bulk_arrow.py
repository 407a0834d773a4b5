"""Record batches of a bulk submission (Arrow IPC stream), read into runs.

The columns are ``sha256`` and, where given, ``sm3``, ``size`` and ``name``.  A value that is null
is not given; otherwise, a row is checked as the JSON object with its values would be.
"""

from __future__ import annotations

from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anchor.canonical import MAX_INTEGER, JsonValue
from anchor.evidence.digests import SHA256, SM3
from anchor.evidence.record import MAX_NAME_CHARACTERS
from anchor.messages.message import Message
from anchor.service.arrow_messages import ArrowMessage, MessageSplitter, malformed
from anchor.service.bulk_runs import NO_CODE, Entry, RunKinds, code_names, make_new_run
from anchor.service.problems import FieldError, Problem
from anchor.service.submission import Origin, prepare_members
from anchor.store.columns import HASH, MOST_PIECES, NewEvidence, Run

if TYPE_CHECKING:
    import pyarrow as pa

# Rows read one by one without yielding to the event loop: some milliseconds of work.
_AT_ONCE = 100
_SIZE = 8


def has_arrow() -> bool:
    """Return whether the package that reads record batches is installed, and works."""
    try:
        import_module("pyarrow")
    except ImportError:  # also raised beside a numpy that it does not support
        return False
    return True


class ArrowReader:
    """A ``BulkReader`` of record batches; each is at most ``MAX_BODY`` bytes long."""

    def __init__(self) -> None:
        self.count = 0
        self.is_open = False
        self._splitter = MessageSplitter()
        self._schema: pa.Schema | None = None
        self._batches: deque[pa.RecordBatch] = deque()
        self._number = 0
        self._waiting = 0  # bytes of the batches

    @property
    def size(self) -> int:
        """The bytes that are kept."""
        return self._waiting + self._splitter.size

    def feed(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            Problem: They are not a stream (400), a batch is too long (413), or the columns are not
                those of a submission (422).
        """
        for message in self._splitter.feed(data):
            if message.is_schema and self._schema is None:
                self._schema = _read_schema(message)
            elif message.is_schema or self._schema is None:
                raise malformed()
            else:
                batch = _read_batch(message, self._schema)
                self.is_open = True
                self._waiting += len(message.encoded)
                self.count += batch.num_rows
                self._batches.append(batch)

    def finish(self) -> None:
        """Check that the stream is whole.

        Raises:
            Problem: It is not (400).
        """
        self._splitter.finish()
        if self._schema is None:
            raise malformed()
        self.is_open = True

    def read(self, most: int, origin: Origin) -> list[Entry]:
        """Return the pieces or errors of the next rows, at most so many."""
        while self._batches and not self._batches[0].num_rows:
            self._batches.popleft()
        if not self._batches:
            self._waiting = 0
            return []
        batch = self._batches.popleft()
        part = batch.slice(0, min(most, MOST_PIECES))
        run = _make_run(part, origin)
        if run is None:
            part = part.slice(0, _AT_ONCE)
            entries = _read_rows(part, self._number + 1, origin)
        else:
            entries = [(self._number + 1, run)]
        self._number += part.num_rows
        self.count -= part.num_rows
        self._batches.appendleft(batch.slice(part.num_rows))
        if self.count == 0:
            self._batches.clear()
            self._waiting = 0
        return entries


def _read_schema(message: ArrowMessage) -> pa.Schema:
    import pyarrow as pa

    try:
        schema = pa.ipc.read_schema(pa.py_buffer(message.encoded))
        names = schema.names
    except (pa.ArrowException, OSError, ValueError):
        raise malformed() from None
    digest = pa.binary(HASH)
    columns = {SHA256: digest, SM3: digest, "size": pa.uint64(), "name": pa.utf8()}
    errors = [
        FieldError(f"/{name[:80]}", Message("bulk-arrow-column-unknown"))
        for name in names
        if name not in columns
    ]
    for name, type_ in columns.items():
        places = schema.get_all_field_indices(name)
        if len(places) > 1:
            errors.append(FieldError(f"/{name}", Message("bulk-arrow-column-repeated")))
        elif places and schema.field(name).type != type_:
            wrong = Message("bulk-arrow-column-type", expected=str(type_))
            errors.append(FieldError(f"/{name}", wrong))
        elif not places and name == SHA256:
            errors.append(FieldError(f"/{name}", Message("bulk-arrow-column-missing")))
    if errors:
        raise Problem(422, Message("bulk-arrow-schema-invalid"), errors=errors)
    return schema


def _read_batch(message: ArrowMessage, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        batch = pa.ipc.read_record_batch(pa.py_buffer(message.encoded), schema)
        # Also the lengths and that names are UTF-8: what follows reads the buffers.
        batch.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        raise malformed() from None
    return batch


def _make_run(batch: pa.RecordBatch, origin: Origin) -> Run | None:
    """Return the run of these rows; None if they have to be read one by one."""
    given = {name: batch.column(name) for name in batch.schema.names}
    name = given.pop("name", None)
    if any(column.null_count for column in given.values()):
        return None
    sizes = given.get("size")
    if sizes is not None and not _are_sizes(sizes):
        return None
    names = bytes(2 * batch.num_rows)
    if name is not None:
        column = _join_names(name)
        if column is None:
            return None
        names = column
    kinds = RunKinds(origin, has_sm3=SM3 in given, has_size=sizes is not None)
    codes = code_names(names, batch.num_rows, kinds)
    if NO_CODE in codes:
        return None
    return make_new_run(
        kinds,
        codes,
        origin,
        sha256=_cut(given[SHA256], HASH),
        names=names if any(names) else None,
        sm3=_cut(given[SM3], HASH) if SM3 in given else None,
        sizes=None if sizes is None else _cut(sizes, _SIZE),
    )


def _are_sizes(column: pa.Array) -> bool:
    import pyarrow.compute as pc

    return bool(pc.max(column).as_py() <= MAX_INTEGER)


def _join_names(column: pa.Array) -> bytes | None:
    """Return names as the column of a run; None if one of them is not valid."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bounds = pc.min_max(pc.utf8_length(column)).as_py()
    if bounds["min"] is None:
        return bytes(2 * len(column))
    if bounds["min"] < 1 or bounds["max"] > MAX_NAME_CHARACTERS:
        return None
    if column.null_count:
        column = pc.fill_null(column, "")  # there may be bytes where it is null
    lengths = pc.binary_length(column).cast(pa.uint16())
    _, offsets, texts = column.buffers()
    ends = pa.Array.from_buffers(pa.int32(), len(column) + 1, [None, offsets], offset=column.offset)
    start = ends[0].as_py()
    data = texts.slice(start, ends[-1].as_py() - start).to_pybytes()
    return None if b"\0" in data else _cut(lengths, 2) + data


def _cut(column: pa.Array, width: int) -> bytes:
    """Return the values of a column without nulls, of ``width`` bytes each."""
    data: bytes = column.buffers()[1].slice(column.offset * width, len(column) * width).to_pybytes()
    return data


def _read_rows(batch: pa.RecordBatch, first: int, origin: Origin) -> list[Entry]:
    """Read rows one by one; ``first`` is the number of the first one."""
    return [(number, _read_row(row, origin)) for number, row in enumerate(batch.to_pylist(), first)]


def _read_row(row: dict[str, Any], origin: Origin) -> NewEvidence | Problem:
    members: dict[str, JsonValue] = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in row.items()
        if value is not None
    }
    try:
        return prepare_members(members, origin)
    except Problem as problem:
        return problem
