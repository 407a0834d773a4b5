"""The directory of a ZIP file, read strictly (PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4).

Programs that read ZIP files differ on those that contradict themselves.  Here every byte of the
file belongs to one entry or to the directory, and both say the same of each entry.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from anchor.bag.bag_format import MAX_FILES, MAX_NAME_BYTES, MAX_TOTAL_BYTES
from anchor.errors import MalformedError, UnknownVersionError
from anchor.messages.message import Message

STORED, DEFLATED = 0, 8

# Deflate reaches 1,032; documents stay below 100, and a few that do not may pass.
_MAX_RATIO = 100
_RATIO_FREE_BYTES = 1 << 26
# Files and folders, each with a name and fields of NTFS or Unix.
_MAX_ENTRIES = 2 * MAX_FILES
_MAX_DIRECTORY_BYTES = 1 << 26

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

_UTF8 = 1 << 11
_DESCRIPTOR = 1 << 3
_ENCRYPTED = 1 | 1 << 6 | 1 << 13
# Bits 1 and 2 state how hard the packer tried.
_KNOWN_FLAGS = _UTF8 | 1 << 1 | 1 << 2
_ZIP64 = 0x0001
# Info-ZIP's fields of another name or comment than the entry's.
_OTHER_NAMES = (0x6375, 0x7075)
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF

ReadAt = Callable[[int, int], bytes]
"""Reads so many bytes at an offset: offset, count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """A file in a ZIP file: its data, packed and unpacked sizes, and where its header begins."""

    name: str
    method: int
    packed: int
    size: int
    offset: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """An entry as the directory describes it."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def read_directory(read_at: ReadAt, length: int) -> tuple[list[ZipEntry], list[str]]:
    """Return the files of a ZIP file of ``length`` bytes, and the names of its folders.

    Raises:
        MalformedError: The file is no ZIP file, contradicts itself, has an entry that is encrypted
            or neither a file nor a folder, or would unpack to far more than it holds.
        UnknownVersionError: A method of compression is not known.
    """
    count, start, size = _find_directory(read_at, length)
    directory = read_at(start, size)
    listed: list[_Listed] = []
    at = 0
    for _ in range(count):
        entry, at = _parse_entry(directory, at)
        listed.append(entry)
    if at != size:
        _refuse(Message("zip-directory-invalid"))
    _check_ratio(listed)
    end = 0
    files: list[ZipEntry] = []
    folders: list[str] = []
    for entry in sorted(listed, key=lambda entry: entry.offset):
        if entry.offset != end:
            _refuse(Message("zip-entries-apart", name=entry.name))
        data = _check_local(read_at, entry, start)
        end = data + entry.packed
        if end > start:
            _refuse(Message("zip-entries-apart", name=entry.name))
        if entry.name.endswith("/"):
            if entry.size or entry.packed:
                _refuse(Message("zip-folder-with-data", name=entry.name))
            folders.append(entry.name[:-1])
        else:
            files.append(
                ZipEntry(
                    name=entry.name,
                    method=entry.method,
                    packed=entry.packed,
                    size=entry.size,
                    offset=entry.offset,
                    start=data,
                )
            )
    if end != start:
        _refuse(Message("zip-directory-invalid"))
    return files, folders


def _refuse(message: Message) -> NoReturn:
    raise MalformedError(message, hint=Message("zip-unpack-hint"))


def _find_directory(read_at: ReadAt, length: int) -> tuple[int, int, int]:
    """Return the directory's count of entries, offset and size."""
    place = length - _END.size
    if place < 0:
        _refuse(Message("zip-end-missing"))
    mark, disk, first_disk, here, count, size, start, comment = _END.unpack(
        read_at(place, _END.size)
    )
    if mark != b"PK\5\6" or comment:
        _refuse(Message("zip-end-missing"))
    if disk or first_disk or here != count:
        _refuse(Message("zip-in-parts"))
    if count == _FULL_16 or _FULL_32 in (size, start):
        count, start, size, place = _find_directory_64(read_at, place)
    if count > _MAX_ENTRIES or size > _MAX_DIRECTORY_BYTES:
        _refuse(Message("bag-files-too-many", limit=MAX_FILES))
    if start + size != place:
        _refuse(Message("zip-directory-invalid"))
    return count, start, size


def _find_directory_64(read_at: ReadAt, end: int) -> tuple[int, int, int, int]:
    """Return the same of a ZIP64 file, and where its own end record begins."""
    place = end - _LOCATOR.size - _END_64.size
    if place < 0:
        _refuse(Message("zip-end-missing"))
    data = read_at(place, _END_64.size + _LOCATOR.size)
    mark, length, _, _, disk, first_disk, here, count, size, start = _END_64.unpack_from(data)
    locator, locator_disk, offset, disks = _LOCATOR.unpack_from(data, _END_64.size)
    if mark != b"PK\6\6" or locator != b"PK\6\7" or length != 44 or offset != place:
        _refuse(Message("zip-end-missing"))
    if disk or first_disk or locator_disk or disks != 1 or here != count:
        _refuse(Message("zip-in-parts"))
    return count, start, size, place


def _parse_entry(directory: bytes, at: int) -> tuple[_Listed, int]:
    """Return the entry at that place of the directory, and the place behind it."""
    if at + _ENTRY.size > len(directory):
        _refuse(Message("zip-directory-invalid"))
    fields = _ENTRY.unpack_from(directory, at)
    mark, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields[:12]
    comment_length, disk, _, attributes, offset = fields[12:]
    name_at = at + _ENTRY.size
    extra_at = name_at + name_length
    end = extra_at + extra_length + comment_length
    if mark != b"PK\1\2" or end > len(directory) or disk:
        _refuse(Message("zip-directory-invalid"))
    raw_name = directory[name_at:extra_at]
    name = _decode_name(raw_name, flags)
    sizes = _apply_zip64(
        name, directory[extra_at : extra_at + extra_length], [size, packed, offset]
    )
    size, packed, offset = sizes
    _check_flags(name, flags)
    _check_kind(name, attributes >> 16)
    if method not in (STORED, DEFLATED):
        raise UnknownVersionError(
            Message("zip-method-unknown", name=name, actual=method),
            hint=Message("zip-unpack-hint"),
        )
    if method == STORED and packed != size:
        _refuse(Message("zip-sizes-differ", name=name))
    return _Listed(
        raw_name=raw_name,
        name=name,
        flags=flags,
        method=method,
        crc=crc,
        packed=packed,
        size=size,
        offset=offset,
    ), end


def _decode_name(raw: bytes, flags: int) -> str:
    if len(raw) > 2 * MAX_NAME_BYTES:
        _refuse(Message("bag-name-too-long", name=ascii(raw[:80]), limit=MAX_NAME_BYTES))
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        _refuse(Message("zip-name-not-utf8", name=ascii(raw[:80])))


def _check_flags(name: str, flags: int) -> None:
    if flags & _ENCRYPTED:
        _refuse(Message("zip-encrypted", name=name))
    if flags & _DESCRIPTOR:
        _refuse(Message("zip-descriptor", name=name))
    if flags & ~_KNOWN_FLAGS:
        _refuse(Message("zip-directory-invalid"))


def _check_kind(name: str, mode: int) -> None:
    """Refuse links and devices; some packers state no kind."""
    expected = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
    if stat.S_IFMT(mode) not in (0, expected):
        _refuse(Message("bag-file-kind", name=name))


def _apply_zip64(name: str, extra: bytes, values: list[int]) -> list[int]:
    """Return sizes and offset, with those of 64 bits in place of the full ones of 32."""
    wide: bytes | None = None
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            _refuse(Message("zip-fields-invalid", name=name))
        kind, length = struct.unpack_from("<2H", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if len(field) != length or kind in _OTHER_NAMES or (kind == _ZIP64 and wide is not None):
            _refuse(Message("zip-fields-invalid", name=name))
        if kind == _ZIP64:
            wide = field
        at += 4 + length
    full = [number for number, value in enumerate(values) if value == _FULL_32]
    if not full:
        return values
    if wide is None or len(wide) != 8 * len(full):
        _refuse(Message("zip-fields-invalid", name=name))
    resolved = list(values)
    for number, value in zip(full, struct.unpack(f"<{len(full)}Q", wide), strict=True):
        if value > MAX_TOTAL_BYTES:
            _refuse(Message("zip-fields-invalid", name=name))
        resolved[number] = value
    return resolved


def _check_ratio(entries: list[_Listed]) -> None:
    size = sum(entry.size for entry in entries)
    packed = sum(entry.packed for entry in entries)
    if size > _MAX_RATIO * packed + _RATIO_FREE_BYTES:
        _refuse(Message("zip-bomb", size=size, packed=packed))


def _check_local(read_at: ReadAt, entry: _Listed, limit: int) -> int:
    """Compare an entry's own header with the directory; return where its data begins."""
    if entry.offset + _LOCAL.size > limit:
        _refuse(Message("zip-entries-apart", name=entry.name))
    header = _LOCAL.unpack(read_at(entry.offset, _LOCAL.size))
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
    start = entry.offset + _LOCAL.size
    data: int = start + name_length + extra_length
    if mark != b"PK\3\4" or data > limit:
        _refuse(Message("zip-entries-apart", name=entry.name))
    rest = read_at(start, name_length + extra_length)
    size, packed = _apply_zip64(entry.name, rest[name_length:], [size, packed])
    local = (rest[:name_length], flags, method, crc, packed, size)
    central = (
        entry.raw_name, entry.flags, entry.method, entry.crc, entry.packed, entry.size,
    )  # fmt: skip
    if local != central:
        _refuse(Message("zip-headers-differ", name=entry.name))
    return data


def read_at_in(descriptor: int) -> ReadAt:
    """Return a reader of an open file; a file that is shorter than it was is refused."""

    def read_at(offset: int, count: int) -> bytes:
        pieces: list[bytes] = []
        while count:
            piece = os.pread(descriptor, count, offset)
            if not piece:
                _refuse(Message("zip-shortened"))
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(pieces)

    return read_at
