"""Bodies, lines and members of many small pieces cost as much as their bytes, not the square.

Inputs are so large that the square would take hours, or bytes are counted; no time is measured.
"""

from __future__ import annotations

import gzip
import io

import pytest

from anchor.foreign_capture.byte_reader import ByteReader, GzipReader
from anchor.foreign_capture.capture_findings import CaptureFault
from anchor.foreign_capture.http_message import ChunkedBody
from anchor.foreign_capture.mhtml_judgement import read_mail_header


def test_a_body_of_one_byte_chunks_is_read_through() -> None:
    body, count = ChunkedBody(), 1_500_000
    pieces = body.feed(b"1\r\na\r\n" * count + b"0\r\n")
    assert sum(map(len, pieces)) == count
    assert body.is_valid and body.is_ended


def test_a_body_may_be_cut_anywhere() -> None:
    whole = b"3\r\nabc\r\n2;x=y\nde\n0\r\n\r\n"
    for size in range(1, len(whole) + 1):
        body = ChunkedBody()
        parts = (whole[at : at + size] for at in range(0, len(whole), size))
        assert b"".join(piece for part in parts for piece in body.feed(part)) == b"abcde"
        assert body.is_valid and body.is_ended


def test_a_file_of_empty_lines_is_read_through() -> None:
    given = [b"\n" * (1 << 22)]
    reader = ByteReader(lambda _: given.pop() if given else b"")
    assert sum(1 for _ in iter(lambda: reader.take_line(1 << 16), b"")) == 1 << 22


def test_short_members_of_a_gzip_file_read_little_beyond_their_ends() -> None:
    class Counting(ByteReader):
        taken = 0

        def take(self, most: int) -> bytes:
            data = super().take(most)
            self.taken += len(data)
            return data

    members = 5_000
    packed = Counting(io.BytesIO(gzip.compress(b"x") * members).read)
    reader = GzipReader(packed)
    assert b"".join(iter(lambda: _member(packed, reader), b"")) == b"x" * members
    assert packed.taken <= 600 * members


def _member(packed: ByteReader, reader: GzipReader) -> bytes:
    if not packed.peek(1):
        return b""
    member = reader.open_member()
    return b"".join(iter(lambda: member.take(1 << 16), b""))


def test_a_content_type_without_end_is_refused() -> None:
    header = b'Content-Type: multipart/related; boundary="' + b";" * 60_000 + b"\r\n\r\n"
    given = [header]
    with pytest.raises(CaptureFault):
        read_mail_header(ByteReader(lambda _: given.pop() if given else b""))
