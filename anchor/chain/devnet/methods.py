"""The JSON-RPC methods of the embedded node, over an `EmbeddedChain`.

There is no finality on this chain: ``safe`` and ``finalized`` name no block, and say so.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from anchor.chain.devnet import encoding
from anchor.chain.devnet.encoding import (
    Json,
    encode_data,
    encode_quantity,
    parse_data,
    parse_quantity,
)
from anchor.chain.devnet.evm import EmbeddedChain
from anchor.chain.devnet.jsonrpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    UNKNOWN_BLOCK,
    RpcError,
)
from anchor.chain.devnet.queries import (
    parse_call,
    parse_log_filter,
    parse_percentiles,
    parse_slot,
)
from anchor.chain.devnet.records import MinedBlock, base_fee_of

if TYPE_CHECKING:  # py-evm takes most of a second to import
    from eth.abc import StateAPI
    from eth_typing import Address

# One gwei, as geth proposes at the least.
PRIORITY_FEE = 10**9
# geth's limit, and what one answer can hold.
MAX_FEE_HISTORY = 1024
MAX_LOGS = 10_000


class Methods:
    """Answers one call at a time; an instance is a `jsonrpc.Dispatch`."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain
        self._lock = threading.Lock()
        python = platform.python_version()
        self._version = f"anchor-devnet/py-evm/{version('py-evm')}/python{python}"
        # name → (method, required parameters, allowed parameters)
        self._table: dict[str, tuple[Callable[..., Any], int, int]] = {
            "eth_chainId": (lambda: encode_quantity(chain.chain_id), 0, 0),
            "net_version": (lambda: str(chain.chain_id), 0, 0),
            "web3_clientVersion": (lambda: self._version, 0, 0),
            "eth_syncing": (lambda: False, 0, 0),
            "eth_accounts": (list, 0, 0),
            "eth_blockNumber": (lambda: encode_quantity(chain.head.header.block_number), 0, 0),
            "eth_getBlockByNumber": (self._block_by_number, 2, 2),
            "eth_getBlockByHash": (self._block_by_hash, 2, 2),
            "eth_getBalance": (self._balance, 1, 2),
            "eth_getCode": (self._code, 1, 2),
            "eth_getStorageAt": (self._storage, 2, 3),
            "eth_getTransactionCount": (self._nonce, 1, 2),
            "eth_call": (self._call, 1, 2),
            "eth_estimateGas": (self._estimate_gas, 1, 2),
            "eth_gasPrice": (self._gas_price, 0, 0),
            "eth_maxPriorityFeePerGas": (lambda: encode_quantity(PRIORITY_FEE), 0, 0),
            "eth_feeHistory": (self._fee_history, 2, 3),
            "eth_sendRawTransaction": (self._send, 1, 1),
            "eth_getTransactionByHash": (self._transaction, 1, 1),
            "eth_getTransactionReceipt": (self._receipt, 1, 1),
            "eth_getLogs": (self._logs, 1, 1),
            "evm_mine": (self._mine, 0, 0),
        }

    def __call__(self, method: str, params: list[Any]) -> Any:
        """Answer one call.

        Raises:
            RpcError: no such method, wrong parameters, or the chain refuses.
        """
        if method not in self._table:
            absent = f"the method {method} does not exist/is not available"
            raise RpcError(METHOD_NOT_FOUND, absent)
        run, required, allowed = self._table[method]
        while len(params) > required and params[-1] is None:
            params = params[:-1]
        if len(params) < required:
            missing = f"missing value for required argument {len(params)}"
            raise RpcError(INVALID_PARAMS, missing)
        if len(params) > allowed:
            raise RpcError(INVALID_PARAMS, f"too many arguments, want at most {allowed}")
        with self._lock:
            return run(*params)

    # Blocks

    def _named_block(self, name: Any) -> MinedBlock | None:
        """Return the block of a tag or number; None beyond the head.  ``pending`` is the head."""
        if name in ("latest", "pending"):
            return self._chain.head
        if name == "earliest":
            return self._chain.blocks[0]
        if name in ("safe", "finalized"):
            raise RpcError(UNKNOWN_BLOCK, "Unknown block")
        number = parse_quantity(name, "block")
        return self._chain.blocks[number] if number < len(self._chain.blocks) else None

    def _block(self, name: Any) -> MinedBlock:
        """Return the block a state query asks for: a tag, a number or an EIP-1898 object."""
        if isinstance(name, dict):
            name = dict(name)
            # Every block here is canonical.
            if not isinstance(name.pop("requireCanonical", False), bool):
                raise RpcError(INVALID_PARAMS, "requireCanonical: want a boolean")
            if len(name) != 1 or not name.keys() <= {"blockHash", "blockNumber"}:
                raise RpcError(INVALID_PARAMS, "block: want either blockHash or blockNumber")
        if isinstance(name, dict) and "blockHash" in name:
            block = self._chain.find_block(parse_data(name["blockHash"], "blockHash", length=32))
        else:
            block = self._named_block(name["blockNumber"] if isinstance(name, dict) else name)
        if block is None:
            raise RpcError(SERVER_ERROR, "header not found")
        return block

    def _block_by_number(self, name: Any, full: Any) -> Json | None:
        if name == "pending":
            return encoding.encode_pending_block(self._chain.next_header())
        return _encode_found(self._named_block(name), full)

    def _block_by_hash(self, block_hash: Any, full: Any) -> Json | None:
        found = self._chain.find_block(parse_data(block_hash, "block hash", length=32))
        return _encode_found(found, full)

    # State

    def _account(self, address: Any, block: Any) -> tuple[Address, StateAPI]:
        account = parse_data(address, "address", length=20)
        return cast("Address", account), self._chain.state_after(self._block(block))

    def _balance(self, address: Any, block: Any = "latest") -> str:
        account, state = self._account(address, block)
        return encode_quantity(state.get_balance(account))

    def _code(self, address: Any, block: Any = "latest") -> str:
        account, state = self._account(address, block)
        return encode_data(state.get_code(account))

    def _storage(self, address: Any, slot: Any, block: Any = "latest") -> str:
        account, state = self._account(address, block)
        value = state.get_storage(account, parse_slot(slot))
        return encode_data(value.to_bytes(32, "big"))

    def _nonce(self, address: Any, block: Any = "latest") -> str:
        account, state = self._account(address, block)
        return encode_quantity(state.get_nonce(account))

    # Execution

    def _call(self, call: Any, block: Any = "latest") -> str:
        outcome = self._chain.execute(parse_call(call), self._block(block))
        if outcome.error is not None:
            raise outcome.error
        return encode_data(outcome.output)

    def _estimate_gas(self, call: Any, block: Any = "latest") -> str:
        return encode_quantity(self._chain.estimate_gas(parse_call(call), self._block(block)))

    def _send(self, raw: Any) -> str:
        return encode_data(self._chain.send(parse_data(raw, "transaction")))

    def _mine(self) -> str:
        self._chain.mine()
        return encode_quantity(0)

    # Fees

    def _gas_price(self) -> str:
        return encode_quantity(base_fee_of(self._chain.next_header()) + PRIORITY_FEE)

    def _fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> Json:
        # geth takes a decimal number here too.
        wanted = count if type(count) is int else parse_quantity(count, "block count")
        last = self._named_block(newest)
        if last is None:
            raise RpcError(SERVER_ERROR, "request beyond head block")
        end = last.header.block_number + 1
        blocks = self._chain.blocks[max(0, end - min(max(wanted, 1), MAX_FEE_HISTORY)) : end]
        following = self._chain.blocks[end].header if end < len(self._chain.blocks) else None
        headers = [block.header for block in blocks]
        history = {
            "oldestBlock": encode_quantity(headers[0].block_number),
            "baseFeePerGas": [
                encode_quantity(base_fee_of(header))
                for header in [*headers, following or self._chain.next_header()]
            ],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        if percentiles is not None:
            columns = parse_percentiles(percentiles)
            history["reward"] = [[_reward(block)] * columns for block in blocks]
        return history

    # Transactions and logs

    def _transaction(self, transaction_hash: Any) -> Json | None:
        key = parse_data(transaction_hash, "transaction hash", length=32)
        mined = self._chain.find_transaction(key)
        return encoding.encode_transaction(mined) if mined else None

    def _receipt(self, transaction_hash: Any) -> Json | None:
        key = parse_data(transaction_hash, "transaction hash", length=32)
        mined = self._chain.find_transaction(key)
        return encoding.encode_receipt(mined) if mined else None

    def _logs(self, wanted: Any) -> list[Json]:
        matching = parse_log_filter(wanted)
        logs = [
            log
            for block in self._filtered_blocks(wanted)
            for transaction in block.transactions
            for log in transaction.logs
            if matching.is_match(log)
        ]
        if len(logs) > MAX_LOGS:
            raise RpcError(SERVER_ERROR, f"query returned more than {MAX_LOGS} results")
        return [encoding.encode_log(log) for log in logs]

    def _filtered_blocks(self, wanted: Json) -> Sequence[MinedBlock]:
        if wanted.get("blockHash") is not None:
            if wanted.get("fromBlock") is not None or wanted.get("toBlock") is not None:
                raise RpcError(
                    INVALID_PARAMS, "cannot specify both BlockHash and FromBlock/ToBlock"
                )
            found = self._chain.find_block(parse_data(wanted["blockHash"], "blockHash", length=32))
            if found is None:
                raise RpcError(SERVER_ERROR, "unknown block")
            return [found]
        first = self._named_block(wanted.get("fromBlock") or "latest")
        last = self._named_block(wanted.get("toBlock") or "latest") or self._chain.head
        if first is None:
            return []
        if first.header.block_number > last.header.block_number:
            raise RpcError(INVALID_PARAMS, "invalid block range params")
        return self._chain.blocks[first.header.block_number : last.header.block_number + 1]


def _encode_found(block: MinedBlock | None, full: Any) -> Json | None:
    if not isinstance(full, bool):
        raise RpcError(INVALID_PARAMS, "full transactions: want a boolean")
    return encoding.encode_block(block, full=full) if block else None


def _reward(block: MinedBlock) -> str:
    """Return the tip at every percentile: a block has one transaction, or none."""
    paid = [mined.gas_price - base_fee_of(block.header) for mined in block.transactions]
    return encode_quantity(paid[0] if paid else 0)
