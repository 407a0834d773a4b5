"""An entry of a ZIP file's directory, read strictly (PKWARE APPNOTE 6.3.10, section 4.3.12)."""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from typing import NoReturn

from anchor.bag.bag_format import MAX_NAME_BYTES, MAX_TOTAL_BYTES
from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message

STORED, DEFLATED = 0, 8
FULL_32 = 0xFFFFFFFF
"""A size or an offset that a field of 64 bits states."""

ENTRY = struct.Struct("<4s6H3L5H2L")
"""The fixed part of an entry, before its name, extra fields and comment."""

DESCRIPTOR = 1 << 3
"""The flag of an entry whose digest and sizes follow its data (section 4.3.9)."""

_UTF8 = 1 << 11
_ENCRYPTED = 1 | 1 << 6 | 1 << 13
# Bits 1 and 2 state how hard the packer tried.
_KNOWN_FLAGS = _UTF8 | 1 << 1 | 1 << 2
_ZIP64 = 0x0001
# The folder at the top and a folder below it, each with its slash; other ZIP files have names, too.
_MAX_RAW_NAME_BYTES = 2 * (MAX_NAME_BYTES + 1)
# Info-ZIP's fields of another name or comment than the entry's.
_OTHER_NAMES = (0x6375, 0x7075)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """An entry as the directory describes it."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def refuse(message: Message) -> NoReturn:
    """Raise MalformedError with the advice to unpack the ZIP file."""
    raise MalformedError(message, hint=Message("zip-unpack-hint"))


def parse_entry(
    directory: bytes, at: int, *, may_be_streamed: bool = False
) -> tuple[ListedEntry, int]:
    """Return the entry at that place of the directory, and the place behind it."""
    if at + ENTRY.size > len(directory):
        refuse(Message("zip-directory-invalid"))
    fields = ENTRY.unpack_from(directory, at)
    mark, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields[:12]
    comment_length, disk, _, attributes, offset = fields[12:]
    name_at = at + ENTRY.size
    extra_at = name_at + name_length
    end = extra_at + extra_length + comment_length
    if mark != b"PK\1\2" or end > len(directory) or disk:
        refuse(Message("zip-directory-invalid"))
    raw_name = directory[name_at:extra_at]
    name = _decode_name(raw_name, flags)
    sizes = apply_zip64(name, directory[extra_at : extra_at + extra_length], [size, packed, offset])
    size, packed, offset = sizes
    _check_flags(name, flags & ~DESCRIPTOR if may_be_streamed else flags)
    _check_kind(name, attributes >> 16)
    if method not in (STORED, DEFLATED):
        raise UnknownVersionError(
            Message("zip-method-unknown", name=name, actual=method),
            hint=Message("zip-unpack-hint"),
        )
    if method == STORED and packed != size:
        refuse(Message("zip-sizes-differ", name=name))
    return ListedEntry(
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
    if len(raw) > _MAX_RAW_NAME_BYTES:
        refuse(Message("bag-name-too-long", name=ascii(raw[:80]), limit=MAX_NAME_BYTES))
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        refuse(Message("zip-name-not-utf8", name=ascii(raw[:80])))


def _check_flags(name: str, flags: int) -> None:
    if flags & _ENCRYPTED:
        refuse(Message("zip-encrypted", name=name))
    if flags & DESCRIPTOR:
        refuse(Message("zip-descriptor", name=name))
    if flags & ~_KNOWN_FLAGS:
        refuse(Message("zip-directory-invalid"))


def _check_kind(name: str, mode: int) -> None:
    """Refuse links and devices; some packers state no kind."""
    expected = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
    if stat.S_IFMT(mode) not in (0, expected):
        refuse(Message("bag-file-kind", name=name))


def apply_zip64(name: str, extra: bytes, values: list[int]) -> list[int]:
    """Return sizes and offset, with those of 64 bits in place of the full ones of 32."""
    wide: bytes | None = None
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            refuse(Message("zip-fields-invalid", name=name))
        kind, length = struct.unpack_from("<2H", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if len(field) != length or kind in _OTHER_NAMES or (kind == _ZIP64 and wide is not None):
            refuse(Message("zip-fields-invalid", name=name))
        if kind == _ZIP64:
            wide = field
        at += 4 + length
    full = [number for number, value in enumerate(values) if value == FULL_32]
    if not full:
        return values
    if wide is None or len(wide) != 8 * len(full):
        refuse(Message("zip-fields-invalid", name=name))
    resolved = list(values)
    for number, value in zip(full, struct.unpack(f"<{len(full)}Q", wide), strict=True):
        if value > MAX_TOTAL_BYTES:
            refuse(Message("zip-fields-invalid", name=name))
        resolved[number] = value
    return resolved
