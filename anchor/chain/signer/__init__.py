"""Signing transactions: what a signer is, and how one is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from anchor.chain.fees import Fees
from anchor.types import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedTransaction:
    """A call to sign; it never carries value.  ``to`` None creates a contract from ``data``."""

    chain_id: ChainId
    nonce: int
    to: Address | None
    data: bytes
    gas: int
    fees: Fees


class Signer(Protocol):
    """Holds one key, or a way to one.

    ``sign_transaction`` returns the raw transaction; signing has no effect beyond its result, so it
    may be repeated as long as no result was stored or sent.
    """

    @property
    def address(self) -> Address: ...

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes: ...
