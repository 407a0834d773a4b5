"""What a node's refusal of a transaction means: one table of texts, with their sources.

Nodes agree on no error codes, so the texts decide; only the class drives logic.
"""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """The classes of answers to ``eth_sendRawTransaction``."""

    KNOWN = "the node has this very transaction already"
    NONCE_USED = "some transaction has used the nonce"
    FUNDS = "the sender cannot pay"
    FEE_TOO_LOW = "the offered fee is below what the node takes now"
    OTHER = "anything else"


_TEXTS: tuple[tuple[str, Refusal], ...] = (
    ("already known", Refusal.KNOWN),  # geth core/txpool/errors.go, reth, erigon, nethermind
    ("already imported", Refusal.KNOWN),  # anvil
    ("known transaction", Refusal.KNOWN),  # besu, hardhat
    ("alreadyknown", Refusal.KNOWN),  # nethermind AcceptTxResult, before its texts became geth's
    ("nonce too low", Refusal.NONCE_USED),  # geth core/error.go, anvil, reth, hardhat
    ("nonce_too_low", Refusal.NONCE_USED),  # besu
    ("oldnonce", Refusal.NONCE_USED),  # nethermind, before
    ("insufficient funds", Refusal.FUNDS),  # geth core/error.go, anvil
    ("doesn't have enough funds", Refusal.FUNDS),  # hardhat
    ("upfront cost exceeds", Refusal.FUNDS),  # besu RpcErrorType
    ("insufficientfunds", Refusal.FUNDS),  # nethermind, before
    ("underpriced", Refusal.FEE_TOO_LOW),  # geth core/txpool/errors.go
    ("less than block base fee", Refusal.FEE_TOO_LOW),  # geth core/error.go, anvil
    ("below block base fee", Refusal.FEE_TOO_LOW),  # hardhat
    ("gas price below configured minimum", Refusal.FEE_TOO_LOW),  # besu RpcErrorType
    ("feetoolow", Refusal.FEE_TOO_LOW),  # nethermind, before
)


def classify_refusal(reason: str) -> Refusal:
    """Return the class of a node's error text."""
    folded = reason.lower()
    # hardhat and some proxies say "unknown transaction" for something else entirely.
    if "unknown transaction" in folded:
        return Refusal.OTHER
    return next((kind for text, kind in _TEXTS if text in folded), Refusal.OTHER)
