"""Bags with notices about the originals in them, honest ones and bent ones."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from support.bags import Files, complete
from support.bags import by_page as ask_page
from support.bent_receipts import Given, named_hashes
from support.custodies import encode
from support.notices import OF_A, OF_B, A, B, C, Notices, make_record
from support.page_script import PageScript
from support.two_verifiers import make_pins
from support.world import SIZE, World, judged

from anchor.bag.bag_folder import BagFolder
from anchor.bag.bag_notices import list_bag_notices
from anchor.bag.bag_validation import validate_bag
from anchor.base.types import make_log_id
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.standalone import verify as standalone
from anchor.verification.notice_claim import GivenNotice, apply_notices
from anchor.verification.pinning import encode_policy

FOLDER = "notices/"
SUFFIX = ".anchor.json"


@functools.cache
def notices() -> Notices:
    return Notices()


def pack(made: Notices, *given: bytes) -> Files:
    """Return the files of a bag with the originals a, b and c, and these receipts of notices."""
    files = {}
    for name, index in (("a", A), ("b", B), ("c", C)):
        files[f"data/originals/{name}"] = made.world.files[index]
        files[f"receipts/{name}{SUFFIX}"] = encode_receipt(made.receipt(index))
    for number, data in enumerate(given):
        files[f"{FOLDER}{number}{SUFFIX}"] = data
    return complete(files)


def packed(made: Notices, *indices: int, **changes: Any) -> Files:
    """Return a bag with the receipts of these leaves, each changed alike."""
    receipts = [dataclasses.replace(made.receipt(index), **changes) for index in indices]
    return pack(made, *map(encode_receipt, receipts))


def with_record(record: bytes) -> Files:
    """Return a bag whose notice about a is this record."""
    made = Notices()
    records = list(made.world.records)
    records[OF_A] = record
    made.world = World(records)
    return packed(made, OF_A)


def bend_record(**changes: Any) -> Files:
    subject, replacement = (notices().give(index).notice.subject for index in (OF_A, OF_B))
    return with_record(make_record(subject, replacement, **changes))


def of_kind(kind: str) -> Files:
    record = json.loads(notices().world.records[OF_A])
    digests = notices().give(OF_A).notice.digests
    return with_record(encode(digests, "x", {"kind": kind, "notice": record["notice"]}))


def in_capitals() -> Files:
    return bend_record(subject=notices().give(OF_A).notice.subject.hex().upper())


def promised() -> Files:
    made = notices()
    return pack(made, encode_receipt(made.world.receipt(OF_A)))


def in_other_block() -> Files:
    made = notices()
    anchor = made.world.prove(made.world.anchor(OF_A, SIZE), at=39)
    return pack(made, encode_receipt(made.world.receipt(OF_A, anchor)))


def in_circle() -> Files:
    """Return a bag in which b is replaced by c, and c by b, as no project records it."""
    made = Notices()
    records = list(made.world.records)
    b, c = (hashlib.sha256(records[index]).digest() for index in (B, C))
    records[OF_A], records[OF_B] = make_record(b, c), make_record(c, b)
    made.world = World(records)
    return packed(made, OF_A, OF_B)


BAGS: dict[str, tuple[tuple[int, int, int], Callable[[], Files]]] = {
    "no notice": ((0, 0, 0), lambda: pack(notices())),
    "one is superseded": ((14, 0, 0), lambda: packed(notices(), OF_A)),
    "its replacement is withdrawn": ((14, 14, 0), lambda: packed(notices(), OF_A, OF_B)),
    "only the replacement's notice": ((0, 14, 0), lambda: packed(notices(), OF_B)),
    "the same notice twice": ((14, 0, 0), lambda: packed(notices(), OF_A, OF_A)),
    "two that replace each other": ((0, 14, 14), in_circle),
    "a text of many characters": ((14, 0, 0), lambda: bend_record(reason="𝒳" * 1_000)),
    "a date that there is not": ((14, 0, 0), lambda: bend_record(at="2026-02-31T25:61:61Z")),
    "a member of a later release": ((14, 0, 0), lambda: bend_record(x={"y": []})),
    "a promise": ((20, 0, 0), promised),
    "a block that was not named": ((20, 0, 0), in_other_block),
    "another index": ((0, 0, 0), lambda: packed(notices(), OF_A, index=OF_B)),
    "another notice's record": (
        (0, 0, 0), lambda: packed(notices(), OF_A, record=notices().world.records[OF_B])
    ),
    "another owner's log": (
        (0, 0, 0), lambda: packed(notices(), OF_A, log=make_log_id(b"\x77" * 20, 0))
    ),
    "digests of other bytes": (
        (0, 0, 0), lambda: packed(Notices(digests=World().evidence(A)), OF_A)
    ),
    "a kind without a replacement": ((0, 0, 0), lambda: of_kind("withdraws")),
    "a kind that is none": ((0, 0, 0), lambda: of_kind("file")),
    "a text with a line feed": ((0, 0, 0), lambda: bend_record(reason="a\nb")),
    "a text that turns round": ((0, 0, 0), lambda: bend_record(actor="a\u202eb")),
    "a text that is too long": ((0, 0, 0), lambda: bend_record(reason="x" * 1_001)),
    "no text": ((0, 0, 0), lambda: bend_record(reason="")),
    "a subject in capitals": ((0, 0, 0), in_capitals),
    "a replacement that is no text": ((0, 0, 0), lambda: bend_record(replacement=5)),
    "a time in other digits": ((0, 0, 0), lambda: bend_record(at="２026-01-02T03:04:05Z")),
    "no receipt": ((0, 0, 0), lambda: pack(notices(), b"{}", b"\xff", b"")),
    "a receipt without a record": (
        (0, 0, 0), lambda: pack(notices(), b'{"format":"anchor-receipt/1","record":"[["}')
    ),
    "a receipt that is too long": (
        (0, 0, 0), lambda: pack(notices(), encode_receipt(notices().receipt(OF_A)) + b" " * 2**20)
    ),
    "the receipt of an original": ((0, 0, 0), lambda: packed(notices(), C)),
}  # fmt: skip
"""What each of the originals a, b and c ends with, and what makes the bag."""


def hashes_of(files: Files) -> frozenset[bytes]:
    """Return the hashes of the blocks by which the originals in a bag are proven."""
    receipts = [parse_receipt(data) for name, data in files.items() if name.startswith("receipts/")]
    return named_hashes([anchor for receipt in receipts for anchor in receipt.anchors])


def by_package(path: Path, files: Files) -> tuple[int, ...]:
    """Return what the package's verifier ends with for each original."""
    bag = validate_bag(BagFolder(path))
    judge = partial(judged, notices().world, offline=True, block_hashes=hashes_of(files))
    given = [
        GivenNotice(
            name=name,
            notice=notice,
            log=log,
            is_demanded=False,
            judge=partial(judge, bag.read(name, 1 << 20), evidence=notice.digests),
        )
        for name, notice, log in list_bag_notices(bag)
    ]
    codes = []
    for exhibit in bag.exhibits:
        receipt: Receipt = parse_receipt(bag.read(exhibit.receipt, 1 << 20))
        report = judge(receipt, evidence=exhibit.digests)
        list_given = partial(_list_about, given)
        codes.append(int(apply_notices(report, receipt, list_given).exit_code))
    return tuple(codes)


def _list_about(given: list[GivenNotice], record: bytes) -> list[GivenNotice]:
    return [each for each in given if each.notice.subject == record]


def by_standalone(path: Path, files: Files) -> tuple[int, ...]:
    """Return what the standalone verifier ends with for each original."""
    policy = notices().world.policy()
    pins = make_pins(Given(leaf=A, policy=policy, block_hashes=hashes_of(files)))
    reports = standalone.verify_bag(standalone.Folder(str(path)), pins)
    return tuple(report.exit_code() for _, report in reports)


def by_page(page: PageScript, archive: bytes, files: Files) -> tuple[int, ...]:
    """Return what the page's script ends with for each original."""
    policy = encode_policy(notices().world.policy().entries).decode()
    named = sorted("0x" + each.hex() for each in hashes_of(files))
    ((code, codes),) = ask_page(page, [archive], policy=policy, blocks=named)
    assert code == 0
    return tuple(codes)
