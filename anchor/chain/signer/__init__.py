"""The signer interface: an unsigned transaction, and the protocol of objects that sign it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from anchor.base.types import Address, ChainId
from anchor.chain.fees import Fees


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
    """An object that signs with one key, which it holds or can reach.

    ``sign_transaction`` returns the raw transaction.  Signing has no side effect, so it may be
    repeated as long as no result was stored or sent.
    """

    @property
    def address(self) -> Address: ...

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes: ...
