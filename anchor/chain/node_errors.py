"""Classification of a node's refusal of a transaction: one table of texts, with their sources.

Nodes share no error codes, so the texts decide; only the class drives logic.  A text that is not
listed is ``OTHER``, which ends the run with the node's own words: for example, a pool that reserves
the account for blobs, a tip above the fee, or a chain that the node does not serve.
"""

from __future__ import annotations

import re
from enum import Enum


class Refusal(Enum):
    """The classes of answers to ``eth_sendRawTransaction``."""

    KNOWN = "the node has this very transaction already"
    NONCE_USED = "some transaction has used the nonce"
    FUNDS = "the sender cannot pay"
    FEE_TOO_LOW = "the offered fee is below what the node takes now"
    GAS_TOO_HIGH = "it may take more gas than a block, or one transaction, may have"
    NOT_YET = "the node has no room for it now, or waits for an earlier nonce"
    RATE_LIMITED = "whoever runs the node answers no more questions for a while"
    REVERTED = "a contract refused the call, or it ran out of gas"
    OTHER = "anything else"


# Tried in this order.  Each matches at the start of a word only, so that "unknown
# transaction" does not match "known transaction".
_TEXTS: tuple[tuple[str, Refusal], ...] = (
    # A contract's message must not be mistaken for the node's, even if its words match.  Hardhat
    # answers with a revert to a transaction that it has included.
    ("revert", Refusal.REVERTED),
    ("ran out of gas", Refusal.REVERTED),  # hardhat (edr_provider/src/error.rs)
    # EIP-7702 and EIP-4844: an authorisation's nonce, and the fee for blobs.
    ("authority nonce too low", Refusal.OTHER),  # geth core/txpool/errors.go, until 2025
    ("blob gas", Refusal.OTHER),  # geth core/error.go, besu RpcErrorType, reth
    ("maxfeeperblobgas", Refusal.OTHER),  # hardhat (edr_provider/src/error.rs)
    ("already known", Refusal.KNOWN),  # geth core/txpool/errors.go, reth, erigon, nethermind
    ("already imported", Refusal.KNOWN),  # anvil (eth/error.rs)
    ("known transaction", Refusal.KNOWN),  # besu RpcErrorType, hardhat (edr mem_pool)
    ("existing txn with same hash", Refusal.KNOWN),  # erigon txpoolcfg.go
    ("alreadyknown", Refusal.KNOWN),  # nethermind AcceptTxResult, until it took over geth's texts
    ("nonce too low", Refusal.NONCE_USED),  # geth core/error.go, and clients that copy it
    ("nonce_too_low", Refusal.NONCE_USED),  # besu TransactionInvalidReason
    ("oldnonce", Refusal.NONCE_USED),  # nethermind, formerly
    ("insufficient funds", Refusal.FUNDS),  # geth core/error.go, and clients that copy it
    ("doesn't have enough funds", Refusal.FUNDS),  # hardhat (edr mem_pool)
    ("upfront cost exceeds account balance", Refusal.FUNDS),  # besu RpcErrorType
    ("insufficientfunds", Refusal.FUNDS),  # nethermind, formerly
    ("underpriced", Refusal.FEE_TOO_LOW),  # geth core/txpool/errors.go, and clients that copy it
    ("transaction gas price below minimum", Refusal.FEE_TOO_LOW),  # geth, since 2025
    ("less than block base fee", Refusal.FEE_TOO_LOW),  # geth core/error.go, anvil, reth
    ("below minimum required priority fee", Refusal.FEE_TOO_LOW),  # reth rpc-eth-types
    ("could not replace existing tx", Refusal.FEE_TOO_LOW),  # erigon txpoolcfg.go, NotReplaced
    ("fee too low", Refusal.FEE_TOO_LOW),  # erigon txpoolcfg.go
    ("gas price below configured minimum", Refusal.FEE_TOO_LOW),  # besu RpcErrorType
    ("gas price below current base fee", Refusal.FEE_TOO_LOW),  # besu RpcErrorType
    ("which has a basefeepergas of", Refusal.FEE_TOO_LOW),  # hardhat (edr_provider/src/error.rs)
    ("which is below the minimum of", Refusal.FEE_TOO_LOW),  # hardhat (edr_provider/src/error.rs)
    ("below block base fee", Refusal.FEE_TOO_LOW),  # hardhat, formerly (before edr)
    ("feetoolow", Refusal.FEE_TOO_LOW),  # nethermind, formerly
    ("replacementnotallowed", Refusal.FEE_TOO_LOW),  # nethermind, formerly
    ("exceeds block gas limit", Refusal.GAS_TOO_HIGH),  # geth core/txpool/errors.go, besu, reth
    ("gas limit too high", Refusal.GAS_TOO_HIGH),  # geth core/error.go, for EIP-7825's cap
    ("exceeds transaction gas cap", Refusal.GAS_TOO_HIGH),  # hardhat (edr_provider/src/error.rs)
    ("intrinsic gas too high", Refusal.GAS_TOO_HIGH),  # anvil (eth/error.rs)
    ("exceeds the block gas limit", Refusal.GAS_TOO_HIGH),  # revm (context/interface result.rs)
    ("is greater than the cap", Refusal.GAS_TOO_HIGH),  # revm, the same file, for EIP-7825's cap
    ("exceeds max transaction gas limit", Refusal.GAS_TOO_HIGH),  # reth transaction-pool error.rs
    ("gas limit reached", Refusal.GAS_TOO_HIGH),  # geth core/error.go, nethermind AcceptTxResult
    ("gas limit cap exceeded", Refusal.GAS_TOO_HIGH),  # besu RpcErrorType, for EIP-7825's cap
    ("gas limit is too high", Refusal.GAS_TOO_HIGH),  # erigon txpoolcfg.go
    ("gaslimitexceeded", Refusal.GAS_TOO_HIGH),  # nethermind AcceptTxResult, formerly
    ("nonce too high", Refusal.NOT_YET),  # geth core/error.go, besu, hardhat, nethermind
    ("nonce too far in future", Refusal.NOT_YET),  # nethermind TxPoolErrorMessages
    ("nonce is too distant from current", Refusal.NOT_YET),  # besu RpcErrorType
    ("noncegap", Refusal.NOT_YET),  # nethermind, formerly
    ("txpool is full", Refusal.NOT_YET),  # geth legacypool.go, reth
    ("sub-pool is full", Refusal.NOT_YET),  # erigon txpoolcfg.go
    ("account limit exceeded", Refusal.NOT_YET),  # geth core/txpool/errors.go
    ("rate limit", Refusal.RATE_LIMITED),  # many providers
    ("request rate limited", Refusal.RATE_LIMITED),  # Infura
    ("too many requests", Refusal.RATE_LIMITED),  # many providers
    ("request limit reached", Refusal.RATE_LIMITED),  # QuickNode
    ("compute units per second", Refusal.RATE_LIMITED),  # Alchemy
)
_PATTERNS = tuple((re.compile(rf"(?<![a-z]){re.escape(text)}"), kind) for text, kind in _TEXTS)


def classify_refusal(reason: str) -> Refusal:
    """Return the class of a node's error text."""
    folded = reason.lower()
    return next((kind for pattern, kind in _PATTERNS if pattern.search(folded)), Refusal.OTHER)
