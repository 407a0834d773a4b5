"""A receipt's hash computations in full, to be repeated by hand with ``sha256sum``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anchor.base.messages.message import Message
from anchor.base.types import Anchor, Hash32, Head, log_number, log_owner
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES, find_chain
from anchor.evidence.preservation_number import NUMBER_BYTES
from anchor.evidence.record import parse_record
from anchor.log import merkle
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.registry.storage import anchor_slot, encode_anchor

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
    """Return every hash from the record to each root, and where the registry stores the root."""
    explanation = Explanation()
    lines = explanation.lines
    record = parse_record(receipt.record)
    leaf = merkle.hash_leaf(receipt.record)
    lines.append(Message("explanation-record", name=record.name, size=len(receipt.record)))
    lines.append(receipt.record.decode("utf-8"))
    lines.append("")
    digest, number = hashlib.sha256(receipt.record).hexdigest(), record.number
    lines += [
        Message("explanation-record-digest", digest=digest),
        f"  python3 -c '{_PRINT_RECORD}' RECEIPT | sha256sum",
        Message("explanation-number", number=number, digits=digest[: 2 * NUMBER_BYTES]),
        "",
    ]
    explanation.steps.append({"what": "record", "hash": digest, "number": number})
    for name, value in (("sha256", record.digests.sha256), ("sm3", record.digests.sm3)):
        if value is not None:
            tool = "sha256sum < FILE" if name == "sha256" else "openssl dgst -sm3 < FILE"
            lines.append(
                Message("explanation-file-digest", algorithm=name, digest=value.hex(), command=tool)
            )
    lines += [
        "",
        Message("explanation-leaf"),
        f"  {leaf.hex()}",
        Message("explanation-leaf-redo"),
        f"  (printf '\\000'; python3 -c '{_PRINT_RECORD}' RECEIPT) | sha256sum",
        "",
        Message("explanation-steps-redo"),
        f"  (printf '\\001'; python3 -c '{_PRINT_HEX}' LEFT RIGHT) | sha256sum",
    ]
    explanation.steps.append({"what": "leaf", "hash": leaf.hex()})
    if receipt.promise is not None:
        _explain_path(explanation, receipt, leaf, receipt.promise.head, receipt.promise.path)
        lines += ["", Message("explanation-promise")]
    for anchor in receipt.anchors:
        _explain_path(explanation, receipt, leaf, anchor.head, anchor.path)
        _explain_anchor(explanation, receipt, anchor)
    return explanation


def _explain_path(
    explanation: Explanation, receipt: Receipt, leaf: Hash32, head: Head, path: tuple[Hash32, ...]
) -> None:
    lines = explanation.lines
    lines += ["", Message("explanation-path", index=receipt.index, size=head.size)]
    steps = merkle.trace_path(leaf=leaf, index=receipt.index, size=head.size, path=path)
    lines += describe_path(steps)
    explanation.steps += [
        {"left": step.left.hex(), "right": step.right.hex(), "hash": step.node.hex()}
        for step in steps
    ]
    root = steps[-1].node if steps else leaf
    reached, stated = root.hex(), head.root.hex()
    lines.append(
        Message("explanation-root-reached", actual=reached, stated=stated)
        if root == head.root
        else Message("explanation-root-differs", actual=reached, stated=stated)
    )


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
        *(
            []
            if kind == "main"
            else [Message("report-chain-kind", chain=anchor.chain_id, kind=KIND_SENTENCES[kind])]
        ),
        Message(
            "explanation-registry", registry=format_address(anchor.registry), chain=anchor.chain_id
        ),
        Message("explanation-slot", number=log_number(receipt.log), owner=owner),
        "  keccak256(root ‖ keccak256(log ‖ uint256(0)))",
        f"  = 0x{slot.hex()}",
        Message("explanation-slot-query"),
        Message("explanation-slot-word", word=word[9:].hex()),
        Message("explanation-slot-operator"),
    ]
    explanation.steps.append(
        {
            "chain_id": anchor.chain_id,
            "registry": "0x" + anchor.registry.hex(),
            "slot": "0x" + slot.hex(),
            "low_bytes": word[9:].hex(),
        }
    )
