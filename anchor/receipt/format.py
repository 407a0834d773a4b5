"""Receipts (``anchor-receipt/1``): a self-contained proof for one record.

``docs/spec/receipt.md`` is the specification, with the table of members that are authenticated,
derived or hints.  A receipt names no URL, no trust root and no status: only a verifier can decide
what it is worth.

The pydantic models below validate the document; ``Receipt`` is the class that the rest of the
package uses.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from anchor.base.canonical import parse_strict
from anchor.base.errors import AnchorError, MalformedError, MismatchError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.messages.validation import describe_fault
from anchor.base.system.durable_files import write_file
from anchor.base.types import MAX_LOG_SIZE, Address, ChainId, Hash32, Head, LogId
from anchor.ethereum.header import MAX_HEADER_BYTES
from anchor.ethereum.trie import MAX_NODE_BYTES, MAX_NODES
from anchor.evidence.preservation_number import number_record
from anchor.evidence.record import MAX_RECORD_BYTES
from anchor.log.merkle import MAX_PATH, hash_leaf, root_from_path
from anchor.receipt.places import read_place, read_taken_place, refuse_place
from anchor.receipt.state_proof import BeaconProof, StateProof, SuccessorProof, Takeover

FORMAT = "anchor-receipt/1"
# A record with the worst escaping takes 400 KB; 16 anchors with paths and state proofs of a chain
# as large as Ethereum's take 24 KB each.
MAX_RECEIPT_BYTES = 1 << 20
# More chains than any log is anchored on; it bounds a verifier's work.
MAX_ANCHORS = 16
# EIP-1474 quantities are unbounded; EIP-2294 bounds chain ids so that they fit a double.
_MAX_CHAIN_ID = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorHints:
    """Where the anchoring transaction was seen; hints never affect a verdict."""

    tx_hash: Hash32
    block_hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptAnchor:
    """One anchored head that covers the record, and the record's path to it.

    ``sequence``, ``block_number`` and ``timestamp`` are derived: they must equal the registry's
    values.  ``state`` proves those values relative to a block's hash, which no receipt can vouch
    for.
    """

    chain_id: ChainId
    registry: Address
    head: Head
    path: tuple[Hash32, ...]
    sequence: int
    block_number: int
    timestamp: int
    hints: AnchorHints | None
    state: StateProof | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A head that covers the record and is not anchored yet, and the record's path to it."""

    head: Head
    path: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One parsed receipt: with anchors or, before there is one, with the operator's promise."""

    record: bytes
    log: LogId
    index: int
    promise: Promise | None
    anchors: tuple[ReceiptAnchor, ...]

    def __post_init__(self) -> None:
        assert (self.promise is None) == bool(self.anchors), "an anchor takes the promise's place"

    @property
    def number(self) -> str:
        """Return the record's preservation number, which is computed and not stored."""
        return number_record(self.record)

    @classmethod
    def parse(cls, data: bytes) -> Receipt:
        """Read a receipt's bytes, strictly and within bounds."""
        return parse_receipt(data)

    @classmethod
    def load(cls, path: Path) -> Receipt:
        """Read the receipt in a file."""
        return parse_receipt(read_place(path, MAX_RECEIPT_BYTES + 1))

    def encode(self) -> bytes:
        """Return the receipt's bytes; equal receipts have equal bytes."""
        return encode_receipt(self)

    def save(self, path: Path, *, durable: bool = True) -> Receipt:
        """Write this receipt unless the one in the file proves more; return the stored receipt.

        A receipt of another record of this log is replaced: its evidence file has changed since,
        and it can be made again from the log by its id.
        """
        old = check_receipt_path(path, self.log)
        if old is not None and old.record == self.record and _is_better(old, self):
            return old
        write_file(path, encode_receipt(self), durable=durable)
        return self

    @property
    def state_proof_count(self) -> int:
        """Return how many of the anchors have a state proof."""
        return sum(anchor.state is not None for anchor in self.anchors)

    @property
    def beacon_count(self) -> int:
        """Return how many of the anchors have a proof of the block that the record names."""
        states = [anchor.state for anchor in self.anchors if anchor.state is not None]
        return sum(state.beacon is not None for state in states)


def check_receipt_path(path: Path, log: LogId) -> Receipt | None:
    """Return the receipt of ``log`` in the file ``path``; None if the file does not exist.

    Raises:
        UsageError: The file holds something else, which must not be overwritten.
    """
    data = read_taken_place(path, MAX_RECEIPT_BYTES + 1)
    if data is None:
        return None
    with contextlib.suppress(AnchorError):
        receipt = parse_receipt(data)
        if receipt.log == log:
            return receipt
    raise refuse_place(path)


def _is_better(old: Receipt, new: Receipt) -> bool:
    """Return whether ``old`` proves all that ``new`` does, and more.

    The old file may be forged, so more anchors alone do not protect it from replacement.
    """
    worths = [(len(each.anchors), each.state_proof_count, each.beacon_count) for each in (old, new)]
    if worths[0] <= worths[1] or old.index != new.index:
        return False
    return all(_covers(old, anchor) for anchor in old.anchors) and all(
        any(_includes(other, anchor) for other in old.anchors) for anchor in new.anchors
    )


def _covers(receipt: Receipt, anchor: ReceiptAnchor) -> bool:
    """Return whether the record's path leads to the root of an anchor's head."""
    leaf, head = hash_leaf(receipt.record), anchor.head
    try:
        root = root_from_path(leaf=leaf, index=receipt.index, size=head.size, path=anchor.path)
    except MismatchError:
        return False
    return root == head.root


def _includes(other: ReceiptAnchor, anchor: ReceiptAnchor) -> bool:
    """Return whether ``other`` states the same anchor, and proves as much as ``anchor`` does."""
    if _list_proofs(anchor) > _list_proofs(other):
        return False
    same = ("chain_id", "registry", "head", "sequence", "block_number", "timestamp")
    return all(getattr(other, name) == getattr(anchor, name) for name in same)


def _list_proofs(anchor: ReceiptAnchor) -> tuple[bool, bool]:
    """Return whether an anchor has a state proof, and in it a beacon."""
    state = anchor.state
    return state is not None, state is not None and state.beacon is not None


def parse_receipt(data: bytes) -> Receipt:
    """Parse a receipt's bytes, strictly and within bounds."""
    value = parse_strict(data, subject=Message("receipt-subject"), max_bytes=MAX_RECEIPT_BYTES)
    if not isinstance(value, dict) or "format" not in value:
        raise MalformedError(Message("receipt-not-object"))
    if value["format"] != FORMAT:
        stated = str(value["format"])[:80]
        raise UnknownVersionError(Message("receipt-format-unknown", stated=stated, expected=FORMAT))
    return _from_document(validate_members(ReceiptDocument, value))


_Model = TypeVar("_Model", bound=BaseModel)


def validate_members(model: type[_Model], value: object) -> _Model:
    """Return the document of a receipt, or of a part of it, that ``value`` holds."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedError(
            Message("receipt-member-invalid", member=where[:80], reason=describe_fault(first))
        ) from error


def encode_record_member(record: str) -> bytes:
    """Return the exact bytes of the record in a receipt's member ``record``."""
    encoded = record.encode("utf-8")
    if len(encoded) > MAX_RECORD_BYTES:
        raise MalformedError(Message("receipt-record-too-long", limit=MAX_RECORD_BYTES))
    return encoded


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the receipt's bytes; one spelling per value, so equal receipts have equal bytes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "record": receipt.record.decode("utf-8"),
        "log": "0x" + receipt.log.hex(),
        "index": receipt.index,
    }
    if receipt.promise is not None:
        document["head"] = head_members(receipt.promise)
    document["anchors"] = [anchor_members(anchor) for anchor in receipt.anchors]
    return (_write(document) + "\n").encode("utf-8")


def _write(value: Any) -> str:
    """Return JSON with one line per member; flat objects and lists stay on one line.

    No spaces are written, because state proofs are long.
    """
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, list) or not any(isinstance(part, (dict, list)) for part in parts):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    written = [_write(part) for part in parts]
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{text}" for name, text in zip(value, written, strict=True))
        return "{\n" + ",\n".join(members) + "\n}"
    return "[\n" + ",\n".join(written) + "\n]"


def head_members(covering: ReceiptAnchor | Promise) -> dict[str, Any]:
    """Return the head that covers a record, and the record's path to it, as JSON members."""
    head, path = covering.head, covering.path
    return {"size": head.size, "root": head.root.hex(), "path": [node.hex() for node in path]}


def anchor_members(anchor: ReceiptAnchor) -> dict[str, Any]:
    """Return an anchor as JSON members."""
    members: dict[str, Any] = {
        "chain_id": anchor.chain_id,
        "registry": "0x" + anchor.registry.hex(),
        **head_members(anchor),
        "sequence": anchor.sequence,
        "block_number": anchor.block_number,
        "timestamp": anchor.timestamp,
    }
    if anchor.hints is not None:
        members["hints"] = {
            "tx_hash": "0x" + anchor.hints.tx_hash.hex(),
            "block_hash": "0x" + anchor.hints.block_hash.hex(),
        }
    if anchor.state is not None:
        members["state"] = _state_members(anchor.state)
    return members


def _state_members(state: StateProof) -> dict[str, Any]:
    members: dict[str, Any] = {
        "header": "0x" + state.header.hex(),
        "account_proof": ["0x" + node.hex() for node in state.account_proof],
        "storage_proof": ["0x" + node.hex() for node in state.storage_proof],
    }
    if state.operator_proof:
        members["operator_proof"] = ["0x" + node.hex() for node in state.operator_proof]
    if state.successor is not None:
        members["successor"] = _successor_members(state.successor)
    if state.beacon is not None:
        members["beacon"] = beacon_members(state.beacon)
    return members


def encode_state(state: StateProof) -> bytes:
    """Return a state proof as the JSON of a receipt's member ``state``."""
    return json.dumps(_state_members(state), separators=(",", ":")).encode()


def decode_state(data: bytes) -> StateProof:
    """Return the state proof that ``encode_state`` wrote."""
    value = parse_strict(data, subject=Message("receipt-subject"), max_bytes=MAX_RECEIPT_BYTES)
    return _state(validate_members(StateDocument, value))


def beacon_members(beacon: BeaconProof) -> dict[str, Any]:
    """Return the proof of an earlier block's hash as JSON members."""
    return {
        "header": "0x" + beacon.header.hex(),
        "account_proof": ["0x" + node.hex() for node in beacon.account_proof],
        "storage_proof": ["0x" + node.hex() for node in beacon.storage_proof],
    }


def _successor_members(successor: SuccessorProof) -> dict[str, Any]:
    members: dict[str, Any] = {"proof": ["0x" + node.hex() for node in successor.proof]}
    if successor.takeover is not None:
        members["takeover"] = {
            "root": successor.takeover.root.hex(),
            "proof": ["0x" + node.hex() for node in successor.takeover.proof],
        }
    return members


Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Bytes32Hex = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
AddressHex = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{40}$")]
HeaderHex = Annotated[
    str, StringConstraints(pattern=r"^0x([0-9a-f]{2})+$", max_length=2 + 2 * MAX_HEADER_BYTES)
]
NodeHex = Annotated[
    str, StringConstraints(pattern=r"^0x([0-9a-f]{2})+$", max_length=2 + 2 * MAX_NODE_BYTES)
]
# At least one node, because the account exists and its storage is not empty.
Nodes = Annotated[list[NodeHex], Field(min_length=1, max_length=MAX_NODES)]
Size = Annotated[int, Field(ge=1, le=MAX_LOG_SIZE)]
MerklePath = Annotated[list[Sha256Hex], Field(max_length=MAX_PATH)]


def _drop_null(schema: dict[str, Any]) -> None:
    """Adapt the schema to the parser: an optional member may be absent, but not null."""
    for member in schema.get("properties", {}).values():
        options = member.get("anyOf", [])
        if {"type": "null"} in options:
            del member["anyOf"], member["default"]
            member |= next(option for option in options if option != {"type": "null"})


class DocumentPart(BaseModel):
    """A part of a receipt: strict, and without unknown members."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", json_schema_extra=_drop_null
    )


def _refuse_null(value: object) -> object:
    if value is None:
        raise ValueError(Message("member-null"))
    return value


_Value = TypeVar("_Value")
OptionalMember = Annotated[_Value | None, BeforeValidator(_refuse_null)]


class RootDocument(DocumentPart):
    """A root of the log, and the number of leaves under it."""

    size: Size
    root: Sha256Hex


class HeadDocument(RootDocument):
    """``head``: the promised root, its size, and the record's path to it."""

    path: MerklePath


class HintsDocument(DocumentPart):
    """``hints``: where the anchoring transaction was seen."""

    tx_hash: Bytes32Hex
    block_hash: Bytes32Hex


class TakeoverDocument(DocumentPart):
    """``takeover``: the root from which the successor continues, and its anchor's proof."""

    root: Sha256Hex
    proof: Nodes


class SuccessorDocument(DocumentPart):
    """``successor``: the proof of the log's successor, or that the log has none."""

    proof: Nodes
    takeover: OptionalMember[TakeoverDocument] = None


class BeaconDocument(DocumentPart):
    """``beacon``: an earlier block's header, and the proofs of its hash in the chain's history."""

    header: HeaderHex
    account_proof: Nodes
    storage_proof: Nodes


class SharedStateDocument(DocumentPart):
    """The state proof of an anchor, without what one record alone needs."""

    header: HeaderHex
    account_proof: Nodes
    storage_proof: Nodes
    operator_proof: OptionalMember[Nodes] = None
    successor: OptionalMember[SuccessorDocument] = None


class StateDocument(SharedStateDocument):
    """``state``: a block's header, and the proofs that lead from it to the anchor's slot."""

    beacon: OptionalMember[BeaconDocument] = None


class SharedAnchorDocument(RootDocument):
    """An anchor, without the path that leads one record to it."""

    chain_id: Annotated[int, Field(ge=1, le=_MAX_CHAIN_ID)]
    registry: AddressHex
    sequence: Annotated[int, Field(ge=1, lt=2**40)]
    block_number: Annotated[int, Field(ge=0, lt=2**48)]
    timestamp: Annotated[int, Field(ge=0, lt=2**48)]
    hints: OptionalMember[HintsDocument] = None
    state: OptionalMember[SharedStateDocument] = None


class AnchorDocument(SharedAnchorDocument, HeadDocument):
    """One member of ``anchors``."""

    state: OptionalMember[StateDocument] = None


def _require_head(schema: dict[str, Any]) -> None:
    """Add to the schema that ``head`` is present exactly if ``anchors`` is empty."""
    _drop_null(schema)
    schema["if"] = {"properties": {"anchors": {"maxItems": 0}}}
    schema["then"] = {"required": ["head"]}
    schema["else"] = {"properties": {"head": False}}


class ReceiptDocument(DocumentPart):
    """The whole receipt; its JSON schema is published with the documentation."""

    model_config = ConfigDict(json_schema_extra=_require_head)

    format: Literal["anchor-receipt/1"]
    # Limits the characters; the parser limits the bytes as well.
    record: Annotated[str, Field(max_length=MAX_RECORD_BYTES)]
    log: Bytes32Hex
    index: Annotated[int, Field(ge=0, lt=MAX_LOG_SIZE)]
    head: OptionalMember[HeadDocument] = None
    anchors: Annotated[list[AnchorDocument], Field(max_length=MAX_ANCHORS)]


def _from_document(document: ReceiptDocument) -> Receipt:
    head = document.head
    if head is None and not document.anchors:
        raise MalformedError(Message("receipt-head-missing"))
    if head is not None and document.anchors:
        raise MalformedError(Message("receipt-head-superfluous"))
    return Receipt(
        record=encode_record_member(document.record),
        log=LogId(bytes.fromhex(document.log[2:])),
        index=document.index,
        promise=None if head is None else read_promise(head, read_path(head.path)),
        anchors=tuple(read_anchor(anchor, read_path(anchor.path)) for anchor in document.anchors),
    )


def read_promise(document: RootDocument, path: tuple[Hash32, ...]) -> Promise:
    """Return the promise of a head, to which ``path`` leads."""
    return Promise(head=_head(document), path=path)


def read_anchor(document: SharedAnchorDocument, path: tuple[Hash32, ...]) -> ReceiptAnchor:
    """Return the anchor to which ``path`` leads."""
    hints = document.hints
    return ReceiptAnchor(
        chain_id=ChainId(document.chain_id),
        registry=Address(bytes.fromhex(document.registry[2:])),
        head=_head(document),
        path=path,
        sequence=document.sequence,
        block_number=document.block_number,
        timestamp=document.timestamp,
        hints=None
        if hints is None
        else AnchorHints(
            tx_hash=Hash32(bytes.fromhex(hints.tx_hash[2:])),
            block_hash=Hash32(bytes.fromhex(hints.block_hash[2:])),
        ),
        state=None if document.state is None else _state(document.state),
    )


def _state(document: SharedStateDocument) -> StateProof:
    beacon = document.beacon if isinstance(document, StateDocument) else None
    return StateProof(
        header=bytes.fromhex(document.header[2:]),
        account_proof=_nodes(document.account_proof),
        storage_proof=_nodes(document.storage_proof),
        operator_proof=_nodes(document.operator_proof or []),
        successor=None if document.successor is None else _successor(document.successor),
        beacon=None if beacon is None else read_beacon(beacon),
    )


def read_beacon(document: BeaconDocument) -> BeaconProof:
    """Return the proof of an earlier block's hash."""
    return BeaconProof(
        header=bytes.fromhex(document.header[2:]),
        account_proof=_nodes(document.account_proof),
        storage_proof=_nodes(document.storage_proof),
    )


def _successor(document: SuccessorDocument) -> SuccessorProof:
    takeover = document.takeover
    return SuccessorProof(
        proof=_nodes(document.proof),
        takeover=None
        if takeover is None
        else Takeover(root=Hash32(bytes.fromhex(takeover.root)), proof=_nodes(takeover.proof)),
    )


def _nodes(document: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(node[2:]) for node in document)


def _head(document: RootDocument) -> Head:
    return Head(root=Hash32(bytes.fromhex(document.root)), size=document.size)


def read_path(path: list[str]) -> tuple[Hash32, ...]:
    """Return the hashes of a path."""
    return tuple(Hash32(bytes.fromhex(node)) for node in path)
