"""Bags bent at random, below, in and above their lists, judged by three verifiers.

Case ``number`` of a campaign with ``seed`` depends on these two alone.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import struct
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from support.bags import NAME, RECEIPT, Files, complete
from support.bent_receipts import Given, honest_receipts, named_hashes, true_anchors, world
from support.page_script import PageScript, run_page_script
from support.two_verifiers import make_pins
from support.world import MAIN
from support.zip_bends import Entry, deflate, lengthen_end, make_zip, to_entries

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_validation import validate_bag
from anchor.bag.bag_zip import BagZip
from anchor.base.digests import Digests
from anchor.base.errors import AnchorError
from anchor.receipt.format import encode_receipt
from anchor.standalone import verify as standalone
from anchor.verification.pinning import encode_policy
from anchor.verification.verifier import judge

Outcome = tuple[int, tuple[int, ...]]
"""The validator's exit code, and those of the originals in the order of their names."""

_TOGETHER = 200
LISTS = (
    "manifest-sha256.txt",
    "tagmanifest-sha256.txt",
    "sm3sums.txt",
    "bag-info.txt",
    "bagit.txt",
)
ODD_NAMES = (
    "../x", "/x", "a\\b", "C:x", "data/originals/./x", "data//x", "data/originals/x/", "fetch.txt",
    "manifest-md5.txt", "tagmanifest-sm3.txt", "MANIFEST-SHA256.TXT", "extra", ".hidden",
    "Bagit.txt",
    "data/derived/x", "receipts/x.anchor.json", "receipts/x", "data/originals/e\u0301", "x\x00y",
    "data/originals/EVIDENCE 6.TXT", "data/originals/\u212a", "data/originals/a\rb", "data",
    "data/originals/50%", "receipts/EVIDENCE 6.txt.anchor.json", "bagit.txt/x", "\u017f", "a:b",
    "data/originals", "x" * 1025, "data/originals/\U0001f600", "policy/trust.toml",
    "a/" * 300 + "b", "man\u0131fest-md5.txt", "manife\u017ft-md5.txt", "DATA/x",
)  # fmt: skip


FULL = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


class Tally(NamedTuple):
    """How many cases ended with each outcome, and what was wrong."""

    codes: Counter[int]
    kinds: Counter[str]
    troubles: list[str]


@functools.cache
def honest() -> Files:
    """Return a bag with two originals that verifies."""
    first = next(each for each in honest_receipts() if each.name == "an operator's")
    anchor = [each for each in true_anchors(2) if each.chain_id == MAIN][-1]
    return complete({
        NAME: world().files[first.given.leaf],
        RECEIPT: json.dumps(first.document).encode(),
        "data/originals/2/b.txt": world().files[2],
        "receipts/2/b.txt.anchor.json": encode_receipt(world().receipt(2, anchor)),
        "policy/trust.toml": b"# not used\n",
    })  # fmt: skip


@functools.cache
def blocks() -> frozenset[bytes]:
    return named_hashes([anchor for leaf in (2, 6) for anchor in true_anchors(leaf)])


# ------------------------------------------------------------------------------------------------
# Bends.


def flip_byte(rng: Random, data: bytes) -> bytes:
    if not data:
        return b"x"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut_span(rng: Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 2, 4, 30, 200)) :]


def copy_span(rng: Random, data: bytes) -> bytes:
    start, to = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    return data[:to] + data[start : start + rng.choice((1, 4, 30, 200))] + data[to:]


def overwrite(rng: Random, data: bytes) -> bytes:
    if len(data) < 4:
        return data + b"x"
    at = rng.randrange(len(data) - 3)
    value = rng.choice((b"PK\1\2", b"PK\3\4", b"\xff\xff\xff\xff", bytes(4), b"\0\0\1\0", b"../x"))
    return data[:at] + value + data[at + 4 :]


BYTES: tuple[Callable[[Random, bytes], bytes], ...] = (flip_byte, cut_span, copy_span, overwrite)


def bend_line(rng: Random, data: bytes) -> bytes:
    """Change a list as a list: its lines, digests, names, spaces and line feeds."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    line = lines[at]
    name = rng.choice(ODD_NAMES).encode()
    lines[at] = rng.choice((
        b"", line + line, lines[other] + line, line[:64] + lines[other][64:],
        lines[other][:64] + line[64:], line.upper(), line.replace(b"  ", b" "),
        line.replace(b"  ", b" *"), line.replace(b"\n", b"\r\n"), line[:66] + name + b"\n",
        line.replace(b"e", b"%65"), line.replace(b" ", b"%20"), line.rstrip(b"\n"), b"\n" + line,
        b"0" * 64 + line[64:], line[:66] + b"data/../" + line[66:], line.replace(b"/", b"//", 1),
        line + b"0" * 64 + b"  " + name + b"\n", line.replace(b"1", b"2"), b"\xef\xbb\xbf" + line,
    ))  # fmt: skip
    return b"".join(lines)


def bend_files(rng: Random, files: Files) -> Files:
    """Change which files there are, what they are called, or what is in them."""
    names = list(files)
    name, other = rng.choice(names), rng.choice(names)
    odd = rng.choice(ODD_NAMES)
    match rng.randrange(8):
        case 0:
            return {each: data for each, data in files.items() if each != name}
        case 1:
            return {**files, odd: rng.choice((b"", b"x", files[name]))}
        case 2:
            return {odd if each == name else each: data for each, data in files.items()}
        case 3:
            return {**files, name: files[other], other: files[name]}
        case 4:
            return {**files, name: files[other]}
        case 5:
            return {**files, name: rng.choice(BYTES)(rng, files[name])}
        case 6:
            chosen = rng.choice(LISTS)
            return {**files, chosen: bend_line(rng, files.get(chosen, b""))}
        case _:
            twin = name.swapcase() if rng.random() < 0.5 else f"{name} "
            return {**files, twin: files[name]}


def relist(rng: Random, files: Files) -> Files:
    """Make lists anew, as someone would who bends a bag: all of them, or the outermost."""
    kept = dict(files)
    for name in rng.choice((LISTS[1:2], LISTS[:3], LISTS[:4])):
        kept.pop(name, None)
    return complete(kept)


def bend_entries(rng: Random, entries: list[Entry]) -> bytes:
    """Change what a ZIP file says of an entry, in the directory, in its own header, or in both."""
    at = rng.randrange(len(entries))
    entry = entries[at]
    packed = deflate(entry.data)
    changes: list[dict[str, Any]] = [
        {"flags": rng.choice((0, 1, 8, 0x40, 0x808, 0x801, 0x20, 0x2000, 0x806, 0xFFFF))},
        {"method": rng.choice((1, 8, 9, 12, 14, 93, 99, 65535))},
        {"size": rng.choice((0, 1, entry.size + 1, max(0, entry.size - 1), 0xFFFFFFFF, 1 << 31))},
        {"attributes": rng.randrange(1 << 16) << 16},
        {"attributes": rng.choice((0o120777, 0o060600, 0o010600, 0o140755, 0o040755)) << 16},
        {"name": rng.choice((b"bag/", b"", b"../", b"x/")) + rng.choice(ODD_NAMES).encode()},
        {"name": entry.name + rng.choice((b"/", b"\0", b" ", b"."))},
        {"extra": struct.pack("<2H", rng.choice((1, 0x7075, 0x6375, 0x5455)), rng.randrange(12))
         + rng.randbytes(rng.randrange(12))},
        {"crc": rng.randrange(1 << 32)},
        {"data": packed, "method": 8},
        # Not data with more behind them, which the streams of Node (not of browsers) take.
        {"data": packed[:-1], "method": 8},
        {"data": packed, "method": 8, "size": entry.size + rng.choice((-1, 1, 1000))},
        {"data": entry.data + b"x"},
    ]  # fmt: skip
    change = {
        name: max(0, v) if isinstance(v, int) else v for name, v in rng.choice(changes).items()
    }
    changed = [*entries[:at], entry._replace(**change), *entries[at + 1 :]]
    headers = changed if rng.random() < 0.6 or "data" in change else entries
    if rng.random() < 0.1:
        rng.shuffle(changed)
        headers = changed
    more: dict[str, Any] = rng.choice(
        ({}, {}, {}, {}, {"before": b"x"}, {"after": b"x"}, {"between": b"x"}, {"comment": b"x"},
         {"count": rng.choice((0, 1, 0xFFFF))})
    )  # fmt: skip
    return make_zip(changed, headers=headers, **more)


def make_case(seed: int, number: int) -> tuple[str, bytes]:
    """Return the kind of a bent bag, and its ZIP file."""
    rng = Random(f"{seed}:{number}")
    files, kinds = honest(), []
    if rng.random() < 0.75:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            files = bend_files(rng, files)
        kinds.append("files")
        if rng.random() < 0.6:
            files = relist(rng, files)
            kinds.append("relisted")
    entries = to_entries(files)
    if not kinds or rng.random() < 0.2:
        data = bend_entries(rng, entries)
        kinds.append("entries")
    else:
        data = make_zip(entries)
    if rng.random() < 0.1 and data.endswith(bytes(2)):
        data = lengthen_end(data, [rng.choice((full, full, None, 0, 46)) for full in FULL])
        kinds.append("end")
    if rng.random() < 0.25:
        for _ in range(rng.choice((1, 1, 2))):
            data = rng.choice(BYTES)(rng, data)
        kinds.append("bytes")
    return "+".join(kinds), data


# ------------------------------------------------------------------------------------------------
# Verdicts.


@functools.cache
def _judge(receipt: bytes, digests: Digests) -> int:
    policy = world().policy()
    try:
        report = judge(receipt, digests, policy=policy, connect=None, block_hashes=blocks())
    except AnchorError as error:
        return int(error.exit_code)
    return int(report.exit_code)


@functools.cache
def _judge_alone(receipt: bytes, sha256: str, sm3: str, size: int) -> int:
    pins = make_pins(Given(leaf=6, policy=world().policy(), block_hashes=blocks()))
    return standalone.verify(receipt, {"sha256": sha256, "sm3": sm3}, size, pins).exit_code()


def by_package(path: Path) -> Outcome:
    try:
        bag = validate_bag(BagFolder(path) if path.is_dir() else BagZip(path))
    except AnchorError as error:
        return int(error.exit_code), ()
    return 0, tuple(
        _judge(bag.read(exhibit.receipt, 1 << 20), exhibit.digests) for exhibit in bag.exhibits
    )


def by_standalone(path: Path) -> Outcome:
    with io.BytesIO() if path.is_dir() else path.open("rb") as file:
        try:
            source: standalone.Folder | standalone.ZipFile = (
                standalone.Folder(str(path)) if path.is_dir() else standalone.ZipFile(file)
            )
            codes = []
            for name, (digests, size) in standalone.check_bag(source).payload.items():
                receipt = f"receipts/{name.removeprefix('data/originals/')}.anchor.json"
                data = standalone.read_whole(source, receipt, standalone.MAX_RECEIPT)
                codes.append(_judge_alone(data, digests["sha256"], digests["sm3"], size))
        except standalone.Refusal as refusal:
            return refusal.code, ()
    return 0, tuple(codes)


def by_page(page: PageScript, archives: list[bytes]) -> list[Outcome]:
    answers = page.ask(
        "bags",
        bags=[base64.b64encode(data).decode() for data in archives],
        policy=encode_policy(world().policy().entries).decode(),
        block_hashes=sorted("0x" + named.hex() for named in blocks()),
    )
    return [(code, tuple(codes)) for code, codes, *_ in answers]


def is_true(data: bytes) -> bool:
    """Return whether all that another program finds in the ZIP file is of the honest bag.

    Names may have changed, where all lists say the same; and files and hints that nothing proves.
    """
    files = honest()
    pairs = {
        (hashlib.sha256(files[name]).digest(), without_hints(files[receipt]))
        for name, receipt in (
            (NAME, RECEIPT),
            ("data/originals/2/b.txt", "receipts/2/b.txt.anchor.json"),
        )
    }
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = {each.partition("/")[2]: each for each in archive.namelist()}
        if len(inside) != len(archive.namelist()):
            return False
        # Read by the directory: the CRC, which other programs check, is not what counts.
        for name, path in inside.items():
            if name.startswith("data/") and not name.endswith("/"):
                receipt = f"receipts/{name.removeprefix('data/originals/')}.anchor.json"
                if receipt not in inside:
                    return False
                original = _unpack(archive, path)
                stated = without_hints(_unpack(archive, inside[receipt]))
                if (hashlib.sha256(original).digest(), stated) not in pairs:
                    return False
    return True


def without_hints(receipt: bytes) -> str:
    """Return a receipt without the members that never reach a verdict, in one spelling."""
    document = json.loads(receipt)
    for anchor in document["anchors"]:
        anchor.pop("hints", None)
    return json.dumps(document, sort_keys=True)


def _unpack(archive: zipfile.ZipFile, path: str) -> bytes:
    info = archive.getinfo(path)
    del info.CRC
    with archive.open(info) as entry:
        return entry.read()


def run_campaign(seed: int, first: int, count: int, folder: Path) -> Tally:
    """Judge cases by all three; a trouble is a disagreement, or a false bag that passes."""
    tally = Tally(Counter(), Counter(), [])
    with run_page_script() as page:
        for start in range(first, first + count, _TOGETHER):
            numbers = range(start, min(start + _TOGETHER, first + count))
            cases = [make_case(seed, number) for number in numbers]
            pages = by_page(page, [data for _, data in cases])
            for number, (kind, data), third in zip(numbers, cases, pages, strict=True):
                judge_case(f"case {number} ({kind})", kind, data, third, folder, tally)
    return tally


def judge_case(
    name: str, kind: str, data: bytes, third: Outcome, folder: Path, tally: Tally
) -> None:
    path = folder / "bag.zip"
    path.write_bytes(data)
    package, alone = by_package(path), by_standalone(path)
    tally.kinds[kind] += 1
    passes = package[0] == 0 and set(package[1]) == {0}
    tally.codes[package[0] or max(package[1], default=1)] += 1
    if not package == alone == third:
        tally.troubles.append(f"{name}: package {package}, standalone {alone}, page {third}")
    if passes and not is_true(data):
        tally.troubles.append(f"{name}: passes, though it says something else")
