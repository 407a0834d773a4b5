"""Transactions of the memory chain: decoding them, and a signer that is as fast as it is unsafe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rlp import decode, encode

from anchor.base.types import Address, Hash32
from anchor.chain.signer import UnsignedTransaction
from anchor.ethereum.keccak import hash_keccak256

_DYNAMIC_FEE = b"\x02"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A signed EIP-1559 transaction without value; ``raw`` is what was sent."""

    hash: Hash32
    raw: bytes
    chain_id: int
    sender: Address
    nonce: int
    to: Address | None
    data: bytes
    gas: int
    max_fee: int
    priority_fee: int

    @property
    def place(self) -> tuple[Address, int]:
        """Of all transactions with this sender and nonce at most one is ever included."""
        return self.sender, self.nonce

    @property
    def intrinsic_gas(self) -> int:
        """What it takes before anything runs (EIP-2028, without the floor of EIP-7623)."""
        return 21_000 + sum(16 if byte else 4 for byte in self.data)


Recover = Callable[[bytes], Address]


def recover_sender(raw: bytes) -> Address:
    """Return who signed a transaction, by its signature."""
    from eth_account import Account

    return Address(bytes.fromhex(Account.recover_transaction(raw)[2:]))


def read_sender(raw: bytes) -> Address:
    """Return who a transaction of a ``QuickSigner`` claims to be from."""
    return Address(decode(raw[1:])[10].rjust(20, b"\0"))


@lru_cache(4096)
def parse_transaction(raw: bytes, recover: Recover) -> Transaction:
    """Decode a transaction as a node does; other types than EIP-1559's are not modelled."""
    if raw[:1] != _DYNAMIC_FEE:
        raise NotImplementedError("a transaction that is not of type 2")
    fields = decode(raw[1:])
    chain_id, nonce, priority_fee, max_fee, gas = (_number(field) for field in fields[:5])
    if _number(fields[6]):
        raise NotImplementedError("a transaction that carries value")
    return Transaction(
        hash=hash_keccak256(raw),
        raw=raw,
        chain_id=chain_id,
        sender=recover(raw),
        nonce=nonce,
        to=Address(fields[5]) if fields[5] else None,
        data=fields[7],
        gas=gas,
        max_fee=max_fee,
        priority_fee=priority_fee,
    )


@dataclass(frozen=True)
class QuickSigner:
    """Signs with nothing but its address: only a chain that uses ``read_sender`` takes it."""

    address: Address

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        fees = transaction.fees
        if fees.legacy:
            raise NotImplementedError("a transaction that is not of type 2")
        fields = [
            transaction.chain_id,
            transaction.nonce,
            fees.priority_fee,
            fees.max_fee,
            transaction.gas,
            transaction.to or b"",
            0,
            transaction.data,
            [],
            0,
            int.from_bytes(self.address, "big"),
            1,
        ]
        return _DYNAMIC_FEE + bytes(encode(fields))


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")
