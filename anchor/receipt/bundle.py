"""Bundles (``anchor-receipts/1``): receipts of one log in one file, read and written as a stream.

A bundle is JSON lines: a header; then, for each anchor, a line with what its receipts share and a
line for each of them, in ascending order of leaf index.  A receipt's line holds the hashes of its
path up to the node that it has in common with the receipt before it; that receipt gives the rest.
The proof of the block that records name has a line of its own before the receipts with it.  Put
together, each is an ordinary receipt (``anchor-receipt/1``).  ``docs/spec/receipt.md`` is the
specification.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BeforeValidator, Field, RootModel

from anchor.base.canonical import parse_strict
from anchor.base.errors import MalformedError, MismatchError, UnknownVersionError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import open_regular_file
from anchor.base.types import MAX_LOG_SIZE, Hash32, Head, LogId
from anchor.evidence.record import MAX_RECORD_BYTES
from anchor.log.merkle import fold_path, hash_leaf, path_length
from anchor.receipt.format import (
    BeaconDocument,
    Bytes32Hex,
    DocumentPart,
    MerklePath,
    OptionalMember,
    Promise,
    Receipt,
    ReceiptAnchor,
    RootDocument,
    SharedAnchorDocument,
    anchor_members,
    beacon_members,
    encode_record_member,
    head_members,
    read_anchor,
    read_beacon,
    read_path,
    read_promise,
    validate_members,
)
from anchor.receipt.state_proof import BeaconProof

BUNDLE_FORMAT = "anchor-receipts/1"
# The largest line is one of an anchor with every proof: 350 KB.  A record with the worst escaping
# takes 400 KB.
MAX_LINE_BYTES = 1 << 20

# Made once: a bundle may have millions of lines.
_LINE = Message("bundle-line-subject")


class BundleHeader(DocumentPart):
    """The first line: the log, and how many receipts follow."""

    format: Literal["anchor-receipts/1"]
    log: Bytes32Hex
    count: Annotated[int, Field(ge=1, le=MAX_LOG_SIZE)]


class SharedAnchorLine(DocumentPart):
    """The anchor of the receipts that follow."""

    anchor: SharedAnchorDocument


class SharedHeadLine(DocumentPart):
    """The promised head of the receipts that follow."""

    head: RootDocument


class SharedBeaconLine(DocumentPart):
    """The proof of the block that records of this anchor name, for receipts that follow."""

    beacon: BeaconDocument


def _require_true(value: object) -> object:
    # To pydantic, the number 1 is the literal True.
    if value is not True:
        raise ValueError(Message("value-not-true"))
    return value


class BundledReceipt(DocumentPart):
    """A receipt; ``path`` has the hashes that the receipt before it does not give.

    ``beacon``: the beacon's line before it is a part of it.
    """

    # Limits the characters; the parser limits the bytes as well.
    record: Annotated[str, Field(max_length=MAX_RECORD_BYTES)]
    index: Annotated[int, Field(ge=0, lt=MAX_LOG_SIZE)]
    path: MerklePath
    beacon: OptionalMember[Annotated[Literal[True], BeforeValidator(_require_true)]] = None


class BundleLine(
    RootModel[BundleHeader | SharedAnchorLine | SharedHeadLine | SharedBeaconLine | BundledReceipt]
):
    """Any line of a bundle; the JSON schema is published with the documentation."""


def is_bundle(first_line: bytes) -> bool:
    """Return whether a file that begins with this line is a bundle, of any version."""
    try:
        return _is_bundle(_parse_line(first_line))
    except MalformedError:
        return False


def _is_bundle(header: dict[str, Any]) -> bool:
    return str(header.get("format")).startswith("anchor-receipts/")


def _read_first_line(file: BinaryIO) -> bytes:
    """Return the first line of a file, up to the limit of a bundle's lines."""
    return file.readline(MAX_LINE_BYTES + 1)


def is_bundle_file(path: Path) -> bool:
    """Return whether a regular file is a bundle; False if it cannot be read."""
    try:
        with open(open_regular_file(path), "rb") as file:
            return is_bundle(_read_first_line(file))
    except (OSError, UsageError):
        return False


def load_bundle(path: Path) -> Iterator[Receipt]:
    """Yield the receipts of the bundle in a file, as ``read_bundle`` does."""
    try:
        with open(open_regular_file(path), "rb") as file:
            yield from read_bundle(file)
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error


def load_bundle_log(path: Path) -> LogId:
    """Return the log of the bundle in a file, of which only the header is read."""
    with open(open_regular_file(path), "rb") as file:
        return LogId(bytes.fromhex(_read_header(_read_first_line(file)).log[2:]))


def read_bundle(file: BinaryIO) -> Iterator[Receipt]:
    """Yield the receipts of a bundle, one at a time, from the first line on.

    A bundle that is cut off, or breaks its format further below, yields receipts before the error:
    conclude nothing before the end.

    Raises:
        MalformedError: A line breaks the format, or the bundle is incomplete.
        MismatchError: A record and its path do not lead to the root.  These two messages have the
            line's number.
    """
    number = 1
    try:
        reader = _Reader(_read_header(_read_first_line(file)))
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            receipt = reader.take(line)
            if receipt is not None:
                yield receipt
        reader.check_complete()
    except (MalformedError, MismatchError) as error:
        raise type(error)(Message("bundle-line-invalid", line=number, reason=error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """A receipt's index and path, and the hash after each step of the path, the leaf first."""

    index: int
    path: tuple[Hash32, ...]
    nodes: list[Hash32]


class _Reader:
    """Puts the receipts together, line by line; keeps the last anchor and the last path only."""

    def __init__(self, header: BundleHeader) -> None:
        self._log = LogId(bytes.fromhex(header.log[2:]))
        self._expected = header.count
        self._taken = 0
        self._index = -1
        self._shared: ReceiptAnchor | Promise | None = None
        self._before: _Walked | None = None
        self._beacon: BeaconProof | None = None
        self._is_beacon_used = True

    def take(self, line: bytes) -> Receipt | None:
        """Read a line after the header; return its receipt, None for a line that receipts share."""
        members = _parse_line(_check_end(line))
        if self._taken == self._expected:
            raise MalformedError(Message("bundle-surplus", expected=self._expected))
        if "anchor" in members or "head" in members:
            self._begin(members)
            return None
        if "record" not in members and "beacon" in members:
            self._begin_beacon(members)
            return None
        document = validate_members(BundledReceipt, members)
        if self._shared is None:
            raise MalformedError(Message("bundle-anchor-missing"))
        if document.index <= self._index:
            raise MalformedError(
                Message("bundle-index-order", index=document.index, previous=self._index)
            )
        record = encode_record_member(document.record)
        covering = self._shared if document.beacon is None else self._add_beacon(self._shared)
        path = _complete(document, covering.head, self._before)
        nodes = fold_path(
            leaf=hash_leaf(record), index=document.index, size=covering.head.size, path=path
        )
        if nodes[-1] != covering.head.root:
            raise MismatchError(Message("path-root-differs"))
        self._before = _Walked(index=document.index, path=path, nodes=nodes)
        self._index = document.index
        self._taken += 1
        return _make_receipt(record, self._log, document.index, replace(covering, path=path))

    def check_complete(self) -> None:
        """Raise MalformedError if receipts are missing at the end."""
        if self._taken < self._expected:
            raise MalformedError(
                Message("bundle-incomplete", count=self._taken, expected=self._expected)
            )

    def _begin(self, members: dict[str, Any]) -> None:
        if self._shared is not None and self._before is None:
            raise MalformedError(Message("bundle-anchor-unused"))
        self._end_beacon()
        if "anchor" in members:
            self._shared = read_anchor(validate_members(SharedAnchorLine, members).anchor, ())
        else:
            self._shared = read_promise(validate_members(SharedHeadLine, members).head, ())
        self._before = None

    def _begin_beacon(self, members: dict[str, Any]) -> None:
        self._end_beacon()
        beacon = read_beacon(validate_members(SharedBeaconLine, members).beacon)
        if not isinstance(self._shared, ReceiptAnchor) or self._shared.state is None:
            raise MalformedError(Message("bundle-beacon-without-state"))
        self._beacon, self._is_beacon_used = beacon, False

    def _end_beacon(self) -> None:
        if not self._is_beacon_used:
            raise MalformedError(Message("bundle-beacon-unused"))
        self._beacon = None

    def _add_beacon(self, shared: ReceiptAnchor | Promise) -> ReceiptAnchor:
        """Return the anchor with the beacon's proof added to its state proof."""
        if self._beacon is None:
            raise MalformedError(Message("bundle-beacon-missing"))
        assert isinstance(shared, ReceiptAnchor), "a beacon follows an anchor"
        assert shared.state is not None, "a beacon follows a state proof"
        self._is_beacon_used = True
        return replace(shared, state=replace(shared.state, beacon=self._beacon))


def _complete(document: BundledReceipt, head: Head, before: _Walked | None) -> tuple[Hash32, ...]:
    """Return a receipt's whole path: its line's own hashes, and those that ``before`` gives.

    The two paths meet below the lowest node that covers both leaves.  There the earlier leaf is on
    the left, in a subtree of 2^k leaves: its node after k steps is the sibling, and above it both
    paths are the same.
    """
    index, own = document.index, read_path(document.path)
    try:
        length = path_length(index, head.size)
    except MismatchError as error:
        raise MalformedError(error.message) from error
    given: tuple[Hash32, ...] = ()
    if before is not None:
        steps = count_steps(before.index, index)
        given = (before.nodes[steps], *before.path[steps + 1 :])
    if len(own) != length - len(given):
        raise MalformedError(
            Message("bundle-path-length", actual=len(own), expected=length - len(given))
        )
    return own + given


def count_steps(index: int, later: int) -> int:
    """Return after how many steps the path of leaf ``index`` meets that of a ``later`` leaf."""
    return (index ^ later).bit_length() - 1


def _make_receipt(
    record: bytes, log: LogId, index: int, covering: ReceiptAnchor | Promise
) -> Receipt:
    return Receipt(
        record=record,
        log=log,
        index=index,
        promise=covering if isinstance(covering, Promise) else None,
        anchors=() if isinstance(covering, Promise) else (covering,),
    )


def _read_header(line: bytes) -> BundleHeader:
    members = _parse_line(_check_end(line))
    if not _is_bundle(members):
        raise MalformedError(Message("bundle-header-missing"))
    if members["format"] != BUNDLE_FORMAT:
        stated = str(members["format"])[:80]
        raise UnknownVersionError(
            Message("bundle-format-unknown", stated=stated, expected=BUNDLE_FORMAT)
        )
    return validate_members(BundleHeader, members)


def _check_end(line: bytes) -> bytes:
    if len(line) <= MAX_LINE_BYTES and not line.endswith(b"\n"):
        raise MalformedError(Message("bundle-line-unended"))
    return line


def _parse_line(line: bytes) -> dict[str, Any]:
    members = parse_strict(line, subject=_LINE, max_bytes=MAX_LINE_BYTES)
    if not isinstance(members, dict):
        raise MalformedError(Message("bundle-line-not-object"))
    return members


def encode_bundle(receipts: Iterable[Receipt], *, log: LogId, count: int) -> Iterator[bytes]:
    """Yield the lines of a bundle of ``count`` receipts of ``log``, in ascending order of index.

    A receipt has one anchor, or a promise.
    """
    yield _encode({"format": BUNDLE_FORMAT, "log": "0x" + log.hex(), "count": count})
    shared: ReceiptAnchor | Promise | None = None
    beacon: BeaconProof | None = None
    index, given, written = -1, 0, 0
    for receipt in receipts:
        assert receipt.log == log, "a bundle is of one log"
        assert receipt.index > index, "the receipts are in order"
        (covering,) = receipt.anchors or (receipt.promise,)
        assert covering is not None, "a receipt has an anchor or a promise"
        here, own_beacon = _split_beacon(replace(covering, path=()))
        if here != shared:
            yield _encode(_shared_members(here))
            shared, beacon, given = here, None, 0
        else:
            given -= count_steps(index, receipt.index)
        if own_beacon not in (None, beacon):
            beacon = own_beacon
            yield _encode({"beacon": beacon_members(beacon)})
        own = covering.path[: len(covering.path) - given]
        members: dict[str, Any] = {
            "record": receipt.record.decode("utf-8"),
            "index": receipt.index,
            "path": [node.hex() for node in own],
        }
        yield _encode(members if own_beacon is None else members | {"beacon": True})
        index, given = receipt.index, len(covering.path)
        written += 1
    assert written == count, "the header has the number of receipts"


def _split_beacon(
    covering: ReceiptAnchor | Promise,
) -> tuple[ReceiptAnchor | Promise, BeaconProof | None]:
    """Return what receipts share, and the beacon that this one has."""
    if isinstance(covering, Promise) or covering.state is None or covering.state.beacon is None:
        return covering, None
    state = covering.state
    return replace(covering, state=replace(state, beacon=None)), state.beacon


def _shared_members(covering: ReceiptAnchor | Promise) -> dict[str, Any]:
    if isinstance(covering, Promise):
        name, members = "head", head_members(covering)
    else:
        name, members = "anchor", anchor_members(covering)
    del members["path"]
    return {name: members}


def _encode(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
