"""bags/zip.json: a bag in ZIP files, honest and bent below the bag."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping

from support.vectors.cases import Case
from support.vectors.evidence import MANIFEST, PAYLOAD, TAGS, evidence_bag
from support.zip_bends import (
    LINK,
    ZIPS,
    Entry,
    deflated,
    edited,
    folder,
    lengthen_end,
    make_zip,
    own_header,
    pack,
    to_entries,
    with_entries,
    with_long_end,
)

Bend = Callable[[list[Entry]], bytes]

FULL = 0xFFFFFFFF
FREE, RATIO = 1 << 26, 100
RULES = {
    "layout": "every byte belongs to one entry or to the directory, and none to two",
    "end": "the directory has its form, and its end, of 64 bits or not, states its place",
    "parts": "the file is one part",
    "agree": "an entry's own header says what the directory does",
    "flags": "no flags are set but bits 1, 2 and 11",
    "name-text": "names are UTF-8 with bit 11, else ASCII",
    "names": "the names of files are paths below the bag, and no two are one file",
    "top": "all is in one folder at the top",
    "fields": "extra fields fill their space, and state sizes and offset of 64 bits once",
    "kind": "entries are regular files and folders",
    "method": "the method is stored or deflated",
    "sizes": "an entry has the stated size, and unpacks to it",
    "folder": "a folder has no data",
    "ratio": "the files unpack to no more than 100 times their packed size beyond 2^26 bytes",
    "list-form": "parts 3 to 5: lists are UTF-8",
    "tag-manifest": "part 3: tagmanifest-sha256.txt lists exactly the files outside data/",
}
# Of the cases that the validators' own tests have, those of a few bytes.
SHARED: Mapping[str, tuple[str, ...]] = {
    "": (
        "as it is", "a folder's own entry", "deflated", "a time in an extra field",
        "no UTF-8 mark on an ASCII name", "no kind stated", "an end of 64 bits",
        "an end of 64 bits, stated twice",
    ),
    "layout": (
        "cut short", "cut in the middle", "bytes before it", "bytes before it that nothing counts",
        "bytes between entries", "bytes after it", "a ZIP file after it", "a comment",
        "overlapping entries",
    ),
    "end": (
        "another size in the end of 32 bits", "another offset in the end of 32 bits",
        "another count in the end of 32 bits", "no bytes", "not a ZIP file", "a count too small",
        "a count too large", "the mark of a 64-bit end, without one", "no mark of an entry",
    ),
    "parts": ("another disk",),
    "agree": (
        "another name in its header", "another length of name in its header",
        "another size in its header", "another method in its header", "another CRC in its header",
        "other flags in its header", "no mark of a header",
    ),
    "flags": ("encrypted", "encrypted strongly", "a hidden header", "a descriptor", "a patch"),
    "name-text": ("a name that is not UTF-8", "a name of code page 437"),
    "names": (
        "an entry twice", "a path upwards", "a folder upwards", "the top folder upwards",
        "an absolute path", "a drive", "a backslash", "a NUL in a name", "an empty part",
        "an empty name", "a file that is also a folder", "a folder that is also a file",
    ),
    "top": (
        "no entries", "two folders", "a second folder's entry", "a file at the top", "no folder",
    ),
    "fields": (
        "another name in an extra field", "an extra field cut short",
        "an extra field that is too long", "two fields of 64 bits",
        "a size of 64 bits, without one", "a size of 64 bits beyond all",
    ),
    "kind": ("a link", "an unlisted link", "a device", "a folder that says it is a link"),
    "method": ("bzip2", "zstd"),
    "sizes": (
        "a size that is too large", "a deflated size that is too large",
        "a deflated size that is too small", "deflated data cut short",
        "deflated data with more behind", "deflated data that are none", "no deflated data",
    ),
    "folder": ("a folder with data",),
    "tag-manifest": ("an unlisted entry",),
}  # fmt: skip


def build_zips() -> dict[str, object]:
    return {
        "about": "ZIP files of a bag (docs/spec/bag.md): zip has the file's bytes in base64. The "
        "bag is an anchor-evidence-bag/1; exit_code is what its six parts end with, without a "
        "receipt.",
        "rules": RULES,
        "zip_files": list(list_zips()),
    }


def list_zips() -> Iterator[Case]:
    for rule, names in SHARED.items():
        for name in names:
            code, bend = ZIPS[name]
            yield make_case(name, rule, code, bend)
    yield from list_honest()
    for rule, code, bends in list_bent():
        for name, bend in bends.items():
            yield make_case(name, rule, code, bend)


def make_case(name: str, rule: str, code: int, bend: Bend) -> Case:
    files = {name: text.encode() for name, text in evidence_bag(PAYLOAD).items()}
    return {
        "name": name,
        "result": {0: "valid", 22: "unknown"}.get(code, "invalid"),
        **({"rule": rule} if rule else {}),
        "zip": base64.b64encode(bend(to_entries(files))).decode(),
        "exit_code": code,
    }


def wide(*values: int) -> bytes:
    """Return an extra field with values of 64 bits."""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


def widened(*, size: bool, packed: bool, offset: bool, own: bool = True) -> Bend:
    """Return what states values of the last entry in 64 bits; ``own``: in its header, too."""

    def bend(entries: list[Entry]) -> bytes:
        *others, last = entries
        place = sum(30 + len(each.name) + len(each.data) for each in others)
        sizes = [last.size] * (size + packed)
        changed = last._replace(
            size=FULL if size else last.size,
            packed=FULL if packed else None,
            extra=wide(*sizes),
        )
        listed = changed._replace(
            offset=FULL if offset else None, extra=wide(*sizes, *([place] if offset else []))
        )
        header = changed if own and sizes else last
        return make_zip([*others, listed], headers=[*others, header])

    return bend


def widened_header(entries: list[Entry]) -> bytes:
    first, *rest = entries
    own = first._replace(size=FULL, packed=FULL, extra=wide(first.size, first.size))
    return make_zip(entries, headers=[own, *rest])


def patched(at: int, data: bytes, mark: bytes = b"PK\3\4") -> Bend:
    """Return what writes over the first header, or the first record with that mark."""

    def bend(entries: list[Entry]) -> bytes:
        made = bytearray(make_zip(entries))
        place = made.index(mark) + at
        made[place : place + len(data)] = data
        return bytes(made)

    return bend


def patched_end(at: int, data: bytes) -> Bend:
    """Return what writes over the end of 64 bits, or its locator 56 bytes behind."""

    def bend(entries: list[Entry]) -> bytes:
        made = bytearray(lengthen_end(make_zip(entries), (0xFFFF, FULL, FULL)))
        place = made.index(b"PK\6\6") + at
        made[place : place + len(data)] = data
        return bytes(made)

    return bend


def reordered(entries: list[Entry]) -> bytes:
    """Return a ZIP file whose directory lists the entries from the last to the first."""
    made = make_zip(entries)
    start = made.index(b"PK\1\2")
    directory, end = made[start:-22], made[-22:]
    marks = [at for at in range(len(directory)) if directory.startswith(b"PK\1\2", at)]
    parts = [directory[at:to] for at, to in zip(marks, [*marks[1:], None], strict=True)]
    return made[:start] + b"".join(reversed(parts)) + end


def inflating(beyond: int) -> Bend:
    """Return what adds an entry that says it unpacks to so many bytes beyond the limit."""

    def bend(entries: list[Entry]) -> bytes:
        data = pack(b"")
        stored = sum(len(each.data) for each in entries)
        size = RATIO * (stored + len(data)) + FREE - stored + beyond
        return make_zip([*entries, Entry(b"bag/more", data, size, method=8)])

    return bend


def before_file(entries: list[Entry]) -> bytes:
    """Return a ZIP file whose size and offset of 64 bits make the directory's place by overflow."""
    made = bytearray(lengthen_end(make_zip(entries), (0xFFFF, FULL, FULL)))
    place = made.index(b"PK\6\6")
    made[place + 40 : place + 56] = struct.pack("<2Q", place + 1, (1 << 64) - 1)
    return bytes(made)


def with_byte(entries: list[Entry]) -> bytes:
    made = make_zip(entries)
    size, start = struct.unpack("<2L", made[-10:-2])
    return made[:-22] + b"x" + made[-22:-10] + struct.pack("<2L", size + 1, start) + made[-2:]


def apart(entries: list[Entry]) -> bytes:
    """Return a ZIP file with a byte between its last entry and its directory."""
    made = make_zip(entries)
    start = made.index(b"PK\1\2")
    moved = made[:start] + b"x" + made[start:]
    return moved[:-6] + struct.pack("<L", start + 1) + moved[-2:]


def unreadable(name: str) -> Bend:
    """Return what ends a list with a line that is not UTF-8, and lists its new digest."""

    def bend(entries: list[Entry]) -> bytes:
        files = {entry.name.decode().partition("/")[2]: entry.data for entry in entries}
        old = hashlib.sha256(files[name]).hexdigest()
        files[name] += b"A: \xff\n"
        new = hashlib.sha256(files[name]).hexdigest()
        files[TAGS] = files[TAGS].replace(old.encode(), new.encode())
        return make_zip(to_entries(files))

    return bend


def list_honest() -> Iterator[Case]:
    bends: dict[str, Bend] = {
        "a size of 64 bits": widened(size=True, packed=False, offset=False),
        "a packed size of 64 bits": widened(size=False, packed=True, offset=False),
        "an offset of 64 bits": widened(size=False, packed=False, offset=True),
        "sizes and an offset of 64 bits": widened(size=True, packed=True, offset=True),
        "sizes of 64 bits in the directory alone": widened(
            size=True, packed=True, offset=False, own=False
        ),
        "sizes of 64 bits in a header alone": widened_header,
        "a field of 64 bits that nothing requires": edited(extra=wide(1, 2, 3)),
        "a field of 64 bits of no bytes, which nothing requires": edited(extra=wide()),
        "an empty extra field": edited(extra=struct.pack("<2H", 0x5455, 0)),
        "a time and a size of 64 bits": lambda entries: edited(
            size=FULL, extra=struct.pack("<2HBL", 0x5455, 5, 1, 9) + wide(entries[0].size)
        )(entries),
        "an end of 64 bits for the count alone": with_long_end(size=None, at=None),
        "an end of 64 bits for the size alone": with_long_end(count=None, at=None),
        "an end of 64 bits for the offset alone": with_long_end(count=None, size=None),
        "flags that state how it was packed": edited(flags=0x806),
        "a CRC of another file": edited(crc=7),
        "other versions and times in a header": patched(4, b"\x2d\0"),
        "another time in a header": patched(10, b"\1\2\3\4"),
        "a comment of an entry": edited(comment=b"a note"),
        "internal attributes": patched(36, b"\1\0", b"PK\1\2"),
        "a directory in another order": reordered,
        "an entry of the folder at the top": with_entries(folder(b"bag/")),
        "a folder with its kind": with_entries(folder(b"bag/x/")),
        "a file with other permissions": edited(attributes=0o104777 << 16),
    }
    for name, bend in bends.items():
        yield make_case(name, "", 0, bend)


def list_bent() -> Iterator[tuple[str, int, dict[str, Bend]]]:
    zero = Entry(b"bag/x", b"", 0)
    yield "end", 2, {
        "an end of 64 bits of another length": patched_end(4, struct.pack("<Q", 45)),
        "an end of 64 bits without its mark": patched_end(0, b"PK\6\5"),
        "an end of 64 bits without its locator": patched_end(56, b"PK\6\5"),
        "an end of 64 bits at another place": patched_end(64, struct.pack("<Q", 1)),
        "an end of 64 bits that counts fewer": patched_end(24, struct.pack("<2Q", 1, 1)),
        "an end of 64 bits that counts 200,001": patched_end(
            24, struct.pack("<2Q", 200_001, 200_001)
        ),
        "an end of 64 bits with another size": patched_end(40, struct.pack("<Q", 1)),
        "a directory of 2^26 + 1 bytes": patched_end(40, struct.pack("<Q", FREE + 1)),
        "an end of 64 bits with another offset": patched_end(48, struct.pack("<Q", 1)),
        "an end of 64 bits whose directory begins before the file": before_file,
        "a directory with a byte more": with_byte,
        "the mark of a 64-bit end, and nothing else": lambda entries: make_zip([], count=0xFFFF),
        "a directory of another offset": patched(16, struct.pack("<L", 1), b"PK\5\6"),
        "a directory of another size": patched(12, struct.pack("<L", 1), b"PK\5\6"),
    }  # fmt: skip
    yield (
        "parts",
        2,
        {
            "a directory on another disk": patched(6, b"\1\0", b"PK\5\6"),
            "fewer entries on this disk": patched(8, b"\1\0", b"PK\5\6"),
            "an entry on another disk": patched(34, b"\1\0", b"PK\1\2"),
            "an end of 64 bits on another disk": patched_end(16, struct.pack("<L", 1)),
            "a directory on another disk, in 64 bits": patched_end(20, struct.pack("<L", 1)),
            "fewer entries on this disk, in 64 bits": patched_end(24, struct.pack("<Q", 1)),
            "a locator on another disk": patched_end(60, struct.pack("<L", 1)),
            "a locator of two disks": patched_end(72, struct.pack("<L", 2)),
            "a locator of no disk": patched_end(72, struct.pack("<L", 0)),
        },
    )
    yield (
        "layout",
        2,
        {
            "entries from another offset on": patched(42, struct.pack("<L", 1), b"PK\1\2"),
            "a comment of one byte that is not there": patched(20, b"\1\0", b"PK\5\6"),
            "bytes before the directory": apart,
            "an entry that begins in the directory": with_entries(zero._replace(offset=1 << 20)),
            "an entry whose header ends in the directory": patched(28, b"\xff\x0f"),
            "an entry whose data end in the directory": lambda entries: make_zip(
                [*entries[:-1], entries[-1]._replace(packed=9_999, size=9_999)]
            ),
        },
    )
    yield (
        "agree",
        2,
        {
            "another packed size in its header": own_header(packed=1),
            "an offset of 64 bits in its header": own_header(extra=wide(1), size=FULL),
            "a size of 64 bits in its header that differs": own_header(size=FULL, extra=wide(1)),
        },
    )
    yield (
        "flags",
        2,
        {
            f"flag bit {bit}": edited(flags=0x800 | 1 << bit)
            for bit in (0, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15)
        },
    )
    yield "name-text", 2, {
        "an overlong form in a name": with_entries(zero._replace(name=b"bag/\xc0\xae")),
        "a surrogate in a name": with_entries(zero._replace(name=b"bag/\xed\xa0\x80")),
        "UTF-8 without its mark, of ideographs": with_entries(
            zero._replace(name="bag/\u4e00".encode(), flags=0)
        ),
        "UTF-8 without its mark": with_entries(
            zero._replace(name="bag/é".encode(), flags=0)
        ),
    }  # fmt: skip
    yield (
        "top",
        2,
        {
            "two folders, one of them empty": with_entries(folder(b"other/x/")),
            "a folder of another case": with_entries(zero._replace(name=b"Bag/x")),
        },
    )
    yield (
        "fields",
        2,
        {
            "Info-ZIP's other comment": edited(extra=struct.pack("<2HL", 0x6375, 4, 0)),
            "an extra field of three bytes": edited(extra=b"\x55\x54\0"),
            "two sizes of 64 bits where one is required": lambda entries: edited(
                size=FULL, extra=wide(entries[0].size, 0)
            )(entries),
            "one size of 64 bits where two are required": lambda entries: edited(
                size=FULL, packed=FULL, extra=wide(entries[0].size)
            )(entries),
            "a size of 64 bits in 4 bytes": lambda entries: edited(
                size=FULL, extra=struct.pack("<2HL", 1, 4, entries[0].size)
            )(entries),
            "a size of 64 bits in the directory alone, not in its field": own_header(size=FULL),
            "two fields of 64 bits where one is required": lambda entries: edited(
                size=FULL, extra=2 * wide(entries[0].size)
            )(entries),
        },
    )
    yield "kind", 2, {
        "a pipe": edited(attributes=0o010644 << 16),
        "a socket": edited(attributes=0o140644 << 16),
        "a terminal": edited(attributes=0o020644 << 16),
        "a file that says it is a folder": edited(attributes=0o040755 << 16),
        "a folder that says it is a file": with_entries(Entry(b"bag/x/", b"", 0)),
        "a link that is empty": with_entries(zero._replace(attributes=LINK)),
    }  # fmt: skip
    yield (
        "method",
        22,
        {
            "shrunk": edited(method=1),
            "deflated with 64 KiB": edited(method=9),
            "an unknown method": edited(method=0xFFFF),
        },
    )
    yield (
        "sizes",
        2,
        {
            "a stored size that is too small": edited(size=1),
            "a stored size of nothing": edited(size=0),
            "stored data as if deflated": edited(method=8),
            "deflated data of another kind of block": deflated(lambda data: b"\7" + data[1:]),
        },
    )
    yield (
        "folder",
        2,
        {
            "a folder with deflated data of no bytes": with_entries(
                folder(b"bag/x/", pack(b""), 0, 8)
            ),
            "a folder that says it unpacks to data": with_entries(folder(b"bag/x/", b"", 1, 8)),
            "a folder that unpacks to data": with_entries(folder(b"bag/x/", pack(b"x"), 1, 8)),
        },
    )
    yield "ratio", 2, {
        "a file of one byte too many": inflating(1),
        "two files of 2^63 bytes": lambda entries: make_zip([
            *entries,
            *(Entry(name, pack(b""), FULL, method=8, extra=wide(1 << 63))
              for name in (b"bag/a", b"bag/b")),
        ]),
    }  # fmt: skip
    yield (
        "list-form",
        2,
        {
            f"{name} that is not UTF-8": unreadable(name)
            for name in ("bag-info.txt", MANIFEST, TAGS)
        },
    )
    yield (
        "tag-manifest",
        10,
        {
            "an unlisted file of as many bytes as may be": inflating(0),
            "an unlisted file with a name of ideographs": with_entries(
                zero._replace(name="bag/\u4e00".encode())
            ),
            "an unlisted file that is deflated": with_entries(
                Entry(b"bag/more", pack(b"x"), 1, method=8)
            ),
        },
    )
