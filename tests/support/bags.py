"""Bags, written without the package's writer: honest ones, and each bent in one way."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from support.bent_receipts import honest_receipts, world
from support.page_script import PageScript

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_validation import ValidBag, validate_bag
from anchor.bag.bag_zip import BagZip
from anchor.errors import AnchorError
from anchor.standalone import verify as standalone

Files = dict[str, bytes]
TOP = "bag"
NAME = "data/originals/evidence 6.txt"
RECEIPT = "receipts/evidence 6.txt.anchor.json"


def honest_payload() -> Files:
    """Return an original and its receipt."""
    receipt = next(each for each in honest_receipts() if each.name == "an operator's")
    return {
        NAME: world().files[receipt.given.leaf],
        RECEIPT: json.dumps(receipt.document).encode(),
    }


def make_list(digests: dict[str, str]) -> bytes:
    """Return a list of digests as sha256sum would print it."""
    lines = (
        f"{digests[name]}  {name.replace('%', '%25')}\n".replace("\r", "%0D") for name in digests
    )
    return "".join(lines).encode()


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, data).hexdigest()


def complete(files: Files) -> Files:
    """Return a bag of these files, with its lists; those that are given are kept."""
    payload = {name: data for name, data in files.items() if name.startswith("data/")}
    oxum = f"{sum(map(len, payload.values()))}.{len(payload)}"
    bag = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Bag-Format: anchor-bag/1\nPayload-Oxum: {oxum}\n".encode(),
        "manifest-sha256.txt": make_list({name: digest(data) for name, data in payload.items()}),
        "sm3sums.txt": make_list({name: digest(data, "sm3") for name, data in payload.items()}),
        **files,
    }
    tags = {name: digest(data) for name, data in bag.items() if not name.startswith("data/")}
    bag.setdefault("tagmanifest-sha256.txt", make_list(tags))
    return bag


def honest_bag() -> Files:
    return complete(honest_payload())


def write_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, files: Files, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"{TOP}/{name}"), data, method)
    return path


def by_package(path: Path) -> int:
    """Return the exit code of the package's validator."""
    try:
        open_valid(path)
    except AnchorError as error:
        return int(error.exit_code)
    return 0


def open_valid(path: Path) -> ValidBag:
    return validate_bag(BagFolder(path) if path.is_dir() else BagZip(path))


def by_standalone(path: Path) -> int:
    """Return the exit code of the standalone verifier's validator."""
    try:
        if path.is_dir():
            standalone.check_bag(standalone.Folder(str(path)))
        else:
            with path.open("rb") as file:
                standalone.check_bag(standalone.ZipFile(file))
    except standalone.Refusal as refusal:
        return refusal.code
    return 0


# ------------------------------------------------------------------------------------------------
# Bags that are bent in one way, with the exit code of each.


class Bent(NamedTuple):
    code: int
    bend: Callable[[Files], Files]


def but(**changes: bytes | None) -> Callable[[Files], Files]:
    return lambda bag: {name: data for name, data in (bag | changes).items() if data is not None}


def with_files(**changes: bytes) -> Callable[[Files], Files]:
    """Return what adds payload or tag files, and lists them."""
    return lambda bag: complete(honest_payload() | changes)


def relisted(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    """Return what edits a list, and puts its new digest into the tag manifest."""

    def bend(bag: Files) -> Files:
        edited = {**bag, name: edit(bag[name])}
        del edited["tagmanifest-sha256.txt"]
        return complete(edited)

    return bend


def tags_edited(edit: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    name = "tagmanifest-sha256.txt"
    return lambda bag: {**bag, name: edit(bag[name])}


def renamed(name: str) -> Callable[[Files], Files]:
    """Return what gives the original another name, and its receipt the name that belongs to it."""

    def bend(bag: Files) -> Files:
        honest = honest_payload()
        return complete({
            f"data/originals/{name}": honest[NAME],
            f"receipts/{name}.anchor.json": honest[RECEIPT],
        })  # fmt: skip

    return bend


def flip(data: bytes) -> bytes:
    return data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]


LIST, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
ZERO = b"0" * 64
E_ACUTE = unicodedata.normalize("NFD", "é")

CONTENTS: dict[str, Bent] = {
    "a flipped bit in the original": Bent(10, lambda bag: {**bag, NAME: flip(bag[NAME])}),
    "a flipped bit in the receipt": Bent(10, lambda bag: {**bag, RECEIPT: flip(bag[RECEIPT])}),
    "an original missing": Bent(10, but(**{NAME: None})),
    "a receipt missing": Bent(10, but(**{RECEIPT: None})),
    "a receipt missing, and not listed": Bent(
        2, lambda bag: complete({NAME: honest_payload()[NAME]})
    ),
    "an original without a receipt": Bent(10, with_files(**{"data/originals/more": b"x"})),
    "a payload file that is no original": Bent(10, with_files(**{"data/derived/more": b"x"})),
    "a receipt without an original": Bent(10, with_files(**{"receipts/more.anchor.json": b"{}"})),
    "a receipt of another name": Bent(2, with_files(**{"receipts/more.json": b"{}"})),
    "an unlisted payload file": Bent(10, but(**{"data/originals/more": b"x"})),
    "an unlisted tag file": Bent(10, but(**{"extra.txt": b"x"})),
    "an unlisted hidden file": Bent(10, but(**{".DS_Store": b"x"})),
    "no bagit.txt": Bent(2, but(**{"bagit.txt": None})),
    "no bag-info.txt": Bent(10, but(**{"bag-info.txt": None})),
    "no manifest": Bent(10, but(**{LIST: None})),
    "no tag manifest": Bent(10, but(**{TAGS: None})),
    "no SM3 list": Bent(10, but(**{"sm3sums.txt": None})),
    "no manifest, and none listed": Bent(10, lambda bag: but(**{LIST: None})(
        {**bag, TAGS: b"".join(line for line in bag[TAGS].splitlines(True) if b" man" not in line)}
    )),
    "another manifest": Bent(22, with_files(**{"manifest-md5.txt": b""})),
    "another tag manifest": Bent(22, but(**{"tagmanifest-sha512.txt": b""})),
    "a manifest in capitals": Bent(2, with_files(**{"Manifest-SHA256.txt": b""})),
    "fetch.txt": Bent(2, with_files(**{"fetch.txt": b"https://example.org - data/x\n"})),
    "a name on both lists": Bent(10, relisted(LIST, lambda data: data + ZERO + b"  bagit.txt\n")),
    "a name twice": Bent(2, relisted(LIST, lambda data: data + data)),
    "a name twice, with another digest": Bent(
        2, relisted(LIST, lambda data: data + ZERO + data[64:])
    ),
    "a tag file twice": Bent(2, tags_edited(lambda data: data + data)),
    "the tag manifest in itself": Bent(
        10, tags_edited(lambda data: data + ZERO + b"  " + TAGS.encode() + b"\n")
    ),
    "a path upwards": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  ../evil\n")),
    "a path upwards within": Bent(
        2, relisted(LIST, lambda data: data.replace(b"data/", b"data/../data/"))
    ),
    "an absolute path": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  /etc/passwd\n")),
    "a path with a backslash": Bent(
        2, relisted(LIST, lambda data: data.replace(b"originals/", b"originals\\"))
    ),
    "a drive": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  C:/x\n")),
    "a path that ends with a slash": Bent(
        2, relisted(LIST, lambda data: data + ZERO + b"  data/\n")
    ),
    "a control character": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  data/\x07\n")),
    "a path of one point": Bent(2, relisted(LIST, lambda data: data.replace(b"data/", b"./data/"))),
    "an escape of no such character": Bent(
        2, relisted(LIST, lambda data: data.replace(b"evidence", b"%65vidence"))
    ),
    "an escape in lower case": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  data/%0d\n")),
    "an escape cut short": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  data/%2\n")),
    "a bare percent sign": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  data/50% off\n")),
    "a bare carriage return": Bent(2, relisted(LIST, lambda data: data + ZERO + b"  data/a\rb\n")),
    "lines of Windows": Bent(2, relisted(LIST, lambda data: data.replace(b"\n", b"\r\n"))),
    "an asterisk of binary mode": Bent(2, relisted(LIST, lambda data: data.replace(b"  ", b" *"))),
    "one space": Bent(2, relisted(LIST, lambda data: data.replace(b"  ", b" "))),
    "a digest in capitals": Bent(
        2, relisted(LIST, lambda data: data[:64].upper().replace(b"0", b"A") + data[64:])
    ),
    "a digest cut short": Bent(2, relisted(LIST, lambda data: data[1:])),
    "no last line feed": Bent(2, relisted(LIST, lambda data: data[:-1])),
    "an empty line": Bent(2, relisted(LIST, lambda data: data + b"\n")),
    "a byte order mark": Bent(2, relisted(LIST, lambda data: b"\xef\xbb\xbf" + data)),
    "a list that is not UTF-8": Bent(2, relisted(LIST, lambda data: data + b"\xff\n")),
    "an empty list": Bent(10, relisted(LIST, lambda data: b"")),
    "an SM3 value of another file": Bent(
        10, relisted("sm3sums.txt", lambda data: ZERO + data[64:])
    ),
    "an SM3 list of SHA-256": Bent(
        10, lambda bag: relisted("sm3sums.txt", lambda data: bag[LIST])(bag)
    ),
    "an SM3 list without the file": Bent(10, relisted("sm3sums.txt", lambda data: b"")),
    "a manifest of SM3": Bent(10, lambda bag: relisted(LIST, lambda data: bag["sm3sums.txt"])(bag)),
    "a wrong sum of sizes": Bent(
        10, relisted("bag-info.txt", lambda data: data.replace(b"Oxum: ", b"Oxum: 1"))
    ),
    "no sum of sizes": Bent(2, relisted("bag-info.txt", lambda data: data.split(b"Payload")[0])),
    "a malformed sum of sizes": Bent(
        2, relisted("bag-info.txt", lambda data: data.replace(b"Oxum: ", b"Oxum: 0"))
    ),
    "a label twice": Bent(2, relisted("bag-info.txt", lambda data: data + data)),
    "a folded line": Bent(2, relisted("bag-info.txt", lambda data: data + b" more\n")),
    "no format": Bent(2, relisted("bag-info.txt", lambda data: data.replace(b"Bag-F", b"F"))),
    "another format": Bent(22, relisted("bag-info.txt", lambda data: data.replace(b"/1", b"/2"))),
    "another version": Bent(
        22, relisted("bagit.txt", lambda data: data.replace(b"1.0", b"0.97"))
    ),
    "another encoding": Bent(2, relisted("bagit.txt", lambda data: data.replace(b"8", b"16"))),
    "a longer declaration": Bent(2, relisted("bagit.txt", lambda data: data + b"\n")),
    "names that differ by case": Bent(2, with_files(**{
        NAME.upper().replace("DATA/ORIGINALS", "data/originals"): b"x",
        "receipts/EVIDENCE 6.TXT.anchor.json": b"{}",
    })),
    "names that differ by ß": Bent(2, with_files(**{
        "data/originals/straße": b"x", "data/originals/STRASSE": b"y",
        "receipts/straße.anchor.json": b"{}", "receipts/STRASSE.anchor.json": b"{}",
    })),
    "a decomposed name": Bent(2, renamed(E_ACUTE)),
    "a decomposed name on the list": Bent(
        2, lambda bag: relisted(LIST, lambda data: data.replace("é".encode(), E_ACUTE.encode()))(
            renamed("é")(bag)
        )
    ),
    "a name with a tab": Bent(2, renamed("a\tb")),
    "a name with a colon": Bent(2, renamed("a:b")),
    "a name with a backslash": Bent(2, renamed("a\\b")),
    "a name of 1,100 bytes": Bent(2, renamed("/".join(["a" * 200] * 6))),
    "a list that is too long": Bent(
        2, relisted("bag-info.txt", lambda data: b"A: " + b"x" * (1 << 25) + b"\n")
    ),
}  # fmt: skip
"""Bags whose files or lists are bent, in a folder as in a ZIP file."""

HONEST: dict[str, Callable[[Files], Files]] = {
    "as it is": lambda bag: bag,
    "a name of Chinese": renamed("证据 一.txt"),
    "a name with a percent sign": renamed("50% off.txt"),
    "a name with an escape": renamed("50%25 off.txt"),
    "a name with a carriage return": renamed("a\rb"),
    "a composed name": renamed("é"),
    "an original in a numbered folder": renamed("2/evidence 6.txt"),
    "a name like a list's with a dotless i": with_files(**{"man\u0131fest-md5.txt": b""}),
    "a name like a list's with a long s": with_files(**{"manife\u017ft-md5.txt": b""}),
    "an empty original": lambda bag: complete({
        "data/originals/empty": b"", "receipts/empty.anchor.json": b"{}"
    }),
    "more files about it": with_files(**{"custody/a.json": b"1", "certificate/a.pdf": b"2"}),
}  # fmt: skip


def make_link(path: Path) -> None:
    (path / NAME).unlink()
    (path / NAME).symlink_to("/etc/hostname")


def make_linked_folder(path: Path) -> None:
    (path / "receipts").rename(path.parent / "elsewhere")
    (path / "receipts").symlink_to(path.parent / "elsewhere")


def make_pipe(path: Path) -> None:
    (path / NAME).unlink()
    os.mkfifo(path / NAME)


def make_bytes_name(path: Path) -> None:
    Path(os.fsdecode(os.fsencode(path) + b"/\xff")).write_bytes(b"x")


FOLDERS: dict[str, tuple[int, Callable[[Path], None]]] = {
    "a link instead of the original": (2, make_link),
    "a link instead of a folder": (2, make_linked_folder),
    "a dangling link beside it": (2, lambda path: (path / "more").symlink_to("nowhere")),
    "a pipe": (2, make_pipe),
    "a name that is not UTF-8": (2, make_bytes_name),
    "an empty folder": (0, lambda path: (path / "empty").mkdir()),
}
"""Folders that are bent in a way that no ZIP file can be."""


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
        offset = len(body)
        body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, own.flags, own.method, 0, 33, own.crc, len(own.data),
            own.size, len(own.name), len(own.extra),
        ) + own.name + own.extra + entry.data + between  # fmt: skip
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, entry.flags, entry.method, 0, 33, entry.crc,
            len(entry.data), entry.size, len(entry.name), len(entry.extra), 0, 0, 0,
            entry.attributes, offset,
        ) + entry.name + entry.extra  # fmt: skip
    number = len(entries) if count is None else count
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), len(body), len(comment)
    )
    return bytes(body) + directory + end + comment + after


def to_entries(files: Files, top: str = TOP) -> list[Entry]:
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


def deflated(edit: Callable[[bytes], bytes], by: int = 0) -> Callable[[list[Entry]], bytes]:
    """Return what deflates the first entry, edits its data, and adds to its size."""

    def bend(entries: list[Entry]) -> bytes:
        first = entries[0]
        changed = first._replace(data=edit(deflate(first.data)), method=8, size=first.size + by)
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
    "a second folder's entry": (2, with_entries(Entry(b"other/", b"", 0))),
    "a file at the top": (2, with_entries(Entry(b"x", b"", 0))),
    "no folder": (2, lambda entries: make_zip(
        [entry._replace(name=entry.name[4:]) for entry in entries]
    )),
    "a path upwards": (2, with_entries(Entry(b"bag/../x", b"", 0))),
    "a folder upwards": (2, with_entries(Entry(b"bag/../", b"", 0))),
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
    "a folder that is also a file": (2, with_entries(Entry(b"bag/BagIt.txt/", b"", 0))),
    "a folder with data": (2, with_entries(Entry(b"bag/x/", b"x", 1))),
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


def by_page(
    page: PageScript,
    archives: list[bytes],
    *,
    policy: str | None = None,
    blocks: Sequence[str] = (),
) -> list[tuple[int, list[int]]]:
    """Return what the page's validator ends with for each ZIP file, and for the originals in it."""
    answers = page.ask_bags(archives, policy=policy, blocks=blocks)
    return [(code, codes) for code, codes, *_ in answers]
