"""Reading a stream in bounded pieces: bytes, lines, and the members of a gzip file."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.foreign_capture.capture_findings import CaptureFault

CHUNK_BYTES = 1 << 16
_FIRST_BYTES = 1 << 9
GZIP = b"\x1f\x8b"

# As of ZIP files (``anchor.bag.zip_directory``): documents stay below 100, and a few do not.
_MAX_RATIO = 100
_RATIO_FREE_BYTES = 1 << 26
# A window of 32 KiB, and the header and the digest of RFC 1952.
_GZIP_WINDOW = 31


class ByteReader:
    """Reads a stream whose bytes ``read`` returns; ``at`` is the number of bytes taken."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        # Cut at the front without a copy of the rest, and extended without one of the beginning.
        self._buffer = bytearray()
        self.at = 0

    def peek(self, count: int) -> bytes:
        """Return the next bytes without taking them; fewer at the end."""
        while len(self._buffer) < count:
            data = self._read(CHUNK_BYTES)
            if not data:
                break
            self._buffer += data
        return bytes(self._buffer[:count])

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        if not most:
            return b""
        if not self._buffer:
            self._buffer += self._read(min(most, CHUNK_BYTES))
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        self.at += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        """Put back bytes that were taken."""
        self._buffer[:0] = data
        self.at -= len(data)

    def take_line(self, most: int) -> bytes:
        r"""Return the next line with its end (``\n``), or what is left at the end."""
        end = self._buffer.find(b"\n") + 1
        while not end and len(self._buffer) < most:
            start = len(self._buffer)
            self._buffer += self._read(CHUNK_BYTES)
            if len(self._buffer) == start:
                return self.take(start)
            end = self._buffer.find(b"\n", start) + 1
        if not end or end > most:
            raise CaptureFault(Message("foreign-line-too-long", offset=self.at, limit=most))
        return self.take(end)


class GzipReader:
    """Unpacks the members of a gzip file, one after the other.

    Raises:
        MalformedError: It unpacks to far more than it holds.
    """

    def __init__(self, packed: ByteReader) -> None:
        self._packed = packed
        self._size = 0

    def open_member(self) -> ByteReader:
        """Return a reader of the next member, which raises CaptureFault if it is damaged."""
        inflater = zlib.decompressobj(_GZIP_WINDOW)
        start = self._packed.at
        is_ended = False
        # What is read beyond the member is given back: little of it, if members are short.
        count = _FIRST_BYTES

        def read(most: int) -> bytes:
            nonlocal is_ended, count
            try:
                while not is_ended:
                    waiting = inflater.unconsumed_tail
                    packed = waiting or self._packed.take(count)
                    count = min(2 * count, CHUNK_BYTES)
                    data = inflater.decompress(packed, most)
                    is_ended = inflater.eof
                    if is_ended:
                        self._packed.give_back(inflater.unused_data)
                    self._count(len(data))
                    if data:
                        return data
                    if not packed:
                        raise CaptureFault(Message("foreign-gzip-ends", offset=start))
            except zlib.error as error:
                raise CaptureFault(Message("foreign-gzip-damaged", offset=start)) from error
            return b""

        return ByteReader(read)

    def _count(self, unpacked: int) -> None:
        self._size += unpacked
        if self._size > _MAX_RATIO * self._packed.at + _RATIO_FREE_BYTES:
            raise MalformedError(
                Message("foreign-gzip-bomb", size=self._size, packed=self._packed.at),
                hint=Message("foreign-capture-plain-hint"),
            )
