"""Ethereum JSON-RPC spellings, both ways: parameters in, blocks, transactions and logs out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from anchor.chain.devnet.jsonrpc import INVALID_PARAMS, RpcError
from anchor.chain.devnet.records import Log, MinedBlock, Transaction

if TYPE_CHECKING:  # py-evm takes most of a second to import
    from eth.abc import BlockHeaderAPI

Json = dict[str, Any]

_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})", re.ASCII)
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")


def encode_quantity(number: int) -> str:
    """Spell a number: hex without leading zeros."""
    return hex(number)


def encode_data(data: bytes) -> str:
    """Spell bytes: two hex digits each."""
    return "0x" + data.hex()


def parse_quantity(value: Any, what: str) -> int:
    """Read a hex quantity as strictly as geth does."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise RpcError(INVALID_PARAMS, f"{what}: want a hex number without leading zeros")
    return int(value, 16)


def parse_data(value: Any, what: str, *, length: int | None = None) -> bytes:
    """Read hex bytes, exactly ``length`` of them if given."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise RpcError(INVALID_PARAMS, f"{what}: want 0x and hex digits, two for each byte")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise RpcError(INVALID_PARAMS, f"{what}: want {length} bytes, got {len(data)}")
    return data


def encode_block(block: MinedBlock, *, full: bool) -> Json:
    """Spell a mined block, with whole transactions if ``full``, else with their hashes."""
    transactions = block.transactions
    return {
        "hash": encode_data(block.header.hash),
        "nonce": encode_data(block.header.nonce),
        **_encode_header(block.header),
        "size": encode_quantity(block.byte_size),
        "uncles": [],
        "withdrawals": [],
        "transactions": [
            encode_transaction(mined) if full else encode_data(mined.hash) for mined in transactions
        ],
    }


def encode_pending_block(header: BlockHeaderAPI) -> Json:
    """Spell the block that would come next: it has no hash yet, and no transactions."""
    pending = _encode_header(header)
    return {
        "hash": None,
        "nonce": None,
        **pending,
        "size": encode_quantity(0),
        "uncles": [],
        "withdrawals": [],
        "transactions": [],
    }


def _encode_header(header: BlockHeaderAPI) -> Json:
    fields = header.as_dict()
    return {
        "parentHash": encode_data(header.parent_hash),
        "sha3Uncles": encode_data(header.uncles_hash),
        "miner": encode_data(header.coinbase),
        "stateRoot": encode_data(header.state_root),
        "transactionsRoot": encode_data(header.transaction_root),
        "receiptsRoot": encode_data(header.receipt_root),
        "logsBloom": encode_data(header.bloom.to_bytes(256, "big")),
        "difficulty": encode_quantity(header.difficulty),
        "number": encode_quantity(header.block_number),
        "gasLimit": encode_quantity(header.gas_limit),
        "gasUsed": encode_quantity(header.gas_used),
        "timestamp": encode_quantity(header.timestamp),
        "extraData": encode_data(header.extra_data),
        "mixHash": encode_data(header.mix_hash),
        "baseFeePerGas": encode_quantity(fields["base_fee_per_gas"]),
        "withdrawalsRoot": encode_data(fields["withdrawals_root"]),
        "blobGasUsed": encode_quantity(fields["blob_gas_used"]),
        "excessBlobGas": encode_quantity(fields["excess_blob_gas"]),
        "parentBeaconBlockRoot": encode_data(fields["parent_beacon_block_root"]),
        "requestsHash": encode_data(fields["requests_hash"]),
    }


def encode_transaction(mined: Transaction) -> Json:
    """Spell a mined transaction as its type demands."""
    signed = mined.signed
    encoded: Json = {
        "blockHash": encode_data(mined.block_hash),
        "blockNumber": encode_quantity(mined.block_number),
        "transactionIndex": encode_quantity(0),
        "hash": encode_data(mined.hash),
        "from": encode_data(mined.sender),
        "to": encode_data(signed.to) if signed.to else None,
        "type": encode_quantity(mined.type),
        "nonce": encode_quantity(signed.nonce),
        "gas": encode_quantity(signed.gas),
        "gasPrice": encode_quantity(mined.gas_price),
        "value": encode_quantity(signed.value),
        "input": encode_data(signed.data),
        "r": encode_quantity(signed.r),
        "s": encode_quantity(signed.s),
        "v": encode_quantity(mined.v),
    }
    if mined.chain_id is not None:
        encoded["chainId"] = encode_quantity(mined.chain_id)
    if mined.type > 0:
        encoded["yParity"] = encode_quantity(signed.y_parity)
        encoded["accessList"] = _encode_access_list(signed.access_list)
    if mined.type > 1:
        encoded["maxFeePerGas"] = encode_quantity(signed.max_fee_per_gas)
        encoded["maxPriorityFeePerGas"] = encode_quantity(signed.max_priority_fee_per_gas)
    return encoded


def _encode_access_list(entries: Sequence[tuple[bytes, Sequence[int]]]) -> list[Json]:
    return [
        {
            "address": encode_data(address),
            "storageKeys": [encode_data(slot.to_bytes(32, "big")) for slot in slots],
        }
        for address, slots in entries
    ]


def encode_receipt(mined: Transaction) -> Json:
    """Spell a transaction's receipt."""
    return {
        "transactionHash": encode_data(mined.hash),
        "transactionIndex": encode_quantity(0),
        "blockHash": encode_data(mined.block_hash),
        "blockNumber": encode_quantity(mined.block_number),
        "from": encode_data(mined.sender),
        "to": encode_data(mined.signed.to) if mined.signed.to else None,
        "contractAddress": encode_data(mined.created) if mined.created else None,
        "type": encode_quantity(mined.type),
        "status": encode_quantity(mined.status),
        "gasUsed": encode_quantity(mined.gas_used),
        "cumulativeGasUsed": encode_quantity(mined.gas_used),
        "effectiveGasPrice": encode_quantity(mined.gas_price),
        "logs": [encode_log(log) for log in mined.logs],
        "logsBloom": encode_data(mined.bloom.to_bytes(256, "big")),
    }


def encode_log(log: Log) -> Json:
    """Spell one log entry."""
    return {
        "address": encode_data(log.address),
        "topics": [encode_data(topic) for topic in log.topics],
        "data": encode_data(log.data),
        "blockHash": encode_data(log.block_hash),
        "blockNumber": encode_quantity(log.block_number),
        "blockTimestamp": encode_quantity(log.timestamp),
        "transactionHash": encode_data(log.transaction_hash),
        "transactionIndex": encode_quantity(0),
        "logIndex": encode_quantity(log.index),
        "removed": False,
    }
