"""What nodes say when they refuse a transaction, with where in their source it stands.

Read in August 2026 (geth, edr), March 2026 (besu), and 2024 to 2026 for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.chain.node_errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeText:
    """One client's text and what it means."""

    client: str
    source: str
    text: str
    means: Refusal


def _of(client: str, source: str, *texts: tuple[str, Refusal]) -> list[NodeText]:
    return [NodeText(client=client, source=source, text=text, means=means) for text, means in texts]


NODE_TEXTS: list[NodeText] = [
    *_of(
        "geth",
        "core/txpool/errors.go, core/error.go, core/txpool/validation.go, legacypool.go",
        ("already known", Refusal.KNOWN),
        ("nonce too low: next nonce 6, tx nonce 5", Refusal.NONCE_USED),
        ("nonce too high: tx nonce 9, gapped nonce 5", Refusal.NOT_YET),
        (
            "insufficient funds for gas * price + value: balance 1, tx cost 9, overshot 8",
            Refusal.FUNDS,
        ),
        (
            (
                "insufficient funds for gas * price + value: balance 1, queued cost 1, "
                "tx bumped 2, overshot 2"
            ),
            Refusal.FUNDS,
        ),
        ("insufficient funds for transfer", Refusal.FUNDS),
        ("transaction underpriced", Refusal.FEE_TOO_LOW),
        ("transaction underpriced: gas tip cap 0, minimum needed 1", Refusal.FEE_TOO_LOW),
        (
            "transaction gas price below minimum: gas tip cap 0, minimum needed 1",
            Refusal.FEE_TOO_LOW,
        ),
        ("replacement transaction underpriced", Refusal.FEE_TOO_LOW),
        (
            "max fee per gas less than block base fee: address 0xAb, maxFeePerGas: 1, baseFee: 2",
            Refusal.FEE_TOO_LOW,
        ),
        ("txpool is full", Refusal.NOT_YET),
        ("account limit exceeded: pooled 64 txs", Refusal.NOT_YET),
        ("max priority fee per gas higher than max fee per gas", Refusal.OTHER),
        ("max fee per blob gas less than block blob gas fee", Refusal.OTHER),
        ("exceeds block gas limit", Refusal.GAS_TOO_HIGH),
        ("transaction gas limit too high (cap: 16777216, tx: 16777217)", Refusal.GAS_TOO_HIGH),
        ("intrinsic gas too low: gas 20999, minimum needed 21000", Refusal.OTHER),
        ("insufficient gas for floor data gas cost: gas 1, minimum needed 2", Refusal.OTHER),
        ("address already reserved", Refusal.OTHER),
        ("authority already reserved", Refusal.OTHER),
        ("authority nonce too low", Refusal.OTHER),
        ("in-flight transaction limit reached for delegated accounts", Refusal.OTHER),
        ("gapped-nonce tx from delegated accounts", Refusal.OTHER),
        ("tx fee (1.20 ether) exceeds the configured cap (1.00 ether)", Refusal.OTHER),
        ("invalid sender: invalid chain id for signer: have 1 want 5", Refusal.OTHER),
        ("transaction type not supported", Refusal.OTHER),
        ("nonce has max value", Refusal.OTHER),
        ("oversized data: transaction size 131073, limit 131072", Refusal.OTHER),
    ),
    *_of(
        "nethermind",
        "Nethermind.TxPool/TxPoolErrorMessages.cs",
        ("already known", Refusal.KNOWN),
        ("nonce too low", Refusal.NONCE_USED),
        ("nonce too high", Refusal.NOT_YET),
        ("nonce too far in future", Refusal.NOT_YET),
        (
            "insufficient funds for gas * price + value, Account balance: 0, cumulative cost: 1",
            Refusal.FUNDS,
        ),
        ("transaction underpriced", Refusal.FEE_TOO_LOW),
        ("replacement transaction underpriced", Refusal.FEE_TOO_LOW),
        ("gas limit reached", Refusal.GAS_TOO_HIGH),
        ("pending transaction type conflict", Refusal.OTHER),
        ("delegation nonce gap", Refusal.OTHER),
        ("delegation authority has pending transaction", Refusal.OTHER),
        ("transaction cost overflow", Refusal.OTHER),
        ("node is syncing", Refusal.OTHER),
    ),
    *_of(
        "nethermind",
        "Nethermind.TxPool/AcceptTxResult.cs, before its texts became geth's",
        ("AlreadyKnown", Refusal.KNOWN),
        ("OldNonce, Current nonce: 6, nonce of rejected tx: 5", Refusal.NONCE_USED),
        ("NonceGap, Future nonce. Expected nonce: 5", Refusal.NOT_YET),
        ("InsufficientFunds, Account balance: 0, cumulative cost: 1", Refusal.FUNDS),
        ("FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 2", Refusal.FEE_TOO_LOW),
        ("FeeTooLowToCompete", Refusal.FEE_TOO_LOW),
        ("ReplacementNotAllowed", Refusal.FEE_TOO_LOW),
        ("GasLimitExceeded", Refusal.GAS_TOO_HIGH),
        ("PendingTxsOfConflictingType", Refusal.OTHER),
        ("NotCurrentNonceForDelegation", Refusal.OTHER),
        ("InvalidMaxPriorityFeePerGas: Cannot be higher than maxFeePerGas.", Refusal.OTHER),
    ),
    *_of(
        "besu",
        "ethereum/api, jsonrpc/internal/response/RpcErrorType.java",
        ("Known transaction", Refusal.KNOWN),
        ("Nonce too low", Refusal.NONCE_USED),
        ("NONCE_TOO_LOW", Refusal.NONCE_USED),
        ("Nonce too high", Refusal.NOT_YET),
        ("Transaction nonce is too distant from current sender nonce", Refusal.NOT_YET),
        ("Upfront cost exceeds account balance", Refusal.FUNDS),
        ("Gas price below configured minimum gas price", Refusal.FEE_TOO_LOW),
        ("Gas price below current base fee", Refusal.FEE_TOO_LOW),
        ("Replacement transaction underpriced", Refusal.FEE_TOO_LOW),
        ("blob gas price below current blob base fee", Refusal.OTHER),
        ("Transaction fee cap exceeded", Refusal.OTHER),
        ("Transaction gas limit exceeds block gas limit", Refusal.GAS_TOO_HIGH),
        ("Transaction gas limit cap exceeded", Refusal.GAS_TOO_HIGH),
        ("Intrinsic gas exceeds gas limit", Refusal.OTHER),
        ("Max priority fee per gas exceeds max fee per gas", Refusal.OTHER),
        ("Initial sync is still in progress", Refusal.OTHER),
        ("Wrong chainId", Refusal.OTHER),
        ("Sender account not authorized to send transactions", Refusal.OTHER),
    ),
    *_of(
        "erigon",
        "txnprovider/txpool/txpoolcfg/txpoolcfg.go; the words before the colon are its RPC's",
        ("ALREADY_EXISTS: already known", Refusal.KNOWN),
        ("ALREADY_EXISTS: existing txn with same hash", Refusal.KNOWN),
        ("INVALID: nonce too low", Refusal.NONCE_USED),
        ("INVALID: insufficient funds", Refusal.FUNDS),
        ("FEE_TOO_LOW: underpriced", Refusal.FEE_TOO_LOW),
        ("FEE_TOO_LOW: fee too low", Refusal.FEE_TOO_LOW),
        ("FEE_TOO_LOW: replacement transaction underpriced", Refusal.FEE_TOO_LOW),
        ("INTERNAL_ERROR: could not replace existing tx", Refusal.FEE_TOO_LOW),
        ("INTERNAL_ERROR: pending sub-pool is full", Refusal.NOT_YET),
        ("INTERNAL_ERROR: baseFee sub-pool is full", Refusal.NOT_YET),
        ("INTERNAL_ERROR: queued sub-pool is full", Refusal.NOT_YET),
        ("INVALID: IntrinsicGas", Refusal.OTHER),
        ("INVALID: gas limit is too high", Refusal.GAS_TOO_HIGH),
        ("INVALID: spammer", Refusal.OTHER),
        ("can't replace blob-txn with a non-blob-txn", Refusal.OTHER),
        ("EIP-7702 transaction with authority already reserved", Refusal.OTHER),
    ),
    *_of(
        "reth",
        "crates/rpc/rpc-eth-types/src/error/mod.rs",
        ("already known", Refusal.KNOWN),
        ("nonce too low: next nonce 6, tx nonce 5", Refusal.NONCE_USED),
        ("nonce too high", Refusal.NOT_YET),
        ("insufficient funds for gas * price + value: have 1 want 9", Refusal.FUNDS),
        ("transaction underpriced", Refusal.FEE_TOO_LOW),
        ("replacement transaction underpriced", Refusal.FEE_TOO_LOW),
        ("max fee per gas less than block base fee", Refusal.FEE_TOO_LOW),
        (
            "transaction priority fee below minimum required priority fee 1000000",
            Refusal.FEE_TOO_LOW,
        ),
        ("txpool is full", Refusal.NOT_YET),
        ("tx fee (9 wei) exceeds the configured cap (8 wei)", Refusal.OTHER),
        ("max priority fee per gas higher than max fee per gas", Refusal.OTHER),
        ("exceeds block gas limit", Refusal.GAS_TOO_HIGH),
        ("exceeds max transaction gas limit", Refusal.GAS_TOO_HIGH),
        ("intrinsic gas too low", Refusal.OTHER),
        ("gas limit too high", Refusal.GAS_TOO_HIGH),
        ("address already reserved", Refusal.OTHER),
        ("in-flight transaction limit reached for delegated accounts", Refusal.OTHER),
        ("invalid chain ID", Refusal.OTHER),
    ),
    *_of(
        "anvil",
        "crates/anvil/src/eth/error.rs",
        ("transaction already imported", Refusal.KNOWN),
        ("nonce too low", Refusal.NONCE_USED),
        ("Nonce too high", Refusal.NOT_YET),
        ("Insufficient funds for gas * price + value", Refusal.FUNDS),
        ("insufficient funds for transfer", Refusal.FUNDS),
        ("max fee per gas less than block base fee", Refusal.FEE_TOO_LOW),
        ("replacement transaction underpriced", Refusal.FEE_TOO_LOW),
        ("max priority fee per gas higher than max fee per gas", Refusal.OTHER),
        ("intrinsic gas too low", Refusal.OTHER),
        ("intrinsic gas too high -- CallerGasLimitMoreThanBlock", Refusal.GAS_TOO_HIGH),
        (
            "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit",
            Refusal.GAS_TOO_HIGH,
        ),
        ("caller gas limit exceeds the block gas limit", Refusal.GAS_TOO_HIGH),
        (
            "transaction gas limit (29000000) is greater than the cap (16777216)",
            Refusal.GAS_TOO_HIGH,
        ),
        ("Unknown transaction type not supported", Refusal.OTHER),
        ("Failed to decode transaction", Refusal.OTHER),
        ("execution reverted: nonce too low", Refusal.REVERTED),
    ),
    *_of(
        "hardhat",
        "edr: crates/mem_pool/src/lib.rs, crates/edr_provider/src/error.rs",
        ("Known transaction: 0xabcd", Refusal.KNOWN),
        (
            "Transaction nonce too low. Expected nonce to be at least 6 but got 5.",
            Refusal.NONCE_USED,
        ),
        (
            (
                "Nonce too low. Expected nonce to be 6 but got 5. Note that transactions can't be "
                "queued when automining."
            ),
            Refusal.NONCE_USED,
        ),
        (
            (
                "Nonce too high. Expected nonce to be 5 but got 6. Note that transactions can't be "
                "queued when automining."
            ),
            Refusal.NOT_YET,
        ),
        (
            (
                "Sender doesn't have enough funds to send tx. The max upfront cost is: 9 and the "
                "sender's balance is: 1."
            ),
            Refusal.FUNDS,
        ),
        (
            (
                "Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 11 is "
                "necessary to replace the existing transaction with nonce 5."
            ),
            Refusal.FEE_TOO_LOW,
        ),
        (
            (
                "Transaction maxFeePerGas (1) is too low for the next block, which has a "
                "baseFeePerGas of 2"
            ),
            Refusal.FEE_TOO_LOW,
        ),
        (
            (
                "Transaction gasPrice (1) is too low for the next block, which has a baseFeePerGas "
                "of 2"
            ),
            Refusal.FEE_TOO_LOW,
        ),
        ("Transaction gas price is 1, which is below the minimum of 2", Refusal.FEE_TOO_LOW),
        (
            (
                "Transaction maxFeePerBlobGas (1) is too low for the next block, which has a "
                "baseFeePerBlobGas of 2"
            ),
            Refusal.OTHER,
        ),
        (
            "Transaction gas limit is 30000001 and exceeds block gas limit of 30000000",
            Refusal.GAS_TOO_HIGH,
        ),
        ("Transaction hash '0xabcd' doesn't exist on the blockchain.", Refusal.OTHER),
        ("Transaction ran out of gas", Refusal.REVERTED),
        ("Transaction reverted without a reason", Refusal.REVERTED),
        (
            (
                "VM Exception while processing transaction: reverted with reason string "
                "'insufficient funds'"
            ),
            Refusal.REVERTED,
        ),
    ),
    *_of(
        "ethereumjs",
        "packages/client/src/service/txpool.ts",
        (
            (
                "Tx gaslimit of 30000001 exceeds block gas limit of 30000000 (exceeds last block "
                "gas limit)"
            ),
            Refusal.GAS_TOO_HIGH,
        ),
    ),
    *_of(
        "provider",
        "their documentation",
        ("daily request count exceeded, request rate limited", Refusal.RATE_LIMITED),
        ("project ID request rate exceeded: Too Many Requests", Refusal.RATE_LIMITED),
        (
            (
                "Your app has exceeded its compute units per second capacity. If you have retries "
                "enabled, you can safely ignore this message."
            ),
            Refusal.RATE_LIMITED,
        ),
        (
            "50/second request limit reached - reduce calls per second or upgrade your account",
            Refusal.RATE_LIMITED,
        ),
        ("Too many requests, reason: call rate limit exhausted", Refusal.RATE_LIMITED),
        ("rate limit exceeded", Refusal.RATE_LIMITED),
        ("unknown transaction", Refusal.OTHER),
        ("internal error", Refusal.OTHER),
        ("", Refusal.OTHER),
    ),
]


def texts_of(means: Refusal) -> list[NodeText]:
    """Return each client's texts of one meaning, those that clients share once."""
    found = {node.text.lower(): node for node in reversed(NODE_TEXTS) if node.means is means}
    return list(found.values())
