"""Beacons: the constants are those of EIP-2935, and the window ends where its contract's does."""

from __future__ import annotations

import json

import pytest
from support.beacons import BLOCK, header_of, honest, name_block
from support.large_chain import EIP_2935_CODE

from anchor.ethereum.header import parse_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.evidence.not_before import parse_not_before
from anchor.receipt.format import parse_receipt
from anchor.receipt.history_proof import (
    HISTORY_CODE_HASH,
    HISTORY_CONTRACT,
    HISTORY_WINDOW,
    check_beacon,
    history_slot,
    is_in_window,
)
from anchor.standalone import verify as standalone


def test_the_constants_are_the_eips() -> None:
    assert hash_keccak256(EIP_2935_CODE) == HISTORY_CODE_HASH == standalone.HISTORY_CODE_HASH
    assert HISTORY_WINDOW == standalone.HISTORY_WINDOW == 0x1FFF
    assert HISTORY_CONTRACT == standalone.HISTORY_CONTRACT
    assert HISTORY_CONTRACT.hex() == "0000F90827F1C53a10cb7A02335B175320002935".lower()


@pytest.mark.parametrize(
    ("proven", "is_kept"), [(7, False), (8, False), (9, True), (8_199, True), (8_200, False)]
)
def test_the_state_after_a_block_keeps_the_blocks_before_it(proven: int, is_kept: bool) -> None:
    assert is_in_window(8, proven) is is_kept


def test_a_slot_is_used_again_after_the_window() -> None:
    assert history_slot(8) == history_slot(8 + HISTORY_WINDOW) == bytes(31) + b"\x08"
    assert history_slot(HISTORY_WINDOW) == bytes(32)


def test_the_named_blocks_header_is_returned() -> None:
    state = parse_receipt(honest().data).anchors[0].state
    assert state is not None
    assert state.beacon is not None
    named = parse_not_before(json.loads(json.dumps(name_block(header_of()))))
    assert named is not None
    earlier = check_beacon(
        state.beacon,
        named,
        header=parse_header(state.header),
        chain_id=named.chain_id,
        anchored_at=1_790_000_240,
    )
    assert (earlier.number, earlier.hash) == (BLOCK, named.block_hash)
