"""The answers to the lines or rows of a bulk submission, as JSON lines or Arrow record batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from anchor.service.bulk_runs import format_accepted
from anchor.service.problems import Problem
from anchor.store.columns import HASH
from anchor.types import Stage

LINES = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"


class BulkAnswers(Protocol):
    """A writer of answers; ``take`` returns what is to be sent next."""

    media_type: str

    def accept(self, number: int, identities: bytes, copies: int | None) -> None:
        """Answer new pieces, the first of which was in line ``number``."""

    def know(self, number: int, identity: bytes, state: Stage, copies: int | None) -> None:
        """Answer a piece that was stored before."""

    def refuse(self, number: int, problem: Problem) -> None:
        """Answer a line with an error."""

    def end(self, counts: dict[str, int]) -> None:
        """Add the end: everything is answered."""

    def fail(self, problem: Problem) -> None:
        """Add the end: lines without an answer were not stored."""

    def take(self) -> bytes: ...


class LineAnswers:
    """Answers as JSON lines; the last one has the counts, or the reason why it is the last one."""

    media_type = LINES

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def accept(self, number: int, identities: bytes, copies: int | None) -> None:
        tail = b"}\n" if copies is None else b',"copies":%d}\n' % copies
        self._parts.append(format_accepted(number, identities, tail))

    def know(self, number: int, identity: bytes, state: Stage, copies: int | None) -> None:
        members = {"line": number, "id": identity.hex(), "state": state.value, "known": True}
        self._add(members if copies is None else members | {"copies": copies})

    def refuse(self, number: int, problem: Problem) -> None:
        self._add({"line": number, "problem": problem.members()})

    def end(self, counts: dict[str, int]) -> None:
        self._add(counts)

    def fail(self, problem: Problem) -> None:
        self._add({"problem": problem.members()})

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data

    def _add(self, members: object) -> None:
        self._parts.append(_encode(members) + b"\n")


class ArrowAnswers:
    """Answers as record batches.

    A complete stream has Arrow's end mark; a last row without a line is the reason why it is not.
    """

    media_type = ARROW

    def __init__(self) -> None:
        import pyarrow as pa

        self._schema = pa.schema(
            [
                ("line", pa.uint64()),
                ("id", pa.binary(HASH)),
                ("state", pa.utf8()),
                ("known", pa.bool_()),
                ("copies", pa.uint32()),
                ("problem", pa.utf8()),
            ]
        )
        self._parts = [self._schema.serialize().to_pybytes()]
        self._rows: list[tuple[object, ...]] = []

    def accept(self, number: int, identities: bytes, copies: int | None) -> None:
        import pyarrow as pa

        self._flush()
        count = len(identities) // HASH
        ids = pa.Array.from_buffers(pa.binary(HASH), count, [None, pa.py_buffer(identities)])
        lines = pa.array(range(number, number + count), pa.uint64())
        same = (
            pa.repeat(pa.scalar(value, type_), count)
            for value, type_ in (
                (Stage.ACCEPTED.value, pa.utf8()),
                (False, pa.bool_()),
                (copies, pa.uint32()),
                (None, pa.utf8()),
            )
        )
        self._write([lines, ids, *same])

    def know(self, number: int, identity: bytes, state: Stage, copies: int | None) -> None:
        self._rows.append((number, identity, state.value, True, copies, None))

    def refuse(self, number: int, problem: Problem) -> None:
        self._refuse(number, problem)

    def _refuse(self, number: int | None, problem: Problem) -> None:
        text = _encode(problem.members()).decode()
        self._rows.append((number, None, None, None, None, text))

    def end(self, _counts: dict[str, int]) -> None:
        self._flush()
        # The end mark: a message without metadata.
        self._parts.append(b"\xff\xff\xff\xff\0\0\0\0")

    def fail(self, problem: Problem) -> None:
        self._refuse(None, problem)

    def take(self) -> bytes:
        self._flush()
        data = b"".join(self._parts)
        self._parts.clear()
        return data

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(*self._rows, strict=True)
            self._rows = []
            self._write(
                [
                    pa.array(values, field.type)
                    for values, field in zip(columns, self._schema, strict=True)
                ]
            )

    def _write(self, columns: Sequence[Any]) -> None:
        import pyarrow as pa

        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        self._parts.append(batch.serialize().to_pybytes())


def _encode(members: object) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
