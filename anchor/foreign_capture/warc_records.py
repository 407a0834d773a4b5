"""The records of a WARC file (ISO 28500:2017), plain or in gzip members, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anchor.base.messages.message import Message
from anchor.foreign_capture.byte_reader import GZIP, ByteReader, GzipReader
from anchor.foreign_capture.capture_findings import CaptureFault

VERSION_MARK = b"WARC/"

_MAX_LINE_BYTES = 1 << 16
_MAX_FIELDS = 200
_END = b"\r\n\r\n"
_VERSIONS = ("WARC/1.0", "WARC/1.1")
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
# What a record may state more than once (section 5.7).
_REPEATABLE = ("warc-concurrent-to",)


class RecordBlock:
    """The block of a record, of exactly the length that the record states."""

    def __init__(self, reader: ByteReader, length: int, offset: int) -> None:
        self._reader = reader
        self._left = length
        self._offset = offset

    def read(self, most: int) -> bytes:
        """Return the next bytes, at most so many; none at the end of the block."""
        data = self._reader.take(min(most, self._left))
        if not data and self._left:
            raise CaptureFault(Message("foreign-record-short", offset=self._offset))
        self._left -= len(data)
        return data

    def skip(self) -> None:
        """Read the rest."""
        while self.read(_MAX_LINE_BYTES):
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcRecord:
    """A record; ``fields`` have lower-case names.

    ``offset`` is where the record begins in the file, or its gzip member if it is the first of it.
    """

    version: str
    fields: Mapping[str, str]
    offset: int
    is_first_of_member: bool
    block: RecordBlock

    @property
    def uri(self) -> str:
        """Return the target URI, without the brackets that some writers put around it."""
        return self.fields.get("warc-target-uri", "").strip("<>")


class WarcReader:
    """Reads records one after the other; ``end`` is where the last one yielded ended."""

    def __init__(self, stream: ByteReader) -> None:
        self._stream = stream
        self.is_gzip = stream.peek(len(GZIP)) == GZIP
        self.end = 0

    def read(self) -> Iterator[WarcRecord]:
        """Yield the records; what the caller leaves of a block is skipped.

        Raises:
            MalformedError: The file unpacks to far more than it holds.
        """
        if not self.is_gzip:
            yield from self._read_from(self._stream, None)
            return
        gzip = GzipReader(self._stream)
        while self._stream.peek(1):
            if self._stream.peek(len(GZIP)) != GZIP:
                raise CaptureFault(Message("foreign-gzip-rest", offset=self._stream.at))
            yield from self._read_from(gzip.open_member(), self._stream.at)

    def _read_from(self, reader: ByteReader, member: int | None) -> Iterator[WarcRecord]:
        is_first = True
        while reader.peek(1):
            offset = reader.at if member is None else member
            version = reader.take_line(_MAX_LINE_BYTES).rstrip(b"\r\n").decode("ascii", "replace")
            if version not in _VERSIONS:
                raise CaptureFault(Message("foreign-record-start", offset=offset))
            fields = _read_fields(reader, offset)
            block = RecordBlock(reader, _parse_length(fields, offset), offset)
            yield WarcRecord(
                version=version,
                fields=fields,
                offset=offset,
                is_first_of_member=is_first,
                block=block,
            )
            block.skip()
            self.end = reader.at if member is None else self._stream.at
            # A last record without the line ends behind it is complete all the same.
            ending = reader.peek(len(_END))
            if ending not in (_END, b""):
                raise CaptureFault(Message("foreign-record-end", offset=offset))
            reader.take(len(ending))
            if member is not None and not reader.peek(1):
                self.end = self._stream.at
            is_first = False


def _read_fields(reader: ByteReader, offset: int) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for _ in range(_MAX_FIELDS):
        raw = reader.take_line(_MAX_LINE_BYTES)
        if not raw.endswith(b"\n"):
            raise CaptureFault(Message("foreign-record-short", offset=offset))
        line = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        if not line:
            return fields
        if line[0] in " \t" and name:
            fields[name] += f" {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not _NAME.fullmatch(name) or (name in fields and name not in _REPEATABLE):
            raise CaptureFault(Message("foreign-record-field", offset=offset, name=name[:80]))
        fields[name] = value.strip()
    raise CaptureFault(Message("foreign-record-fields", offset=offset, limit=_MAX_FIELDS))


def _parse_length(fields: Mapping[str, str], offset: int) -> int:
    text = fields.get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise CaptureFault(Message("foreign-record-length", offset=offset, actual=text[:40]))
    return int(text)
