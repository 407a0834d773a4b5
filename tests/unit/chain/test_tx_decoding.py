"""Signed transactions are read from their own bytes, and no other bytes are read."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from anchor.base.errors import MalformedError
from anchor.base.types import Address
from anchor.chain.tx_decoding import (
    decode_transaction,
    read_call_data,
    read_gas_limit,
    read_receiver,
)
from anchor.ethereum.keccak import parse_address
from anchor.ethereum.rlp import decode_rlp, encode_rlp

ACCOUNT = Account.from_key("0x" + "11" * 32)
RECEIVER = Address(b"\x0a" * 20)
COMMON = {"nonce": 128, "gas": 30_000, "to": RECEIVER, "value": 0, "data": b"\x7f"}
DYNAMIC = COMMON | {"chainId": 31337, "maxFeePerGas": 300, "maxPriorityFeePerGas": 2, "type": 2}
LEGACY = COMMON | {"gasPrice": 256, "chainId": 31337}


def sign(members: dict[str, Any]) -> bytes:
    return bytes(ACCOUNT.sign_transaction(members).raw_transaction)


def change(raw: bytes, place: int, field: Any) -> bytes:
    """Return a type 2 transaction with another field."""
    fields = list(decode_rlp(raw[1:], subject="it", max_bytes=1000))
    fields[place] = field
    return raw[:1] + encode_rlp(tuple(fields))


@pytest.mark.parametrize(
    ("members", "chain_id", "max_fee", "priority_fee"),
    [
        (DYNAMIC, 31337, 300, 2),
        (LEGACY, 31337, 256, 256),
        ({name: LEGACY[name] for name in LEGACY if name != "chainId"}, None, 256, 256),
    ],
)
def test_both_kinds_are_read_as_they_were_signed(
    members: dict[str, Any], chain_id: int | None, max_fee: int, priority_fee: int
):
    raw = sign(members)
    transaction = decode_transaction(raw)
    assert transaction.sender == parse_address(ACCOUNT.address, subject="the account")
    assert (transaction.nonce, transaction.value, transaction.data) == (128, 0, b"\x7f")
    assert (transaction.chain_id, transaction.to) == (chain_id, RECEIVER)
    assert (transaction.max_fee, transaction.priority_fee) == (max_fee, priority_fee)
    assert (read_gas_limit(raw), read_call_data(raw), read_receiver(raw)) == (
        30_000,
        b"\x7f",
        RECEIVER,
    )
    creation = sign({name: members[name] for name in members if name != "to"})
    assert decode_transaction(creation).to is read_receiver(creation) is None


SIGNED = sign(DYNAMIC)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02",
        SIGNED[:-1],
        SIGNED + b"\0",
        SIGNED[1:],
        b"\x02" + encode_rlp((b"",) * 11),
        b"\x02" + encode_rlp(b"no list"),
        b"\x02\xf8\x0c" + b"\x80" * 12,  # a length that is spelt longer than need be
        change(SIGNED, 1, b"\0\x80"),
        change(SIGNED, 1, b"\x01" * 33),
        change(SIGNED, 4, ()),
        change(SIGNED, 5, b"\x0a" * 19),
        change(SIGNED, 7, (b"",)),
        change(SIGNED, 7, bytes(200_000)),
        change(SIGNED, 8, b"\x01"),
        change(SIGNED, 8, ((b"\x0a" * 20, ()),)),
        change(SIGNED, 10, b"\xff" * 32),  # r is beyond the curve's order
    ],
)
def test_whatever_else_it_is_is_refused(raw: bytes):
    with pytest.raises(MalformedError):
        decode_transaction(raw)
