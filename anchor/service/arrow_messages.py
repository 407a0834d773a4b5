"""Messages of an Arrow IPC stream, cut from arriving bytes within bounds before Arrow reads them.

The format is "Encapsulated message format" of https://arrow.apache.org/docs/format/Columnar.html; a
message's metadata is a FlatBuffers table (``Message.fbs``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from anchor.messages.message import Message
from anchor.service.problems import Problem

MAX_BODY = 16 << 20
"""The most bytes of a record batch: some 250,000 digests with names."""

# The most bytes of a message's metadata: the schema has four columns.
_MAX_METADATA = 1 << 16
_PREFIX = struct.Struct("<Ii")
_CONTINUED = 0xFFFFFFFF
_END = _PREFIX.pack(_CONTINUED, 0)
_NONE, _SCHEMA, _RECORD_BATCH = 0, 1, 3
# The places of fields in the tables Message and RecordBatch.
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_COMPRESSION = 3


class ArrowMessage(NamedTuple):
    """A whole message: the schema, or a batch of records."""

    is_schema: bool
    encoded: bytes


class MessageSplitter:
    """A splitter of arriving bytes into messages, which keeps at most one unfinished message."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.has_ended = False

    @property
    def size(self) -> int:
        """The bytes of the unfinished message."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[ArrowMessage]:
        """Yield the messages that end in ``data``.

        Raises:
            Problem: The bytes are not a stream (400), or a message is too long (413) or compressed
                or of another kind (422).
        """
        self._rest += data
        while len(self._rest) >= _PREFIX.size:
            if self.has_ended:
                raise malformed()
            if self._rest.startswith(_END):
                self.has_ended = True
                del self._rest[: len(_END)]
                continue
            size = self._measure()
            if size is None or len(self._rest) < size:
                return
            message = bytes(memoryview(self._rest)[:size])
            del self._rest[:size]
            yield _check_kind(message)

    def finish(self) -> None:
        """Check that no message is unfinished.

        Raises:
            Problem: The stream ends within a message (400).
        """
        if self._rest:
            raise malformed()

    def _measure(self) -> int | None:
        """Return the length of the next message; None if its metadata has not arrived."""
        mark, length = _unpack_prefix(self._rest)
        if mark != _CONTINUED or length < 0 or length % 8:
            raise malformed()
        if length > _MAX_METADATA:
            raise _too_long(_MAX_METADATA)
        if len(self._rest) < _PREFIX.size + length:
            return None
        metadata = bytes(memoryview(self._rest)[_PREFIX.size : _PREFIX.size + length])
        body = _Table.root(metadata).read_number("<q", _BODY_LENGTH)
        if body < 0 or body % 8:
            raise malformed()
        if body > MAX_BODY:
            raise _too_long(MAX_BODY)
        return _PREFIX.size + length + body


def _unpack_prefix(data: bytes | bytearray) -> tuple[int, int]:
    mark, length = _PREFIX.unpack_from(data)
    return mark, length


def _check_kind(encoded: bytes) -> ArrowMessage:
    _, length = _unpack_prefix(encoded)
    message = _Table.root(encoded[_PREFIX.size : _PREFIX.size + length])
    kind = message.read_number("<B", _HEADER_TYPE)
    if kind == _NONE:
        raise malformed()
    if kind not in (_SCHEMA, _RECORD_BATCH):
        raise Problem(422, Message("bulk-arrow-message-kind"))
    # A few bytes could claim to become gigabytes.
    if kind == _RECORD_BATCH and message.read_table(_HEADER).has(_COMPRESSION):
        raise Problem(422, Message("bulk-arrow-compressed"))
    return ArrowMessage(kind == _SCHEMA, encoded)


class _Table:
    """A FlatBuffers table; Arrow checks the rest of it."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        try:
            self._fields = at - struct.unpack_from("<i", data, at)[0]
            (self._size,) = self._unpack("<H", self._fields)
        except struct.error:
            raise malformed() from None

    @classmethod
    def root(cls, data: bytes) -> _Table:
        if len(data) < 4:
            raise malformed()
        return cls(data, struct.unpack_from("<I", data)[0])

    def has(self, field: int) -> bool:
        return self._find(field) != 0

    def read_number(self, form: str, field: int) -> int:
        offset = self._find(field)
        return self._unpack(form, self._at + offset)[0] if offset else 0

    def read_table(self, field: int) -> _Table:
        offset = self._find(field)
        if not offset:
            raise malformed()
        at = self._at + offset
        return _Table(self._data, at + self._unpack("<I", at)[0])

    def _find(self, field: int) -> int:
        """Return the offset of a field in the table; 0 if it is not there."""
        entry = 4 + 2 * field
        return self._unpack("<H", self._fields + entry)[0] if entry + 2 <= self._size else 0

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        if not 0 <= at <= len(self._data) - struct.calcsize(form):
            raise malformed()
        return struct.unpack_from(form, self._data, at)


def malformed() -> Problem:
    """Return the answer to bytes that are not an Arrow stream (400)."""
    return Problem(400, Message("bulk-arrow-malformed"))


def _too_long(limit: int) -> Problem:
    return Problem(413, Message("bulk-arrow-message-too-long", limit=limit))
