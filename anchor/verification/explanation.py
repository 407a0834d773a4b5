"""A receipt's hash computations in full, to be repeated by hand with ``sha256sum``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES, find_chain
from anchor.evidence.record import parse_record
from anchor.log import merkle
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.registry.storage import anchor_slot, encode_anchor
from anchor.types import Anchor, Hash32, Head, log_number, log_owner

# Python is installed where this program is; jq and xxd may not be.
_PRINT_RECORD = (
    "import json, sys; "
    'sys.stdout.buffer.write(json.load(open(sys.argv[1], "rb"))["record"].encode())'
)
_PRINT_HEX = 'import sys; sys.stdout.buffer.write(bytes.fromhex("".join(sys.argv[1:])))'


@dataclass(slots=True)
class Explanation:
    """An explanation of a receipt as text, and the same hashes as data."""

    lines: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)


def explain_receipt(receipt: Receipt) -> Explanation:
    """Return every hash from the record to each root, and where the registry stores the root.

    Raises:
        MismatchError: A path's length does not fit its index and size.
    """
    explanation = Explanation()
    lines = explanation.lines
    record = parse_record(receipt.record)
    leaf = merkle.hash_leaf(receipt.record)
    lines.append(f"Record of {record.name!r}, {len(receipt.record)} bytes, exactly:")
    lines.append(receipt.record.decode("utf-8"))
    lines.append("")
    for name, value in (("sha256", record.digests.sha256), ("sm3", record.digests.sm3)):
        if value is not None:
            tool = "sha256sum FILE" if name == "sha256" else "openssl dgst -sm3 FILE"
            lines.append(f"The file's {name} must be {value.hex()}   ({tool})")
    lines += [
        "",
        "Leaf = SHA-256(0x00 ‖ record):",
        f"  {leaf.hex()}",
        "To redo it (RECEIPT is the receipt's file; jq -j .record RECEIPT prints the same bytes):",
        f"  (printf '\\000'; python3 -c '{_PRINT_RECORD}' RECEIPT) | sha256sum",
        "",
        "Each step below hashes 0x01 ‖ left ‖ right; to redo one (xxd -r -p reads hex, too):",
        f"  (printf '\\001'; python3 -c '{_PRINT_HEX}' LEFT RIGHT) | sha256sum",
    ]
    explanation.steps.append({"what": "leaf", "hash": leaf.hex()})
    if receipt.promise is not None:
        _explain_path(explanation, receipt, leaf, receipt.promise.head, receipt.promise.path)
        lines += ["", "The receipt names no anchor yet: its head is the operator's promise."]
    for anchor in receipt.anchors:
        _explain_path(explanation, receipt, leaf, anchor.head, anchor.path)
        _explain_anchor(explanation, receipt, anchor)
    return explanation


def _explain_path(
    explanation: Explanation, receipt: Receipt, leaf: Hash32, head: Head, path: tuple[Hash32, ...]
) -> None:
    lines = explanation.lines
    lines += ["", f"From leaf {receipt.index} to the root over {head.size} leaves:"]
    steps = merkle.trace_path(leaf=leaf, index=receipt.index, size=head.size, path=path)
    lines += describe_path(steps)
    explanation.steps += [
        {"left": step.left.hex(), "right": step.right.hex(), "hash": step.node.hex()}
        for step in steps
    ]
    root = steps[-1].node if steps else leaf
    verdict = "the receipt's root" if root == head.root else "NOT the receipt's root"
    lines.append(f"  {root.hex()} is {verdict} {head.root.hex()}")


def describe_path(steps: Iterable[merkle.PathNode]) -> Iterator[str]:
    """Yield two lines for each step up a path: the two hashes that it joins, and the result."""
    for number, step in enumerate(steps, start=1):
        yield f"  {number:>2}. SHA-256(01 {step.left.hex()} {step.right.hex()})"
        yield f"      = {step.node.hex()}"


def _explain_anchor(explanation: Explanation, receipt: Receipt, anchor: ReceiptAnchor) -> None:
    slot = anchor_slot(receipt.log, anchor.head.root)
    word = encode_anchor(
        Anchor(
            size=anchor.head.size,
            sequence=anchor.sequence,
            block_number=anchor.block_number,
            timestamp=anchor.timestamp,
            operator_id=0,
        )
    )
    owner = format_address(log_owner(receipt.log))
    kind = find_chain(anchor.chain_id).kind
    explanation.lines += [
        "",
        *([] if kind == "main" else [f"Chain {anchor.chain_id} is {KIND_SENTENCES[kind]}."]),
        f"Registry {format_address(anchor.registry)} on chain {anchor.chain_id} keeps this root",
        f"for log {log_number(receipt.log)} of {owner} in storage slot",
        "  keccak256(root ‖ keccak256(log ‖ uint256(0)))",
        f"  = 0x{slot.hex()}",
        "Ask any node: eth_getStorageAt(registry, slot, block).  The low 23 bytes must be",
        f"  {word[9:].hex()}   (timestamp, block number, sequence, size)",
        "and the high 9 bytes say which operator sent it (0: the owner).",
    ]
    explanation.steps.append(
        {
            "chain_id": anchor.chain_id,
            "registry": "0x" + anchor.registry.hex(),
            "slot": "0x" + slot.hex(),
            "low_bytes": word[9:].hex(),
        }
    )
