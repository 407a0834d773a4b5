"""A small Ethereum chain in memory, behind the real ``anchor.chain.node.Node``.

It implements ``RpcTransport`` for the methods that ``Node`` uses and no other: blocks with states
and base fees, a pool with nonce order and replacement, reorganisations of any depth, finality that
follows the head or stalls, and time that tests let pass.  ``tests/devnet/test_memory_chain.py``
holds it to anvil's answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from support.memory_registry import REGISTRY, Call, Revert, State, run_call
from support.memory_transactions import Recover, Transaction, parse_transaction, recover_sender

from anchor.base.errors import NodeRefusedError
from anchor.base.types import Address, ChainId, Hash32
from anchor.chain.devnet.accounts import (
    CREATE2_PROXY_CODE,
    DEV_ADDRESSES,
    DEV_BALANCE,
    DEVNET_CHAIN_ID,
)
from anchor.ethereum.header import encode_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.registry.artifact import CREATE2_PROXY, runtime_code

GWEI = 10**9
SLOT_SECONDS = 12
# Long past, so that this machine's clock is not behind it.
GENESIS_TIME = 1_700_000_000
_GAS_LIMIT = 30_000_000
_SERVER_ERROR = -32000
_REVERTED = 3

Kind = Literal["geth", "anvil"]
Dropped = Literal["lost", "pool", "first", "last", "backwards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """A transaction in its block."""

    transaction: Transaction
    succeeded: bool
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBlock:
    """A block and the state it leaves."""

    number: int
    hash: Hash32
    timestamp: int
    base_fee: int
    included: tuple[Included, ...]
    state: State
    header: dict[str, str]

    @property
    def gas_used(self) -> int:
        return sum(item.gas_used for item in self.included)


@dataclass
class MemoryChain:
    """The chain, driven by its test.

    ``kind`` says whose pool it has: geth wants a tenth more of a replacement and keeps what cannot
    pay the base fee; anvil wants one wei more, refuses such transactions and evicts them.
    ``interval`` None makes no blocks by itself; ``lag`` is how far finality stays behind the head.
    """

    kind: Kind = "geth"
    chain_id: ChainId = DEVNET_CHAIN_ID
    deployed: bool = True
    recover: Recover = recover_sender
    interval: int | None = None
    lag: int = 3
    tip: int = GWEI
    stalled: bool = False
    has_finality: bool = True
    withholds_receipts: bool = False
    final_number: int = 0
    time: float = GENESIS_TIME
    blocks: list[MemoryBlock] = field(default_factory=list)
    pool: dict[tuple[Address, int], Transaction] = field(default_factory=dict)
    _next_base_fee: int | None = None
    _forks: int = 0
    _receipts: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        state = State(balances=dict.fromkeys(DEV_ADDRESSES, DEV_BALANCE))
        state.codes[CREATE2_PROXY] = CREATE2_PROXY_CODE
        if self.deployed:
            state.codes[REGISTRY] = runtime_code(self.chain_id)
        self.blocks.append(self._make_block(0, GENESIS_TIME, GWEI, (), state))

    # What tests do to it.

    @property
    def name(self) -> str:
        return "memory chain"

    @property
    def head(self) -> MemoryBlock:
        return self.blocks[-1]

    @property
    def final(self) -> MemoryBlock:
        return self.blocks[self.final_number]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with the blocks that are due."""
        end = self.time + seconds
        while self.interval is not None and self.head.timestamp + self.interval <= end:
            # After a time without blocks the next one comes at once, not all that were missed.
            self.time = max(self.head.timestamp + self.interval, self.time)
            self.mine()
        self.time = end

    def mine(self, count: int = 1) -> None:
        """Make blocks of what the pool holds."""
        for _ in range(count):
            self._add_block(self._choose())

    def include(self, *raws: bytes) -> None:
        """Make a block of these transactions, which the pool need not know."""
        self._add_block([parse_transaction(raw, self.recover) for raw in raws])

    def set_next_base_fee(self, fee: int) -> None:
        """Let the next block have this base fee; those after it follow from it."""
        self._next_base_fee = fee

    def set_balance(self, address: Address, wei: int) -> None:
        self.head.state.balances[address] = wei

    def evict(self) -> None:
        """Let the pool forget everything."""
        self.pool.clear()

    def reorganise(self, depth: int, dropped: Dropped) -> None:
        """Replace the last ``depth`` blocks by as many others.

        What was in them is lost, back in the pool, in the first new block, in the last one, or in
        the first in reverse order (so that of transactions of one sender only one can be there).
        A depth past the final block takes finality back, which no honest chain does.
        """
        assert 0 < depth < len(self.blocks)
        removed = self.blocks[-depth:]
        del self.blocks[-depth:]
        self._forks += 1
        self.final_number = min(self.final_number, self.head.number)
        again = [item.transaction for block in removed for item in block.included]
        for transaction in again:
            del self._receipts[_hex(transaction.hash)]
        if dropped == "pool":
            self.pool |= {
                transaction.place: transaction
                for transaction in again
                if transaction.place not in self.pool
            }
        if dropped == "backwards":
            again.reverse()
        into = {"first": 0, "backwards": 0, "last": depth - 1}.get(dropped)
        for number, block in enumerate(removed):
            chosen = self._choose() if dropped == "pool" else again if number == into else []
            self._add_block(chosen, timestamp=block.timestamp)

    def own_transactions(self, address: Address) -> list[Transaction]:
        """Return every transaction of ``address`` in the chain and the pool."""
        return [item.transaction for item in self.included(address)] + [
            transaction for transaction in self.pool.values() if transaction.sender == address
        ]

    def included(self, address: Address) -> list[Included]:
        return [
            item
            for block in self.blocks
            for item in block.included
            if item.transaction.sender == address
        ]

    # How it works.

    def _choose(self) -> list[Transaction]:
        base_fee = self._base_fee()
        nonces = dict(self.head.state.nonces)
        chosen = []
        for transaction in sorted(self.pool.values(), key=lambda each: each.nonce):
            nonce = nonces.get(transaction.sender, 0)
            if transaction.nonce == nonce and transaction.max_fee >= base_fee:
                chosen.append(transaction)
                nonces[transaction.sender] = nonce + 1
        return chosen

    def _add_block(self, transactions: Sequence[Transaction], timestamp: int | None = None) -> None:
        parent = self.head
        number = parent.number + 1
        if timestamp is None:
            timestamp = max(int(self.time), parent.timestamp + 1)
        self.time = max(self.time, timestamp)
        base_fee = self._base_fee()
        self._next_base_fee = None
        state = parent.state.copy() if transactions else parent.state
        included = []
        for transaction in transactions:
            if transaction.nonce != state.nonces.get(transaction.sender, 0):
                continue  # it cannot be in a block here
            cost = transaction.gas * transaction.max_fee
            if state.balances.get(transaction.sender, 0) < cost:
                continue
            included.append(self._apply(state, transaction, number, timestamp, base_fee))
        block = self._make_block(number, timestamp, base_fee, tuple(included), state)
        self.blocks.append(block)
        for item in included:
            self._receipts[_hex(item.transaction.hash)] = _show_receipt(block, item)
        self.pool = {
            place: transaction
            for place, transaction in self.pool.items()
            if transaction.nonce >= state.nonces.get(transaction.sender, 0)
            and (self.kind == "geth" or transaction.max_fee >= base_fee)
        }
        if not self.stalled:
            self.final_number = max(self.final_number, number - self.lag)

    def _apply(
        self, state: State, transaction: Transaction, number: int, timestamp: int, base_fee: int
    ) -> Included:
        price = _price(base_fee, transaction)
        state.nonces[transaction.sender] = transaction.nonce + 1
        gas_used, succeeded = transaction.gas, False
        before = state.storage.copy(), state.codes.copy()
        try:
            used = transaction.intrinsic_gas + run_call(
                state, self._call(transaction.sender, transaction.to, transaction.data,
                                  number, timestamp)
            )  # fmt: skip
            if used <= transaction.gas:
                gas_used, succeeded = used, True
        except Revert:
            gas_used = transaction.intrinsic_gas
        if not succeeded:
            state.storage, state.codes = before
        state.balances[transaction.sender] = (
            state.balances.get(transaction.sender, 0) - gas_used * price
        )
        return Included(transaction=transaction, succeeded=succeeded, gas_used=gas_used)

    def _call(
        self, sender: Address, to: Address | None, data: bytes, number: int, timestamp: int
    ) -> Call:
        return Call(
            sender=sender,
            to=to,
            data=data,
            chain_id=self.chain_id,
            block_number=number,
            timestamp=timestamp,
        )

    def _base_fee(self) -> int:
        """Return the next block's base fee (EIP-1559)."""
        if self._next_base_fee is not None:
            return self._next_base_fee
        base_fee, used, target = self.head.base_fee, self.head.gas_used, _GAS_LIMIT // 2
        if used > target:
            return base_fee + max(base_fee * (used - target) // target // 8, 1)
        return base_fee - base_fee * (target - used) // target // 8

    def _make_block(
        self,
        number: int,
        timestamp: int,
        base_fee: int,
        included: tuple[Included, ...],
        state: State,
    ) -> MemoryBlock:
        parent = self.blocks[number - 1].hash if number else bytes(32)
        hashes = "".join(item.transaction.hash.hex() for item in included)
        # What it does not compute it makes up; the hash is that of the header all the same.
        header = {
            "parentHash": _hex(parent),
            "sha3Uncles": _hex(bytes(32)),
            "miner": _hex(bytes(20)),
            "stateRoot": _hex(hash_keccak256(repr((self.chain_id, self._forks)).encode())),
            "transactionsRoot": _hex(hash_keccak256(hashes.encode())),
            "receiptsRoot": _hex(bytes(32)),
            "logsBloom": _hex(bytes(256)),
            "difficulty": "0x0",
            "number": hex(number),
            "gasLimit": hex(_GAS_LIMIT),
            "gasUsed": hex(sum(item.gas_used for item in included)),
            "timestamp": hex(timestamp),
            "extraData": "0x",
            "mixHash": _hex(bytes(32)),
            "nonce": _hex(bytes(8)),
            "baseFeePerGas": hex(base_fee),
        }
        return MemoryBlock(
            number=number,
            hash=hash_keccak256(encode_header(header)),
            timestamp=timestamp,
            base_fee=base_fee,
            included=included,
            state=state,
            header=header,
        )

    # What it answers.

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Answer one request as a node does; it serves no proofs."""
        if method not in _ANSWERS:
            raise _refusal(f"the method {method} does not exist", code=-32601)
        return getattr(self, _ANSWERS[method])(*params)

    def _answer_chain_id(self) -> str:
        return hex(self.chain_id)

    def _answer_block_by_number(self, block: str, full: bool) -> dict[str, Any] | None:
        if block == "finalized" and not self.has_finality:
            raise _refusal("unknown block", code=-39001)
        found = self._find_block(block)
        if found is None:
            return None
        return _show_block(found) | ({"transactions": _show_calls(found)} if full else {})

    def _answer_block_by_hash(self, block: str, full: bool) -> dict[str, Any] | None:
        assert not full
        return next((_show_block(each) for each in self.blocks if _hex(each.hash) == block), None)

    def _answer_code(self, address: str, block: Any) -> str:
        return _hex(self._state(block).codes.get(Address(_bytes(address)), b""))

    def _answer_storage_at(self, address: str, slot: str, block: Any) -> str:
        return _hex(self._state(block).read(Hash32(_bytes(slot)), Address(_bytes(address))))

    def _answer_balance(self, address: str, block: Any) -> str:
        return hex(self._state(block).balances.get(Address(_bytes(address)), 0))

    def _answer_transaction_count(self, address: str, block: Any) -> str:
        return hex(self._state(block).nonces.get(Address(_bytes(address)), 0))

    def _answer_max_priority_fee_per_gas(self) -> str:
        return hex(self.tip)

    def _answer_gas_price(self) -> str:
        return hex(self.head.base_fee + self.tip)

    def _answer_call(self, call: dict[str, str], block: Any) -> str:
        self._run(call, block)
        return "0x"

    def _answer_estimate_gas(self, call: dict[str, str], block: Any) -> str:
        intrinsic = 21_000 + sum(16 if byte else 4 for byte in _bytes(call["data"]))
        return hex(intrinsic + self._run(call, block))

    def _answer_send_raw_transaction(self, raw: str) -> str:
        transaction = parse_transaction(_bytes(raw), self.recover)
        self._check(transaction)
        self.pool[transaction.place] = transaction
        return _hex(transaction.hash)

    def _answer_transaction_receipt(self, tx_hash: str) -> dict[str, str] | None:
        return None if self.withholds_receipts else self._receipts.get(tx_hash)

    def _check(self, transaction: Transaction) -> None:
        """Refuse, in that node's words, what its pool does not take."""
        state, fee = self.head.state, transaction.max_fee
        waiting = self.pool.get(transaction.place)
        is_geth = self.kind == "geth"
        reason = None
        if transaction.chain_id != self.chain_id:
            reason = "invalid chain id for signer"
        elif waiting is not None and waiting.hash == transaction.hash:
            reason = "already known" if is_geth else "transaction already imported"
        elif transaction.nonce < (nonce := state.nonces.get(transaction.sender, 0)):
            reason = f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}"
        elif transaction.priority_fee > fee:
            reason = "max priority fee per gas higher than max fee per gas"
        elif transaction.gas > _GAS_LIMIT:
            reason = "exceeds block gas limit"
        elif transaction.gas < transaction.intrinsic_gas:
            reason = "intrinsic gas too low"
        elif not is_geth and fee < self._base_fee():
            reason = "max fee per gas less than block base fee"
        elif state.balances.get(transaction.sender, 0) < transaction.gas * fee:
            reason = "insufficient funds for gas * price + value"
        elif waiting is not None and not self._may_replace(waiting, transaction):
            reason = "replacement transaction underpriced"
        if reason is not None:
            raise _refusal(reason)

    def _may_replace(self, old: Transaction, new: Transaction) -> bool:
        if self.kind == "anvil":
            return new.max_fee > old.max_fee
        return all(
            after > before and after >= before * 110 // 100
            for before, after in (
                (old.max_fee, new.max_fee),
                (old.priority_fee, new.priority_fee),
            )
        )

    def _run(self, call: dict[str, str], block: Any) -> int:
        """Run a call on a block's state, keep nothing, and return the gas it takes."""
        assert block == "latest"
        to = Address(_bytes(call["to"])) if "to" in call else None
        sender, data = Address(_bytes(call["from"])), _bytes(call["data"])
        number, timestamp = self.head.number + 1, self.head.timestamp + 1
        try:
            return run_call(self.head.state.copy(), self._call(sender, to, data, number, timestamp))
        except Revert as revert:
            raise _refusal("execution reverted", code=_REVERTED, data=_hex(revert.data)) from None

    def _find_block(self, block: str) -> MemoryBlock | None:
        number = {"latest": self.head.number, "finalized": self.final_number}.get(block)
        if number is None:
            number = int(block, 16)
        return self.blocks[number] if number < len(self.blocks) else None

    def _state(self, block: str | dict[str, Any]) -> State:
        if isinstance(block, str):
            found = self._find_block(block)
        else:
            assert block["requireCanonical"]
            found = next(
                (each for each in reversed(self.blocks) if _hex(each.hash) == block["blockHash"]),
                None,
            )
        if found is None:
            raise _refusal("header not found")
        return found.state


# Every method that ``Node`` uses.
_ANSWERS = {
    "eth_chainId": "_answer_chain_id",
    "eth_getBlockByNumber": "_answer_block_by_number",
    "eth_getBlockByHash": "_answer_block_by_hash",
    "eth_getCode": "_answer_code",
    "eth_getStorageAt": "_answer_storage_at",
    "eth_getBalance": "_answer_balance",
    "eth_getTransactionCount": "_answer_transaction_count",
    "eth_maxPriorityFeePerGas": "_answer_max_priority_fee_per_gas",
    "eth_gasPrice": "_answer_gas_price",
    "eth_call": "_answer_call",
    "eth_estimateGas": "_answer_estimate_gas",
    "eth_sendRawTransaction": "_answer_send_raw_transaction",
    "eth_getTransactionReceipt": "_answer_transaction_receipt",
}


def _show_block(block: MemoryBlock) -> dict[str, Any]:
    hashes = [_hex(item.transaction.hash) for item in block.included]
    return block.header | {"hash": _hex(block.hash), "transactions": hashes}


def _show_calls(block: MemoryBlock) -> list[dict[str, Any]]:
    return [
        {
            "from": _hex(each.transaction.sender),
            "to": None if each.transaction.to is None else _hex(each.transaction.to),
            "nonce": hex(each.transaction.nonce),
            "input": _hex(each.transaction.data),
        }
        for each in block.included
    ]


def _show_receipt(block: MemoryBlock, item: Included) -> dict[str, str]:
    return {
        "transactionHash": _hex(item.transaction.hash),
        "blockHash": _hex(block.hash),
        "blockNumber": hex(block.number),
        "status": "0x1" if item.succeeded else "0x0",
        "gasUsed": hex(item.gas_used),
        "effectiveGasPrice": hex(_price(block.base_fee, item.transaction)),
    }


def _price(base_fee: int, transaction: Transaction) -> int:
    return min(transaction.max_fee, base_fee + transaction.priority_fee)


def _refusal(
    reason: str, *, code: int = _SERVER_ERROR, data: str | None = None
) -> NodeRefusedError:
    return NodeRefusedError(
        f"the memory chain refused: {reason}", code=code, reason=reason, data=data
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
