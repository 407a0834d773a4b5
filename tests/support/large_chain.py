"""An anvil whose state is large from the start: accounts, and a registry full of one log's anchors.

It has to be written into the genesis block: sent as transactions it would take an hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from support.nodes import ask, stop_the_clock

from anchor.base.types import Address, Anchor, Hash32, Head, LogId
from anchor.chain.devnet import DEVNET_CHAIN_ID, Devnet, open_devnet
from anchor.ethereum.keccak import hash_keccak256
from anchor.receipt.history_proof import HISTORY_CONTRACT, HISTORY_WINDOW
from anchor.registry.artifact import registry_address, runtime_code
from anchor.registry.storage import anchor_slot, encode_anchor, head_slot, operator_key_slot

# The runtime code in EIP-2935's section "Bytecode".
EIP_2935_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f356001430381116042"
    "57611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
ACCOUNTS = 10**5
GENESIS_TIME = 1_790_000_000


def stored_anchors(heads: Sequence[Head]) -> dict[Hash32, Anchor]:
    """Return what the registry holds for the root of each of a log's heads, all of block 0."""
    first = Anchor(size=1, sequence=1, block_number=0, timestamp=GENESIS_TIME, operator_id=0)
    return {
        head.root: replace(first, size=head.size, sequence=sequence)
        for sequence, head in enumerate(heads, start=1)
    }


@contextmanager
def open_large_chain(
    anvil: Path,
    folder: Path,
    log: LogId,
    anchors: Mapping[Hash32, Anchor],
    keys: Mapping[int, Address],
) -> Iterator[Devnet]:
    """Run an anvil with ``ACCOUNTS`` accounts whose registry holds ``anchors`` of ``log``.

    ``keys`` are its operators' by their ids.
    """
    storage = {anchor_slot(log, root): encode_anchor(anchor) for root, anchor in anchors.items()}
    storage[head_slot(log)] = next(reversed(anchors))
    storage |= {operator_key_slot(log, number): bytes(12) + key for number, key in keys.items()}
    genesis = folder / "genesis.json"
    genesis.write_text(json.dumps(_make_genesis(storage)), "utf-8")
    program = folder / "anvil"
    program.write_text(f'#!/bin/sh\nexec "{anvil}" --init "{genesis}" "$@"\n')
    program.chmod(0o755)
    with open_devnet(anvil=program) as node:
        stop_the_clock(node.url)
        ask(node.url, "anvil_mine", "0x4")  # in its header the genesis block's state is empty
        yield node


def _make_genesis(storage: Mapping[Hash32, bytes]) -> dict[str, object]:
    registry = {
        "balance": "0x0",
        "nonce": "0x1",
        "code": "0x" + runtime_code(DEVNET_CHAIN_ID).hex(),
        "storage": {f"0x{slot.hex()}": f"0x{word.hex()}" for slot, word in storage.items()},
    }
    # As full as on a chain that has had it for a day; the newest words are the chain's own.
    history = {
        "balance": "0x0",
        "nonce": "0x1",
        "code": f"0x{EIP_2935_CODE.hex()}",
        "storage": {
            f"0x{slot:064x}": f"0x{hash_keccak256(b'block %d' % slot).hex()}"
            for slot in range(HISTORY_WINDOW)
        },
    }
    accounts = {
        f"0x{hash_keccak256(number.to_bytes(8, 'big'))[:20].hex()}": {
            "balance": hex(10**18 + number),
            "nonce": hex(number % 100),
        }
        for number in range(ACCOUNTS)
    }
    return {
        "config": {"chainId": DEVNET_CHAIN_ID},
        "timestamp": hex(GENESIS_TIME),
        "gasLimit": hex(30_000_000),
        "difficulty": "0x0",
        "alloc": {
            **accounts,
            f"0x{registry_address().hex()}": registry,
            f"0x{HISTORY_CONTRACT.hex()}": history,
        },
    }
