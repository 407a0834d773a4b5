"""The JSON-RPC methods of the embedded node, over a `PyEvmChain`.

This chain has no finality: ``safe`` and ``finalized`` name no block and get an error.
"""

from __future__ import annotations

import inspect
import platform
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from eth.abc import BlockAPI, BlockHeaderAPI

from anchor.chain.devnet import encoding
from anchor.chain.devnet.encoding import Json, parse_address, parse_data, parse_quantity, parse_slot
from anchor.chain.devnet.evm import PyEvmChain, base_fee_of
from anchor.chain.devnet.jsonrpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    UNKNOWN_BLOCK,
    RpcError,
)

# One gwei, geth's lowest suggestion.
PRIORITY_FEE = 10**9
# geth's limits; ``MAX_LOGS`` bounds one answer.
MAX_FEE_HISTORY = 1024
MAX_LOGS = 10_000
MAX_PROVEN_SLOTS = 1024


class Methods:
    """A `jsonrpc.Dispatch` that answers one call at a time."""

    def __init__(self, chain: PyEvmChain) -> None:
        self._chain = chain
        self._lock = threading.Lock()
        client = f"anchor-devnet/py-evm/{version('py-evm')}/python{platform.python_version()}"
        self._table: dict[str, Callable[..., Any]] = {
            "eth_chainId": lambda: chain.chain_id,
            "net_version": lambda: str(chain.chain_id),
            "web3_clientVersion": lambda: client,
            "eth_syncing": lambda: False,
            "eth_accounts": lambda: (),
            "eth_blockNumber": lambda: chain.head.block_number,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBalance": self._balance,
            "eth_getCode": self._code,
            "eth_getStorageAt": self._storage,
            "eth_getTransactionCount": self._nonce,
            "eth_getProof": self._proof,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate_gas,
            "eth_gasPrice": lambda: base_fee_of(chain.next_header()) + PRIORITY_FEE,
            "eth_maxPriorityFeePerGas": lambda: PRIORITY_FEE,
            "eth_feeHistory": self._fee_history,
            "eth_sendRawTransaction": lambda raw: chain.send(parse_data(raw, "transaction")),
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getLogs": self._logs,
            "evm_mine": self._mine,
            "anvil_reorg": self._reorganise,
        }

    def __call__(self, method: str, params: list[Any]) -> Any:
        """Answer one call."""
        if method not in self._table:
            absent = f"the method {method} does not exist/is not available"
            raise RpcError(METHOD_NOT_FOUND, absent)
        run = self._table[method]
        while params and params[-1] is None:
            params = params[:-1]
        try:
            inspect.signature(run).bind(*params)
        except TypeError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        with self._lock:
            return encoding.encode(run(*params))

    # Blocks

    def _find_block(self, name: Any) -> BlockAPI | None:
        """Return the block of a tag or number; None beyond the head.  ``pending`` is the head."""
        if name in ("safe", "finalized"):
            raise RpcError(UNKNOWN_BLOCK, "Unknown block")
        if name in ("latest", "pending"):
            return self._chain.find_block(self._chain.head.block_number)
        return self._chain.find_block(0 if name == "earliest" else parse_quantity(name, "block"))

    def _header(self, name: Any) -> BlockHeaderAPI:
        """Return the header of the block in a state query: a tag, number or EIP-1898 object."""
        if name == "latest":
            return self._chain.head
        if isinstance(name, dict):
            name = dict(name)
            # Only canonical blocks are known here.
            if not isinstance(name.pop("requireCanonical", False), bool):
                raise RpcError(INVALID_PARAMS, "requireCanonical: want a boolean")
            if len(name) != 1 or not name.keys() <= {"blockHash", "blockNumber"}:
                raise RpcError(INVALID_PARAMS, "block: want either blockHash or blockNumber")
        if isinstance(name, dict) and "blockHash" in name:
            block_hash = parse_data(name["blockHash"], "blockHash", length=32)
            block = self._chain.find_block_by_hash(block_hash)
        else:
            block = self._find_block(name["blockNumber"] if isinstance(name, dict) else name)
        if block is None:
            raise RpcError(SERVER_ERROR, "header not found")
        return block.header

    def _block_by_number(self, name: Any, full: Any) -> Json | None:
        if name == "pending":
            # The next block has no hash yet.
            pending = encoding.describe_header(self._chain.next_header())
            return pending | {"hash": None, "nonce": None}
        return _describe_block(self._find_block(name), full)

    def _block_by_hash(self, block_hash: Any, full: Any) -> Json | None:
        key = parse_data(block_hash, "block hash", length=32)
        return _describe_block(self._chain.find_block_by_hash(key), full)

    # State

    def _balance(self, address: Any, block: Any = "latest") -> int:
        account = parse_address(address)
        return self._chain.state_after(self._header(block)).get_balance(account)

    def _code(self, address: Any, block: Any = "latest") -> bytes:
        account = parse_address(address)
        return self._chain.state_after(self._header(block)).get_code(account)

    def _storage(self, address: Any, slot: Any, block: Any = "latest") -> bytes:
        account, number = parse_address(address), parse_slot(slot)
        value = self._chain.state_after(self._header(block)).get_storage(account, number)
        return value.to_bytes(32, "big")

    def _nonce(self, address: Any, block: Any = "latest") -> int:
        account = parse_address(address)
        return self._chain.state_after(self._header(block)).get_nonce(account)

    def _proof(self, address: Any, slots: Any, block: Any = "latest") -> Any:
        if not isinstance(slots, list) or len(slots) > MAX_PROVEN_SLOTS:
            raise RpcError(INVALID_PARAMS, f"slots: want a list of at most {MAX_PROVEN_SLOTS}")
        numbers = [parse_slot(slot) for slot in slots]
        return self._chain.prove(parse_address(address), numbers, self._header(block))

    # Execution

    def _call(self, call: Any, block: Any = "latest") -> bytes:
        header = self._header(block)
        message = encoding.parse_call(call, gas_limit=header.gas_limit)
        outcome = self._chain.execute(message, header)
        if outcome.error is not None:
            raise outcome.error
        return outcome.output

    def _estimate_gas(self, call: Any, block: Any = "latest") -> int:
        header = self._header(block)
        message = encoding.parse_call(call, gas_limit=header.gas_limit)
        return self._chain.estimate_gas(message, header)

    def _mine(self) -> int:
        self._chain.mine()
        return 0

    def _reorganise(self, depth: Any, transactions: Any) -> None:
        if type(depth) is not int:
            depth = parse_quantity(depth, "reorg depth")
        if transactions != []:
            raise RpcError(INVALID_PARAMS, "transactions: this chain takes none")
        self._chain.reorganise(depth)

    # Fees

    def _fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> Json:
        # geth takes a decimal number here too.
        wanted = count if type(count) is int else parse_quantity(count, "block count")
        last = self._find_block(newest)
        if last is None:
            raise RpcError(SERVER_ERROR, "request beyond head block")
        first = max(0, last.number + 1 - min(max(wanted, 1), MAX_FEE_HISTORY))
        blocks = self._list_blocks(first, last.number)
        following = self._chain.find_block(last.number + 1)
        after = self._chain.next_header() if following is None else following.header
        headers = [block.header for block in blocks]
        history = {
            "oldestBlock": first,
            "baseFeePerGas": [base_fee_of(header) for header in [*headers, after]],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        if percentiles is not None:
            ranks = encoding.parse_percentiles(percentiles)
            history["reward"] = [_list_rewards(block, ranks) for block in blocks]
        return history

    def _list_blocks(self, first: int, last: int) -> list[BlockAPI]:
        blocks = (self._chain.find_block(number) for number in range(first, last + 1))
        return [block for block in blocks if block is not None]

    # Transactions and logs

    def _transaction(self, transaction_hash: Any) -> Json | None:
        key = parse_data(transaction_hash, "transaction hash", length=32)
        place = self._chain.find_transaction(key)
        return encoding.describe_transaction(*place) if place else None

    def _receipt(self, transaction_hash: Any) -> Json | None:
        key = parse_data(transaction_hash, "transaction hash", length=32)
        place = self._chain.find_transaction(key)
        if place is None:
            return None
        return encoding.describe_receipt(*place, self._chain.list_receipts(place[0]))

    def _logs(self, filter_: Any) -> list[Json]:
        wanted = encoding.parse_object(filter_, "filter")
        addresses = encoding.parse_terms(wanted.get("address"), "address", 20)
        topics = encoding.parse_topics(wanted.get("topics"))
        logs = [
            log
            for block in self._filtered_blocks(wanted)
            if block.header.bloom
            for log in encoding.describe_logs(block, self._chain.list_receipts(block))
            if (addresses is None or log["address"] in addresses)
            and len(topics) <= len(log["topics"])
            and all(
                alternatives is None or topic in alternatives
                for alternatives, topic in zip(topics, log["topics"], strict=False)
            )
        ]
        if len(logs) > MAX_LOGS:
            raise RpcError(SERVER_ERROR, f"query returned more than {MAX_LOGS} results")
        return logs

    def _filtered_blocks(self, wanted: Json) -> Sequence[BlockAPI]:
        if wanted.get("blockHash") is not None:
            if wanted.get("fromBlock") is not None or wanted.get("toBlock") is not None:
                raise RpcError(
                    INVALID_PARAMS, "cannot specify both BlockHash and FromBlock/ToBlock"
                )
            key = parse_data(wanted["blockHash"], "blockHash", length=32)
            block = self._chain.find_block_by_hash(key)
            if block is None:
                raise RpcError(SERVER_ERROR, "unknown block")
            return [block]
        first = self._find_block(wanted.get("fromBlock") or "latest")
        last = self._find_block(wanted.get("toBlock") or "latest") or self._find_block("latest")
        if first is None or last is None:
            return []
        if first.number > last.number:
            raise RpcError(INVALID_PARAMS, "invalid block range params")
        return self._list_blocks(first.number, last.number)


def _describe_block(block: BlockAPI | None, full: Any) -> Json | None:
    if not isinstance(full, bool):
        raise RpcError(INVALID_PARAMS, "full transactions: want a boolean")
    return encoding.describe_block(block, full=full) if block else None


def _list_rewards(block: BlockAPI, ranks: Sequence[float]) -> list[int]:
    """Return the tips at these percentiles of a block's transactions; zeros for an empty block."""
    tips = sorted(encoding.tip_of(block, index) for index in range(len(block.transactions))) or [0]
    return [tips[min(int(rank / 100 * len(tips)), len(tips) - 1)] for rank in ranks]
