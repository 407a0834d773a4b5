"""What the embedded chain keeps and answers: blocks, transactions, logs, calls and outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anchor.chain.devnet.jsonrpc import EXECUTION_REVERTED, SERVER_ERROR, RpcError

if TYPE_CHECKING:  # py-evm takes most of a second to import
    from eth.abc import BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI

# keccak("Error(string)")[:4], what `require` and `revert` with a reason return.
_ERROR_SELECTOR = bytes.fromhex("08c379a0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One event, with where it was mined; ``index`` counts within the block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_hash: bytes
    block_number: int
    timestamp: int
    transaction_hash: bytes
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A mined transaction and its outcome; the only one in its block."""

    signed: SignedTransactionAPI
    hash: bytes
    type: int
    chain_id: int | None
    v: int
    sender: bytes
    block_hash: bytes
    block_number: int
    gas_price: int
    gas_used: int
    status: int
    created: bytes | None
    bloom: int
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedBlock:
    """A mined block: py-evm's header, and at most one transaction."""

    header: BlockHeaderAPI
    byte_size: int
    transactions: tuple[Transaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A message to execute without mining it; ``to`` is empty for a creation."""

    sender: bytes
    to: bytes
    data: bytes
    value: int
    gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call did: ``error`` is None if it succeeded, else how the client is told."""

    gas_used: int
    refund: int
    output: bytes
    error: RpcError | None


def base_fee_of(header: BlockHeaderAPI) -> int:
    """Return a header's base fee; every header has one since London."""
    fee = header.base_fee_per_gas
    assert fee is not None
    return fee


def record_transaction(
    header: BlockHeaderAPI,
    signed: SignedTransactionAPI,
    receipt: ReceiptAPI,
    outcome: ComputationAPI,
) -> Transaction:
    """Return py-evm's transaction, receipt and computation as one value."""
    kind = signed.type_id or 0
    priority = min(signed.max_priority_fee_per_gas, signed.max_fee_per_gas - base_fee_of(header))
    logs = tuple(
        Log(
            address=log.address,
            topics=tuple(topic.to_bytes(32, "big") for topic in log.topics),
            data=log.data,
            block_hash=header.hash,
            block_number=header.block_number,
            timestamp=header.timestamp,
            transaction_hash=signed.hash,
            index=index,
        )
        for index, log in enumerate(receipt.logs)
    )
    return Transaction(
        signed=signed,
        hash=signed.hash,
        type=kind,
        chain_id=signed.chain_id,
        v=signed.y_parity if kind else signed.v,  # type: ignore[attr-defined]
        sender=signed.sender,
        block_hash=header.hash,
        block_number=header.block_number,
        gas_price=base_fee_of(header) + priority,
        gas_used=receipt.gas_used,
        status=int(receipt.state_root == b"\x01"),
        created=None if signed.to else outcome.msg.storage_address,
        bloom=receipt.bloom,
        logs=logs,
    )


def describe_failure(computation: ComputationAPI) -> RpcError:
    """Return how the client is told that execution failed."""
    from eth.exceptions import OutOfGas, Revert

    if isinstance(computation.error, Revert):
        output = computation.output
        message = "execution reverted" + _decode_reason(output)
        return RpcError(EXECUTION_REVERTED, message, "0x" + output.hex())
    if isinstance(computation.error, OutOfGas):
        return RpcError(SERVER_ERROR, "out of gas")
    return RpcError(SERVER_ERROR, f"{type(computation.error).__name__}: {computation.error}")


def _decode_reason(output: bytes) -> str:
    """Return ``: reason`` of ``Error(string)``, or nothing for any other revert data."""
    if output[:4] != _ERROR_SELECTOR:
        return ""
    length = int.from_bytes(output[36:68], "big")
    return ": " + output[68 : 68 + length].decode("utf-8", "replace")
