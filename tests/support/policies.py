"""A verifier's policy entry with every member set."""

from __future__ import annotations

from anchor.base.types import Address, ChainId, Hash32
from anchor.verification.policy import TrustedOperator, TrustEntry

ENTRY = TrustEntry(
    chain_id=ChainId(1),
    genesis=Hash32(b"\x01" * 32),
    registry=Address(bytes.fromhex("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed")),
    code_hash=Hash32(b"\x02" * 32),
    owner=Address(bytes.fromhex("fb6916095ca1df60bb79ce92ce3ea74c37c5d359")),
    logs=(0, 7),
    operators=(
        TrustedOperator(id=0, from_block=0, until_block=None),
        TrustedOperator(id=3, from_block=100, until_block=200),
    ),
    time_slack=12,
    finality="finalized",
    rpc=("https://one.example/key", "http://127.0.0.1:8545"),
    quorum=2,
    assurance="quorum",
    block_hashes=(Hash32(b"\x03" * 32),),
)
