"""The verification's hash computations as shell commands with real values and expected output.

They need ``sha256sum``, ``openssl`` 3.2 or later, ``jq``, ``perl`` and ``curl``.  Commands never
contain file names, which are foreign text.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from anchor.base.messages.message import Message
from anchor.base.types import Hash32, Head
from anchor.base.units import BEIJING
from anchor.certificate.layout import both
from anchor.certificate.model import Checks, Command, Path, bilingual, encode_step
from anchor.certificate.time_format import format_seconds
from anchor.ethereum.known_chains import HEADLINES, find_chain
from anchor.evidence.record import Record
from anchor.log import merkle
from anchor.receipt.format import Receipt
from anchor.registry.storage import anchor_slot, encode_anchor
from anchor.verification.report import ProvenAnchor

_HEX = "hex() { perl -pe 's/([0-9a-f]{2})/chr hex $1/ge'; }"
_NODE = "node() { (printf '\\001'; printf %s \"$1$2\" | hex) | sha256sum | cut -c1-64; }"
_KECCAK = "keccak() { openssl dgst -keccak-256 -r | cut -c1-64; }"
_RPC = (
    "ask() { curl -s -H 'content-type: application/json' \\\n"
    '  -d "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":1,\\"method\\":\\"$1\\",\\"params\\":[$2]}" "$NODE"; }'
)


def build_path(receipt: Receipt, leaf: Hash32, head: Head, path: tuple[Hash32, ...]) -> Path:
    """Return every step from the leaf to the root of ``head``."""
    steps = merkle.trace_path(leaf=leaf, index=receipt.index, size=head.size, path=path)
    return Path(root=head.root.hex(), size=head.size, steps=[encode_step(step) for step in steps])


def build_checks(
    receipt: Receipt,
    record: Record,
    path: Path,
    leading: tuple[int | None, ProvenAnchor, Hash32] | None,
) -> Checks:
    """Return the commands that recheck the path and the leading anchor, if one was proven.

    ``leading`` is the anchor's index in the receipt (None for a promise that was kept since), the
    anchor, and the hash of the registry's code.
    """
    set_up = [
        f"FILE=…       # {both(Message('certificate-shell-evidence'))}",
        f"RECEIPT=…    # {both(Message('certificate-shell-receipt'))}",
    ]
    if leading is not None:
        set_up.append(f"NODE=…       # {both(Message('certificate-shell-node'))}")
    set_up += [_HEX, _NODE, *([_KECCAK, _RPC] if leading is not None else [])]
    commands = [*_check_file(record), *_check_path(receipt, path)]
    if leading is not None:
        place, proven, code_hash = leading
        commands += _check_registry(receipt, proven)
        if place is not None and receipt.anchors[place].state is not None:
            commands += _check_state(receipt, place, proven, code_hash)
    return Checks(set_up="\n".join(set_up), commands=commands)


def _command(title: Message, command: str, prints: str) -> Command:
    return Command(title=bilingual(title), command=command, prints=prints)


def _check_file(record: Record) -> Iterator[Command]:
    tools = (
        ("sha256", "SHA-256", 'sha256sum < "$FILE" | cut -c1-64', record.digests.sha256),
        ("sm3", "SM3", 'openssl dgst -sm3 -r < "$FILE" | cut -c1-64', record.digests.sm3),
    )
    for member, name, command, value in tools:
        if value is not None:
            yield _command(
                Message("certificate-check-file-digest", algorithm=name), command, value.hex()
            )
            yield _command(
                Message("certificate-check-record-digest", algorithm=name),
                f"jq -r '.record | fromjson | .digests.{member}' < \"$RECEIPT\"",
                value.hex(),
            )


def _check_path(receipt: Receipt, path: Path) -> Iterator[Command]:
    leaf = merkle.hash_leaf(receipt.record).hex()
    yield _command(
        Message("certificate-check-leaf"),
        'h=$( (printf \'\\000\'; jq -j .record < "$RECEIPT") | sha256sum | cut -c1-64 )\necho "$h"',
        leaf,
    )
    if not path.steps:
        return
    lines = [
        f'h=$(node {step.sibling} "$h")'
        if step.side == "left"
        else f'h=$(node "$h" {step.sibling})'
        for step in path.steps
    ]
    yield _command(
        Message("certificate-check-path"),
        "\n".join([*lines, 'echo "$h"']),
        path.root,
    )


def _check_registry(receipt: Receipt, proven: ProvenAnchor) -> Iterator[Command]:
    slot = anchor_slot(receipt.log, proven.root)
    time = proven.anchor.timestamp
    in_beijing = datetime.fromtimestamp(time, BEIJING).isoformat(timespec="seconds")
    yield _command(
        Message("certificate-check-slot"),
        f"log={receipt.log.hex()}\nroot={proven.root.hex()}\n"
        'inner=$( (printf %s "$log"; printf %064d 0) | hex | keccak )\n'
        'printf %s "$root$inner" | hex | keccak',
        slot.hex(),
    )
    yield _command(
        Message("certificate-check-stored-anchor"),
        f'ask eth_getStorageAt \'"0x{proven.registry.hex()}",\n'
        f' "0x{slot.hex()}","latest"\' | jq -r .result',
        "0x" + encode_anchor(proven.anchor).hex(),
    )
    yield _command(
        Message("certificate-check-anchoring-time"),
        f'echo "$(TZ=UTC-8 date -d @{time} +%FT%T+08:00) $(date -u -d @{time} +%FT%TZ)"',
        f"{in_beijing} {format_seconds(time)}",
    )
    yield _command(
        Message("certificate-check-block-hash"),
        f"ask eth_getBlockByNumber '\"{proven.final_block_number:#x}\",false' \\\n"
        "  | jq -r .result.hash",
        "0x" + proven.final_block_hash.hex(),
    )


def _check_state(
    receipt: Receipt, place: int, proven: ProvenAnchor, code_hash: Hash32
) -> Iterator[Command]:
    slack = int(proven.existed_by.timestamp()) - proven.anchor.timestamp
    headline = HEADLINES[find_chain(proven.chain_id).kind]
    said = str(Message("verdict-by-your-block", headline=headline))
    yield _command(
        Message("certificate-check-header-hash"),
        f"jq -j '.anchors[{place}].state.header[2:]' < \"$RECEIPT\" | hex | keccak",
        proven.final_block_hash.hex(),
    )
    yield _command(
        Message("certificate-check-state-proof"),
        "python3 verify.py --lang en \\\n"
        f"  --block-hash 0x{proven.final_block_hash.hex()} \\\n"
        f"  --log 0x{receipt.log.hex()} \\\n"
        f"  --registry 0x{proven.registry.hex()} --chain-id {proven.chain_id} \\\n"
        f"  --code-hash 0x{code_hash.hex()} --time-slack {slack} \\\n"
        '  -- "$RECEIPT" "$FILE" | tail -n 1',
        f"{said.replace('verified', 'VERIFIED', 1)} (exit code 0)",
    )
