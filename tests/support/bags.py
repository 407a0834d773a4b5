"""Bags, written without the package's writer: honest ones, and each bent in one way."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from support.bent_receipts import honest_receipts, world
from support.page_script import PageScript
from support.zip_bends import TOP

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_validation import ValidBag, validate_bag
from anchor.bag.bag_zip import BagZip
from anchor.base.errors import AnchorError
from anchor.standalone import verify as standalone

Files = dict[str, bytes]
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


def long_name(length: int) -> str:
    """Return a name of so many bytes, in folders of names that every file system takes."""
    folders = ("\u8bc1" * 68 + "/") * 4
    return folders + "x" * (length - len(folders.encode()))


LENGTHS = {1_023: 0, 1_024: 0, 1_025: 2}
"""Lengths of a name in bytes, with the exit code of a bag that has it, in a folder or a ZIP."""


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
    "a label twice, in another case": Bent(2, relisted(
        "bag-info.txt", lambda data: data + b"bag-format: anchor-evidence-bag/1\n"
    )),
    "a format in another case": Bent(2, relisted(
        "bag-info.txt", lambda data: data.replace(b"Bag-F", b"Bag-f")
    )),
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
    "names that differ by a capital ß": Bent(2, with_files(**{
        "data/originals/stra\u1e9ee": b"x", "data/originals/straße": b"y",
        "receipts/stra\u1e9ee.anchor.json": b"{}", "receipts/straße.anchor.json": b"{}",
    })),
    "names that differ by a theta": Bent(2, with_files(**{
        "data/originals/\u03f4": b"x", "data/originals/θ": b"y",
        "receipts/\u03f4.anchor.json": b"{}", "receipts/θ.anchor.json": b"{}",
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
