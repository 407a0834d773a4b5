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
        waiting, at = self._waiting + data, 0
        while at < len(waiting) and self.is_valid and not self.is_ended:
            if self._left:
                piece = waiting[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                self._is_at_line_end = not self._left
                yield piece
                continue
            if self._is_at_line_end:
                if at == len(waiting) - 1 and waiting.endswith(b"\r"):
                    break
                end = at + (2 if waiting.startswith(b"\r\n", at) else 1)
                self.is_valid = waiting[end - 1 : end] == b"\n"
                at, self._is_at_line_end = end, False
                continue
            line = _CHUNK.match(waiting, at)
            if line is None:
                has_line = waiting.find(b"\n", at) >= 0 or len(waiting) - at > _MAX_CHUNK_LINE
                self.is_valid = not has_line
                break
            self._left = int(line[1], 16)
            at = line.end()
            self.is_ended = not self._left
        # Once for all pieces: cutting the rest after each would take its length each time.
        self._waiting = waiting[at:]
