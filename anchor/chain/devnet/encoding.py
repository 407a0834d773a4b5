"""JSON-RPC encoding: parses parameters; encodes blocks, transactions, receipts and logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eth._utils.address import generate_contract_address
from eth.abc import BlockAPI, BlockHeaderAPI, ReceiptAPI
from eth_typing import Address
from rlp import encode as encode_rlp

from anchor.chain.devnet.evm import Call, base_fee_of
from anchor.chain.devnet.jsonrpc import INVALID_PARAMS, RpcError

Json = dict[str, Any]

# geth's limits.
MAX_TOPICS = 4
MAX_FILTER_TERMS = 1000
MAX_PERCENTILES = 100

_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})", re.ASCII)
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")

# py-evm's names for a header's members, where JSON-RPC has others.
_RENAMED = {
    "uncles_hash": "sha3Uncles",
    "coinbase": "miner",
    "transaction_root": "transactionsRoot",
    "receipt_root": "receiptsRoot",
    "bloom": "logsBloom",
    "block_number": "number",
}
# Members without effect: a call costs nothing here, and any nonce is accepted.
_IGNORED_MEMBERS = {
    "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "nonce", "chainId", "type"
}  # fmt: skip
_CALL_MEMBERS = {"from", "to", "gas", "value", "data", "input"} | _IGNORED_MEMBERS
_ZERO_ADDRESS = "0x" + "00" * 20


def encode(value: Any) -> Any:
    """Encode integers as quantities and bytes as data, also inside lists and objects."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)
    if isinstance(value, Mapping):
        return {name: encode(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [encode(member) for member in value]
    return value


def parse_quantity(value: Any, label: str) -> int:
    """Read a hex quantity as strictly as geth does."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise RpcError(INVALID_PARAMS, f"{label}: want a hex number without leading zeros")
    return int(value, 16)


def parse_data(value: Any, label: str, *, length: int | None = None) -> bytes:
    """Read hex data, of exactly ``length`` bytes if given."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise RpcError(INVALID_PARAMS, f"{label}: want 0x and hex digits, two for each byte")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise RpcError(INVALID_PARAMS, f"{label}: want {length} bytes, got {len(data)}")
    return data


def parse_address(value: Any, label: str = "address") -> Address:
    """Read an address."""
    return Address(parse_data(value, label, length=20))


def parse_slot(value: Any) -> int:
    """Read a storage slot, which clients send as a quantity or as 32 bytes."""
    if isinstance(value, str) and len(value) == 66:
        return int.from_bytes(parse_data(value, "storage slot", length=32), "big")
    return parse_quantity(value, "storage slot")


def parse_call(value: Any, *, gas_limit: int) -> Call:
    """Read the first parameter of eth_call and eth_estimateGas."""
    members = parse_object(value, "call").items()
    given = {name: member for name, member in members if member is not None}
    if unknown := given.keys() - _CALL_MEMBERS:
        raise RpcError(INVALID_PARAMS, f"call: this devnet does not know {sorted(unknown)[0]!r}")
    data = given.get("input", given.get("data", "0x"))
    if data != given.get("data", data):
        raise RpcError(INVALID_PARAMS, 'both "data" and "input" are set and not equal')
    return Call(
        sender=parse_address(given.get("from", _ZERO_ADDRESS), "from"),
        to=parse_address(given["to"], "to") if "to" in given else Address(b""),
        data=parse_data(data, "data"),
        value=parse_quantity(given.get("value", "0x0"), "value"),
        gas=min(parse_quantity(given.get("gas", hex(gas_limit)), "gas"), gas_limit),
    )


def parse_terms(value: Any, label: str, length: int) -> frozenset[bytes] | None:
    """Read one value or a list of alternatives; None, for null and an empty list, matches all."""
    terms = value if isinstance(value, list) else [value]
    if value is None or not terms:
        return None
    if len(terms) > MAX_FILTER_TERMS:
        raise RpcError(INVALID_PARAMS, f"{label}: at most {MAX_FILTER_TERMS} alternatives")
    return frozenset(parse_data(term, label, length=length) for term in terms)


def parse_topics(value: Any) -> list[frozenset[bytes] | None]:
    """Read the topics of an eth_getLogs filter, by their positions."""
    topics = [] if value is None else value
    if not isinstance(topics, list) or len(topics) > MAX_TOPICS:
        raise RpcError(INVALID_PARAMS, f"topics: want a list of at most {MAX_TOPICS}")
    return [parse_terms(topic, "topic", 32) for topic in topics]


def parse_percentiles(value: Any) -> list[float]:
    """Read eth_feeHistory's percentiles."""
    if not isinstance(value, list) or len(value) > MAX_PERCENTILES:
        raise RpcError(INVALID_PARAMS, f"percentiles: want a list of at most {MAX_PERCENTILES}")
    numbers = [number for number in value if type(number) in (int, float) and 0 <= number <= 100]
    if len(numbers) < len(value) or numbers != sorted(numbers):
        raise RpcError(INVALID_PARAMS, "percentiles: want rising numbers from 0 to 100")
    return numbers


def parse_object(value: Any, label: str) -> Json:
    """Read a JSON object."""
    if not isinstance(value, dict):
        raise RpcError(INVALID_PARAMS, f"{label}: want an object")
    return value


def describe_block(block: BlockAPI, *, full: bool) -> Json:
    """Describe a mined block, with whole transactions if ``full``, else with their hashes."""
    return describe_header(block.header) | {
        "size": len(encode_rlp(block)),
        "transactions": [
            describe_transaction(block, index) if full else signed.hash
            for index, signed in enumerate(block.transactions)
        ],
    }


def describe_header(header: BlockHeaderAPI) -> Json:
    """Describe a block by its header, without transactions."""
    fields = {**header.as_dict(), "hash": header.hash, "bloom": header.bloom.to_bytes(256, "big")}
    members = {_name_member(str(field)): value for field, value in fields.items()}
    return members | {"size": 0, "uncles": [], "withdrawals": [], "transactions": []}


def _name_member(field: str) -> str:
    first, *rest = field.split("_")
    return _RENAMED.get(field, first + "".join(map(str.capitalize, rest)))


def describe_transaction(block: BlockAPI, index: int) -> Json:
    """Describe a mined transaction, with the members of its type."""
    # Any: the abstract class names neither v nor y_parity.
    signed: Any = block.transactions[index]
    kind = signed.type_id or 0
    described = _describe_place(block, index) | {
        "hash": signed.hash,
        "from": signed.sender,
        "to": signed.to or None,
        "type": kind,
        "nonce": signed.nonce,
        "gas": signed.gas,
        "gasPrice": base_fee_of(block.header) + tip_of(block, index),
        "value": signed.value,
        "input": signed.data,
        "r": signed.r,
        "s": signed.s,
        "v": signed.y_parity if kind else signed.v,
    }
    if signed.chain_id is not None:
        described["chainId"] = signed.chain_id
    if kind > 0:
        described["yParity"] = signed.y_parity
        described["accessList"] = [
            {"address": address, "storageKeys": [slot.to_bytes(32, "big") for slot in slots]}
            for address, slots in signed.access_list
        ]
    if kind > 1:
        described["maxFeePerGas"] = signed.max_fee_per_gas
        described["maxPriorityFeePerGas"] = signed.max_priority_fee_per_gas
    return described


def tip_of(block: BlockAPI, index: int) -> int:
    """Return a transaction's tip: the price per gas above the base fee, in wei."""
    signed, base_fee = block.transactions[index], base_fee_of(block.header)
    return min(signed.max_priority_fee_per_gas, signed.max_fee_per_gas - base_fee)


def describe_receipt(block: BlockAPI, index: int, receipts: Sequence[ReceiptAPI]) -> Json:
    """Describe the receipt of a transaction; ``receipts`` are all those of its block."""
    signed, receipt = block.transactions[index], receipts[index]
    used_before = receipts[index - 1].gas_used if index else 0
    created = None if signed.to else generate_contract_address(signed.sender, signed.nonce)
    logs = describe_logs(block, receipts)
    return _describe_place(block, index) | {
        "transactionHash": signed.hash,
        "from": signed.sender,
        "to": signed.to or None,
        "contractAddress": created,
        "type": signed.type_id or 0,
        "status": int(receipt.state_root == b"\x01"),
        "gasUsed": receipt.gas_used - used_before,
        "cumulativeGasUsed": receipt.gas_used,
        "effectiveGasPrice": base_fee_of(block.header) + tip_of(block, index),
        "logs": [log for log in logs if log["transactionIndex"] == index],
        "logsBloom": receipt.bloom.to_bytes(256, "big"),
    }


def describe_logs(block: BlockAPI, receipts: Sequence[ReceiptAPI]) -> list[Json]:
    """Describe the events of a block's transactions."""
    logs = [(index, log) for index, receipt in enumerate(receipts) for log in receipt.logs]
    return [
        _describe_place(block, index)
        | {
            "address": log.address,
            "topics": [topic.to_bytes(32, "big") for topic in log.topics],
            "data": log.data,
            "blockTimestamp": block.header.timestamp,
            "transactionHash": block.transactions[index].hash,
            "logIndex": log_index,
            "removed": False,
        }
        for log_index, (index, log) in enumerate(logs)
    ]


def _describe_place(block: BlockAPI, index: int) -> Json:
    return {"blockHash": block.hash, "blockNumber": block.number, "transactionIndex": index}
