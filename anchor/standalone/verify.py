#!/usr/bin/env python3
"""Verify a receipt of electronic evidence, with this one file and Python 3.11 or later.

    python verify.py RECEIPT FILE… --chain-id N --log 0x… --block-hash 0x…
    python verify.py BAG --chain-id N --log 0x… --block-hash 0x…
    python verify.py BAG --receipt RECEIPT --chain-id N --log 0x… --block-hash 0x…

RECEIPT is the receipt of one FILE, or a bundle of receipts: that is read to its end before anything
is verified by it. A bag (docs/spec/bag.md), which is a folder or a ZIP file, is named alone: all of
it is read and compared with its lists before anything is verified by its receipts. Receipts of
custody events in it are verified like those of originals, for claim C7. Whatever else is in it,
such as a trust policy, is not used. The receipt of a bag that is one piece of evidence, such as a
web capture, is beside it (BAG.anchor.json) or named with --receipt; so may the receipt of one file
be.

The program makes no network request. A receipt proves what a registry contract held in one block of
a chain, and you name the hash of that block, which you obtained elsewhere (for example from block
explorers of several operators). That the block is final and belongs to that chain rests on your
word alone. You also name the log and its chain: what a receipt states about itself is a claim of
the person who made it, and is accepted only with --accept-unpinned. The checks are steps 1 to 11 of
docs/spec/verification.md, by the formats of docs/spec; comments and printed lines carry the numbers
of the steps.

It was written from those documents and shares no code with the package that contains it. It
imports only Python's standard library; as that library does not guarantee Keccak-256, the function
is below.

A notice is a record by which the log's operator supersedes or withdraws another one. Those in a
bag, and those named with --notice, are verified like any record; without one, nothing here tells
whether a record still stands.

Verdicts, titles of steps and the last line are printed in Chinese with --lang zh, or where the
environment asks for Chinese; details of a step are English. Names are printed as they are, but for
characters that cannot be seen or that the output cannot hold, which are escaped.

Exit codes: 0 verified; 2 bad usage or malformed; 10 mismatch; 11 not anchored; 12 not what is
pinned; 13 abandoned by the log's owner; 14 superseded or withdrawn; 20 cannot check; 21 not final
yet; 22 unknown version, fork or algorithm.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python would search this file's folder for modules first, and a file there may have come
    # with the evidence. Therefore only sys, which is built in, is imported before, and nothing
    # from __future__.
    del sys.path[0]

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import stat
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, BinaryIO

# ------------------------------------------------------------------------------------------------
# The pinned values, which options override: see docs/contract.md, "Address and code", and
# docs/verification.md, "Chains that this release lists".

REGISTRY = bytes.fromhex("f525060e7f0b222b6c7a0a7445ef1c5ad1aa8069")

MAIN, TEST, DEVELOPMENT, UNLISTED = "main", "test", "development", "unlisted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain that this release lists."""

    name: str
    kind: str
    # The hash of block 0, which identifies the chain to people. No proof leads to it, so it is
    # printed and not compared.
    genesis: str | None
    # The registry's code contains the chain's id, so its hash differs between chains.
    code_hash: bytes
    # By how many seconds a block's time may be wrong: one slot on Ethereum and Gnosis Chain. On an
    # OP chain, the operator of the sequencer sets the times of blocks: a batch may follow its
    # block of Ethereum by 3,600 blocks, 12 h, and one more hour allows for slots without a block.
    # On an Arbitrum chain it sets them, too: a batch may follow its blocks by 24 h and one slot.
    time_slack: int
    is_sequenced: bool = False


CHAINS = {
    1: Chain(
        name="Ethereum Mainnet",
        kind=MAIN,
        genesis="d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
        code_hash=bytes.fromhex("a24f885b8ff20cfe2fdc6ff023ac493d68bbd9c7e9d9050e9b0d4d6b9c7cd652"),
        time_slack=12,
    ),
    10: Chain(
        name="OP Mainnet",
        kind=MAIN,
        genesis="7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b",
        code_hash=bytes.fromhex("9af7be2170d4b13c784699255e2310a75691f8826f6108388c8ca5972fde7fe1"),
        time_slack=46_800,
        is_sequenced=True,
    ),
    8453: Chain(
        name="Base",
        kind=MAIN,
        genesis="f712aa9241cc24369b143cf6dce85f0902a9731e70d66818a3a5845b296c73dd",
        code_hash=bytes.fromhex("7343e5868447092bbbb2a7356fdfa83591559a09b796449ebda0fa7d884ae18f"),
        time_slack=46_800,
        is_sequenced=True,
    ),
    42161: Chain(
        name="Arbitrum One",
        kind=MAIN,
        genesis="7ee576b35482195fc49205cec9af72ce14f003b9ae69f6ba0faef4514be8b442",
        code_hash=bytes.fromhex("47e99e0c77960bbec8400dd5b2850a7c09947f66c0f123bec1d4b15a71ea555a"),
        time_slack=86_412,
        is_sequenced=True,
    ),
    100: Chain(
        name="Gnosis Chain",
        kind=MAIN,
        genesis="4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756",
        code_hash=bytes.fromhex("b663533b581e42cbe5d5ff2ddf4ff9504f46e672506ad07205e9b585b8a79744"),
        time_slack=5,
    ),
    560048: Chain(
        name="Hoodi",
        kind=TEST,
        genesis="bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b",
        code_hash=bytes.fromhex("9a5b834a288a8d4614daca929248d0edb3d8678dc88bbdb74d3ec6a81832aac9"),
        time_slack=12,
    ),
    11155111: Chain(
        name="Sepolia",
        kind=TEST,
        genesis="25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9",
        code_hash=bytes.fromhex("51b55cd28dd263625ccf72b1b96880bffcf4810c6b8d56e2b93b9b98f1ab9dde"),
        time_slack=12,
    ),
    11155420: Chain(
        name="OP Sepolia",
        kind=TEST,
        genesis="102de6ffb001480cc9b8b548fd05c34cd4f46ae4aa91759393db90ea0409887d",
        code_hash=bytes.fromhex("05d299fd444564410b2b19c0dd9a4b375c0efa749416a9d7a492792c18b62602"),
        time_slack=46_800,
        is_sequenced=True,
    ),
    84532: Chain(
        name="Base Sepolia",
        kind=TEST,
        genesis="0dcc9e089e30b90ddfc55be9a37dd15bc551aeee999d2e2b51414c54eaf934e4",
        code_hash=bytes.fromhex("54116040bc3043db93c7996b739765696466e8b9bcf1312bd6b354beaa536b75"),
        time_slack=46_800,
        is_sequenced=True,
    ),
    421614: Chain(
        name="Arbitrum Sepolia",
        kind=TEST,
        genesis="77194da4010e549a7028a9c3c51c3e277823be6ac7d138d0bb8a70197b5c004c",
        code_hash=bytes.fromhex("8076eb795b961afb6a9ebd93d429f6133b527b1b96819ac8d6ea893ff911b973"),
        time_slack=86_412,
        is_sequenced=True,
    ),
    31337: Chain(
        name="development chain",
        kind=DEVELOPMENT,
        genesis=None,
        code_hash=bytes.fromhex("5d6be8b4a25de41d59749c445c39f7a0b5f108126332ba5db758d0e30d726544"),
        time_slack=12,
    ),
}

# Chains on which the state proves no hashes of earlier blocks as EIP-2935 has it: Arbitrum's
# contracts see another number than that of their chain's blocks.
WITHOUT_BLOCK_HISTORY = (42161, 42170, 421614)
# EIP-2935: the contract that keeps the hashes of as many blocks before each block, and the
# Keccak-256 of its code.
HISTORY_CONTRACT = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
HISTORY_WINDOW = 8_191
HISTORY_CODE_HASH = bytes.fromhex(
    "6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"
)

# The verdict for each kind of chain, from the strongest to the weakest.
HEADLINES = {
    MAIN: "verified",
    UNLISTED: "verified on a chain that this release does not list "
    "(judge for yourself what it proves)",
    TEST: "verified on a test network (proves nothing to a court)",
    DEVELOPMENT: "verified on a development chain (proves nothing about real time)",
}
KIND_SENTENCES = {
    TEST: "a test network: its coins are free, and it proves nothing to a court",
    DEVELOPMENT: "a development chain: whoever runs it chooses its blocks and their times",
    UNLISTED: "a chain that this release does not list",
}

# The kinds of chain whose block times prove real time.
WITH_REAL_TIME = (MAIN, UNLISTED)

# By how many seconds the operator's clock, from which a record's time was read, may be ahead of the
# chain's time. Beyond that, neither of the two times can be relied on.
RECORDED_AT_TOLERANCE = 300
MAX_TOLERANCE = 86_400

# ------------------------------------------------------------------------------------------------
# Exit codes. If several steps do not pass, the gravest code counts.

VERIFIED, MALFORMED, MISMATCH, NOT_ANCHORED, NOT_TRUSTED, ABANDONED = 0, 2, 10, 11, 12, 13
SUPERSEDED, CANNOT_CHECK, NOT_FINAL, UNKNOWN = 14, 20, 21, 22
MEANINGS = {
    VERIFIED: "passed",
    MALFORMED: "MALFORMED",
    MISMATCH: "MISMATCH",
    NOT_ANCHORED: "NOT ANCHORED",
    NOT_TRUSTED: "NOT TRUSTED",
    ABANDONED: "ABANDONED",
    SUPERSEDED: "SUPERSEDED OR WITHDRAWN",
    CANNOT_CHECK: "cannot check",
    NOT_FINAL: "not final yet",
    UNKNOWN: "unknown version",
}
OPEN = (CANNOT_CHECK, NOT_FINAL, UNKNOWN)  # neither true nor false
REFUSED = "NOT VERIFIED"
BY_YOUR_BLOCK = ", by a block that only you vouch for"
WITHDRAWN = "SUPERSEDED OR WITHDRAWN by the log's operator; the evidence itself: {}"
STANDING_UNKNOWN = "cannot tell whether it still stands; the evidence itself: {}"
EXIT = " (exit code {})"
GRAVEST_FIRST = (
    MISMATCH,
    NOT_TRUSTED,
    NOT_ANCHORED,
    ABANDONED,
    SUPERSEDED,
    MALFORMED,
    UNKNOWN,
    CANNOT_CHECK,
    NOT_FINAL,
)

# ------------------------------------------------------------------------------------------------
# Limits, all defined in docs/spec.

MAX_RECEIPT = 1 << 20  # bytes
MAX_LINE = 1 << 20  # bytes of a bundle, with the line feed
MAX_RECORD = 65_535  # bytes, and therefore the limit of characters
MAX_LEVELS = 16  # of nested JSON objects and arrays
MAX_INTEGER = (1 << 53) - 1
MAX_SIZE = (1 << 48) - 1  # leaves of a log
MAX_PATH = 48  # hashes, for a log of that many leaves
MAX_ANCHORS = 16
MAX_HEADER = 8_192  # bytes
MAX_NODE = 532  # bytes: a branch of sixteen hashes
MAX_NODES = 65  # one for each of a key's 64 digits, and the leaf
MAX_NAME = 4_096  # characters


class Refusal(Exception):
    """The reason why a step does not pass, with its exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def malformed(text: str) -> Refusal:
    """Return the error for input that breaks its format."""
    return Refusal(MALFORMED, text)


def mismatch(text: str) -> Refusal:
    """Return the error for a value that differs from the expected one."""
    return Refusal(MISMATCH, text)


# ------------------------------------------------------------------------------------------------
# Step 1, JSON: parsed strictly and within limits.


def read_json(data: bytes, what: str) -> Any:
    """Read UTF-8 JSON: unique names, integers below 2^53, no lone surrogate, 16 levels."""

    def integer(digits: str) -> int:
        if digits == "-0":
            raise malformed(f"{what} holds -0")
        if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
            raise malformed(f"{what} holds a number that is not below 2^53")
        return int(digits)

    def no_number(_: str) -> None:
        raise malformed(f"{what} holds a number that is no integer")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise malformed(f"{what} names a member twice")
        return dict(pairs)

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed(f"{what} is not UTF-8") from None
    if count_levels(text) > MAX_LEVELS:
        raise malformed(f"{what} is more than {MAX_LEVELS} levels deep")
    try:
        value = json.loads(
            text,
            parse_int=integer,
            parse_float=no_number,
            parse_constant=no_number,
            object_pairs_hook=members,
        )
    except ValueError:
        raise malformed(f"{what} is not JSON") from None
    # Pairs of escapes such as \ud83d\ude00 were joined by the parser; any that remain are lone.
    if has_lone_surrogate(value):
        raise malformed(f"{what} holds half a character (a lone surrogate)")
    return value


def count_levels(text: str) -> int:
    """Return the greatest depth to which objects and arrays are nested."""
    level = deepest = 0
    # Strings are removed first, so that brackets in them do not count; an unclosed one extends
    # to the end.
    for token in re.findall(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', text, re.DOTALL):
        if token in ("[", "{"):
            level += 1
            deepest = max(deepest, level)
        elif token in ("]", "}"):
            level -= 1
    return deepest


def has_lone_surrogate(value: Any) -> bool:
    """Return whether a string in ``value``, or a member's name, cannot be encoded in UTF-8."""
    if isinstance(value, str):
        return re.search("[\ud800-\udfff]", value) is not None
    if isinstance(value, dict):
        return any(has_lone_surrogate(name) or has_lone_surrogate(value[name]) for name in value)
    return isinstance(value, list) and any(map(has_lone_surrogate, value))


# ------------------------------------------------------------------------------------------------
# Step 1, the members of the receipt: their names, types, forms and ranges.


def get_members(
    value: Any, what: str, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    """Return an object with all ``required`` members and without any that is not named here."""
    if not isinstance(value, dict):
        raise malformed(f"{what} is not an object")
    for name in required:
        if name not in value:
            raise malformed(f"{what} has no {name}")
    for name in value:
        if name not in required and name not in optional:
            raise malformed(f"{what} has a member that is not of this format: {name!r:.80}")
    return value


def get_list(value: Any, what: str, most: int, least: int = 0) -> list[Any]:
    """Return a list of ``least`` to ``most`` entries."""
    if not isinstance(value, list):
        raise malformed(f"{what} is not a list")
    if not least <= len(value) <= most:
        raise malformed(f"{what} has {len(value)} entries, not {least} to {most}")
    return value


def get_integer(value: Any, what: str, least: int, most: int) -> int:
    """Return an integer from ``least`` to ``most``."""
    # In Python, True is an integer.
    if type(value) is not int or not least <= value <= most:
        raise malformed(f"{what} is not an integer from {least} to {most}")
    return value


def get_text(value: Any, what: str, most: int) -> str:
    """Return a string of 1 to ``most`` characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise malformed(f"{what} is not a string of 1 to {most} characters")
    return value


def get_hex(value: Any, what: str, *, prefix: str = "", least: int, most: int) -> bytes:
    """Return the ``least`` to ``most`` bytes that a lower-case hex string encodes."""
    if not isinstance(value, str) or not re.fullmatch(prefix + "(?:[0-9a-f]{2})*", value):
        raise malformed(f"{what} is not {prefix or 'bare '}lower-case hex")
    data = bytes.fromhex(value[len(prefix) :])
    if not least <= len(data) <= most:
        raise malformed(f"{what} has {len(data)} bytes, not {least} to {most}")
    return data


def get_hash(value: Any, what: str) -> bytes:
    """Return a SHA-256 value."""
    return get_hex(value, what, least=32, most=32)


def get_ethereum(value: Any, what: str, length: int) -> bytes:
    """Return an Ethereum value of ``length`` bytes."""
    return get_hex(value, what, prefix="0x", least=length, most=length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A root, the number of leaves that it is said to cover, and the path from the leaf to it."""

    size: int
    root: bytes
    path: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """The head from which a log's successor continues, and the proof that it starts there."""

    root: bytes
    proof: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The proof of the successor that the registry held for the log: none, or another log."""

    proof: list[bytes]
    takeover: Takeover | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacon:
    """An earlier block's header, and the proofs of its hash in the chain's history."""

    header: bytes
    account_proof: list[bytes]
    storage_proof: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A block's header, and the proofs of what the registry held in that block."""

    header: bytes
    account_proof: list[bytes]
    storage_proof: list[bytes]
    operator_proof: list[bytes] | None
    successor: Successor | None
    beacon: Beacon | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The place and time of an anchor, as stated in the receipt."""

    chain_id: int
    registry: bytes
    head: Head
    sequence: int
    block_number: int
    timestamp: int
    state: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The contents of a receipt: a promise, or at least one anchor."""

    record: bytes
    log: bytes
    index: int
    promise: Head | None
    anchors: list[Anchor]


def read_receipt(data: bytes) -> Receipt:
    """Step 1: read the receipt: first its form, then its version, then its members.

    Of several faults, the first in this order is reported; those of the record come last.
    """
    if len(data) > MAX_RECEIPT:
        raise malformed(f"the receipt has more than {MAX_RECEIPT} bytes")
    return read_document(read_json(data, "the receipt"))


def read_document(document: Any) -> Receipt:
    """Step 1: read the receipt's version and members."""
    check_version(document, "format", "anchor-receipt/1", "the receipt")
    has_anchors = bool(document.get("anchors"))
    required = ("format", "record", "log", "index", "anchors")
    get_members(document, "the receipt", required if has_anchors else (*required, "head"))
    return Receipt(
        record=get_record(document["record"]),
        log=get_ethereum(document["log"], "log", 32),
        index=get_integer(document["index"], "index", 0, MAX_SIZE - 1),
        promise=None if has_anchors else read_head(document["head"], "head"),
        anchors=[
            read_anchor(anchor, f"anchors[{number}]")
            for number, anchor in enumerate(get_list(document["anchors"], "anchors", MAX_ANCHORS))
        ],
    )


def get_record(value: Any) -> bytes:
    """Return the bytes of a record, which step 1 reads later."""
    if not isinstance(value, str) or len(value) > MAX_RECORD:
        raise malformed(f"the record is not a string of at most {MAX_RECORD} characters")
    return value.encode("utf-8")


def check_version(document: Any, member: str, version: str, what: str) -> None:
    """Step 1: check the version: this file knows version 1 and cannot judge any other (22)."""
    if not isinstance(document, dict) or member not in document:
        raise malformed(f"{what} has no {member}")
    if document[member] != version:
        raise Refusal(UNKNOWN, f"{what} is of no version known here")


def read_head(value: Any, what: str) -> Head:
    """Step 1: read the operator's promise."""
    get_members(value, what, ("size", "root", "path"))
    return get_head(value, what)


def get_head(members: dict[str, Any], what: str) -> Head:
    """Return the root, size and path of a promise or an anchor."""
    return Head(
        size=get_integer(members["size"], f"{what}.size", 1, MAX_SIZE),
        root=get_hash(members["root"], f"{what}.root"),
        path=get_path(members["path"], f"{what}.path"),
    )


def get_path(value: Any, what: str) -> list[bytes]:
    """Return the hashes of a path."""
    return [get_hash(node, what) for node in get_list(value, what, MAX_PATH)]


def read_anchor(value: Any, what: str, *, is_shared: bool = False) -> Anchor:
    """Step 1: read one anchor; a bundle's is shared by receipts, and has no beacon."""
    place = ("chain_id", "registry", "size", "root", "path")
    facts = ("sequence", "block_number", "timestamp")
    get_members(value, what, (*place, *facts), ("hints", "state"))
    if "hints" in value:  # nothing proves them, so they are read and not used
        hints = get_members(value["hints"], f"{what}.hints", ("tx_hash", "block_hash"))
        for name, hint in hints.items():
            get_ethereum(hint, f"{what}.hints.{name}", 32)
    return Anchor(
        chain_id=get_integer(value["chain_id"], f"{what}.chain_id", 1, MAX_INTEGER),
        registry=get_ethereum(value["registry"], f"{what}.registry", 20),
        head=get_head(value, what),
        sequence=get_integer(value["sequence"], f"{what}.sequence", 1, (1 << 40) - 1),
        block_number=get_integer(value["block_number"], f"{what}.block_number", 0, (1 << 48) - 1),
        timestamp=get_integer(value["timestamp"], f"{what}.timestamp", 0, (1 << 48) - 1),
        state=(
            read_state(value["state"], f"{what}.state", () if is_shared else ("beacon",))
            if "state" in value
            else None
        ),
    )


BLOCK_PROOF = ("header", "account_proof", "storage_proof")


def read_state(value: Any, what: str, optional: Sequence[str]) -> State:
    """Step 1: read a state proof, whose contents are proven in steps 5 to 9 and 11."""
    get_members(value, what, BLOCK_PROOF, ("operator_proof", "successor", *optional))
    return State(
        header=get_hex(value["header"], f"{what}.header", prefix="0x", least=1, most=MAX_HEADER),
        account_proof=read_nodes(value, what, "account_proof"),
        storage_proof=read_nodes(value, what, "storage_proof"),
        operator_proof=(
            read_nodes(value, what, "operator_proof") if "operator_proof" in value else None
        ),
        successor=(
            read_successor(value["successor"], f"{what}.successor")
            if "successor" in value
            else None
        ),
        beacon=read_beacon(value["beacon"], f"{what}.beacon") if "beacon" in value else None,
    )


def read_beacon(value: Any, what: str) -> Beacon:
    """Step 1: read the proof of an earlier block's hash, whose contents are proven in step 11."""
    get_members(value, what, BLOCK_PROOF)
    return Beacon(
        header=get_hex(value["header"], f"{what}.header", prefix="0x", least=1, most=MAX_HEADER),
        account_proof=read_nodes(value, what, "account_proof"),
        storage_proof=read_nodes(value, what, "storage_proof"),
    )


def read_successor(value: Any, what: str) -> Successor:
    """Step 1: read the proof of a log's successor and of the head from which it continues."""
    get_members(value, what, ("proof",), ("takeover",))
    takeover = None
    if "takeover" in value:
        there = f"{what}.takeover"
        members = get_members(value["takeover"], there, ("root", "proof"))
        takeover = Takeover(
            root=get_hash(members["root"], f"{there}.root"),
            proof=read_nodes(members, there, "proof"),
        )
    return Successor(proof=read_nodes(value, what, "proof"), takeover=takeover)


def read_nodes(members: dict[str, Any], what: str, name: str) -> list[bytes]:
    """Step 1: read the nodes of a proof."""
    return [
        get_hex(node, f"{what}.{name}", prefix="0x", least=1, most=MAX_NODE)
        for node in get_list(members[name], f"{what}.{name}", MAX_NODES, least=1)
    ]


# ------------------------------------------------------------------------------------------------
# Step 1, bundles: the receipts of a log in one file, which are put together line by line.


def is_bundle(line: bytes) -> bool:
    """Return whether a file with this first line is a bundle, of any version."""
    if len(line) > MAX_LINE:
        return False
    try:
        header = read_json(line, "the line")
    except Refusal:
        return False
    return isinstance(header, dict) and str(header.get("format")).startswith("anchor-receipts/")


def read_bundle(file: BinaryIO) -> Iterator[Receipt]:
    """Yield the receipts of a bundle; a fault further below comes after those before it."""
    number = 1
    try:
        bundle = Bundle(read_line(file.readline(MAX_LINE + 1)))
        while line := file.readline(MAX_LINE + 1):
            number += 1
            receipt = bundle.take(read_line(line))
            if receipt is not None:
                yield receipt
        if bundle.count:
            raise malformed(f"the bundle ends, and {bundle.count} receipts are missing")
    except Refusal as refusal:
        raise Refusal(refusal.code, f"line {number} of the bundle: {refusal}") from None


def read_line(line: bytes) -> Any:
    """Return the JSON object of a whole line."""
    if len(line) > MAX_LINE:
        raise malformed(f"the line has more than {MAX_LINE} bytes")
    members = read_json(line, "the line")
    if not isinstance(members, dict):
        raise malformed("the line is not an object")
    if not line.endswith(b"\n"):
        raise malformed("the line is cut off: no line feed ends it")
    return members


class Bundle:
    """What the next receipt needs of the lines before it."""

    def __init__(self, header: dict[str, Any]) -> None:
        check_version(header, "format", "anchor-receipts/1", "the bundle")
        get_members(header, "the header", ("format", "log", "count"))
        self.log = get_ethereum(header["log"], "log", 32)
        self.count = get_integer(header["count"], "count", 1, MAX_SIZE)  # receipts that follow
        self.next_index = 0
        self.anchor: Anchor | None = None
        self.promise: Head | None = None
        self.before: tuple[int, list[bytes], list[bytes]] | None = None
        self.beacon: Beacon | None = None
        self.is_beacon_used = True

    def take(self, line: dict[str, Any]) -> Receipt | None:
        """Read a line; return the receipt that it completes, None for what receipts share."""
        if self.count == 0:
            raise malformed("more follows after the last of the receipts that the header counts")
        if "anchor" in line or "head" in line:
            self.begin(line)
            return None
        if "record" not in line and "beacon" in line:
            self.begin_beacon(line)
            return None
        get_members(line, "the line", ("record", "index", "path"), ("beacon",))
        if line.get("beacon", True) is not True:
            raise malformed("the line's beacon is not true")
        record = get_record(line["record"])
        index = get_integer(line["index"], "index", 0, MAX_SIZE - 1)
        own = get_path(line["path"], "path")
        shared = self.promise if self.anchor is None else self.anchor.head
        if shared is None:
            raise malformed("no anchor precedes the receipt")
        if index < self.next_index:
            raise malformed(f"leaf {index} does not come after the one before it")
        anchor = self.add_beacon() if "beacon" in line else self.anchor
        length = count_siblings(index, shared.size)
        path = own + self.find_rest(index)
        if len(path) != length:
            raise malformed(f"the path has {len(path)} hashes, which do not fit leaf {index}")
        head = Head(size=shared.size, root=shared.root, path=path)
        nodes = fold_path(hashlib.sha256(b"\0" + record).digest(), index, head)
        self.before = index, path, nodes
        self.next_index = index + 1
        self.count -= 1
        return Receipt(
            record=record,
            log=self.log,
            index=index,
            promise=head if anchor is None else None,
            anchors=[] if anchor is None else [replace(anchor, head=head)],
        )

    def begin(self, line: dict[str, Any]) -> None:
        """Read the anchor or the promise of the receipts that follow."""
        if self.before is None and (self.anchor or self.promise):
            raise malformed("no receipt follows the anchor before it")
        self.end_beacon()
        name = "anchor" if "anchor" in line else "head"
        value = get_members(line, "the line", (name,))[name]
        if isinstance(value, dict) and "path" in value:
            raise malformed(f"{name} has a path, which each of its receipts has for itself")
        whole = {**value, "path": []} if isinstance(value, dict) else value
        self.anchor = read_anchor(whole, name, is_shared=True) if name == "anchor" else None
        self.promise = read_head(whole, name) if name == "head" else None
        self.before = None

    def begin_beacon(self, line: dict[str, Any]) -> None:
        """Read the beacon of receipts that follow."""
        self.end_beacon()
        beacon = read_beacon(get_members(line, "the line", ("beacon",))["beacon"], "beacon")
        if self.anchor is None or self.anchor.state is None:
            raise malformed("the beacon follows no anchor with a state proof")
        self.beacon, self.is_beacon_used = beacon, False

    def end_beacon(self) -> None:
        """Check that the beacon before was one of a receipt."""
        if not self.is_beacon_used:
            raise malformed("no receipt refers to the beacon before it")
        self.beacon = None

    def add_beacon(self) -> Anchor:
        """Return the anchor with the beacon that its receipt refers to."""
        if self.beacon is None or self.anchor is None or self.anchor.state is None:
            raise malformed("no beacon precedes the receipt that refers to one")
        self.is_beacon_used = True
        return replace(self.anchor, state=replace(self.anchor.state, beacon=self.beacon))

    def find_rest(self, index: int) -> list[bytes]:
        """Return the hashes of the path that the receipt before gives: none of the first.

        Two leaves have a lowest node in common. The earlier leaf is below its left child, a
        complete tree, whose hash is in the later one's path; above it both paths are the same.
        """
        if self.before is None:
            return []
        earlier, path, nodes = self.before
        level = (earlier ^ index).bit_length() - 1
        return [nodes[level], *path[level + 1 :]]


def count_siblings(index: int, size: int) -> int:
    """Return how many hashes the path of a leaf has."""
    if index >= size:
        raise malformed(f"leaf {index} is not in a tree of {size}")
    siblings, at, last = 0, index, size - 1
    while last:
        siblings += at % 2 == 1 or at < last
        at, last = at // 2, last // 2
    return siblings


def choose_receipts(
    receipts: Iterator[Receipt], files: Sequence[tuple[str, Mapping[str, str], int]]
) -> list[Receipt | None]:
    """Return the receipt of each file, given by name, digests and size; read the bundle to its end.

    Of the receipts that pass step 2 it is the first with the file's name, else the first of all;
    where none passes, the first with the file's name, so that step 2 shows the difference.
    """
    found: list[tuple[int, Receipt | None]] = [(0, None)] * len(files)
    marks = [[*digests.values(), json.dumps(name, ensure_ascii=False)[1:]]
             for name, digests, _ in files]  # fmt: skip
    for receipt in receipts:
        text = receipt.record.decode("utf-8")
        for number, (name, digests, size) in enumerate(files):
            # A record is read only if it can be of the file.
            if any(mark in text for mark in marks[number]):
                rank = rank_record(receipt.record, name, digests, size)
                if rank > found[number][0]:
                    found[number] = rank, receipt
    return [receipt for _, receipt in found]


def rank_record(data: bytes, name: str, evidence: Mapping[str, str], size: int) -> int:
    """Return 3 for a record of this file and name, 2 for the file's, 1 for the name's, else 0."""
    try:
        record = read_record(data)
    except Refusal:
        return 0
    has_name = record.name.rsplit("/", 1)[-1] == name
    try:
        check_file(record, evidence, size)
    except Refusal:
        return 1 if has_name else 0
    return 3 if has_name else 2


# ------------------------------------------------------------------------------------------------
# Step 1, the record.

DIGESTS = ("sha256", "sm3")
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # of preservation numbers

MEMBERS = ("schema", "digests", "size", "name", "media_type", "salt", "recorded_at", "log")
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The block that a record names as one that was there before it."""

    chain_id: int
    number: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The members of a record that are used: statements of the operator, which the leaf fixes."""

    name: str
    digests: dict[str, str]
    size: int | None
    recorded_at: datetime
    log: bytes | None
    not_before: Named | None
    others: list[str]  # members that the format does not know


def read_record(record: bytes) -> Record:
    """Step 1: read the record: first its form, then its version, then its members."""
    if len(record) > MAX_RECORD:
        raise malformed(f"the record has more than {MAX_RECORD} bytes")
    document = read_json(record, "the record")
    if write_canonical(document) != record:
        raise malformed("the record is not in its canonical form (RFC 8785)")
    check_version(document, "schema", "evidence-record/1", "the record")
    if find_names(document, lambda name: not re.fullmatch("[!-~]+", name)):
        raise malformed(
            "the record has a member whose name is not of printable ASCII, without spaces"
        )
    digests = document.get("digests")
    if not isinstance(digests, dict) or not digests:
        raise malformed("the record has no digests")
    known = {algorithm: digests[algorithm] for algorithm in DIGESTS if algorithm in digests}
    for algorithm, digest in known.items():
        get_hash(digest, f"the record's {algorithm}")
    name = get_text(document.get("name"), "the record's name", MAX_NAME)
    get_hash(document.get("salt"), "the record's salt")
    recorded_at = read_time(document.get("recorded_at"))
    if not isinstance(document.get("media_type", ""), str):
        raise malformed("the record's media_type is not a string")
    size = log = None
    if "size" in document:
        size = get_integer(document["size"], "the record's size", 0, MAX_INTEGER)
    if "log" in document:
        log = get_ethereum(document["log"], "the record's log", 32)
    not_before = read_not_before(document.get("not_before"))
    known_members = (*MEMBERS, "not_before") if not_before else MEMBERS
    # Last, so that a malformed record is reported as malformed, whatever its digests are.
    if not known:
        raise Refusal(UNKNOWN, "the record has digests of unknown algorithms only")
    return Record(
        name=name,
        digests=known,
        size=size,
        recorded_at=recorded_at,
        log=log,
        not_before=not_before,
        others=[name for name in document if name not in known_members],
    )


def read_not_before(value: Any) -> Named | None:
    """Step 1: read the block that a record names; None for another form, which is no fault."""
    try:
        get_members(value, "not_before", ("chain_id", "block_number", "block_hash"))
        return Named(
            chain_id=get_integer(value["chain_id"], "chain_id", 1, MAX_INTEGER),
            number=get_integer(value["block_number"], "block_number", 0, MAX_INTEGER),
            hash=get_ethereum(value["block_hash"], "block_hash", 32),
        )
    except Refusal:
        return None


def write_canonical(value: Any) -> bytes:
    """Step 1: encode JSON by RFC 8785: no white space, names in the order of UTF-16 code units."""

    def in_order(value: Any) -> Any:
        if isinstance(value, dict):
            names = sorted(value, key=lambda name: name.encode("utf-16-be"))
            return {name: in_order(value[name]) for name in names}
        return [in_order(entry) for entry in value] if isinstance(value, list) else value

    # For integers and strings, Python's encoding is that of RFC 8785.
    text = json.dumps(in_order(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8")


def find_names(value: Any, is_wanted: Callable[[str], bool]) -> bool:
    """Return whether a member anywhere in ``value`` has a name for which ``is_wanted`` is true."""
    if isinstance(value, dict):
        return any(is_wanted(name) or find_names(value[name], is_wanted) for name in value)
    return isinstance(value, list) and any(find_names(entry, is_wanted) for entry in value)


def read_time(value: Any) -> datetime:
    """Step 1: read the operator's time (RFC 3339 in UTC); fractions of a second are dropped."""
    match = TIME.fullmatch(value) if isinstance(value, str) else None
    try:
        # Python 3.14 and later accept hour 24, which RFC 3339 does not allow.
        if match is None or match[1][11:13] > "23":
            raise ValueError
        return datetime.fromisoformat(match[1] + "+00:00")
    except ValueError:
        raise malformed("the record's recorded_at is no time in UTC (RFC 3339)") from None


# ------------------------------------------------------------------------------------------------
# Step 2: the file.


def number_record(record: bytes) -> str:
    """Return a record's preservation number, which names it and proves nothing.

    It is the first 80 bits of the record's SHA-256 in Crockford's base32, and a check symbol: the
    remainder of those bits and five zero bits modulo x^5 + x^2 + 1.
    """
    bits = int.from_bytes(hashlib.sha256(record).digest()[:10], "big") << 5
    remainder = bits
    for place in reversed(range(5, 85)):
        if remainder >> place & 1:
            remainder ^= 0b100101 << (place - 5)
    bits |= remainder
    symbols = [SYMBOLS[bits >> 5 * place & 31] for place in reversed(range(17))]
    return "-".join("".join(symbols[at : at + 4]) for at in range(0, 17, 4))


def check_file(record: Record, evidence: Mapping[str, str], size: int) -> str:
    """Step 2: check the file against each digest in the record, and against its size, if stated."""
    if record.size is not None and record.size != size:
        raise mismatch(f"the file has {size} bytes, the record says {record.size}")
    for name, digest in record.digests.items():
        if evidence[name] != digest:
            raise mismatch(f"the file has {name} {evidence[name]}, the record says {digest}")
    return "the file has " + ", ".join(
        f"{name} {record.digests[name]}" for name in DIGESTS if name in record.digests
    )


def hash_file(path: str) -> tuple[dict[str, str], int]:
    """Step 2: return the digests and the size of a file."""
    with open(path, "rb") as file:
        return hash_chunks(iter(lambda: file.read(1 << 20), b""))


def hash_chunks(chunks: Iterator[bytes]) -> tuple[dict[str, str], int]:
    """Step 2: return the digests and the size of the bytes of a file."""
    sha256, sm3, size = hashlib.sha256(), make_sm3(), 0
    for chunk in chunks:
        sha256.update(chunk)
        sm3.update(chunk)
        size += len(chunk)
    return {"sha256": sha256.hexdigest(), "sm3": sm3.hexdigest()}, size


def make_sm3() -> Any:
    """Return Python's own SM3 if its OpenSSL has one, or else the slow one below."""
    try:
        return hashlib.new("sm3")
    except ValueError:
        return Sm3()


class Sm3:
    """SM3 (GB/T 32905-2016), for a Python without it."""

    START = (
        0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600,
        0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E,
    )  # fmt: skip

    def __init__(self) -> None:
        self._state: tuple[int, ...] = self.START
        self._rest, self._size = b"", 0

    def update(self, data: bytes) -> None:
        """Append bytes to the message."""
        self._size += len(data)
        data = self._rest + data
        end = len(data) // 64 * 64
        for at in range(0, end, 64):
            self._state = self._compress(self._state, data[at : at + 64])
        self._rest = data[end:]

    def hexdigest(self) -> str:
        """Return the hash of the message, padded with a one bit, zeros, and its length in bits."""
        padding = b"\x80" + bytes((55 - len(self._rest)) % 64) + (8 * self._size).to_bytes(8, "big")
        state, last = self._state, self._rest + padding
        for at in range(0, len(last), 64):
            state = self._compress(state, last[at : at + 64])
        return "".join(f"{word:08x}" for word in state)

    @staticmethod
    def _compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
        def turn(word: int, by: int) -> int:
            by %= 32
            return (word << by | word >> (32 - by)) & 0xFFFFFFFF

        words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 64, 4)]
        for j in range(16, 68):
            x = words[j - 16] ^ words[j - 9] ^ turn(words[j - 3], 15)
            mixed = x ^ turn(x, 15) ^ turn(x, 23)
            words.append(mixed ^ turn(words[j - 13], 7) ^ words[j - 6])
        a, b, c, d, e, f, g, h = state
        for j in range(64):
            constant = 0x79CC4519 if j < 16 else 0x7A879D8A
            ss1 = turn((turn(a, 12) + e + turn(constant, j)) & 0xFFFFFFFF, 7)
            ff = a ^ b ^ c if j < 16 else a & b | a & c | b & c
            gg = e ^ f ^ g if j < 16 else e & f | ~e & g
            tt1 = (ff + d + (ss1 ^ turn(a, 12)) + (words[j] ^ words[j + 4])) & 0xFFFFFFFF
            tt2 = (gg + h + ss1 + words[j]) & 0xFFFFFFFF
            a, b, c, d = tt1, a, turn(b, 9), c
            e, f, g, h = tt2 ^ turn(tt2, 9) ^ turn(tt2, 17), e, turn(f, 19), g
        return tuple(old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))


# ------------------------------------------------------------------------------------------------
# Step 3: from the record to the root (RFC 9162, section 2.1.3.2).


def check_path(record: bytes, index: int, head: Head) -> str:
    """Step 3: check that the path leads from the record's leaf to the root."""
    fold_path(hashlib.sha256(b"\0" + record).digest(), index, head)
    leaves = "1 leaf" if head.size == 1 else f"{head.size} leaves"
    return f"leaf {index} of a log of {leaves} leads to root {head.root.hex()}"


def check_named_log(record: Record, receipt: Receipt) -> str:
    """Step 3: check that a log named in the record belongs to the same owner."""
    if record.log is None:
        return "the record does not name its log"
    if record.log[12:] != receipt.log[12:]:
        raise mismatch(f"the record names log 0x{record.log.hex()}, which is another owner's")
    if record.log != receipt.log:
        return f"the record names log 0x{record.log.hex()}, another one of the same owner"
    return "the record names this log"


def fold_path(leaf: bytes, index: int, head: Head) -> list[bytes]:
    """Hash ``leaf`` with each hash of the path in turn, left or right as the index says.

    Return the leaf and the hash after each step.
    """
    if not 0 <= index < head.size:
        raise mismatch(f"leaf {index} is not in a tree of {head.size}")
    # `last` is the index of the last node on this level.
    node, at, last = leaf, index, head.size - 1
    nodes = [leaf]
    for other in head.path:
        if last == 0:
            raise mismatch("the path goes on after the root")
        if at % 2 == 1 or at == last:
            node = hashlib.sha256(b"\1" + other + node).digest()
            while at % 2 == 0 and at != 0:  # the last node of a level may have no sibling
                at, last = at // 2, last // 2
        else:
            node = hashlib.sha256(b"\1" + node + other).digest()
        nodes.append(node)
        at, last = at // 2, last // 2
    if last != 0:
        raise mismatch("the path ends before the root")
    if node != head.root:
        raise mismatch(f"the path leads to {node.hex()}, not to root {head.root.hex()}")
    return nodes


# ------------------------------------------------------------------------------------------------
# Keccak-256 (Keccak with the padding of 2011, as Ethereum uses it; not SHA3-256).


def make_keccak_constants() -> tuple[list[int], list[int]]:
    """Return the 24 round constants, and the rotation of each of the 25 lanes."""
    rounds, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << ((1 << j) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        rounds.append(constant)
    turns, x, y = [0] * 25, 1, 0
    for t in range(24):
        turns[x + 5 * y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return rounds, turns


ROUNDS, TURNS = make_keccak_constants()
LANE = (1 << 64) - 1
RATE = 136  # bytes absorbed at a time


def keccak_f(lanes: list[int]) -> list[int]:
    """Return the 25 lanes of 64 bits after 24 rounds; lane (x, y) has number x + 5 y."""
    for constant in ROUNDS:
        columns = [
            lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
            for x in range(5)
        ]
        turned = [(column << 1 | column >> 63) & LANE for column in columns]
        mixed = [0] * 25
        for number in range(25):
            x, y = number % 5, number // 5
            lane = lanes[number] ^ columns[x - 1] ^ turned[(x + 1) % 5]
            lane = (lane << TURNS[number] | lane >> (64 - TURNS[number])) & LANE
            mixed[y + 5 * ((2 * x + 3 * y) % 5)] = lane
        lanes = [
            mixed[n] ^ (~mixed[n // 5 * 5 + (n + 1) % 5] & mixed[n // 5 * 5 + (n + 2) % 5])
            for n in range(25)
        ]
        lanes[0] ^= constant
    return lanes


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 of ``data``."""
    padded = bytearray(data + bytes(RATE - len(data) % RATE))
    padded[len(data)] |= 0x01
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), RATE):
        for number in range(RATE // 8):
            at = start + 8 * number
            lanes[number] ^= int.from_bytes(padded[at : at + 8], "little")
        lanes = keccak_f(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


# ------------------------------------------------------------------------------------------------
# RLP (Yellow Paper, appendix B): each item has one encoding, and no other is accepted.


@dataclass(frozen=True, slots=True)
class RlpList:
    """A list, and the bytes that encode it."""

    items: "list[bytes | RlpList]"
    encoded: bytes


Item = bytes | RlpList

# The depth of nested lists: nodes that are embedded in each other within 32 bytes have at most four
# levels, a header has one; unknown items of a header may need more.
MAX_RLP_LEVELS = 8


def read_rlp(data: bytes, what: str) -> Item:
    """Return the single item that ``data`` encodes."""
    item, end = read_item(data, 0, what, 0)
    if end != len(data):
        raise malformed(f"{what} goes on after its RLP")
    return item


def read_item(data: bytes, start: int, what: str, level: int) -> tuple[Item, int]:
    """Return the item whose encoding begins at ``start``, and the offset of its end."""
    if level > MAX_RLP_LEVELS:
        raise malformed(f"{what} has too many lists within each other")
    if start >= len(data):
        raise malformed(f"{what} ends within its RLP")
    first = data[start]
    if first < 0x80:  # a byte that is its own encoding
        return data[start : start + 1], start + 1
    is_list = first >= 0xC0
    begin, end = read_length(data, start, first - (0xC0 if is_list else 0x80), what)
    if not is_list:
        if end - begin == 1 and data[begin] < 0x80:
            raise malformed(f"{what} has a byte in RLP that needs no prefix")
        return data[begin:end], end
    items: list[Item] = []
    at = begin
    while at < end:
        item, at = read_item(data[:end], at, what, level + 1)
        items.append(item)
    return RlpList(items, data[start:end]), end


def read_length(data: bytes, start: int, code: int, what: str) -> tuple[int, int]:
    """Return the offsets at which the content of the item at ``start`` begins and ends."""
    if code <= 55:
        begin, length = start + 1, code
    else:
        begin = start + 1 + code - 55
        digits = data[start + 1 : begin]
        length = int.from_bytes(digits, "big")
        if digits[:1] == b"\0" or length <= 55:
            raise malformed(f"{what} spells a length in RLP longer than need be")
    if begin + length > len(data):
        raise malformed(f"{what} ends within its RLP")
    return begin, begin + length


def get_string(item: Item, what: str, length: int) -> bytes:
    """Return an item that is a string of ``length`` bytes."""
    if isinstance(item, RlpList) or len(item) != length:
        raise malformed(f"{what} is not a string of {length} bytes")
    return item


def get_number(item: Item, what: str, most: int) -> int:
    """Return an item that is an integer of at most ``most`` bytes, without leading zeros."""
    if isinstance(item, RlpList) or len(item) > most or item[:1] == b"\0":
        raise malformed(f"{what} is not an integer of at most {most} bytes")
    return int.from_bytes(item, "big")


# ------------------------------------------------------------------------------------------------
# Merkle-Patricia trie (Yellow Paper, appendix D), whose keys have 32 bytes: 64 hex digits.

DIGITS = 64


def prove(root: bytes, key: bytes, proof: Sequence[bytes], what: str) -> bytes | None:
    """Return the value that a trie with this root holds under ``key``, or None if it holds none.

    ``proof`` has exactly the nodes on the key's path that are referenced by hash, from the root
    down.
    """
    if len(proof) > MAX_NODES:
        raise malformed(f"{what} has more than {MAX_NODES} nodes")
    if root == keccak256(b"\x80"):  # the empty trie
        if proof:
            raise malformed(f"{what} has nodes, though the trie is empty")
        return None
    walk = Walk(digits=[int(digit, 16) for digit in key.hex()], proof=proof, what=what)
    value = walk.go(root)
    if walk.taken != len(proof):
        raise malformed(f"{what} has nodes that are not on the key's path")
    return value


@dataclass(slots=True, kw_only=True)
class Walk:
    """The progress along a proof: digits of the key, and nodes."""

    digits: list[int]
    proof: Sequence[bytes]
    what: str
    depth: int = 0
    taken: int = 0

    def go(self, root: bytes) -> bytes | None:
        """Follow the key from the root; return its value, or None if its path ends before."""
        child: Item = root
        below_extension = False
        while True:
            node = self.open(child)
            if below_extension and len(node) != 17:
                raise malformed(f"{self.what} has something else than a branch below an extension")
            if len(node) == 17:
                child, below_extension = self.pass_branch(node), False
                if child == b"":
                    return None
                continue
            is_leaf, path = self.read_path(node[0])
            here = self.digits[self.depth : self.depth + len(path)]
            if is_leaf:
                value = self.check_leaf(path, node[1])
                return value if path == here else None
            child, below_extension = self.check_extension(path, node[1]), True
            if path != here:
                return None
            self.depth += len(path)

    def open(self, child: Item) -> list[Item]:
        """Return the items of the node that ``child`` embeds or references by hash."""
        if isinstance(child, RlpList):
            node: Item = child
        else:
            node = self.take(child)
        if not isinstance(node, RlpList) or len(node.items) not in (2, 17):
            raise malformed(f"{self.what} has a node that is neither of 17 items nor of 2")
        return node.items

    def take(self, expected: bytes) -> Item:
        """Return the next node of the proof, which must hash to ``expected``."""
        if self.taken == len(self.proof):
            raise malformed(f"{self.what} ends before the key's path does")
        encoded = self.proof[self.taken]
        if len(encoded) > MAX_NODE:
            raise malformed(f"{self.what} has a node of more than {MAX_NODE} bytes")
        if keccak256(encoded) != expected:
            raise mismatch(
                f"node {self.taken} of {self.what} does not have the hash that leads to it"
            )
        if len(encoded) < 32 and self.taken > 0:
            raise malformed(f"node {self.taken} of {self.what} belongs into its parent")
        self.taken += 1
        return read_rlp(encoded, f"node {self.taken - 1} of {self.what}")

    def pass_branch(self, items: list[Item]) -> Item:
        """Return the child of a branch under the key's next digit."""
        *children, value = items
        if self.depth == DIGITS:
            raise malformed(f"{self.what} has a branch below the key's last digit")
        if value != b"":
            raise malformed(f"{self.what} has a branch with a value")
        for child in children:
            if child != b"":
                self.check_child(child)
        if sum(child != b"" for child in children) < 2:
            raise malformed(f"{self.what} has a branch with fewer than two children")
        child = children[self.digits[self.depth]]
        self.depth += 1
        return child

    def check_child(self, child: Item) -> None:
        """Refuse a child that is neither a hash nor a node shorter than a hash."""
        if isinstance(child, RlpList):
            if len(child.encoded) >= 32:
                raise malformed(f"{self.what} has a node inside another that should be hashed")
        elif len(child) != 32:
            raise malformed(f"{self.what} has a child of {len(child)} bytes, not a hash")

    def read_path(self, item: Item) -> tuple[bool, list[int]]:
        """Return whether a node is a leaf, and its digits (hex-prefix encoding, appendix C)."""
        digits = [] if isinstance(item, RlpList) else [int(digit, 16) for digit in item.hex()]
        if not digits or digits[0] > 3:
            raise malformed(f"{self.what} has a path that is not in hex-prefix encoding")
        if digits[0] % 2 == 1:
            return digits[0] == 3, digits[1:]
        if digits[1] != 0:
            raise malformed(f"{self.what} has a path that is not in hex-prefix encoding")
        return digits[0] == 2, digits[2:]

    def check_leaf(self, path: list[int], value: Item) -> bytes:
        """Return a leaf's value; the leaf's path must end at the key's length."""
        if self.depth + len(path) != DIGITS:
            raise malformed(f"{self.what} has a leaf whose key has not {DIGITS} digits")
        if isinstance(value, RlpList) or not value:
            raise malformed(f"{self.what} has a leaf without a value")
        return value

    def check_extension(self, path: list[int], child: Item) -> Item:
        """Return an extension's child; the extension covers at least one digit, not the last."""
        if not path or self.depth + len(path) >= DIGITS:
            raise malformed(f"{self.what} has an extension of no digits, or of all")
        self.check_child(child)
        return child


# ------------------------------------------------------------------------------------------------
# Step 5: the block.

BYTES, INTEGER = "bytes", "integer"

# Yellow Paper, section 4.4, and the forks since: what each item of a header is, and its length.
# extraData, the thirteenth, has any length.
HEADER: tuple[tuple[str, str, int], ...] = (
    ("parentHash", BYTES, 32),
    ("ommersHash", BYTES, 32),
    ("beneficiary", BYTES, 20),
    ("stateRoot", BYTES, 32),
    ("transactionsRoot", BYTES, 32),
    ("receiptsRoot", BYTES, 32),
    ("logsBloom", BYTES, 256),
    ("difficulty", INTEGER, 32),
    ("number", INTEGER, 8),
    ("gasLimit", INTEGER, 8),
    ("gasUsed", INTEGER, 8),
    ("timestamp", INTEGER, 8),
    ("extraData", BYTES, -1),
    ("prevRandao", BYTES, 32),
    ("nonce", BYTES, 8),
    ("baseFeePerGas", INTEGER, 32),  # London
    ("withdrawalsRoot", BYTES, 32),  # Shanghai
    ("blobGasUsed", INTEGER, 8),  # Cancun
    ("excessBlobGas", INTEGER, 8),
    ("parentBeaconBlockRoot", BYTES, 32),
    ("requestsHash", BYTES, 32),  # Prague
)
# The possible numbers of items: before London, London, Shanghai, Cancun. From Prague on there are
# 21; later forks append more, which the hash covers and which are not used here.
HEADER_LENGTHS = (15, 16, 17, 20)
KNOWN_ITEMS = len(HEADER) + 2  # Amsterdam: blockAccessListHash, slotNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The items of a block's header that are used."""

    number: int
    timestamp: int
    state_root: bytes
    unknown_items: int  # the number of items of a fork that is unknown here


def read_header(encoded: bytes) -> Header:
    """Step 5: read a block's header; one with too few items belongs to an unknown fork (22)."""
    if len(encoded) > MAX_HEADER:
        raise malformed(f"the header has more than {MAX_HEADER} bytes")
    header = read_rlp(encoded, "the header")
    if not isinstance(header, RlpList):
        raise malformed("the header is not a list")
    count = len(header.items)
    if count < len(HEADER) and count not in HEADER_LENGTHS:
        raise Refusal(UNKNOWN, f"the header has {count} items, as of no known fork")
    found: dict[str, Any] = {}
    for item, (name, kind, length) in zip(header.items, HEADER, strict=False):
        what = f"the header's {name}"
        if kind == INTEGER:
            found[name] = get_number(item, what, length)
        elif isinstance(item, RlpList):
            raise malformed(f"{what} is a list")
        else:
            found[name] = item if length < 0 else get_string(item, what, length)
    return Header(
        number=found["number"],
        timestamp=found["timestamp"],
        state_root=found["stateRoot"],
        unknown_items=max(0, count - KNOWN_ITEMS),
    )


def check_block(encoded: bytes, block_hashes: Sequence[bytes]) -> Header:
    """Step 5: check that the header is well-formed, and that its block's hash was named."""
    header = read_header(encoded)
    block_hash = keccak256(encoded)
    if block_hash not in block_hashes:
        raise Refusal(
            CANNOT_CHECK, f"block {header.number}, 0x{block_hash.hex()}, is none that you named"
        )
    return header


# ------------------------------------------------------------------------------------------------
# Steps 6 to 9: the registry's code, the anchor, and who sent it, proven from the block's header.


def prove_account(
    header: Header,
    address: bytes,
    code_hash: bytes,
    proof: list[bytes],
    what: str = "the account proof",
) -> bytes:
    """Step 6: check that the registry's account has the pinned code; return its storage root.

    In step 11, the same of the contract that keeps the hashes of earlier blocks.
    """
    encoded = prove(header.state_root, keccak256(address), proof, what)
    if encoded is None:
        raise Refusal(NOT_TRUSTED, f"there is no account at 0x{address.hex()}")
    account = read_rlp(encoded, "the account")
    if not isinstance(account, RlpList) or len(account.items) != 4:
        raise malformed("the account is not nonce, balance, storage root and code hash")
    nonce, balance, storage_root, code = account.items
    get_number(nonce, "the account's nonce", 8)
    get_number(balance, "the account's balance", 32)
    storage = get_string(storage_root, "the account's storage root", 32)
    held = get_string(code, "the account's code hash", 32)
    if held != code_hash:
        raise Refusal(NOT_TRUSTED, f"the code at 0x{address.hex()} is not the expected code")
    return storage


def find_slot(mapping: int, log: bytes, key: bytes | None = None) -> bytes:
    """Return the slot of ``mapping[log]`` or ``mapping[log][key]`` in Solidity's storage layout."""
    slot = keccak256(log + mapping.to_bytes(32, "big"))
    return slot if key is None else keccak256(key + slot)


ANCHORS, OPERATOR_KEYS, SUCCESSORS = 0, 2, 4  # the slots of the registry's mappings


def prove_slot(storage_root: bytes, slot: bytes, proof: list[bytes], what: str) -> int:
    """Return the integer in a slot: 0 if the proof shows that the slot is empty."""
    encoded = prove(storage_root, keccak256(slot), proof, what)
    if encoded is None:
        return 0
    value = get_number(read_rlp(encoded, "the slot's value"), "the slot's value", 32)
    if value == 0:
        raise malformed("the slot's value is zero, which no storage holds")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An anchor as the registry holds it."""

    size: int
    sequence: int
    block_number: int
    timestamp: int
    operator_id: int


def unpack_entry(word: int) -> Entry | None:
    """Return the anchor that a slot's word encodes; None for an empty slot."""
    if word == 0:
        return None
    entry = Entry(
        size=word & (1 << 48) - 1,
        sequence=word >> 48 & (1 << 40) - 1,
        block_number=word >> 88 & (1 << 48) - 1,
        timestamp=word >> 136 & (1 << 48) - 1,
        operator_id=word >> 184,
    )
    if entry.size == 0 or entry.sequence == 0:
        raise Refusal(NOT_TRUSTED, "the registry holds a word that it never writes")
    return entry


def prove_entry(
    header: Header, storage_root: bytes, log: bytes, root: bytes, proof: list[bytes]
) -> Entry:
    """Step 7: check that the registry holds the root for this log."""
    slot = find_slot(ANCHORS, log, root)
    entry = unpack_entry(prove_slot(storage_root, slot, proof, "the storage proof"))
    if entry is None:
        raise Refusal(NOT_ANCHORED, f"the registry does not hold root {root.hex()}")
    # The block's number is not compared: on some rollups, contracts see the parent chain's
    # number.
    if entry.timestamp > header.timestamp:
        raise Refusal(NOT_TRUSTED, "the registry holds an anchor of a later time than this block's")
    return entry


def check_entry(anchor: Anchor, entry: Entry) -> str:
    """Step 8: check that the receipt states the same as the registry."""
    for name, stated, held in (
        ("size", anchor.head.size, entry.size),
        ("sequence", anchor.sequence, entry.sequence),
        ("block_number", anchor.block_number, entry.block_number),
        ("timestamp", anchor.timestamp, entry.timestamp),
    ):
        if stated != held:
            raise mismatch(f"the receipt states {name} {stated}, the registry holds {held}")
    return (
        f"size {entry.size}, sequence {entry.sequence}, block {entry.block_number}, "
        f"time {entry.timestamp}"
    )


def check_operator(storage_root: bytes, log: bytes, entry: Entry, state: State) -> str:
    """Step 9: find who sent the anchor; any sender that the registry authorised is accepted."""
    proof = state.operator_proof
    if entry.operator_id == 0:
        if proof is not None:
            raise malformed("there is an operator proof, though the log's owner sent the anchor")
        return f"the log's owner 0x{log[12:].hex()}"
    if proof is None:
        text = f"the receipt does not prove the key of operator {entry.operator_id}"
        raise Refusal(CANNOT_CHECK, text)
    slot = find_slot(OPERATOR_KEYS, log, entry.operator_id.to_bytes(32, "big"))
    key = prove_slot(storage_root, slot, proof, "the operator proof")
    if key == 0 or key >> 160:
        raise Refusal(NOT_TRUSTED, f"the registry holds no key of operator {entry.operator_id}")
    return f"operator {entry.operator_id}, key 0x{key:040x}"


def check_successor(storage_root: bytes, log: bytes, entry: Entry, proof: Successor) -> str:
    """Step 9: check that the log's owner did not abandon the anchor by closing the log before it.

    A log that is closed has a successor, whose first anchor is the head from which it continues.
    Any anchor of the closed log beyond that head is abandoned.
    """
    word = prove_slot(
        storage_root, find_slot(SUCCESSORS, log), proof.proof, "the successor's proof"
    )
    takeover = proof.takeover
    if word == 0:
        if takeover is not None:
            raise malformed("there is a proof of a takeover, though the log has no successor")
        return "the log's owner has not closed the log, and so not abandoned the anchor"
    if takeover is None:
        text = "the log's owner closed it, and the receipt does not show from where"
        raise Refusal(CANNOT_CHECK, f"{text} its successor goes on")
    successor = word.to_bytes(32, "big")
    slot = find_slot(ANCHORS, successor, takeover.root)
    first = unpack_entry(prove_slot(storage_root, slot, takeover.proof, "the takeover's proof"))
    if first is None or first.sequence != 1:
        text = f"root {takeover.root.hex()} is not the first that log 0x{successor.hex()} anchored"
        raise Refusal(NOT_TRUSTED, f"{text}, which goes on from another")
    if entry.size > first.size:
        text = f"log 0x{successor.hex()} goes on from {first.size} leaves, and the anchor is of"
        raise Refusal(ABANDONED, f"the log's owner closed it: {text} {entry.size}")
    text = f"the log was closed; its successor goes on from size {first.size}"
    return f"{text}, which covers this anchor"


# ------------------------------------------------------------------------------------------------
# Step 10: the time.


def find_slack(chain_id: int, time_slack: int | None) -> tuple[int, str]:
    """Return by how many seconds a block's time may be wrong, and the basis of that."""
    chain = CHAINS.get(chain_id)
    slack = time_slack
    if slack is None:
        if chain is None:
            text = f"this file has no rule for how far the times of chain {chain_id} may be off"
            raise Refusal(CANNOT_CHECK, f"{text}: name it with --time-slack")
        slack = chain.time_slack
    basis = f"the block's time, and {slack} s it may be off"
    if chain is not None and chain.is_sequenced:
        basis += ", as the chain's sequencer dates its blocks"
    if chain is not None and slack < chain.time_slack:
        basis += f"; by this file's own rule for the chain it would be {chain.time_slack} s"
    return slack, basis


def get_date(seconds: int) -> datetime:
    """Return the time of so many seconds after the beginning of 1970."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        raise Refusal(CANNOT_CHECK, f"the block's time, {seconds}, is no date") from None


def find_bound(entry: Entry, chain_id: int, time_slack: int | None) -> tuple[datetime, str]:
    """Step 10: return the time by which the record existed, and the basis of that time."""
    slack, basis = find_slack(chain_id, time_slack)
    return get_date(entry.timestamp + slack), basis


def limit_time(text: str, chain_id: int) -> str:
    """Return a text about a time, which says so if the chain proves no real time."""
    chain = CHAINS.get(chain_id)
    if chain is None or chain.kind in WITH_REAL_TIME:
        return text
    return f"by the chain's own clock, which proves no actual time: {text}"


def check_time(
    record: Record, entry: Entry, chain_id: int, time_slack: int | None, tolerance: int
) -> str:
    """Step 10: check that the record does not claim a time after the latest one by its anchor."""
    bound, basis = find_bound(entry, chain_id, time_slack)
    distance = (record.recorded_at - bound) // timedelta(seconds=1)
    if distance > tolerance:
        raise Refusal(
            CANNOT_CHECK,
            f"the record says it was made {distance} s after the latest time by its anchor, "
            f"{bound:%Y-%m-%dT%H:%M:%SZ} ({basis}): one of the two clocks is wrong",
        )
    said = f"{-distance} s before" if distance <= 0 else f"{distance} s after"
    if distance > 0:
        said += f", which is within the {tolerance} s that the clocks may differ by,"
    latest = f"existed no later than {bound:%Y-%m-%dT%H:%M:%SZ}: {basis}"
    return limit_time(f"{latest}; the record says it was made {said} that", chain_id)


# ------------------------------------------------------------------------------------------------
# Step 11: the earliest time, by the block that the record names.


def explain_absence(receipt: Receipt, record: Record) -> str | None:
    """Step 11: return why the receipt shows no earliest time; None if it may."""
    named = record.not_before
    if named is None:
        if "not_before" in record.others:
            return "the record's not_before cannot be interpreted"
        return "the record names no block"
    block = f"block {named.number} of chain {named.chain_id}, which the record names,"
    if named.chain_id in WITHOUT_BLOCK_HISTORY:
        return f"{block} is of a chain whose state does not prove it, as far as is known here"
    states = [anchor.state for anchor in receipt.anchors if anchor.state is not None]
    if any(state.beacon is not None for state in states):
        return None
    if all(anchor.chain_id != named.chain_id for anchor in receipt.anchors):
        return f"{block} is of a chain on which the receipt has no anchor"
    for anchor in receipt.anchors:
        if anchor.state is not None and anchor.chain_id == named.chain_id:
            try:
                number = read_header(anchor.state.header).number
            except Refusal:
                continue
            if number - named.number > HISTORY_WINDOW:
                text = f"window missed: block {number} keeps the hashes of {HISTORY_WINDOW} blocks"
                return f"{block} is not proven: {text}"
    return f"{block} is not proven"


def check_beacon(
    beacon: Beacon, named: Named, header: Header, chain_id: int, entry: Entry
) -> Header:
    """Step 11: check that the named block is one of the chain; return its header.

    The contract of EIP-2935 keeps a block's hash in the slot of its number modulo 8,191.
    """
    if named.chain_id != chain_id:
        raise mismatch(
            f"the record names a block of chain {named.chain_id}, the beacon is of {chain_id}"
        )
    earlier = read_header(beacon.header)
    if earlier.number != named.number:
        raise mismatch(f"the record names block {named.number}, the beacon is of {earlier.number}")
    earlier_hash = keccak256(beacon.header)
    if earlier_hash != named.hash:
        text = f"the record names block 0x{named.hash.hex()}"
        raise mismatch(f"{text}, the beacon is of 0x{earlier_hash.hex()}")
    if earlier.number >= header.number:
        text = f"the beacon is of block {earlier.number}"
        raise mismatch(f"{text}, which is not before block {header.number}")
    if header.number - earlier.number > HISTORY_WINDOW:
        text = f"the beacon is of block {earlier.number}, too old for block {header.number}"
        raise mismatch(f"{text}, which keeps the hashes of {HISTORY_WINDOW} blocks only")
    storage_root = prove_account(
        header,
        HISTORY_CONTRACT,
        HISTORY_CODE_HASH,
        beacon.account_proof,
        "the beacon's account proof",
    )
    slot = (earlier.number % HISTORY_WINDOW).to_bytes(32, "big")
    held = prove_slot(storage_root, slot, beacon.storage_proof, "the beacon's storage proof")
    if held != int.from_bytes(earlier_hash, "big"):
        raise mismatch("the chain's history has another hash for the block that the record names")
    if earlier.timestamp > entry.timestamp:
        raise mismatch("the block that the record names is of a later time than the anchor")
    return earlier


def check_earliest_time(
    record: Record, earlier: Header, chain_id: int, time_slack: int | None, tolerance: int
) -> tuple[datetime, str]:
    """Step 11: return the time before which the record was not made, and a text about it.

    A record that claims to be older than the block that it names cannot be relied on.
    """
    slack, basis = find_slack(chain_id, time_slack)
    bound = get_date(max(0, earlier.timestamp - slack))
    distance = (bound - record.recorded_at) // timedelta(seconds=1)
    if distance > tolerance:
        raise Refusal(
            CANNOT_CHECK,
            f"the record says it was made {distance} s before the block that it names can have "
            f"existed, {bound:%Y-%m-%dT%H:%M:%SZ} ({basis}): one of the two clocks is wrong",
        )
    text = f"made not before {bound:%Y-%m-%dT%H:%M:%SZ}, by block {earlier.number}, which the "
    text += f"record names: {basis}; this bounds when the record was made, not the age of the "
    return bound, limit_time(f"{text}evidence", chain_id)


# ------------------------------------------------------------------------------------------------
# All eleven steps.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The values that the verifier named; None is a value that was not named."""

    block_hashes: Sequence[bytes] = ()
    chain_ids: Sequence[int] = ()
    registry: bytes | None = None
    code_hash: bytes | None = None
    log: bytes | None = None
    time_slack: int | None = None
    recorded_at_tolerance: int = RECORDED_AT_TOLERANCE
    accept_unpinned: bool = False

    def is_policy(self) -> bool:
        """Return whether both the chain and the log were named."""
        return bool(self.chain_ids) and self.log is not None

    def names(self, anchor: Anchor) -> bool:
        """Step 4: return whether an anchor counts; one on a chain that was not named does not."""
        if self.chain_ids and anchor.chain_id not in self.chain_ids:
            return False
        # A verifier who names no registry, and not both chain and log, is told of a foreign
        # registry.
        if self.registry is None and not self.is_policy():
            return True
        return anchor.registry == (self.registry or REGISTRY)


@dataclass(slots=True)
class Report:
    """The result of each step that was made, and further notes."""

    lines: list[tuple[int, int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)  # of the chains that hold the record's anchors
    number: str = ""  # the record's, once it was read
    about: str = ""  # the anchor that the steps are about, if there are several
    no_earliest: str | None = None  # why step 11 is not made
    read: tuple[Receipt, Record] | None = None  # in step 1
    custody: tuple[int, str] | None = None  # claim C7, where there are custody events
    is_documented: bool = False  # claim C7 passes
    earliest: list[datetime] = field(default_factory=list)  # the bounds of step 11
    notices: list[tuple[int, str]] = field(default_factory=list)  # code and text of each

    def add(self, step: int, text: str, code: int = VERIFIED) -> None:
        """Add the result of a step."""
        self.lines.append((step, code, self.about + text))

    def note(self, text: str) -> None:
        """Add a note that belongs to no step, once."""
        if text not in self.notes:
            self.notes.append(text)

    def make(self, step: int, check: Callable[[], Any]) -> Any:
        """Run a step; return its result, or None if it did not pass."""
        try:
            found = check()
        except Refusal as refusal:
            self.add(step, str(refusal), refusal.code)
            return None
        if isinstance(found, str):
            self.add(step, found)
        return found

    def evidence_code(self) -> int:
        """Return the gravest of the exit codes of steps and custody."""
        codes = {code for _, code, _ in self.lines}
        if self.custody is not None:
            codes.add(self.custody[0])
        return find_gravest(codes)

    def exit_code(self) -> int:
        """Return the gravest of the exit codes of steps, custody and notices."""
        return find_gravest({self.evidence_code(), *(code for code, _ in self.notices)})

    def headline(self, say: Callable[[str], str] = str) -> str:
        """Return the verdict, which claims no more than the best of the chains supports."""
        code = self.exit_code()
        verdict = say(REFUSED)
        if self.evidence_code() == VERIFIED:
            text = next(text for kind, text in HEADLINES.items() if kind in self.kinds)
            verdict = say(text).replace("verified", "VERIFIED", 1) + say(BY_YOUR_BLOCK)
        if code == SUPERSEDED:
            verdict = say(WITHDRAWN).format(verdict)
        elif code != self.evidence_code() and code in OPEN:
            verdict = say(STANDING_UNKNOWN).format(verdict)
        elif code != VERIFIED:
            verdict = say(REFUSED)
        return verdict + say(EXIT).format(code)


def find_gravest(codes: set[int]) -> int:
    """Return the exit code that counts for all of ``codes``."""
    return next((code for code in GRAVEST_FIRST if code in codes), VERIFIED)


def verify(
    document: bytes | Receipt,
    evidence: Mapping[str, str],
    size: int,
    pins: Pins,
    notices: Mapping[str, Sequence["Notice"]] | None = None,
    check_files: Callable[[bytes], None] | None = None,
) -> Report:
    """Run steps 1 to 11 on a receipt, or its bytes, and the digests and size of a file.

    ``notices`` are those known of records, by the SHA-256 of these; ``check_files`` compares the
    files of which this file is the list with the record.
    """
    report = Report()
    receipt: Receipt | None = (
        document
        if isinstance(document, Receipt)
        else report.make(1, lambda: read_receipt(document))
    )
    record = None if receipt is None else report.make(1, lambda: read_record(receipt.record))
    if receipt is None or record is None:
        return report
    report.read = receipt, record
    report.add(1, "receipt and record are well formed")
    report.number = number_record(receipt.record)
    report.no_earliest = explain_absence(receipt, record)
    if check_files:
        report.make(2, lambda: check_files(receipt.record))
    report.make(2, lambda: check_file(record, evidence, size))
    report.make(3, lambda: check_named_log(record, receipt))
    promise = receipt.promise
    if promise is not None:
        report.make(3, lambda: check_path(receipt.record, receipt.index, promise))
        if report.make(4, lambda: check_log(receipt, pins)) is not None:
            check_pinned(report, receipt, None, pins)
        # If a registry is named, a node could tell whether it holds the root by now.
        step, code = (5, CANNOT_CHECK) if pins.is_policy() else (4, NOT_FINAL)
        report.add(step, "the receipt is the promise of an anchor, and proves none", code)
    else:
        verify_anchors(report, receipt, record, pins)
    add_notes(report, record)
    add_notices(report, receipt, pins, notices or {})
    return report


def verify_anchors(report: Report, receipt: Receipt, record: Record, pins: Pins) -> None:
    """Run steps 3 to 11 on each anchor by itself."""
    places = [
        f"anchor {number}: " if len(receipt.anchors) > 1 else ""
        for number in range(1, len(receipt.anchors) + 1)
    ]
    for report.about, anchor in zip(places, receipt.anchors, strict=True):
        report.make(3, partial(check_path, receipt.record, receipt.index, anchor.head))
    report.about = ""
    if report.make(4, lambda: check_log(receipt, pins)) is None:
        return
    if not any(map(pins.names, receipt.anchors)):
        report.add(4, "no anchor is on a pinned chain, in the pinned registry", NOT_TRUSTED)
    for report.about, anchor in zip(places, receipt.anchors, strict=True):
        if pins.names(anchor):
            verify_anchor(report, receipt, record, anchor, pins)
        else:
            report.add(4, f"left aside: {describe_place(anchor)} is not pinned")
    report.about = ""


def describe_place(anchor: Anchor) -> str:
    """Return a description of an anchor's registry and chain."""
    return f"registry 0x{anchor.registry.hex()} on chain {anchor.chain_id}"


def check_log(receipt: Receipt, pins: Pins) -> str:
    """Step 4: check that the log is the named one."""
    if pins.log not in (None, receipt.log):
        raise Refusal(NOT_TRUSTED, f"log 0x{receipt.log.hex()} is not the pinned one")
    return f"log 0x{receipt.log.hex()}" + ("" if pins.log else " (taken from the receipt)")


def check_place(anchor: Anchor, pins: Pins) -> str:
    """Step 4: check that registry and chain were named, or are this release's own."""
    if anchor.registry != (pins.registry or REGISTRY):
        raise Refusal(NOT_TRUSTED, f"{describe_place(anchor)} is not this release's registry")
    chain = CHAINS.get(anchor.chain_id)
    is_named = anchor.chain_id in pins.chain_ids
    if chain is None and not (is_named and pins.code_hash):
        text = f"this release lists no registry on chain {anchor.chain_id}"
        raise Refusal(CANNOT_CHECK, f"{text}: pin it with --chain-id and --code-hash")
    if chain is not None and chain.kind != MAIN and not is_named:
        text = f"chain {anchor.chain_id} is {KIND_SENTENCES[chain.kind]}"
        raise Refusal(CANNOT_CHECK, f"{text}; it counts only where --chain-id names it")
    name = "one that is not listed here" if chain is None else chain.name
    return f"{describe_place(anchor)}, {name}{'' if is_named else ' (taken from the receipt)'}"


def check_pinned(report: Report, receipt: Receipt, anchor: Anchor | None, pins: Pins) -> None:
    """Step 4: report values that were not named: they are the receipt's own claims.

    They count only with --accept-unpinned.
    """
    if pins.is_policy():
        return
    claims = [f"chain {anchor.chain_id}"] if anchor and not pins.chain_ids else []
    if pins.log is None:
        claims.append(f"the log's owner 0x{receipt.log[12:].hex()}")
    text = " and ".join(claims) or "the chain"
    if pins.accept_unpinned:
        report.note(f"not pinned, and accepted as the receipt claims: {text}")
    else:
        report.note(f"not pinned: {text}")
        report.add(
            4,
            f"not pinned: {text}: the receipt's own claims, until you name them with --chain-id "
            "and --log, as you found them out elsewhere (or --accept-unpinned)",
            CANNOT_CHECK,
        )


def verify_anchor(
    report: Report, receipt: Receipt, record: Record, anchor: Anchor, pins: Pins
) -> None:
    """Run steps 4 to 11 on one anchor; end early if one of 4 to 7 does not pass."""
    if report.make(4, lambda: check_place(anchor, pins)) is None:
        return
    check_pinned(report, receipt, anchor, pins)
    state = anchor.state
    if state is None:
        report.add(5, "the receipt holds no state proof, and no node is asked", CANNOT_CHECK)
        return
    header = report.make(5, lambda: check_block(state.header, pins.block_hashes))
    if header is None:
        return
    chain = CHAINS.get(anchor.chain_id)
    report.add(5, describe_block(header, anchor.chain_id, chain))
    # The named code hash or this release's own: after step 4, one of them is known.
    code_hash = pins.code_hash or (chain.code_hash if chain else b"")
    storage_root = report.make(
        6, lambda: prove_account(header, anchor.registry, code_hash, state.account_proof)
    )
    if storage_root is None:
        return
    report.add(6, f"the registry has the pinned code, of hash 0x{code_hash.hex()}")
    entry = report.make(
        7,
        lambda: prove_entry(
            header, storage_root, receipt.log, anchor.head.root, state.storage_proof
        ),
    )
    if entry is None:
        return
    report.add(7, f"the registry holds root {anchor.head.root.hex()} for the log")
    kind = chain.kind if chain else UNLISTED
    report.kinds.add(kind)
    if kind != MAIN:
        report.note(f"chain {anchor.chain_id} is {KIND_SENTENCES[kind]}")
    report.make(8, lambda: check_entry(anchor, entry))
    report.make(9, lambda: check_operator(storage_root, receipt.log, entry, state))
    successor = state.successor
    if successor is None:
        report.note("not proven: whether the log's owner has abandoned an anchor since")
    else:
        report.make(9, lambda: check_successor(storage_root, receipt.log, entry, successor))
    rules = (anchor.chain_id, pins.time_slack, pins.recorded_at_tolerance)
    report.make(10, lambda: check_time(record, entry, *rules))
    if report.no_earliest is None and state.beacon is not None:
        verify_earliest_time(report, record, header, anchor, entry, pins)


def verify_earliest_time(
    report: Report, record: Record, header: Header, anchor: Anchor, entry: Entry, pins: Pins
) -> None:
    """Run step 11 on one anchor, whose proof has a beacon."""
    state, named, chain_id = anchor.state, record.not_before, anchor.chain_id
    assert state is not None
    assert state.beacon is not None
    assert named is not None
    beacon = state.beacon
    earlier = report.make(11, lambda: check_beacon(beacon, named, header, chain_id, entry))
    if earlier is None:
        return
    rules = (chain_id, pins.time_slack, pins.recorded_at_tolerance)
    found = report.make(11, lambda: check_earliest_time(record, earlier, *rules))
    if found is None:
        return
    bound, text = found
    report.add(11, text)
    report.earliest.append(bound)
    with contextlib.suppress(Refusal):  # of a latest time that step 10 has reported
        latest, _ = find_bound(entry, chain_id, pins.time_slack)
        text = f"the record was made not before {bound:%Y-%m-%dT%H:%M:%SZ} · not later than "
        text += f"{latest:%Y-%m-%dT%H:%M:%SZ}; the evidence may be older"
        report.note(report.about + limit_time(text, chain_id))


def describe_block(header: Header, chain_id: int, chain: Chain | None) -> str:
    """Return a description of the basis of step 5."""
    text = f"block {header.number} of chain {chain_id}: final, and the chain's, by your word alone"
    if chain is not None and chain.genesis is not None:
        text += f" (asserted; the chain is the one of genesis 0x{chain.genesis}, not compared here)"
    else:
        text += " (asserted; the chain's genesis is not compared here)"
    if header.unknown_items:
        text += f"; {header.unknown_items} header items are of a fork that this release does not "
        text += "know; the block's hash covers them"
    return text


def add_notes(report: Report, record: Record) -> None:
    """Add notes on what is not checked, and on what the algorithms cover."""
    if record.others:
        names = ", ".join(sorted(record.others))
        report.note(
            "members of the record that nothing here checks, as the operator states them or the "
            f"program that made the record observed them: {names!r:.400}"
        )
    of_file = " and ".join(name for name in DIGESTS if name in record.digests)
    text = f"{of_file} of the file, sha256 in the log, keccak256 on the chain: none known to this "
    text += "release to be broken"
    if "sm3" in record.digests:
        text += "; sm3 covers the file only, the log rests on sha256 alone"
    report.note(f"{text}, and nothing was renewed")


# ------------------------------------------------------------------------------------------------
# Notices: records that supersede or withdraw others, as docs/spec/record.md specifies them.

NOTICE_TEXT = (
    "[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]{1,1000}"
)
NOTICE_FORMS = {
    "subject": "[0-9a-f]{64}",
    "replacement": "[0-9a-f]{64}",
    "reason": NOTICE_TEXT,
    "at": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z",
    "actor": NOTICE_TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The notice in a receipt: its file's name, its record's SHA-256, and its members.

    ``evidence`` is what the record is about: the canonical form of the notice itself.
    """

    name: str
    receipt: Receipt
    record: str
    members: dict[str, Any]
    evidence: bytes
    is_named: bool  # by the person, and not just in a bag


def read_notice(name: str, data: bytes, *, is_named: bool) -> Notice | None:
    """Read the notice in a receipt; None if its record holds none."""
    receipt = read_receipt(data)
    read_record(receipt.record)
    document = read_json(receipt.record, "the record")
    kind, members = document.get("kind"), document.get("notice")
    if kind not in ("supersedes", "withdraws") or not isinstance(members, dict):
        return None
    if kind == "withdraws" and "replacement" in members:
        return None
    for member, form in NOTICE_FORMS.items():
        value = members.get(member)
        if member == "replacement" and kind == "withdraws":
            continue
        if not isinstance(value, str) or not re.fullmatch(form, value):
            return None
    return Notice(
        name=name,
        receipt=receipt,
        record=hashlib.sha256(receipt.record).hexdigest(),
        members=members,
        evidence=write_canonical(members),
        is_named=is_named,
    )


def add_notices(
    report: Report, receipt: Receipt, pins: Pins, notices: Mapping[str, Sequence[Notice]]
) -> None:
    """Add the notices about a record, and about those that supersede it, each once."""
    subject = hashlib.sha256(receipt.record).hexdigest()
    reached = [subject]
    for record in reached:
        judged: list[tuple[Notice, int, str]] = []
        believed: set[str] = set()
        for notice in notices.get(record, ()):
            if notice.record not in believed:
                judged.append((notice, *judge_notice(notice, receipt, pins)))
                if judged[-1][1] == VERIFIED:
                    believed.add(notice.record)
        for notice, code, text in judged:
            if code == VERIFIED:
                report.notices.append((SUPERSEDED if record == subject else VERIFIED, text))
                replacement = notice.members.get("replacement")
                if replacement is not None and replacement not in reached:
                    reached.append(replacement)
            elif notice.record not in believed:
                # Anybody can put a notice that proves nothing into a bag. What cannot be told
                # leaves open whether the record stands.
                text = f"{notice.name!r} does not count: {text}"
                if code in OPEN or notice.is_named:
                    report.notices.append((code, text))
                else:
                    report.note(f"notice {text}")
    if not any(code in (SUPERSEDED, VERIFIED) for code, _ in report.notices):
        report.note(
            "not proven: whether it was superseded or withdrawn since, which a receipt alone "
            "cannot tell"
        )


def judge_notice(notice: Notice, receipt: Receipt, pins: Pins) -> tuple[int, str]:
    """Verify a notice like any record; return its exit code, and what it states or why not."""
    if notice.receipt.log[12:] != receipt.log[12:]:
        return MISMATCH, "it is in a log of another owner"
    digests, size = hash_chunks(iter([notice.evidence]))
    report = verify(notice.receipt, digests, size, pins)
    code = report.exit_code()
    if code != VERIFIED:
        return code, next(text for _, other, text in report.lines if other == code)
    stated = notice.members
    by = f", with {stated['replacement']}" if "replacement" in stated else ""
    act = "replaced" if by else "withdrew"
    return VERIFIED, (
        f"the log's operator states that {stated['actor']!r} {act} the record "
        f"{stated['subject']}{by} at {stated['at']}, for this reason: {stated['reason']!r}"
    )


# ------------------------------------------------------------------------------------------------
# Bags, folders or ZIP files with originals and receipts: parts 1 to 6 of docs/spec/bag.md.

MAX_FILES = 100_000
MAX_FILE_NAME = 1_024  # bytes
MAX_LIST = 1 << 25  # bytes of a list of digests
MAX_TOTAL = 1 << 44  # bytes of all files
MAX_DIRECTORY = 1 << 26  # bytes of a ZIP file's directory
MAX_RATIO, FREE_RATIO = 100, 1 << 26  # unpacked by packed bytes, and bytes that may be beyond it

MANIFEST = "manifest-sha256.txt"
REQUIRED = ("bagit.txt", "bag-info.txt", MANIFEST, "tagmanifest-sha256.txt",
            "sm3sums.txt")  # fmt: skip
EVIDENCE_BAG = "anchor-evidence-bag/1"  # one piece of evidence, whose receipt is beside it
SUFFIX = ".anchor.json"


def check_names(sizes: Mapping[str, int], folders: Sequence[str] = ()) -> None:
    """Part 1: check the names and sizes of a bag's files, and the names of its folders."""
    if len(sizes) > MAX_FILES or sum(sizes.values()) > MAX_TOTAL:
        raise malformed(f"the bag has more than {MAX_FILES} files, or {MAX_TOTAL} bytes")
    for name in (*sizes, *folders):
        check_name(name)
    known: dict[str, str] = {}
    for name in sizes:
        if known.setdefault(fold_name(name), name) != name:
            raise malformed(f"the bag holds {name!r}, which may be the same as another file")
    for name in (*sizes, *(folder + "/" for folder in folders)):
        above = fold_name(name)
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in known:
                raise malformed(f"the bag's file {known[above]!r} has the name of a folder")
    for name in sizes:
        if name.lower() == "fetch.txt":
            raise malformed("the bag has files that are to be fetched")
        if name not in REQUIRED and re.fullmatch(r"(tag)?manifest-[^/]*\.txt", name, re.I | re.A):
            raise Refusal(UNKNOWN, f"the bag has a list of digests of another kind: {name!r}")


def check_name(name: str) -> None:
    """Part 1: check that a name is that of one file below the bag's folder on every system."""
    try:
        is_long = len(name.encode("utf-8")) > MAX_FILE_NAME
    except UnicodeEncodeError:
        raise malformed(f"a name in the bag is not UTF-8: {name!r}") from None
    # A control character; or a path of no file, or that Windows reads in another way.
    pattern = r"[\0-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\\:]|(^|/)(\.{0,2})(/|\Z)"
    if is_long or re.search(pattern, name) or unicodedata.normalize("NFC", name) != name:
        raise malformed(f"a name in the bag is not safe: {name[:200]!r}")


def fold_name(name: str) -> str:
    """Return what two names have in common if a file system may take them for the same."""
    return unicodedata.normalize("NFC", name.lower().upper())


class Folder:
    """The files of a bag in a folder."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sizes: dict[str, int] = {}
        folders = [""]
        while folders:
            folder = folders.pop()
            with os.scandir(os.path.join(path, folder)) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        check_name(folder + entry.name)
                        folders.append(folder + entry.name + "/")
                    elif stat.S_ISREG(status.st_mode):
                        self.sizes[folder + entry.name] = status.st_size
                    else:
                        raise malformed(f"{folder + entry.name!r} is a link or a device")
                    if len(self.sizes) + len(folders) > MAX_FILES:
                        raise malformed(f"the bag has more than {MAX_FILES} files")
        check_names(self.sizes)

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a file."""
        with open(os.path.join(self.path, name), "rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry64:
    """An entry of a ZIP file's directory, with sizes and offset of 64 bits."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


class ZipFile:
    """The files of a bag in a ZIP file, all in one folder.

    Every byte of the file has to belong to one entry or to the directory, which have to agree.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.length = os.fstat(file.fileno()).st_size
        self.places: dict[str, tuple[Entry64, int]] = {}
        entries, start = self.read_directory()
        if sum(e.size for e in entries) > MAX_RATIO * sum(e.packed for e in entries) + FREE_RATIO:
            raise malformed("the ZIP file would unpack to far more than documents do")
        end, tops, folders = 0, set(), []
        for entry in sorted(entries, key=lambda entry: entry.offset):
            data = self.check_header(entry, end, start)
            end = data + entry.packed
            if end > start:
                raise malformed("entries of the ZIP file overlap")
            name = entry.raw_name.decode("utf-8")
            is_folder = name.endswith("/")
            # The name of the folder at the top is no part of the others' names, or of their length.
            top, slash, rest = name.removesuffix("/").partition("/")
            for part in (top, rest) if slash else (top,):
                check_name(part)
            tops.add(top)
            if not (slash or is_folder) or len(tops) > 1:
                raise malformed("the ZIP file does not hold exactly one folder")
            if is_folder:
                if entry.size or entry.packed:
                    raise malformed("a folder in the ZIP file holds data")
                folders += [rest] if slash else []
            elif rest in self.places:
                raise malformed(f"the ZIP file holds {rest!r} twice")
            else:
                self.places[rest] = entry, data
        if end != start or not tops:
            raise malformed("the directory of the ZIP file is damaged")
        self.sizes = {name: entry.size for name, (entry, _) in self.places.items()}
        check_names(self.sizes, folders)

    def get(self, offset: int, count: int) -> bytes:
        """Return so many bytes of the ZIP file."""
        if not 0 <= offset <= self.length - count:
            raise malformed("the ZIP file is cut short")
        self.file.seek(offset)
        data = self.file.read(count)
        if len(data) != count:
            raise malformed("the ZIP file became shorter while it was read")
        return data

    def read_directory(self) -> tuple[list[Entry64], int]:
        """Return the entries that the directory lists, and where it begins."""
        end = self.length - 22
        mark, *disks, here, count, size, start, comment = struct.unpack(
            "<4s4H2LH", self.get(end, 22)
        )
        if mark != b"PK\5\6" or comment or any(disks) or here != count:
            raise malformed("the ZIP file does not end with its directory")
        if count == 0xFFFF or 0xFFFFFFFF in (size, start):
            short = ((count, 0xFFFF), (size, 0xFFFFFFFF), (start, 0xFFFFFFFF))
            end -= 76
            record = struct.unpack("<4sQ2H2L4Q4sLQL", self.get(end, 76))
            mark, length, _, _, *disks, here, count, size, start = record[:10]
            if (mark, length, *record[10:]) != (b"PK\6\6", 44, b"PK\6\7", 0, end, 1):
                raise malformed("the ZIP file does not end with its directory")
            if any(disks) or here != count:
                raise malformed("the ZIP file is one of several parts")
            for (own, full), long in zip(short, (count, size, start), strict=True):
                if own not in (full, long):
                    raise malformed("the ZIP file describes its directory in two ways")
        if count > 2 * MAX_FILES or size > MAX_DIRECTORY or start + size != end:
            raise malformed("the directory of the ZIP file is too long, or damaged")
        directory, at, entries = self.get(start, size), 0, []
        for _ in range(count):
            entry, at = parse_zip_entry(directory, at)
            entries.append(entry)
        if at != size:
            raise malformed("the directory of the ZIP file is damaged")
        return entries, start

    def check_header(self, entry: Entry64, expected: int, limit: int) -> int:
        """Compare an entry's own header with the directory; return where its data begins."""
        if entry.offset != expected or entry.offset + 30 > limit:
            raise malformed("entries of the ZIP file overlap, or bytes belong to none")
        header = struct.unpack("<4s5H3L2H", self.get(entry.offset, 30))
        mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
        data: int = entry.offset + 30 + name_length + extra_length
        if mark != b"PK\3\4" or data > limit:
            raise malformed("entries of the ZIP file overlap, or bytes belong to none")
        rest = self.get(entry.offset + 30, name_length + extra_length)
        size, packed = widen(rest[name_length:], [size, packed])
        own = replace(entry, raw_name=rest[:name_length], flags=flags, method=method, crc=crc,
                      packed=packed, size=size)  # fmt: skip
        if own != entry:
            raise malformed("the ZIP file describes an entry in two ways")
        return data

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the unpacked bytes of a file."""
        entry, at = self.places[name]
        left, end, waiting = entry.size, at + entry.packed, b""
        inflater = zlib.decompressobj(-15) if entry.method else None
        while at < end or waiting or (inflater and not inflater.eof):
            if not waiting:
                waiting = self.get(at, min(1 << 18, end - at))
                at += len(waiting)
            chunk, given, waiting = waiting, waiting, b""
            if inflater:
                chunk = inflate(inflater, given, name)
                waiting = inflater.unconsumed_tail
            left -= len(chunk)
            is_stuck = not (chunk or given or (inflater and inflater.eof))
            if left < 0 or is_stuck or (inflater and inflater.unused_data):
                raise malformed(f"{name!r} in the ZIP file is not of its size")
            yield chunk
        if left:
            raise malformed(f"{name!r} in the ZIP file is not of its size")


def inflate(inflater: Any, data: bytes, name: str) -> bytes:
    """Unpack the next bytes of an entry, at most 1 MiB."""
    try:
        chunk: bytes = inflater.decompress(data, 1 << 20)
    except zlib.error:
        raise malformed(f"{name!r} in the ZIP file is damaged") from None
    return chunk


def parse_zip_entry(directory: bytes, at: int) -> tuple[Entry64, int]:
    """Return the entry at a place of a ZIP file's directory, and the place behind it."""
    if at + 46 > len(directory):
        raise malformed("the directory of the ZIP file is damaged")
    values = struct.unpack_from("<4s6H3L5H2L", directory, at)
    mark, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = values[:12]
    comment_length, disk, _, attributes, offset = values[12:]
    name_end = at + 46 + name_length
    end = name_end + extra_length + comment_length
    if mark != b"PK\1\2" or end > len(directory) or disk:
        raise malformed("the directory of the ZIP file is damaged")
    raw_name = directory[at + 46 : name_end]
    try:
        name = raw_name.decode("utf-8" if flags & 1 << 11 else "ascii")
    except UnicodeDecodeError:
        raise malformed("a name in the ZIP file is not marked as UTF-8") from None
    size, packed, offset = widen(
        directory[name_end : name_end + extra_length], [size, packed, offset]
    )
    # Only UTF-8 and how hard the packer tried; not encrypted, nor sizes behind the data.
    if flags & ~(1 << 11 | 6):
        raise malformed(f"{name[:200]!r} in the ZIP file is encrypted, or its size comes late")
    kind = stat.S_IFMT(attributes >> 16)
    if kind not in (0, stat.S_IFDIR if name.endswith("/") else stat.S_IFREG):
        raise malformed(f"{name[:200]!r} in the ZIP file is a link or a device")
    if method not in (0, 8):
        raise Refusal(UNKNOWN, f"the ZIP file packs by method {method}")
    if method == 0 and packed != size:
        raise malformed(f"the ZIP file states two sizes of {name[:200]!r}")
    return Entry64(raw_name=raw_name, flags=flags, method=method, crc=crc, packed=packed,
                   size=size, offset=offset), end  # fmt: skip


def widen(extra: bytes, values: list[int]) -> list[int]:
    """Return sizes and offset, with those of 64 bits, in an extra field, for the full ones."""
    wide, at = None, 0
    while at < len(extra):
        kind, length = struct.unpack_from("<2H", extra.ljust(at + 4, b"\xff"), at)
        field_end = at + 4 + length
        # 0x6375 and 0x7075 give an entry another name or comment.
        if field_end > len(extra) or kind in (0x6375, 0x7075) or (kind == 1 and wide is not None):
            raise malformed("an entry of the ZIP file has ambiguous extra fields")
        wide = extra[at + 4 : field_end] if kind == 1 else wide
        at = field_end
    full = sum(value == 0xFFFFFFFF for value in values)
    if full == 0:
        return values
    if wide is None or len(wide) != 8 * full:
        raise malformed("an entry of the ZIP file has ambiguous extra fields")
    read = iter(struct.unpack(f"<{full}Q", wide))
    values = [next(read) if value == 0xFFFFFFFF else value for value in values]
    if max(values) > MAX_TOTAL:
        raise malformed("an entry of the ZIP file has ambiguous extra fields")
    return values


class Within:
    """The files in a folder of a bag, as those of a bag of their own."""

    def __init__(self, source: Folder | ZipFile, folder: str) -> None:
        self.source, self.folder = source, folder
        self.sizes = {
            name.removeprefix(folder): size
            for name, size in source.sizes.items()
            if name.startswith(folder)
        }
        check_names(self.sizes)

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a file."""
        return self.source.read(self.folder + name)


Source = Folder | ZipFile | Within


def read_list(source: Source, name: str) -> dict[str, str]:
    """Parts 3 and 5: read a list of digests, in the form that sha256sum prints."""
    digests: dict[str, str] = {}
    for number, line in enumerate(read_lines(source, name), 1):
        match = re.fullmatch(r"([0-9a-f]{64})  ([^\r\n]+)", line)
        if match is None or re.search("%(?!25|0D|0A)", match[2]):
            raise malformed(f"line {number} of {name} is malformed")
        path = match[2].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        check_name(path)
        if path in digests:
            raise malformed(f"{name} names {path!r} twice")
        digests[path] = match[1]
    return digests


def read_lines(source: Source, name: str) -> list[str]:
    """Return the lines of a list."""
    try:
        lines = read_whole(source, name, MAX_LIST).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise malformed(f"{name} is not UTF-8") from None
    if lines.pop():
        raise malformed(f"{name} does not end with a line feed")
    return lines


def read_whole(source: Source, name: str, most: int) -> bytes:
    """Return the bytes of a file that has at most ``most``."""
    data = b""
    for chunk in source.read(name):
        data += chunk
        if len(data) > most:
            raise malformed(f"{name} has more than {most} bytes")
    return data


def check_listed(listed: Mapping[str, str], names: set[str], subject: str) -> None:
    """Parts 3 and 5: check that a list names exactly these files."""
    for name in listed:
        if name not in names:
            raise mismatch(f"{subject} names {name!r}, which is not among the files it covers")
    for name in sorted(names):
        if name not in listed:
            raise mismatch(f"the bag holds {name!r}, which {subject} does not list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """What a valid bag holds: the digests and size of each payload file, and its captures.

    The folders of captures are by the SHA-256 of their manifests, which are originals.
    """

    is_evidence: bool
    payload: dict[str, tuple[dict[str, str], int]]
    captures: dict[str, list[str]]


def check_bag(source: Source) -> Bag:
    """Check a bag, whose payload is read once."""
    if "bagit.txt" not in source.sizes:
        raise malformed("there is no bagit.txt: this is not a bag")
    for name in REQUIRED:
        if name not in source.sizes:
            raise mismatch(f"the bag lacks {name}")
    declaration = read_whole(source, "bagit.txt", MAX_LIST)
    if declaration != b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n":
        other = re.match(rb"BagIt-Version: ([0-9]{1,4}\.[0-9]{1,4})\n", declaration)
        if other and other[1] != b"1.0":
            raise Refusal(UNKNOWN, f"bagit.txt declares BagIt version {other[1].decode()}")
        raise malformed("bagit.txt does not declare BagIt 1.0 with UTF-8")
    payload = {name for name in source.sizes if name.startswith("data/")}
    tags = check_tags(source, set(source.sizes) - payload - {"tagmanifest-sha256.txt"})
    info = check_info(source)
    is_evidence = info["Bag-Format"] == EVIDENCE_BAG
    for name in sorted(tags):
        if is_evidence and name not in REQUIRED:
            raise mismatch(f"the bag holds {name!r}, which the receipt of its list does not cover")
    hashed_payload = check_payload(source, payload, has_receipts=not is_evidence)
    captures = match_captures(tags, hashed_payload)
    check_oxum(source, payload, info.get("Payload-Oxum", ""))
    return Bag(is_evidence=is_evidence, payload=hashed_payload, captures=captures)


def check_tags(source: Source, names: set[str]) -> dict[str, str]:
    """Part 3: check the files outside the payload, and return their SHA-256."""
    tags = read_list(source, "tagmanifest-sha256.txt")
    check_listed(tags, names, "tagmanifest-sha256.txt")
    for name in tags:
        hashed = hashlib.sha256()
        for chunk in source.read(name):
            hashed.update(chunk)
        if hashed.hexdigest() != tags[name]:
            raise mismatch(f"{name!r} does not have the digest in tagmanifest-sha256.txt")
    return tags


def match_captures(
    tags: Mapping[str, str], payload: Mapping[str, tuple[dict[str, str], int]]
) -> dict[str, list[str]]:
    """Part 6: return the folders of captures by the SHA-256 of their manifests."""
    originals = {digests["sha256"] for digests, _ in payload.values()}
    matched: dict[str, list[str]] = {}
    inside = sorted(name for name in tags if name.startswith("captures/"))
    for folder in dict.fromkeys(f"captures/{name.split('/')[1]}/" for name in inside):
        manifest = tags.get(folder + MANIFEST)
        if manifest is None or manifest not in originals:
            raise mismatch(f"{folder + MANIFEST!r} is missing, or is not an original of the bag")
        matched.setdefault(manifest, []).append(folder)
    return matched


def check_info(source: Source) -> dict[str, str]:
    """Part 4: check the format that the bag names; return what else bag-info.txt states."""
    info: dict[str, str] = {}
    labels: set[str] = set()
    for number, line in enumerate(read_lines(source, "bag-info.txt"), 1):
        match = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]*): ([^\r\n]*)", line)
        if match is None or match[1].lower() in labels:
            raise malformed(f"line {number} of bag-info.txt is malformed")
        info[match[1]] = match[2]
        labels.add(match[1].lower())
    if "Bag-Format" not in info:
        raise malformed("bag-info.txt has no Bag-Format")
    if info["Bag-Format"] not in ("anchor-bag/1", EVIDENCE_BAG):
        raise Refusal(UNKNOWN, f"the bag has the format {info['Bag-Format']!r:.80}")
    return info


def check_oxum(source: Source, payload: set[str], stated: str) -> None:
    """Part 6: check the count of bytes and files that bag-info.txt states."""
    oxum = f"{sum(source.sizes[name] for name in payload)}.{len(payload)}"
    if not re.fullmatch(r"(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})", stated):
        raise malformed("bag-info.txt has no valid Payload-Oxum")
    if stated != oxum:
        raise mismatch(f"bag-info.txt states {stated} bytes and files, and there are {oxum}")


def check_payload(
    source: Source, payload: set[str], *, has_receipts: bool
) -> dict[str, tuple[dict[str, str], int]]:
    """Parts 5 and 6: check the payload, and return its digests; of originals, the receipts."""
    manifest = read_list(source, MANIFEST)
    check_listed(manifest, payload, MANIFEST)
    sm3_sums = read_list(source, "sm3sums.txt")
    check_listed(sm3_sums, payload, "sm3sums.txt")
    if has_receipts:
        check_receipts(source, payload)
    hashed = {}
    for name in sorted(payload):
        digests, size = hash_chunks(source.read(name))
        if digests != {"sha256": manifest[name], "sm3": sm3_sums[name]}:
            raise mismatch(f"{name!r} does not have the digests that the bag lists")
        hashed[name] = digests, size
    return hashed


def check_receipts(source: Source, payload: set[str]) -> None:
    """Part 6: check that each original has a receipt, and each receipt an original."""
    receipts = [name for name in source.sizes if name.startswith("receipts/")]
    if not receipts:
        raise malformed("the bag holds no receipt")
    for name in receipts:
        if not name.endswith(SUFFIX):
            raise malformed(f"{name!r} is not named as a receipt")
        if find_original(name) not in payload:
            raise mismatch(f"the bag has {name!r}, but not {find_original(name)!r}")
    uncovered = payload - {find_original(name) for name in receipts}
    if uncovered:
        raise mismatch(f"the bag has no receipt for {min(uncovered)!r}")


def find_original(receipt: str) -> str:
    """Return the name of the original that a receipt in a bag belongs to."""
    return "data/originals/" + receipt.removeprefix("receipts/").removesuffix(SUFFIX)


def verify_bag(
    source: Folder | ZipFile,
    pins: Pins,
    named: Sequence[Notice] = (),
    receipt: str | None = None,
    *,
    is_named: bool = False,
) -> Iterator[tuple[str, Report]]:
    """Check a bag, then yield the report on each original in it, with its custody and notices.

    The first report also names timestamps and signatures in the bag, which this program does not
    verify.  ``receipt`` is the file with the receipt of a bag that is one piece of evidence, which
    was named, or is beside it.
    """
    notes = [*explain_timestamps(source), *explain_signatures(source)]
    bag = check_bag(source)
    if bag.is_evidence:
        yield MANIFEST, verify_evidence_bag(source, bag, pins, named, receipt)
        return
    if is_named:
        raise malformed("it has receipts of its own: leave out the receipt")
    events = find_events(source)
    notices = by_subject([*named, *list_notices(source)])
    for name, (digests, size) in bag.payload.items():
        inside = f"receipts/{name.removeprefix('data/originals/')}{SUFFIX}"
        try:
            data = read_whole(source, inside, MAX_RECEIPT)
        except Refusal as refusal:
            yield name, report_trouble(str(refusal), refusal.code)
        else:
            folders = bag.captures.get(digests["sha256"], [])
            check_files = partial(check_captures, source, folders)
            report = verify(data, digests, size, pins, notices, check_files)
            judge_custody(report, events, pins)
            report.notes += notes
            notes = []
            yield name, report


def verify_evidence_bag(
    source: Source, bag: Bag, pins: Pins, named: Sequence[Notice], receipt: str | None
) -> Report:
    """Return the report on a bag that is one piece of evidence, by the receipt of its manifest."""
    if receipt is None:
        raise malformed("its receipt is not beside it: name it with --receipt")
    with open(receipt, "rb") as file:
        data = file.read(MAX_RECEIPT + 1)
    evidence = hash_chunks(source.read(MANIFEST))
    check_files = partial(check_recorded_files, bag.payload)
    return verify(data, *evidence, pins, by_subject(named), check_files)


def check_recorded_files(payload: Mapping[str, tuple[dict[str, str], int]], record: bytes) -> None:
    """Step 2: check that a bag's payload is what the record of its manifest lists, if it does."""
    listed = find_items(record)
    if listed is None:
        return
    for item in listed:
        digests, size = payload.get(item["path"], ({}, None))
        if size != item["size"] or not item["digests"].items() <= digests.items():
            raise mismatch(f"{item['path']!r} differs from the record's list of files")
    others = set(payload) - {item["path"] for item in listed}
    if others:
        raise mismatch(f"{min(others)!r} differs from the record's list of files")


def check_captures(source: Folder | ZipFile, folders: Sequence[str], record: bytes) -> None:
    """Step 2: check the captures in a bag whose manifest the original is, with its record."""
    for folder in folders:
        try:
            capture = check_bag(Within(source, folder))
            if not capture.is_evidence:
                raise mismatch("the bag is not a piece of evidence")
            check_recorded_files(capture.payload, record)
        except Refusal as refusal:
            raise mismatch(f"{folder!r} is not the capture of its record: {refusal}") from None


def list_notices(source: Folder | ZipFile) -> Iterator[Notice]:
    """Yield the notices in a bag; another file in their folder is one that nobody verifies."""
    for name in sorted(source.sizes):
        if name.startswith("notices/") and name.endswith(SUFFIX):
            with contextlib.suppress(Refusal):
                notice = read_notice(name, read_whole(source, name, MAX_RECEIPT), is_named=False)
                if notice is not None:
                    yield notice


def by_subject(notices: Sequence[Notice]) -> dict[str, list[Notice]]:
    """Return notices by the SHA-256 of the record that each is about."""
    known: dict[str, list[Notice]] = {}
    for notice in notices:
        known.setdefault(notice.members["subject"], []).append(notice)
    return known


def explain_timestamps(source: Folder | ZipFile) -> Iterator[str]:
    """Yield, for each RFC 3161 token in a bag, that it is not verified, and OpenSSL's command."""
    for name in sorted(source.sizes):
        checkpoint = name.removesuffix(".tst") + ".checkpoint"
        if name.startswith("timestamps/") and name.endswith(".tst") and checkpoint in source.sizes:
            command = shlex.join(
                ["openssl", "ts", "-verify", "-data", checkpoint, "-in", name, "-token_in",
                 "-CAfile", "ROOTS.pem"]
            )  # fmt: skip
            yield f"timestamp {name!r}: cannot tell here; with the authority's own root: {command}"


def explain_signatures(source: Folder | ZipFile) -> Iterator[str]:
    """Yield, for each signature of a record in a bag, that it is not verified, and the command."""
    for name in sorted(source.sizes):
        match = re.fullmatch(r"signatures/(.+)\.[0-9a-f]{16}\.(sshsig|p7s)", name, re.DOTALL)
        if match is None:
            continue
        file, record = shlex.quote(name), shlex.quote(f"signatures/{match[1]}.record.json")
        if match[2] == "sshsig":
            command = (
                "ssh-keygen -Y verify -f ALLOWED_SIGNERS -I SIGNER -n anchor-evidence-record"
                f" -s {file} < {record}"
            )
        else:
            command = (
                f"openssl cms -verify -cades -binary -inform DER -in {file} -content {record}"
                " -out /dev/null -CAfile ROOTS.pem -no-CApath -no-CAstore -purpose any"
                " -auth_level 2"
            )
        yield f"signature {name!r}: cannot tell here; with the signer's own key or root: {command}"


# ------------------------------------------------------------------------------------------------
# Claim C7: the custody events in a bag, and what the record holds of what its profile demands
# (docs/record-groups.md). A group of another form is a statement that cannot be interpreted.

Form = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """Return whether a value is a statement: one printable line of at most 1,000 characters."""
    if not isinstance(value, str) or len(value) > 1_000 or not value.strip():
        return False
    unprintable = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return not any(unicodedata.category(character) in unprintable for character in value)


def is_digest(value: Any) -> bool:
    """Return whether a value is 32 bytes in lower-case hex."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_moment(value: Any) -> bool:
    """Return whether a value is a time in UTC."""
    try:
        read_time(value)
    except Refusal:
        return False
    return True


def is_check_id(value: Any) -> bool:
    """Return whether a value is the id of a cleanliness check."""
    return isinstance(value, str) and re.fullmatch("[a-z][a-z0-9-]{0,39}", value) is not None


def one_of(*words: str) -> Form:
    """Return the form of one of these words."""
    return lambda value: isinstance(value, str) and value in words


def number(least: int, most: int) -> Form:
    """Return the form of an integer."""
    return lambda value: type(value) is int and least <= value <= most


def many(form: Form, least: int, most: int) -> Form:
    """Return the form of a list."""
    return lambda value: (
        isinstance(value, list) and least <= len(value) <= most and all(map(form, value))
    )


def group(required: str, **members: Form) -> Form:
    """Return the form of an object of these members, some of which are required."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value for name in required.split())
        and all(name in members and members[name](value[name]) for name in value)
    )


def texts(names: str) -> dict[str, Form]:
    """Return these members as statements."""
    return dict.fromkeys(names.split(), is_text)


def hashes(names: str) -> dict[str, Form]:
    """Return these members as digests."""
    return dict.fromkeys(names.split(), is_digest)


LINES, ENTRIES = many(is_text, 1, 100), many(is_text, 0, 100)
PEOPLE = many(group("name", **texts("name role organisation key_id")), 1, 50)
COLLECTION = group(
    "",
    started_at=is_moment,
    ended_at=is_moment,
    steps=LINES,
    operators=PEOPLE,
    witnesses=PEOPLE,
    recording_digest=is_digest,
    reproducible=one_of("yes", "no", "not_attempted"),
    **texts("place method refusal_reason reproduce"),
)


def is_collection(value: Any) -> bool:
    """Return whether a value is a collection that does not end before it starts."""
    if not COLLECTION(value):
        return False
    times = [value[name] for name in ("started_at", "ended_at") if name in value]
    in_full = [f"{time[:19]}{time[20:-1]:0<6}" for time in times]
    return in_full == sorted(in_full)


CHECK = one_of("pass", "fail", "not_checked")
CHANGE = group(
    "change why",
    at=is_moment,
    **texts("change why by"),
    **hashes("digest_before digest_after"),
)
CHANGES = many(CHANGE, 1, 50)
GROUPS: dict[str, Form] = {
    "profile": one_of("civil-zh", "criminal-zh", "us-902", "plain"),
    "source": group(
        "",
        storage_history=LINES,
        generated_at_claimed=is_moment,
        **texts("origin url system generation_mechanism author holder"),
    ),
    "collection": is_collection,
    "provider": group(
        "", **texts("legal_name registration_no filing_no mlps_level conflict_of_interest fees")
    ),
    "platform": group(
        "",
        argv=LINES,
        **texts("software version chain registry code_hash"),
        **hashes("installation_sha256 distributions_sha256 config_sha256"),
    ),
    "environment": group(
        "",
        proxy=ENTRIES,
        dns_servers=ENTRIES,
        extensions=ENTRIES,
        not_observed=ENTRIES,
        disk_free=number(0, MAX_INTEGER),
        **texts("os kernel cpu vm locale tz public_ip browser"),
        **hashes("packages_digest process_list_digest ca_store_digest hosts_file_digest"),
    ),
    "cleanliness": group(
        "started_at result checks",
        started_at=is_moment,
        result=CHECK,
        checks=many(
            group(
                "id zh en result observed",
                id=is_check_id,
                result=CHECK,
                **texts("zh en observed observed_zh"),
            ),
            1,
            100,
        ),
    ),
    "modifications": lambda value: value == "none-declared" or CHANGES(value),
}
EVENT = group(
    "subject event at actor",
    event=one_of(
        "collect", "seal", "copy", "transfer", "access", "analyse", "export", "renew", "erase"
    ),
    at=is_moment,
    **texts("place from to actor purpose authority medium"),
    **hashes("subject previous_event digest_before digest_after"),
)
# What each profile demands; *2 is how many, and | divides two that are as good.
DEMANDS = {
    "civil-zh": "source.origin source.generation_mechanism source.storage_history "
    "collection.started_at collection.ended_at collection.place collection.method "
    "collection.steps collection.operators modifications platform.software platform.version "
    "provider.legal_name provider.registration_no provider.filing_no provider.mlps_level "
    "provider.conflict_of_interest provider.fees environment cleanliness",
    "criminal-zh": "source.origin source.storage_history source.holder collection.started_at "
    "collection.ended_at collection.place collection.method collection.steps "
    "collection.operators*2 collection.witnesses|refusal_reason modifications platform.software "
    "platform.version environment cleanliness",
    "us-902": "source.system source.generation_mechanism collection.method source.origin "
    "collection.started_at collection.ended_at collection.operators platform.software "
    "platform.version",
    "plain": "",
}


def is_path(value: Any) -> bool:
    """Return whether a value is the name of a file in a bundle."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_NAME


HASHES = group("", **hashes("sha256 sm3"))
ITEMS = many(
    group(
        "path digests size",
        path=is_path,
        digests=lambda value: HASHES(value) and value != {},
        size=number(0, MAX_INTEGER),
        derived_from=is_path,
        **texts("media_type derivation"),
    ),
    1,
    200,
)
LIST_OF_FILES = group(
    "format sha256 files bytes",
    format=one_of("bagit-1.0"),
    sha256=is_digest,
    files=number(0, MAX_INTEGER),
    bytes=number(0, MAX_INTEGER),
)


def find_items(record: bytes) -> list[dict[str, Any]] | None:
    """Return the files that the record of a manifest lists; None of one that lists none."""
    document = read_json(record, "the record")
    items: list[dict[str, Any]] = document.get("items", [])
    return items if ITEMS(items) and not LIST_OF_FILES(document.get("manifest")) else None


def lists_files(record: bytes) -> bool:
    """Return whether a record is that of a manifest: it lists files, or describes the list."""
    read_record(record)
    document = read_json(record, "the record")
    return ITEMS(document.get("items")) != LIST_OF_FILES(document.get("manifest"))


def find_lacking(document: dict[str, Any]) -> list[str] | None:
    """Return what a record's profile demands and the record lacks; None without a profile."""
    groups = {name: document[name] for name in GROUPS if name in document}
    read = {name: value for name, value in groups.items() if GROUPS[name](value)}
    if "profile" not in read:
        return None
    lacking = []
    for demand in DEMANDS[read["profile"]].split():
        path, _, least = demand.partition("*")
        owner, _, names = path.rpartition(".")
        members = read.get(owner, {}) if owner else read
        held = [members.get(name) for name in names.split("|")]
        count = int(least or 1)
        if not any(len(each) >= count if isinstance(each, list) else each for each in held):
            lacking.append(path)
    return lacking


@dataclass(slots=True, kw_only=True)
class Event:
    """A custody event, and its receipt; ``report`` is made when it is first needed."""

    data: bytes
    receipt: Receipt
    members: dict[str, Any]
    report: Report | None = None

    def hash(self) -> str:
        """Return the SHA-256 of the event's record, by which the next event names it."""
        return hashlib.sha256(self.receipt.record).hexdigest()

    def verify(self, pins: Pins) -> int:
        """Verify the event by its receipt, once, and return the exit code."""
        if self.report is None:
            evidence = hash_chunks(iter([write_canonical(self.members)]))
            self.report = verify(self.data, *evidence, pins)
        return self.report.exit_code()


def find_events(source: Folder | ZipFile) -> list[Event]:
    """Return the custody events whose receipts are in a bag; other files prove nothing."""
    events = []
    for name in sorted(source.sizes):
        if name.startswith("custody/") and name.endswith(SUFFIX):
            with contextlib.suppress(Refusal):
                data = read_whole(source, name, MAX_RECEIPT)
                receipt = read_receipt(data)
                members = read_event(receipt.record)
                if members is not None:
                    events.append(Event(data=data, receipt=receipt, members=members))
    return events


def read_event(data: bytes) -> dict[str, Any] | None:
    """Return the event that a record is of; None of one of other evidence.

    An event counts only if the record's digests are those of its canonical bytes.
    """
    record, document = read_record(data), read_json(data, "the record")
    members = document.get("custody")
    if document.get("kind") != "custody-event" or not EVENT(members):
        return None
    made, _ = hash_chunks(iter([write_canonical(members)]))
    stated = record.digests
    is_same = stated.get("sha256") == made["sha256"] and stated.get("sm3") in (None, made["sm3"])
    return members if is_same else None


def judge_custody(report: Report, events: Sequence[Event], pins: Pins) -> None:
    """Judge claim C7 by the events that are about the report's record, if there are any."""
    if report.read is None:
        return
    receipt, record = report.read
    subject = hashlib.sha256(receipt.record).hexdigest()
    mine = [event for event in events if event.members["subject"] == subject]
    if not mine:
        return
    codes = {event.verify(pins) for event in mine}
    code = next((code for code in GRAVEST_FIRST if code in codes), VERIFIED)
    if code != VERIFIED:
        report.custody = code, "a custody event does not verify by its own receipt"
        return
    try:
        chain = order_events(receipt, mine)
        check_order(receipt, chain)
        check_digests(record, chain)
    except Refusal as refusal:
        report.custody = refusal.code, str(refusal)
        return
    silent = [event for event in chain if not {"digest_before", "digest_after"} & {*event.members}]
    lacking = find_lacking(read_json(receipt.record, "the record"))
    report.is_documented = not silent and lacking == []
    text = f"{len(chain)} custody events without a gap, the last of {chain[-1].members['at']}; "
    text += "later events are not excluded, and what they state is not verified"
    if silent:
        text += f"; {len(silent)} of them state no digest"
    if lacking is None:
        text += "; the record names no profile"
    elif lacking:
        text += f"; the record lacks of its profile {', '.join(lacking)}"
    report.custody = VERIFIED, text


def order_events(receipt: Receipt, events: Sequence[Event]) -> list[Event]:
    """Return the events in their order: each follows the one that it names, one is the first."""
    for event in events:
        if event.receipt.log[12:] != receipt.log[12:]:
            raise mismatch("a custody event is in the log of another owner")
    given = {event.hash(): event for event in events}
    following: dict[str | None, Event] = {}
    for event in given.values():
        previous = event.members.get("previous_event")
        if previous in following:
            raise mismatch(f"two custody events follow {previous or 'none'}")
        following[previous] = event
    chain: list[Event] = []
    last: str | None = None
    while last in following and len(chain) < len(following):
        chain.append(following[last])
        last = chain[-1].hash()
    if len(chain) < len(following):
        raise Refusal(CANNOT_CHECK, "the custody events have a gap: one follows another not here")
    return chain


def check_order(receipt: Receipt, chain: Sequence[Event]) -> None:
    """Check that each event is later in the log than the one before; logs cannot be compared."""
    last: int | None = receipt.index
    for event in chain:
        index = event.receipt.index if event.receipt.log == receipt.log else None
        if last is not None and index is not None and index <= last:
            raise mismatch(f"the custody event of leaf {index} is not after the one before")
        last = index


def check_digests(record: Record, chain: Sequence[Event]) -> None:
    """Check that each event finds what the one before left, and the last leaves the evidence."""
    recorded = record.digests.get("sha256")
    current = recorded
    for event in chain:
        before, after = (event.members.get(name) for name in ("digest_before", "digest_after"))
        if before is not None and current is not None and before != current:
            raise mismatch(f"a custody event finds sha256 {before}, not {current}")
        current = after or before or current
    if recorded is not None and current != recorded:
        raise mismatch(f"the custody events leave sha256 {current}, not {recorded}")


# ------------------------------------------------------------------------------------------------
# What is printed in Chinese.

STEPS = {
    1: "存证回执格式正确",
    2: "文件与记录一致",
    3: "记录在日志中",
    4: "登记合约与日志受信任",
    5: "链与区块正确",
    6: "登记合约的代码相符",
    7: "根已锚定且已最终确定",
    8: "锚定与存证回执所述一致",
    9: "锚定所用密钥获认可，且日志所有者未放弃该锚定",
    10: "不晚于何时已存在",
    11: "记录不早于何时形成",
}
CHINESE = {
    HEADLINES[MAIN]: "核验通过",
    HEADLINES[UNLISTED]: "在本版本未收录的链上核验通过（其证明力由您自行判断）",
    HEADLINES[TEST]: "在测试网络上核验通过（在法庭上不能证明任何事项）",
    HEADLINES[DEVELOPMENT]: "在开发链上核验通过（不能证明真实时间）",
    REFUSED: "未通过核验",
    BY_YOUR_BLOCK: "，所依据的区块仅由您指明",
    WITHDRAWN: "已被日志的运营方替代或撤回；证据本身：{}",
    STANDING_UNKNOWN: "无法判断是否仍然有效；证据本身：{}",
    EXIT: "（退出码 {}）",
    MEANINGS[VERIFIED]: "通过",
    MEANINGS[MALFORMED]: "格式不正确",
    MEANINGS[MISMATCH]: "存在不一致",
    MEANINGS[NOT_ANCHORED]: "未锚定",
    MEANINGS[NOT_TRUSTED]: "不在您信任的范围之内",
    MEANINGS[ABANDONED]: "日志所有者已放弃",
    MEANINGS[SUPERSEDED]: "已被替代或撤回",
    MEANINGS[CANNOT_CHECK]: "无法判断",
    MEANINGS[NOT_FINAL]: "尚未最终确定",
    MEANINGS[UNKNOWN]: "版本无法识别",
    "not present": "未提供",
    "file     {}": "文件     {}",
    "step {:2}  {}: {}": "步骤 {:2}  【{}】{}",
    "claim C7 {}: {}": "核验事项 C7  {}：{}",
    "notice   {}: {}": "声明     {}：{}",
    "note     {}": "说明     {}",
    "number   {}": "存证编号 {}",
}


def choose_language(named: str | None, environment: Mapping[str, str]) -> str:
    """Return the language named, else Chinese if the first variable that is set asks for it."""
    variables = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    wanted = named or next(filter(None, map(environment.get, variables)), "")
    return "zh" if wanted.startswith("zh") else "en"


def print_report(report: Report, path: str | None, language: str) -> None:
    """Print a report, of a file whose name is ``path`` if there may be several."""

    def say(text: str) -> str:
        return CHINESE[text] if language == "zh" else text

    def tell(form: str, *values: object) -> None:
        print(say(form).format(*values))

    if path is not None:
        tell("file     {}", repr(path))
    for step, code, text in report.lines:
        title = f"{STEPS[step]}：" if language == "zh" else ""
        tell("step {:2}  {}: {}", step, say(MEANINGS[code]), title + text)
    for step in sorted(STEPS.keys() - {step for step, _, _ in report.lines}):
        title = f"{STEPS[step]}：" if language == "zh" else ""
        verdict, text = MEANINGS[CANNOT_CHECK], "not made: an earlier step did not pass"
        if step == 11 and report.no_earliest is not None:
            verdict, text = "not present", report.no_earliest
        tell("step {:2}  {}: {}", step, say(verdict), title + text)
    if report.custody is not None:
        code, text = report.custody
        is_absent = code == VERIFIED and not report.is_documented
        tell("claim C7 {}: {}", say("not present" if is_absent else MEANINGS[code]), text)
    for code, text in report.notices:
        tell("notice   {}: {}", say(MEANINGS[code]), text)
    for note in report.notes:
        tell("note     {}", note)
    if report.number:
        tell("number   {}", report.number)
    print(report.headline(say))


# ------------------------------------------------------------------------------------------------
# The command line.


def parse_options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Pins]:
    """Parse the command line; bad usage ends the program with 2."""

    def value(length: int) -> Callable[[str], bytes]:
        def read(text: str) -> bytes:
            if not re.fullmatch(f"0x[0-9a-fA-F]{{{2 * length}}}", text):
                raise argparse.ArgumentTypeError(f"not 0x and {2 * length} hex digits: {text!r}")
            return bytes.fromhex(text[2:])

        return read

    def number(text: str) -> int:
        if not re.fullmatch("[0-9]{1,16}", text):
            raise argparse.ArgumentTypeError(f"not a number: {text!r}")
        return int(text)

    parser = argparse.ArgumentParser(
        description="Verify a receipt offline, by a block's hash that you found out.",
        epilog="Exit codes: 0 verified, 2 malformed, 10 mismatch, 11 not anchored, 12 not trusted, "
        "13 abandoned, 14 superseded or withdrawn, 20 cannot check, 21 not final yet, 22 unknown "
        "version.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("receipt", metavar="RECEIPT",
        help="a receipt, a bundle of receipts; or, alone, a bag, or a file with its receipt beside "
        f"it (NAME{SUFFIX})")  # fmt: skip
    add("file", metavar="FILE", nargs="*")
    add("--receipt", dest="named", metavar="RECEIPT",
        help="the receipt of the file or bag that is named alone")  # fmt: skip
    add("--notice", action="append", default=[], metavar="RECEIPT",
        help="the receipt of a notice on a record; repeat it for several")  # fmt: skip
    add("--block-hash", type=value(32), action="append", default=[], metavar="0xHASH",
        help="a final block's hash; repeat it for several")  # fmt: skip
    add("--chain-id", type=number, action="append", default=[], metavar="N",
        help="the chain whose anchors count; repeat it for several")  # fmt: skip
    add(
        "--registry", type=value(20), metavar="0xADDRESS", help="instead of this release's registry"
    )
    add("--code-hash", type=value(32), metavar="0xHASH", help="Keccak-256 of the registry's code")
    add("--log", type=value(32), metavar="0xLOG", help="the log that the record has to be in")
    add("--time-slack", type=number, metavar="SECONDS",
        help="how far a block's time may be off, instead of the chain's own rule")  # fmt: skip
    add("--recorded-at-tolerance", type=number, default=RECORDED_AT_TOLERANCE, metavar="SECONDS",
        help="how much later than proven a record may say it was made "
        f"({RECORDED_AT_TOLERANCE})")  # fmt: skip
    add("--accept-unpinned", action="store_true",
        help="take chain and log from the receipt, which may claim any")  # fmt: skip
    add("--lang", choices=("en", "zh"),
        help="language of verdicts and titles; default: the environment's")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.code_hash and len(options.chain_id) > 1:
        parser.error("the code hash differs from chain to chain: name one chain with --code-hash")
    if options.named and options.file:
        parser.error("with --receipt, name one file or bag alone")
    if options.recorded_at_tolerance > MAX_TOLERANCE:
        parser.error(f"--recorded-at-tolerance is at most {MAX_TOLERANCE} seconds")
    pins = Pins(
        block_hashes=options.block_hash,
        chain_ids=options.chain_id,
        registry=options.registry,
        code_hash=options.code_hash,
        log=options.log,
        time_slack=options.time_slack,
        recorded_at_tolerance=options.recorded_at_tolerance,
        accept_unpinned=options.accept_unpinned,
    )
    return options, pins


def read_inputs(
    receipt: str, paths: Sequence[str]
) -> list[tuple[bytes | Receipt | None, Mapping[str, str], int]]:
    """Return each file's receipt, None if a bundle has none, with its digests and size."""
    files = [(re.split(r"[/\\]", path)[-1], *hash_file(path)) for path in paths]
    with open(receipt, "rb") as file:
        line = file.readline(MAX_LINE + 1)
        if not is_bundle(line):
            if len(files) > 1:
                raise malformed("one receipt is of one file: name one, or a bundle of receipts")
            data = line + file.read(MAX_RECEIPT + 1 - len(line))
            return [(data, digests, size) for _, digests, size in files]
        file.seek(0)
        chosen = choose_receipts(read_bundle(file), files)
    return [(found, digests, size) for found, (_, digests, size) in zip(chosen, files, strict=True)]


def report_trouble(text: str, code: int = MALFORMED) -> Report:
    """Return the report if step 1 cannot begin."""
    report = Report()
    report.add(1, text, code)
    return report


def read_named_notices(paths: Sequence[str]) -> list[Notice]:
    """Return the notices in the receipts that the person named."""
    notices = []
    for path in paths:
        with open(path, "rb") as file:
            data = file.read(MAX_RECEIPT + 1)
        notice = read_notice(path, data, is_named=True)
        if notice is None:
            raise malformed(f"{path!r} is not the receipt of a notice")
        notices.append(notice)
    return notices


def report_bag(
    path: str, pins: Pins, named: Sequence[Notice], receipt: str | None, *, is_named: bool
) -> Iterator[tuple[str, Report]]:
    """Yield the name and the report of each original in a bag; one report if it is not valid."""
    try:
        if os.path.isdir(path):
            yield from verify_bag(Folder(path), pins, named, receipt, is_named=is_named)
            return
        with open(path, "rb") as file:
            if not is_named and file.read(2) != b"PK":
                raise malformed("it is no folder or ZIP file: name the receipt's file as well")
            yield from verify_bag(ZipFile(file), pins, named, receipt, is_named=is_named)
    except OSError as error:
        yield path, report_trouble(f"cannot read: {error!r}")
    except Refusal as refusal:
        yield path, report_trouble(f"the bag: {refusal}", refusal.code)


def report_alone(
    path: str, pins: Pins, notices: Sequence[Notice], receipt: str | None
) -> Iterator[tuple[str, Report]]:
    """Yield the reports on a bag or a file by the receipt that is named, or that is beside it."""
    whole = os.path.abspath(path)
    is_folder = os.path.isdir(path)
    if receipt is None and not is_folder and os.path.isfile(whole + SUFFIX):
        return zip([path], make_reports(whole + SUFFIX, [path], pins, notices), strict=False)
    if receipt is not None and not is_folder and not is_zip_of(path, receipt):
        return zip([path], make_reports(receipt, [path], pins, notices), strict=False)
    if receipt is None:
        # Beside a ZIP file as beside the folder that it was made of.
        stem = whole[:-4] if not is_folder and whole.lower().endswith(".zip") else whole
        beside = stem + SUFFIX if os.path.isfile(stem + SUFFIX) else None
        return report_bag(path, pins, notices, beside, is_named=False)
    return report_bag(path, pins, notices, receipt, is_named=True)


def is_zip_of(path: str, receipt: str) -> bool:
    """Return whether a file is the ZIP file of the bag whose manifest the receipt is about."""
    try:
        with open(receipt, "rb") as file:
            if not lists_files(read_receipt(file.read(MAX_RECEIPT + 1)).record):
                return False
        with open(path, "rb") as file:
            return path.lower().endswith(".zip") or file.read(2) == b"PK"
    except (OSError, Refusal):
        return False


def make_reports(
    receipt: str, paths: Sequence[str], pins: Pins, named: Sequence[Notice] = ()
) -> list[Report]:
    """Verify each file, and return the reports; one alone if receipt or files cannot be read."""
    try:
        inputs = read_inputs(receipt, paths)
    except OSError as error:
        return [report_trouble(f"cannot read: {error!r}")]
    except Refusal as refusal:
        return [report_trouble(str(refusal), refusal.code)]
    return [
        report_trouble("the bundle has no receipt of this file")
        if document is None
        else verify(document, evidence, size, pins, by_subject(named))
        for document, evidence, size in inputs
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify files by their receipts, print every step and return the gravest exit code."""
    options, pins = parse_options(arguments)
    language = choose_language(options.lang, os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    reports: Iterator[tuple[str, Report]]
    try:
        named = read_named_notices(options.notice)
    except OSError as error:
        reports = iter([(options.receipt, report_trouble(f"cannot read: {error!r}"))])
    except Refusal as refusal:
        reports = iter([(options.receipt, report_trouble(f"a notice: {refusal}", refusal.code))])
    else:
        made = make_reports(options.receipt, options.file, pins, named) if options.file else ()
        reports = (
            zip(options.file, made, strict=False)
            if options.file
            else report_alone(options.receipt, pins, named, options.named)
        )
    codes = set()
    for path, report in reports:
        print_report(report, path if len(options.file) != 1 else None, language)
        codes.add(report.exit_code())
    return find_gravest(codes)


if __name__ == "__main__":
    sys.exit(main())
