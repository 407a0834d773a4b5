"""The HTTP message in a WARC record: its header, and its body with and without chunked coding."""

from __future__ import annotations

import re
from collections.abc import Iterator

from anchor.foreign_capture.byte_reader import CHUNK_BYTES
from anchor.foreign_capture.warc_records import RecordBlock

_MAX_HEADER_BYTES = 1 << 20
_MAX_CHUNK_LINE = 1 << 12
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(;[^\n]*)?\r?\n", re.ASCII)


def read_header(block: RecordBlock) -> tuple[bytes, bytes, bool]:
    """Return the header with its end, the bytes read behind it, and whether its end was there."""
    data = b""
    while len(data) < _MAX_HEADER_BYTES:
        piece = block.read(CHUNK_BYTES)
        start = max(0, len(data) - 3)
        data += piece
        end = _HEADER_END.search(data, start)
        if end is not None:
            return data[: end.end()], data[end.end() :], True
        if not piece:
            break
    return data, b"", False


def parse_header(header: bytes) -> dict[str, str]:
    """Return the fields of a header by their lower-case names; of equal names, the last."""
    fields = {}
    for line in header.decode("latin-1").splitlines()[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()
    return fields


class ChunkedBody:
    """Removes the chunked transfer coding (RFC 9112, 7.1); trailers are left out.

    ``is_valid`` turns false where the body is not coded so.
    """

    def __init__(self) -> None:
        self._waiting = b""
        self._left = 0
        self._is_at_line_end = False
        self.is_ended = False
        self.is_valid = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces of the next bytes of the body."""
        self._waiting += data
        while self._waiting and self.is_valid and not self.is_ended:
            if self._left:
                piece, self._waiting = self._waiting[: self._left], self._waiting[self._left :]
                self._left -= len(piece)
                self._is_at_line_end = not self._left
                yield piece
                continue
            if self._is_at_line_end:
                if self._waiting == b"\r":
                    return
                end = 2 if self._waiting.startswith(b"\r\n") else 1
                self.is_valid = self._waiting[end - 1 : end] == b"\n"
                self._waiting, self._is_at_line_end = self._waiting[end:], False
                continue
            line = _CHUNK.match(self._waiting)
            if line is None:
                has_line = b"\n" in self._waiting or len(self._waiting) > _MAX_CHUNK_LINE
                self.is_valid = not has_line
                return
            self._left = int(line[1], 16)
            self._waiting = self._waiting[line.end() :]
            self.is_ended = not self._left
