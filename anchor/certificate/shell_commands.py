"""The verification's hash computations as shell commands with real values and expected output.

They need ``sha256sum``, ``openssl`` 3.2 or later, ``jq``, ``perl`` and ``curl``.  Commands never
contain file names, which are foreign text.
"""

from __future__ import annotations

from collections.abc import Iterator

from anchor.certificate.model import Bilingual, Checks, Command, Path, encode_step
from anchor.certificate.time_format import format_seconds
from anchor.ethereum.known_chains import HEADLINES, find_chain
from anchor.evidence.record import Record
from anchor.log import merkle
from anchor.receipt.format import Receipt
from anchor.registry.storage import anchor_slot, encode_anchor
from anchor.types import Hash32, Head
from anchor.verification.report import ProvenAnchor

_HEX = "hex() { perl -pe 's/([0-9a-f]{2})/chr hex $1/ge'; }"
_NODE = "node() { (printf '\\001'; printf %s \"$1$2\" | hex) | sha256sum | cut -c1-64; }"
_KECCAK = "keccak() { openssl dgst -keccak-256 -r | cut -c1-64; }"
_RPC = (
    "ask() { curl -s -H 'content-type: application/json' \\\n"
    '  -d "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":1,\\"method\\":\\"$1\\",\\"params\\":[$2]}" "$NODE"; }'
)


def build_path(receipt: Receipt, leaf: Hash32, head: Head, path: tuple[Hash32, ...]) -> Path:
    """Return every step from the leaf to the root of ``head``.

    Raises:
        MismatchError: The path's length does not fit its index and size.
    """
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
    set_up = ["FILE=…       # the evidence", "RECEIPT=…    # its receipt, ….anchor.json"]
    if leading is not None:
        set_up.append("NODE=…       # the URL of a node of the chain that you trust")
    set_up += [_HEX, _NODE, *([_KECCAK, _RPC] if leading is not None else [])]
    commands = [*_check_file(record), *_check_path(receipt, path)]
    if leading is not None:
        place, proven, code_hash = leading
        commands += _check_registry(receipt, proven)
        if place is not None and receipt.anchors[place].state is not None:
            commands += _check_state(receipt, place, proven, code_hash)
    return Checks(set_up="\n".join(set_up), commands=commands)


def _command(zh: str, en: str, command: str, prints: str) -> Command:
    return Command(title=Bilingual(zh=zh, en=en), command=command, prints=prints)


def _check_file(record: Record) -> Iterator[Command]:
    tools = (
        ("sha256", "SHA-256", 'sha256sum < "$FILE" | cut -c1-64', record.digests.sha256),
        ("sm3", "SM3", 'openssl dgst -sm3 -r < "$FILE" | cut -c1-64', record.digests.sm3),
    )
    for member, name, command, value in tools:
        if value is not None:
            yield _command(f"文件的 {name}", f"The file's {name}", command, value.hex())
            yield _command(
                f"记录中的 {name} 与之相同",
                f"The record's {name}: the same",
                f"jq -r '.record | fromjson | .digests.{member}' \"$RECEIPT\"",
                value.hex(),
            )


def _check_path(receipt: Receipt, path: Path) -> Iterator[Command]:
    leaf = merkle.hash_leaf(receipt.record).hex()
    yield _command(
        "叶 = SHA-256(00 ‖ 记录)",
        "Leaf = SHA-256(00 ‖ record)",
        'h=$( (printf \'\\000\'; jq -j .record "$RECEIPT") | sha256sum | cut -c1-64 )\necho "$h"',
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
        "由叶逐级至根：SHA-256(01 ‖ 左 ‖ 右)",
        "From the leaf up to the root: SHA-256(01 ‖ left ‖ right)",
        "\n".join([*lines, 'echo "$h"']),
        path.root,
    )


def _check_registry(receipt: Receipt, proven: ProvenAnchor) -> Iterator[Command]:
    slot = anchor_slot(receipt.log, proven.root)
    yield _command(
        "登记合约存放该根的存储槽",
        "The storage slot in which the registry keeps the root",
        f"log={receipt.log.hex()}\nroot={proven.root.hex()}\n"
        'inner=$( (printf %s "$log"; printf %064d 0) | hex | keccak )\n'
        'printf %s "$root$inner" | hex | keccak',
        slot.hex(),
    )
    yield _command(
        "链上所存（自左起：提交者编号 9 字节、时间 6、区块 6、序号 5、大小 6）",
        "What the chain holds (from the left: 9 bytes submitter, 6 time, 6 block, "
        "5 sequence, 6 size)",
        f'ask eth_getStorageAt \'"0x{proven.registry.hex()}",\n'
        f' "0x{slot.hex()}","latest"\' | jq -r .result',
        "0x" + encode_anchor(proven.anchor).hex(),
    )
    yield _command(
        "上链时间（UTC）",
        "The anchoring time (UTC)",
        f"date -u -d @{proven.anchor.timestamp} +%FT%TZ",
        format_seconds(proven.anchor.timestamp),
    )
    yield _command(
        "所依据区块的哈希（应另与多家区块浏览器核对）",
        "The hash of the block relied on (compare it with several block explorers, too)",
        f"ask eth_getBlockByNumber '\"{proven.final_block_number:#x}\",false' \\\n"
        "  | jq -r .result.hash",
        "0x" + proven.final_block_hash.hex(),
    )


def _check_state(
    receipt: Receipt, place: int, proven: ProvenAnchor, code_hash: Hash32
) -> Iterator[Command]:
    slack = int(proven.existed_by.timestamp()) - proven.anchor.timestamp
    headline = HEADLINES[find_chain(proven.chain_id).kind].replace("verified", "VERIFIED", 1)
    yield _command(
        "收据所附区块头的哈希，即上述区块哈希",
        "The hash of the block header in the receipt: that block's",
        f"jq -j '.anchors[{place}].state.header[2:]' \"$RECEIPT\" | hex | keccak",
        proven.final_block_hash.hex(),
    )
    yield _command(
        "不经节点的状态证明：另一独立实现的核验程序（anchor/standalone/verify.py，单个文件）",
        "The state proof, with no node asked: by the second, independent verifier "
        "(anchor/standalone/verify.py, one file)",
        'python3 verify.py "$RECEIPT" "$FILE" \\\n'
        f"  --block-hash 0x{proven.final_block_hash.hex()} \\\n"
        f"  --log 0x{receipt.log.hex()} \\\n"
        f"  --registry 0x{proven.registry.hex()} --chain-id {proven.chain_id} \\\n"
        f"  --code-hash 0x{code_hash.hex()} --time-slack {slack} | tail -n 1",
        f"{headline}, by a block that only you vouch for (exit code 0)",
    )
