"""ZIP files, written by hand: honest ones of a bag, and each bent below the bag in one way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

TOP = "bag"


class Entry(NamedTuple):
    """One entry of a ZIP file to be, of which directory and header may say different things."""

    name: bytes
    data: bytes
    size: int
    method: int = 0
    flags: int = 0x800
    attributes: int = 0o100644 << 16
    extra: bytes = b""
    crc: int = 0
    # As the directory and the header state them, where that is not what they are.
    packed: int | None = None
    offset: int | None = None
    comment: bytes = b""


def folder(name: bytes, data: bytes = b"", size: int = 0, method: int = 0) -> Entry:
    return Entry(name, data, size, method, attributes=0o040755 << 16)


def packed_of(entry: Entry) -> int:
    return len(entry.data) if entry.packed is None else entry.packed


def make_zip(
    entries: list[Entry],
    *,
    headers: list[Entry] | None = None,
    before: bytes = b"",
    between: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
) -> bytes:
    """Return a ZIP file; ``headers`` are the entries as their own headers describe them."""
    body, directory = bytearray(before), b""
    for entry, own in zip(entries, headers or entries, strict=True):
        offset = len(body) if entry.offset is None else entry.offset
        body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, own.flags, own.method, 0, 33, own.crc, packed_of(own),
            own.size, len(own.name), len(own.extra),
        ) + own.name + own.extra + entry.data + between  # fmt: skip
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, entry.flags, entry.method, 0, 33, entry.crc,
            packed_of(entry), entry.size, len(entry.name), len(entry.extra), len(entry.comment), 0,
            0, entry.attributes, offset,
        ) + entry.name + entry.extra + entry.comment  # fmt: skip
    number = len(entries) if count is None else count
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), len(body), len(comment)
    )
    return bytes(body) + directory + end + comment + after


def to_entries(files: Mapping[str, bytes], top: str = TOP) -> list[Entry]:
    return [Entry(f"{top}/{name}".encode(), data, len(data)) for name, data in files.items()]


def edited(number: int = 0, /, **members: object) -> Callable[[list[Entry]], bytes]:
    """Return what changes one entry, in the directory and in its own header."""

    def bend(entries: list[Entry]) -> bytes:
        changed = list(entries)
        changed[number] = changed[number]._replace(**members)
        return make_zip(changed)

    return bend


def own_header(**members: object) -> Callable[[list[Entry]], bytes]:
    """Return what changes an entry's own header only."""

    def bend(entries: list[Entry]) -> bytes:
        return make_zip(entries, headers=[entries[0]._replace(**members), *entries[1:]])

    return bend


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def pack(data: bytes) -> bytes:
    """Deflate data by the fixed codes of literals alone (RFC 1951, 3.2.6): the same everywhere."""
    bits = "110"
    for byte in data:
        bits += f"{byte + 0x30:08b}" if byte < 144 else f"{byte - 144 + 0x190:09b}"
    bits += "0" * 7
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


def deflated(edit: Callable[[bytes], bytes], by: int = 0) -> Callable[[list[Entry]], bytes]:
    """Return what deflates the first entry, edits its data, and adds to its size."""

    def bend(entries: list[Entry]) -> bytes:
        first = entries[0]
        changed = first._replace(data=edit(pack(first.data)), method=8, size=first.size + by)
        return make_zip([changed, *entries[1:]])

    return bend


def with_entries(*more: Entry) -> Callable[[list[Entry]], bytes]:
    return lambda entries: make_zip([*entries, *more])


def with_long_end(
    *, count: int | None = 0xFFFF, size: int | None = 0xFFFFFFFF, at: int | None = 0xFFFFFFFF
) -> Callable[[list[Entry]], bytes]:
    """Return what ends a ZIP file with records of 64 bits, and states these values in the other."""
    return lambda entries: lengthen_end(make_zip(entries), (count, size, at))


def lengthen_end(data: bytes, short: Sequence[int | None]) -> bytes:
    """Return a ZIP file with an end of 64 bits; ``short``: count, size and offset in that of 32."""
    place = len(data) - 22
    fields = struct.unpack("<4s4H2LH", data[place:])
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *fields[3:7])
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    values = [
        own if value is None else value for own, value in zip(fields[4:7], short, strict=True)
    ]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, values[0], *values, 0)
    return data[:place] + record + locator + end


def overlapping(entries: list[Entry]) -> bytes:
    """Return a ZIP file whose last two entries have the same header and data."""
    data = make_zip([*entries, entries[-1]._replace(name=b"bag/x")])
    last = data.rindex(b"PK\1\2")
    offset = struct.unpack_from("<L", data, data.rindex(b"PK\1\2", 0, last) + 42)[0]
    return data[: last + 42] + struct.pack("<L", offset) + data[last + 46 :]


def replaced(old: bytes, new: bytes) -> Callable[[list[Entry]], bytes]:
    def bend(entries: list[Entry]) -> bytes:
        data = make_zip(entries)
        assert old in data
        return data.replace(old, new)

    return bend


BOMB = deflate(bytes(80 << 20))  # some 80 kB
LINK = 0o120777 << 16
OTHER_NAME = struct.pack("<2HBL", 0x7075, 5 + 4, 1, 0) + b"evil"

ZIPS: dict[str, tuple[int, Callable[[list[Entry]], bytes]]] = {
    "as it is": (0, make_zip),
    "a folder's own entry": (0, with_entries(Entry(b"bag/empty/", b"", 0, attributes=16))),
    "deflated": (0, deflated(lambda data: data)),
    "a time in an extra field": (0, edited(extra=struct.pack("<2HBL", 0x5455, 5, 1, 9))),
    "no UTF-8 mark on an ASCII name": (0, edited(flags=0)),
    "no kind stated": (0, edited(attributes=0)),
    "an end of 64 bits": (0, with_long_end()),
    "an end of 64 bits, stated twice": (0, with_long_end(count=None)),
    "another size in the end of 32 bits": (2, with_long_end(size=46)),
    "another offset in the end of 32 bits": (2, with_long_end(at=0)),
    "another count in the end of 32 bits": (2, with_long_end(count=1)),
    "no entries": (2, lambda entries: make_zip([])),
    "no bytes": (2, lambda entries: b""),
    "not a ZIP file": (2, lambda entries: b"PK" + bytes(100)),
    "cut short": (2, lambda entries: make_zip(entries)[:-1]),
    "cut in the middle": (2, lambda entries: make_zip(entries)[100:]),
    "bytes before it": (2, lambda entries: make_zip(entries, before=b"#!/bin/sh\n")),
    "bytes before it that nothing counts": (2, lambda entries: b"MZ" + make_zip(entries)),
    "bytes between entries": (2, lambda entries: make_zip(entries, between=b"x")),
    "bytes after it": (2, lambda entries: make_zip(entries, after=b"x")),
    "a ZIP file after it": (2, lambda entries: make_zip(entries) + make_zip(entries)),
    "a comment": (2, lambda entries: make_zip(entries, comment=b"x")),
    "a count too small": (2, lambda entries: make_zip(entries, count=1)),
    "a count too large": (2, lambda entries: make_zip(entries, count=9_999)),
    "the mark of a 64-bit end, without one": (2, lambda entries: make_zip(entries, count=0xFFFF)),
    "overlapping entries": (2, overlapping),
    "an entry twice": (2, lambda entries: make_zip([*entries, entries[0]])),
    "two folders": (2, with_entries(Entry(b"other/x", b"", 0))),
    "a second folder's entry": (2, with_entries(folder(b"other/"))),
    "a file at the top": (2, with_entries(Entry(b"x", b"", 0))),
    "no folder": (2, lambda entries: make_zip(
        [entry._replace(name=entry.name[4:]) for entry in entries]
    )),
    "a path upwards": (2, with_entries(Entry(b"bag/../x", b"", 0))),
    "a folder upwards": (2, with_entries(folder(b"bag/../"))),
    "the top folder upwards": (2, lambda entries: make_zip(
        [entry._replace(name=b"../" + entry.name[4:]) for entry in entries]
    )),
    "an absolute path": (2, lambda entries: make_zip(
        [entry._replace(name=b"/" + entry.name) for entry in entries]
    )),
    "a drive": (2, with_entries(Entry(b"bag/C:x", b"", 0))),
    "a backslash": (2, with_entries(Entry(b"bag\\x", b"", 0))),
    "a NUL in a name": (2, with_entries(Entry(b"bag/x\0.txt", b"", 0))),
    "an empty part": (2, with_entries(Entry(b"bag//x", b"", 0))),
    "an empty name": (2, with_entries(Entry(b"", b"", 0))),
    "a name that is not UTF-8": (2, with_entries(Entry(b"bag/\xff", b"", 0))),
    "a name of code page 437": (2, with_entries(Entry(b"bag/\x81", b"", 0, flags=0))),
    "a file that is also a folder": (2, with_entries(Entry(b"bag/bagit.txt/x", b"", 0))),
    "a folder that is also a file": (2, with_entries(folder(b"bag/BagIt.txt/"))),
    "a folder with data": (2, with_entries(folder(b"bag/x/", b"x", 1))),
    "an unlisted entry": (10, with_entries(Entry(b"bag/x", b"x", 1))),
    "a link": (2, edited(attributes=LINK)),
    "an unlisted link": (2, with_entries(Entry(b"bag/x", b"/etc", 4, attributes=LINK))),
    "a device": (2, edited(attributes=0o060600 << 16)),
    "a folder that says it is a link": (2, with_entries(
        Entry(b"bag/x/", b"", 0, attributes=LINK)
    )),
    "encrypted": (2, edited(flags=0x801)),
    "encrypted strongly": (2, edited(flags=0x841)),
    "a hidden header": (2, edited(flags=0x2801)),
    "a descriptor": (2, edited(flags=0x808)),
    "a patch": (2, edited(flags=0x820)),
    "bzip2": (22, edited(method=12)),
    "zstd": (22, edited(method=93)),
    "another name in an extra field": (2, edited(extra=OTHER_NAME)),
    "an extra field cut short": (2, edited(extra=b"\x55\x54\xff")),
    "an extra field that is too long": (2, edited(extra=struct.pack("<2H", 0x5455, 5))),
    "two fields of 64 bits": (2, edited(extra=2 * struct.pack("<2HQ", 1, 8, 5))),
    "a size of 64 bits, without one": (2, edited(size=0xFFFFFFFF)),
    "a size of 64 bits beyond all": (2, edited(
        size=0xFFFFFFFF, extra=struct.pack("<2HQ", 1, 8, 1 << 63)
    )),
    "another name in its header": (2, own_header(name=b"bag/evil.txt")),
    "another length of name in its header": (2, own_header(name=b"bag/e")),
    "another size in its header": (2, own_header(size=1)),
    "another method in its header": (2, own_header(method=8)),
    "another CRC in its header": (2, own_header(crc=7)),
    "other flags in its header": (2, own_header(flags=0)),
    "a size that is too large": (2, edited(size=1 << 20)),
    "a deflated size that is too large": (2, deflated(lambda data: data, 1)),
    "a deflated size that is too small": (2, deflated(lambda data: data, -1)),
    "deflated data cut short": (2, deflated(lambda data: data[:-1])),
    "deflated data with more behind": (2, deflated(lambda data: data + b"x")),
    "deflated data with much more behind": (2, deflated(lambda data: data + bytes(600_000))),
    "deflated data that are none": (2, deflated(lambda data: b"\xff" * 20)),
    "no deflated data": (2, deflated(lambda data: b"")),
    "a bomb": (2, with_entries(Entry(b"bag/bomb", BOMB, 80 << 20, method=8))),
    "a bomb in an original": (2, lambda entries: make_zip([
        entry._replace(data=BOMB, size=80 << 20, method=8) if b"originals" in entry.name else entry
        for entry in entries
    ])),
    "a bomb that says it is small": (2, edited(data=BOMB, method=8)),
    "another disk": (2, replaced(b"PK\5\6\0\0", b"PK\5\6\1\0")),
    "no mark of an entry": (2, replaced(b"PK\1\2", b"PK\1\1")),
    "no mark of a header": (2, replaced(b"PK\3\4", b"PK\3\3")),
}  # fmt: skip
"""ZIP files that are bent below the bag: the exit code, and what makes them of its entries."""
