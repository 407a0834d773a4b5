"""Bulk requests and answers as Arrow record batches (``anchor-evidence[arrow]``)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from anchor.errors import MalformedError
from anchor.messages.message import Message

if TYPE_CHECKING:
    import pyarrow as pa

MEDIA_TYPE = "application/vnd.apache.arrow.stream"


def encode_batch(batch: pa.RecordBatch) -> bytes:
    """Return the Arrow stream of one batch."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_batch(content: bytes, count: int) -> pa.RecordBatch:
    """Parse the answers to the first of ``count`` rows, as far as given.

    Raises:
        MalformedError: They are not the answers of the service.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        table = pa.ipc.open_stream(content).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        raise MalformedError(Message("answer-not-arrow")) from None
    if table.schema != _answer_schema():
        raise MalformedError(Message("answer-not-arrow"))
    answers = table.filter(pc.is_valid(table["line"]))  # the last one may say why it is the last
    if answers.num_rows > count or not answers["line"].equals(
        pa.chunked_array([range(1, answers.num_rows + 1)], pa.uint64())
    ):
        raise MalformedError(Message("answer-line-not-sent"))
    return answers.combine_chunks().to_batches()[0] if answers.num_rows else _no_answers()


def _no_answers() -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=_answer_schema())


def join_answers(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the answers to consecutive parts of a batch, numbered from 1."""
    import pyarrow as pa

    if not any(part.num_rows for part in parts):
        return _no_answers()
    whole = pa.Table.from_batches(parts).combine_chunks()
    lines = pa.array(range(1, whole.num_rows + 1), pa.uint64())
    return whole.set_column(0, "line", lines).to_batches()[0]


@cache
def _answer_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("line", pa.uint64()),
            ("id", pa.binary(32)),
            ("state", pa.utf8()),
            ("known", pa.bool_()),
            ("copies", pa.uint32()),
            ("problem", pa.utf8()),
        ]
    )
