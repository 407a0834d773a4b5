"""The directory of a ZIP file, read strictly (PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4).

Programs that read ZIP files differ on those that contradict themselves.  Here every byte of the
file belongs to one entry or to the directory, and both say the same of each entry.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from anchor.bag.bag_format import MAX_FILES
from anchor.bag.zip_entry import (
    DESCRIPTOR,
    ENTRY,
    FULL_32,
    ListedEntry,
    apply_zip64,
    parse_entry,
    refuse,
)
from anchor.base.messages.message import Message

# Deflate reaches 1,032; documents stay below 100, and a few that do not may pass.
_MAX_RATIO = 100
_RATIO_FREE_BYTES = 1 << 26
# Files and folders, each with a name and fields of NTFS or Unix.
_MAX_ENTRIES = 2 * MAX_FILES
_MAX_DIRECTORY_BYTES = 1 << 26

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
# What may follow the data of an entry, with its mark, digest, packed and unpacked size.
_DESCRIPTORS = (struct.Struct("<4sL2Q"), struct.Struct("<4s3L"))
_DESCRIPTOR_MARK = b"PK\7\x08"

# An end record with the longest comment.
_MAX_END_BYTES = _END.size + 0xFFFF
# Where an entry of the directory states the lengths of its name, extra fields and comment.
_LENGTHS_AT = 28

_FULL_16 = 0xFFFF
# What stands for a count, an offset and a size that a record of 64 bits states.
_FULL = (_FULL_16, FULL_32, FULL_32)

ReadAt = Callable[[int, int], bytes]
"""Reads so many bytes at an offset: offset, count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """A file in a ZIP file: its data, packed and unpacked sizes, and where its header begins."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    start: int


def read_directory(
    read_at: ReadAt, length: int, *, may_be_streamed: bool = False
) -> tuple[list[ZipEntry], list[str]]:
    """Return the files of a ZIP file of ``length`` bytes, and the names of its folders.

    ``may_be_streamed`` allows entries whose sizes follow their data, as writers to a stream make.

    Raises:
        MalformedError: The file is no ZIP file, contradicts itself, has an entry that is encrypted
            or neither a file nor a folder, or would unpack to far more than it holds.
    """
    count, start, size = _find_directory(read_at, length, length - _END.size)
    listed = _parse_entries(read_at(start, size), count, may_be_streamed)
    _check_ratio(listed)
    end = 0
    files: list[ZipEntry] = []
    folders: list[str] = []
    for entry in sorted(listed, key=lambda entry: entry.offset):
        if entry.offset != end:
            refuse(Message("zip-entries-apart", name=entry.name))
        data = _check_local(read_at, entry, start)
        end = data + entry.packed
        if entry.flags & DESCRIPTOR:
            end += _measure_descriptor(read_at, entry, end, start)
        if end > start:
            refuse(Message("zip-entries-apart", name=entry.name))
        if entry.name.endswith("/"):
            if entry.size or entry.packed:
                refuse(Message("zip-folder-with-data", name=entry.name))
            folders.append(entry.name[:-1])
        else:
            files.append(
                ZipEntry(
                    name=entry.name,
                    method=entry.method,
                    crc=entry.crc,
                    packed=entry.packed,
                    size=entry.size,
                    offset=entry.offset,
                    start=data,
                )
            )
    if end != start:
        refuse(Message("zip-directory-invalid"))
    return files, folders


def _parse_entries(directory: bytes, count: int, may_be_streamed: bool) -> list[ListedEntry]:
    listed: list[ListedEntry] = []
    at = 0
    for _ in range(count):
        entry, at = parse_entry(directory, at, may_be_streamed=may_be_streamed)
        listed.append(entry)
    if at != len(directory):
        refuse(Message("zip-directory-invalid"))
    return listed


def lists_file(read_at: ReadAt, length: int, name: str) -> bool:
    """Return whether a ZIP file lists a file of this name, at its top or in a folder there.

    How its entries are packed does not matter here, and it may end with a comment.
    """
    tail = read_at(max(0, length - _MAX_END_BYTES), min(length, _MAX_END_BYTES))
    place = length - len(tail) + tail.rfind(b"PK\5\6")
    count, start, size = _find_directory(read_at, length, place)
    directory = read_at(start, size)
    at = 0
    for _ in range(count):
        if at + ENTRY.size > size:
            refuse(Message("zip-directory-invalid"))
        lengths = struct.unpack_from("<3H", directory, at + _LENGTHS_AT)
        name_at = at + ENTRY.size
        listed = directory[name_at : name_at + lengths[0]]
        if listed.rpartition(b"/")[2] == name.encode() and listed.count(b"/") < 2:
            return True
        at = name_at + sum(lengths)
    return False


def _find_directory(read_at: ReadAt, length: int, place: int) -> tuple[int, int, int]:
    """Return the directory's count of entries, offset and size, by its end record at ``place``."""
    if not 0 <= place <= length - _END.size:
        refuse(Message("zip-end-missing"))
    mark, disk, first_disk, here, count, size, start, comment = _END.unpack(
        read_at(place, _END.size)
    )
    if mark != b"PK\5\6" or place + _END.size + comment != length:
        refuse(Message("zip-end-missing"))
    if disk or first_disk or here != count:
        refuse(Message("zip-in-parts"))
    if count == _FULL_16 or FULL_32 in (size, start):
        short = count, start, size
        count, start, size, place = _find_directory_64(read_at, place)
        for own, full, long in zip(short, _FULL, (count, start, size), strict=True):
            if own not in (full, long):
                refuse(Message("zip-directory-invalid"))
    if count > _MAX_ENTRIES or size > _MAX_DIRECTORY_BYTES:
        refuse(Message("bag-files-too-many", limit=MAX_FILES))
    if start + size != place:
        refuse(Message("zip-directory-invalid"))
    return count, start, size


def _find_directory_64(read_at: ReadAt, end: int) -> tuple[int, int, int, int]:
    """Return the same of a ZIP64 file, and where its own end record begins."""
    place = end - _LOCATOR.size - _END_64.size
    if place < 0:
        refuse(Message("zip-end-missing"))
    data = read_at(place, _END_64.size + _LOCATOR.size)
    mark, length, _, _, disk, first_disk, here, count, size, start = _END_64.unpack_from(data)
    locator, locator_disk, offset, disks = _LOCATOR.unpack_from(data, _END_64.size)
    if mark != b"PK\6\6" or locator != b"PK\6\7" or length != 44 or offset != place:
        refuse(Message("zip-end-missing"))
    if disk or first_disk or locator_disk or disks != 1 or here != count:
        refuse(Message("zip-in-parts"))
    return count, start, size, place


def _check_ratio(entries: list[ListedEntry]) -> None:
    size = sum(entry.size for entry in entries)
    packed = sum(entry.packed for entry in entries)
    if size > _MAX_RATIO * packed + _RATIO_FREE_BYTES:
        refuse(Message("zip-bomb", size=size, packed=packed))


def _check_local(read_at: ReadAt, entry: ListedEntry, limit: int) -> int:
    """Compare an entry's own header with the directory; return where its data begins."""
    if entry.offset + _LOCAL.size > limit:
        refuse(Message("zip-entries-apart", name=entry.name))
    header = _LOCAL.unpack(read_at(entry.offset, _LOCAL.size))
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
    start = entry.offset + _LOCAL.size
    data: int = start + name_length + extra_length
    if mark != b"PK\3\4" or data > limit:
        refuse(Message("zip-entries-apart", name=entry.name))
    rest = read_at(start, name_length + extra_length)
    size, packed = apply_zip64(entry.name, rest[name_length:], [size, packed])
    local = (rest[:name_length], flags, method)
    stated = (crc, packed, size)
    listed = (entry.crc, entry.packed, entry.size)
    is_streamed = entry.flags & DESCRIPTOR and stated == (0, 0, 0)
    if local != (entry.raw_name, entry.flags, entry.method) or not (
        stated == listed or is_streamed
    ):
        refuse(Message("zip-headers-differ", name=entry.name))
    return data


def _measure_descriptor(read_at: ReadAt, entry: ListedEntry, at: int, limit: int) -> int:
    """Return the length of the descriptor behind an entry's data, which the directory repeats."""
    data = read_at(at, max(0, min(_DESCRIPTORS[0].size, limit - at)))
    for form in _DESCRIPTORS:
        try:
            expected = form.pack(_DESCRIPTOR_MARK, entry.crc, entry.packed, entry.size)
        except struct.error:  # a size of more than 32 bits
            continue
        for stated in (expected, expected[len(_DESCRIPTOR_MARK) :]):
            if data.startswith(stated):
                return len(stated)
    return refuse(Message("zip-headers-differ", name=entry.name))


def read_at_in(descriptor: int) -> ReadAt:
    """Return a reader of an open file; a file that is shorter than it was is refused."""

    def read_at(offset: int, count: int) -> bytes:
        pieces: list[bytes] = []
        while count:
            piece = os.pread(descriptor, count, offset)
            if not piece:
                refuse(Message("zip-shortened"))
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(pieces)

    return read_at
