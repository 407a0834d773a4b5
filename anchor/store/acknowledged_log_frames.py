"""The binary format of the side file: frames of entries, each with a checksum.

A file is the line ``MAGIC`` followed by frames.  A frame is a mark of four bytes, the length of its
body and the body's CRC-32 (32 bits each, big-endian), the body, and the length again, so that the
last frame can be found from the file's end.  A body is one byte that states whether its entries
have idempotency keys, the length of the tenant's name (16 bits), the name, and the entries.  An
entry is a leaf and an identity, 32 bytes each, and the key's hash if the entries have keys.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import BinaryIO, NamedTuple

from anchor.base.errors import UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32

MAGIC = b"anchor-acknowledged/1\n"
MARK = b"\xa5ack"

_HEAD = struct.Struct(">4sII")
_TAIL = struct.Struct(">I")
_BODY = struct.Struct(">BH")
_HASH = 32
# A damaged byte loses at most this many entries; with fewer, checksums and lengths would cost more.
_ENTRIES_IN_A_FRAME = 500
# The longest valid body: a full frame of entries, and the longest name. A greater length is damage.
_MAX_BODY = _BODY.size + 0xFFFF + 3 * _HASH * _ENTRIES_IN_A_FRAME
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """One acknowledged piece of evidence.

    ``tenant`` is empty for evidence that the service did not accept.  ``key`` is the hash of its
    idempotency key, if it has one.
    """

    leaf: Hash32
    identity: bytes
    tenant: str
    key: bytes | None


class EntryBlock(NamedTuple):
    """Entries of one tenant without keys: leaf and identity of each, back to back."""

    tenant: str
    rows: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from ``start`` up to ``end`` that are not a whole frame."""

    start: int
    end: int
    is_tail: bool
    """Whether no whole frame follows, as after an interrupted append."""


def encode_entries(entries: Iterable[Entry | EntryBlock]) -> bytes:
    """Return entries as frames."""
    frames: list[bytes] = []
    for (tenant, has_key), group in groupby(map(_split_entry, entries), key=itemgetter(0)):
        name = tenant.encode("utf-8", "surrogateescape")
        start = _BODY.pack(has_key, len(name)) + name
        rows = b"".join(row for _, row in group)
        step = _HASH * (3 if has_key else 2) * _ENTRIES_IN_A_FRAME
        for at in range(0, len(rows), step):
            body = start + rows[at : at + step]
            length = len(body)
            frames += _HEAD.pack(MARK, length, zlib.crc32(body)), body, _TAIL.pack(length)
    return b"".join(frames)


def _split_entry(entry: Entry | EntryBlock) -> tuple[tuple[str, bool], bytes]:
    """Return what entries of a frame have in common, and the rest."""
    if isinstance(entry, EntryBlock):
        return (entry.tenant, False), entry.rows
    key = entry.key
    return (entry.tenant, key is not None), entry.leaf + entry.identity + (key or b"")


def walk_frames(file: BinaryIO, size: int) -> Iterator[bytes | Damage]:
    """Yield the body of each whole frame in a file's first ``size`` bytes, and any damage."""
    at = 0
    file.seek(0)
    if file.read(len(MAGIC)) == MAGIC:
        at = len(MAGIC)
    while at < size:
        body = _read_frame(file, at, size)
        if body is None:
            following = _find_frame(file, at + 1, size)
            end = size if following is None else following
            yield Damage(at, end, is_tail=following is None)
            at = end
            continue
        yield body
        at += _HEAD.size + len(body) + _TAIL.size


def find_false_end(file: BinaryIO, size: int) -> int | None:
    """Return the offset of a last frame that is complete, and has other bytes than its checksum."""
    for part in walk_frames(file, size):
        if isinstance(part, Damage) and part.is_tail:
            file.seek(part.start)
            head = file.read(_HEAD.size)
            mark, length, _ = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
            end = part.start + _HEAD.size + length + _TAIL.size
            return part.start if mark == MARK and end == size else None
    return None


def parse_entries(body: bytes) -> Iterator[Entry]:
    """Yield the entries of a frame."""
    has_key, length = _BODY.unpack_from(body)
    start = _BODY.size + length
    width = _HASH * (3 if has_key else 2)
    if has_key > 1 or (len(body) - start) % width:
        raise UnknownVersionError(Message("side-file-newer-release"))
    tenant = body[_BODY.size : start].decode("utf-8", "surrogateescape")
    for at in range(start, len(body), width):
        fields = [body[at + offset : at + offset + _HASH] for offset in range(0, width, _HASH)]
        yield Entry(Hash32(fields[0]), fields[1], tenant, fields[2] if has_key else None)


def ends_whole(file: BinaryIO, size: int) -> bool:
    """Return whether a file of ``size`` bytes ends with a whole frame, or has only ``MAGIC``."""
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return False
    if size == len(MAGIC):
        return True
    file.seek(max(0, size - _TAIL.size))
    tail = file.read(_TAIL.size)
    if len(tail) < _TAIL.size:
        return False
    start = size - _TAIL.size - _TAIL.unpack(tail)[0] - _HEAD.size
    return start >= len(MAGIC) and _read_frame(file, start, size) is not None


def _read_frame(file: BinaryIO, at: int, size: int) -> bytes | None:
    """Return the body of the frame at offset ``at``; None if no whole frame begins there."""
    file.seek(at)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, length, checksum = _HEAD.unpack(head)
    if mark != MARK or not _BODY.size <= length <= _MAX_BODY:
        return None
    if at + _HEAD.size + length + _TAIL.size > size:
        return None
    body = file.read(length)
    if len(body) < length or file.read(_TAIL.size) != _TAIL.pack(length):
        return None
    return body if zlib.crc32(body) == checksum else None


def _find_frame(file: BinaryIO, start: int, size: int) -> int | None:
    """Return the offset of the next whole frame at or after ``start``; None if none follows."""
    while start < size:
        file.seek(start)
        chunk = file.read(_CHUNK)
        if not chunk:
            return None
        offset = chunk.find(MARK)
        while offset >= 0:
            if _read_frame(file, start + offset, size) is not None:
                return start + offset
            offset = chunk.find(MARK, offset + 1)
        # The next mark may begin in this chunk's last bytes.
        start += len(chunk) if len(chunk) < _CHUNK else len(chunk) - len(MARK) + 1
    return None
