"""Typed, strictly decoded reads and sends over one node (Ethereum execution APIs).

web3 validates little; this module decides which answers are valid and which are faults.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from anchor.base.errors import (
    CannotCheckError,
    MalformedError,
    MismatchError,
    NodeFaultError,
    NodeRefusedError,
    NotTrustedError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Address, Block, ChainId, Hash32
from anchor.chain.get_proof import FetchedProof, decode_proof, encode_block_header
from anchor.ethereum.header import encode_header, parse_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.verification.policy import FinalityRule

BlockId = str | int | Hash32
"""A tag (``latest``, ``finalized``, …), a number, or a block hash (EIP-1898)."""

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")
# EIP-2681 allows 2^64 - 2; no account has sent 2^48, and the store keeps 63 bits.
_MAX_NONCE = 2**48
# No chain allows one transaction more; mainnet's own cap is 2^24 (EIP-7825).
_MAX_GAS = 2**32
# The registry's packed anchor keeps 48 bits for each.
_MAX_BLOCK = _MAX_TIME = 2**48 - 1
_DATA = re.compile(r"0x([0-9a-f]{2})*")
# "Unknown block" in the execution APIs (EIP-1474 and geth): a node's answer to a tag it lacks.
_UNKNOWN_BLOCK_CODES = (-39001, -32001, -32602, -32000)
_NO_SUCH_METHOD = -32601
# A log is closed once, so at most one event is genuine; a node that returns more is wrong.
_MAX_EVENTS = 16
# JSON-RPC's code for an unknown method, and EIP-1474's for one that a node does not support.
_MISSING_METHOD_CODES = (_NO_SUCH_METHOD, -32004)
# Answers to a block hash from nodes that accept numbers only: JSON-RPC's invalid params and
# invalid request, and ganache's parse error.  A state that was pruned has other codes.
_BAD_PARAMETER_CODES = (-32602, -32600, -32700)
# The number of blocks for ``eth_feeHistory``, and the percentile: half of the gas paid less.
_TIP_BLOCKS, _TIP_PERCENTILE = 10, 50

# A block's members by the execution APIs; chains that add members may hash them in another way.
_BLOCK_MEMBERS = frozenset((
    "number", "hash", "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot",
    "receiptsRoot", "logsBloom", "difficulty", "totalDifficulty", "gasLimit", "gasUsed",
    "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot",
    "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash", "size",
    "transactions", "uncles", "withdrawals",
))  # fmt: skip

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedBlock:
    """A block with its base fee and gas limit; ``base_fee`` None: before EIP-1559.

    ``is_proven``: the figures come from a header that hashes to the block's hash.  Otherwise they
    are only the node's claim, about a kind of block that this release does not know.
    """

    number: int
    hash: Hash32
    timestamp: int
    base_fee: int | None
    gas_limit: int | None
    is_proven: bool = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReceipt:
    """The inclusion of a transaction in a block; ``succeeded`` is its status.

    ``gas_price`` is the price paid per gas in wei; None if the node omits it.  ``l1_fee`` is the
    rollup's charge for the data on its parent chain, in wei; None if the receipt has none.
    """

    tx_hash: Hash32
    block_hash: Hash32
    block_number: int
    succeeded: bool
    gas_used: int
    gas_price: int | None
    l1_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCall:
    """A transaction of a block that calls a contract: its sender, nonce and call data."""

    sender: Address
    nonce: int
    data: bytes


class RpcTransport(Protocol):
    """A connection to one node: ``json_rpc.Rpc``, or an adapter to a chain in this process."""

    @property
    def name(self) -> str:
        """Return the node's location without secrets, for display."""

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Send one request and return its ``result``; all failures are ``CannotCheckError``s."""

    def close(self) -> None:
        """Close the connections."""


class Node:
    """A client for one node, with decoded answers; ``needed`` is how many nodes have to agree.

    ``takes_hashes`` is False once the node accepted a block by its number only (EIP-1898).
    """

    needed = 1

    def __init__(self, rpc: RpcTransport) -> None:
        self.rpc = rpc
        self._header: tuple[Hash32, bytes] | None = None
        # The two blocks that were read last: usually `finalized`, then `latest`.
        self._read: deque[dict[str, Any]] = deque(maxlen=2)
        self.takes_hashes = True
        self.newest: int | None = None
        """The number of the newest block, as the node said last."""

    def close(self) -> None:
        """Close the connections to the node."""
        self.rpc.close()

    @property
    def name(self) -> str:
        """Return the node's URL without secrets, for display."""
        return self.rpc.name

    def select_primary(self) -> None:
        """Choose the node to read from for the next decision; a single node has no choice."""

    def forget_final(self) -> None:
        """Forget which block was final, to continue after a final block was replaced."""

    def read_with_quorum(self, read: Callable[[Node], Answer]) -> Answer:
        """Return the result of ``read``; where there are several nodes, enough have to agree."""
        return read(self)

    def ask_all(self, read: Callable[[Node], Answer]) -> list[Answer]:
        """Return the results of ``read`` at all nodes; a single node gives one."""
        return [read(self)]

    def ask_each(self, read: Callable[[Node], Answer]) -> list[Answer]:
        """Return the results of ``read`` at all nodes of the pinned chain that answer.

        Unlike ``read_with_quorum`` it is for values in which honest nodes may differ: the caller
        compares them.  A single node gives one result.
        """
        return [read(self)]

    def fetch_chain_id(self) -> ChainId:
        """Return ``eth_chainId``."""
        return ChainId(self._quantity("eth_chainId"))

    def fetch_block(self, block: BlockId) -> Block | None:
        """Return a block's number, hash and time; None if the node does not know it."""
        members = self._block_members(block)
        return None if members is None else self._parse_block(members, block)

    def _parse_block(self, members: dict[str, Any], block: BlockId) -> Block:
        parsed = Block(
            number=_decode_quantity(members.get("number"), self._label(Message("block-number"))),
            hash=self._hash(members.get("hash"), Message("block-hash")),
            timestamp=_decode_quantity(
                members.get("timestamp"), self._label(Message("block-timestamp"))
            ),
        )
        if parsed.number > _MAX_BLOCK or parsed.timestamp > _MAX_TIME:
            raise NodeFaultError(
                Message(
                    "node-block-impossible",
                    name=self.name,
                    number=parsed.number,
                    time=parsed.timestamp,
                )
            )
        if (isinstance(block, int) and parsed.number != block) or (
            isinstance(block, bytes) and parsed.hash != block
        ):
            raise NodeFaultError(Message("node-returned-other-block", name=self.name))
        if block == "latest":
            self.newest = parsed.number
        return parsed

    def fetch_latest(self) -> Block:
        """Return the newest block."""
        return self.known(self.fetch_block("latest"), Message("block-latest"))

    def known(self, answer: Answer | None, which: Message) -> Answer:
        """Return ``answer``, which is about the block called ``which``, unless it is None."""
        if answer is None:
            raise NodeFaultError(Message("node-has-no-block", name=self.name, block=which))
        return answer

    def fetch_final_block(self, rule: FinalityRule) -> Block:
        """Return the newest block that is final by ``rule``.

        Raises:
            CannotCheckError: The node knows no ``finalized`` tag, has no final block yet, or calls
                its newest block final.
        """
        if rule != "finalized":
            latest = self.known(self._fetch_proven("latest"), Message("block-latest"))
            number = max(latest.number - rule, 0)
            return (
                latest
                if rule == 0
                else self.known(
                    self._fetch_proven(number), Message("block-by-number", number=number)
                )
            )
        try:
            block = self._fetch_proven("finalized")
        except NodeRefusedError as error:
            if error.code not in _UNKNOWN_BLOCK_CODES:
                raise
            block = None
        if block is None:
            raise CannotCheckError(
                Message("node-final-block-unknown", name=self.name),
                hint=Message("node-final-block-unknown-hint"),
            )
        # `latest` is read second, so it is above `finalized` unless the node calls its head final.
        latest = self.fetch_latest()
        if block.number >= latest.number > 0:
            raise CannotCheckError(
                Message("node-finalized-tag-meaningless", name=self.name),
                hint=Message("node-finalized-tag-meaningless-hint"),
            )
        return block

    def _fetch_proven(self, block: BlockId) -> Block | None:
        """Return a block as ``fetch_block`` does, unless its header has another hash."""
        members = self._block_members(block)
        if members is None:
            return None
        parsed = self._parse_block(members, block)
        self._is_header_proven(members, parsed)
        return parsed

    def is_syncing(self) -> bool:
        """Return whether the node is still syncing, and so knows only an old state."""
        try:
            answer = self.rpc.call("eth_syncing")
        except NodeRefusedError as error:
            if error.code in _MISSING_METHOD_CODES:
                return False  # some providers answer for many nodes and lack the method
            raise
        if not isinstance(answer, (bool, dict)):
            raise NodeFaultError(Message("node-syncing-answer-malformed", name=self.name))
        return answer is not False

    def fetch_base_fee(self) -> int | None:
        """Return the latest block's base fee in wei; None on chains without EIP-1559."""
        members = self.known(self._block_members("latest"), Message("block-latest"))
        return self._optional_quantity(members, "baseFeePerGas", Message("block-base-fee"))

    def fetch_priced_block(self, block: BlockId) -> PricedBlock | None:
        """Return a block with its base fee and gas limit; None if the node does not know it."""
        members = self._block_members(block)
        if members is None:
            return None
        parsed = self._parse_block(members, block)
        return PricedBlock(
            number=parsed.number,
            hash=parsed.hash,
            timestamp=parsed.timestamp,
            base_fee=self._optional_quantity(members, "baseFeePerGas", Message("block-base-fee")),
            gas_limit=self._optional_quantity(members, "gasLimit", Message("block-gas-limit")),
            is_proven=self._is_header_proven(members, parsed),
        )

    def fetch_transaction_hashes(self, number: int) -> tuple[Hash32, ...]:
        """Return the hashes of a block's transactions."""
        members = self.known(self._block_members(number), Message("block-by-number", number=number))
        self._parse_block(members, number)
        hashes = members.get("transactions")
        if not isinstance(hashes, list):
            raise NodeFaultError(Message("node-block-without-transactions", name=self.name))
        return tuple(self._hash(each, Message("block-transaction")) for each in hashes)

    def fetch_calls(self, number: int, to: Address) -> tuple[BlockCall, ...]:
        """Return a block's transactions to the address ``to``, in the block's order."""
        answer = self.rpc.call("eth_getBlockByNumber", [hex(number), True])
        entries = answer.get("transactions") if isinstance(answer, dict) else None
        if not isinstance(entries, list):
            raise NodeFaultError(
                Message("node-has-no-block-transactions", name=self.name, number=number)
            )
        receiver = _hex(to)
        try:
            return tuple(
                BlockCall(
                    sender=Address(_decode_data(entry["from"], Message("tx-sender"))),
                    nonce=_decode_quantity(entry["nonce"], Message("tx-nonce")),
                    data=_decode_data(entry["input"], Message("tx-data")),
                )
                for entry in entries
                if str(entry["to"]).lower() == receiver
            )
        except (KeyError, TypeError) as error:
            raise NodeFaultError(
                Message("node-tx-malformed", name=self.name, number=number)
            ) from error

    def _is_header_proven(self, members: dict[str, Any], block: Block) -> bool:
        """Return whether a block's members encode to its hash; False for unknown kinds of block."""
        try:
            encoded = encode_header(members)
        except (MalformedError, UnknownVersionError):
            return False  # no known fork has these members
        if hash_keccak256(encoded) == block.hash:
            return True
        if members.keys() <= _BLOCK_MEMBERS:
            raise NodeFaultError(
                Message("node-block-hash-differs", name=self.name, number=block.number),
                hint=Message("node-retry-hint"),
            )
        return False  # another kind of chain, with header items of its own

    def fetch_code(self, address: Address, block: BlockId) -> bytes:
        """Return the code at ``address``; empty if the account has no code."""
        code = self._at(block, "eth_getCode", _hex(address))
        return _decode_data(code, self._label_result("eth_getCode"))

    def fetch_code_hash(self, address: Address, block: BlockId) -> Hash32:
        """Return the Keccak-256 of the code at ``address``, also of empty code."""
        return hash_keccak256(self.fetch_code(address, block))

    def fetch_storage(self, address: Address, slot: Hash32, block: BlockId) -> Hash32:
        """Return the 32 bytes in ``slot``.

        The execution APIs require all 32; ganache omits the leading zero bytes.
        """
        answer = self._at(block, "eth_getStorageAt", _hex(address), _hex(slot))
        word = _decode_data(answer, self._label_result("eth_getStorageAt"))
        if len(word) > 32 or (len(word) < 32 and word[:1] == b"\x00"):
            raise NodeFaultError(
                Message("node-storage-word-length", name=self.name, size=len(word))
            )
        return Hash32(word.rjust(32, b"\x00"))

    def fetch_event_data(
        self, address: Address, topics: Sequence[Hash32], *, since: int, until: int
    ) -> list[bytes]:
        """Return the data of the events with these topics in a range of blocks.

        Events are hints only, because nodes may have dropped them: no result depends on them.
        """
        query = {
            "address": _hex(address),
            "topics": [_hex(topic) for topic in topics],
            "fromBlock": hex(since),
            "toBlock": hex(until),
        }
        events = self.rpc.call("eth_getLogs", [query])
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise NodeFaultError(Message("node-events-malformed", name=self.name))
        label = self._label(Message("event-data"))
        return [_decode_data(event.get("data"), label) for event in events[:_MAX_EVENTS]]

    def fetch_header(self, block_hash: Hash32) -> bytes:
        """Return the RLP of a block's header, which hashes to ``block_hash``.

        Raises:
            UnknownVersionError: The encoded header has another hash, or is too long for a receipt.
        """
        if self._header is None or self._header[0] != block_hash:
            name = _hex(block_hash)
            known = (members for members in tuple(self._read) if members.get("hash") == name)
            members = next(known, None) or self._block_members(block_hash)
            header = encode_block_header(members, block_hash=block_hash, name=self.name)
            self._header = block_hash, header
        return self._header[1]

    def fetch_state_proof(
        self,
        registry: Address,
        slots: Sequence[Hash32],
        block_hash: Hash32,
        check: Callable[[FetchedProof], Answer],
    ) -> Answer:
        """Fetch the state proof of storage slots as of a block; return the result of ``check``."""
        header = self.fetch_header(block_hash)
        number = parse_header(header).number
        named = [_hex(slot) for slot in slots]
        answer = self._at(block_hash, "eth_getProof", _hex(registry), named, number=number)
        proof = decode_proof(answer, header=header, count=len(slots), name=self.name)
        try:
            return check(proof)
        except (MalformedError, MismatchError, NotTrustedError) as error:
            # ``check`` rejected it: the proof does not lead from the block's hash to the slots.
            raise NodeFaultError(
                Message("node-state-proof-invalid", name=self.name, reason=error.message)
            ) from error

    def fetch_balance(self, address: Address) -> int:
        """Return the balance in wei at the latest block."""
        return self._quantity("eth_getBalance", _hex(address), "latest")

    def fetch_nonce(self, address: Address, block: BlockId) -> int:
        """Return how many transactions ``address`` has sent up to ``block``."""
        answer = self._at(block, "eth_getTransactionCount", _hex(address))
        nonce = _decode_quantity(answer, self._label_result("eth_getTransactionCount"))
        if nonce > _MAX_NONCE:
            raise NodeFaultError(Message("node-nonce-impossible", name=self.name, count=nonce))
        return nonce

    def fetch_priority_fee(self, base_fee: int) -> int:
        """Return the node's suggested tip in wei per gas.

        If the node lacks that method, return the median tip of the last blocks, or, if they show no
        tip, the suggested gas price less ``base_fee``, which is the newest block's.
        """
        try:
            return self._quantity("eth_maxPriorityFeePerGas")
        except NodeRefusedError as error:
            if error.code not in _MISSING_METHOD_CODES:
                raise
        return self._fetch_paid_tip() or max(self.fetch_gas_price() - base_fee, 0)

    def fetch_gas_price(self) -> int:
        """Return the node's suggested gas price in wei (chains without EIP-1559)."""
        return self._quantity("eth_gasPrice")

    def call(
        self, *, sender: Address, to: Address | None, data: bytes, gas: int | None = None
    ) -> bytes:
        """Run a call on the latest block; a revert raises ``NodeRefusedError`` with its data.

        With ``to`` None, ``data`` is run as the creation of a contract; ``gas`` is the gas limit.
        """
        call = _encode_call(sender, to, data)
        limited = call if gas is None else call | {"gas": hex(gas)}
        return _decode_data(
            self.rpc.call("eth_call", [limited, "latest"]), self._label_result("eth_call")
        )

    def estimate_gas(self, *, sender: Address, to: Address | None, data: bytes) -> int:
        """Return the gas the call would take on the latest block; a revert raises as in ``call``.

        The block is named because some nodes default to ``pending``, which already contains the
        effects of our unmined transaction.
        """
        gas = self._quantity("eth_estimateGas", _encode_call(sender, to, data), "latest")
        if gas > _MAX_GAS:
            raise NodeFaultError(
                Message(
                    "node-gas-estimate-impossible",
                    label=self._label_result("eth_estimateGas"),
                    gas=gas,
                )
            )
        return gas

    def send_raw_transaction(self, raw: bytes) -> None:
        """Send a signed transaction to the node.

        The hash that the node returns is compared with our own, not trusted.
        """
        answer = self._hash(
            self.rpc.call("eth_sendRawTransaction", [_hex(raw)]), Message("tx-hash")
        )
        if answer != hash_keccak256(raw):
            raise NodeFaultError(Message("node-tx-hash-differs", name=self.name))

    def fetch_receipt(self, tx_hash: Hash32) -> TransactionReceipt | None:
        """Return the transaction's receipt; None if the node knows of no inclusion."""
        members = self.rpc.call("eth_getTransactionReceipt", [_hex(tx_hash)])
        if members is None:
            return None
        if not isinstance(members, dict):
            raise NodeFaultError(Message("node-tx-receipt-malformed", name=self.name))
        if self._hash(members.get("transactionHash"), Message("tx-receipt-hash")) != tx_hash:
            raise NodeFaultError(Message("node-tx-receipt-of-other", name=self.name))
        status = _decode_quantity(members.get("status"), self._label(Message("tx-receipt-status")))
        if status not in (0, 1):
            raise NodeFaultError(
                Message("node-tx-receipt-status-unknown", name=self.name, status=status)
            )
        gas_used = _decode_quantity(members.get("gasUsed"), self._label(Message("tx-receipt-gas")))
        if gas_used > _MAX_GAS:
            raise NodeFaultError(
                Message("node-tx-receipt-gas-impossible", name=self.name, gas=gas_used)
            )
        return TransactionReceipt(
            tx_hash=tx_hash,
            block_hash=self._hash(members.get("blockHash"), Message("tx-receipt-block-hash")),
            block_number=_decode_quantity(
                members.get("blockNumber"), self._label(Message("tx-receipt-block"))
            ),
            succeeded=status == 1,
            gas_used=gas_used,
            # Nodes from before London may omit it.
            gas_price=self._optional_quantity(
                members, "effectiveGasPrice", Message("tx-receipt-gas-price")
            ),
            # OP-type chains (op-geth core/types/receipt.go).
            l1_fee=self._optional_quantity(members, "l1Fee", Message("tx-receipt-l1-fee")),
        )

    def _at(self, block: BlockId, method: str, *params: Any, number: int | None = None) -> Any:
        """Send a request about a block, by number if the node accepts no hashes (EIP-1898).

        A reorganisation may give the number to another block, so the block's hash is compared
        before and after the request.
        """
        if not isinstance(block, bytes):
            return self.rpc.call(method, [*params, _block_param(block)])
        if self.takes_hashes:
            try:
                return self.rpc.call(method, [*params, _block_param(block)])
            except NodeRefusedError as error:
                # Nodes refuse proofs by hash with many codes: if the number is known, it is tried.
                is_tried = number is not None and error.code not in _MISSING_METHOD_CODES
                is_about_hash = error.code in _BAD_PARAMETER_CODES
                if not is_tried and not is_about_hash:
                    raise
        if number is None:
            number = self.known(
                self.fetch_block(block), Message("block-by-hash", hash=block.hex())
            ).number
            self.takes_hashes = False  # requests by number work in any case
        self._check_number(number, block)
        answer = self.rpc.call(method, [*params, hex(number)])
        self._check_number(number, block)
        return answer

    def _fetch_paid_tip(self) -> int:
        """Return the median tip in the last blocks, in wei per gas; 0 if none is known."""
        label = self._label_result("eth_feeHistory")
        try:
            answer = self.rpc.call(
                "eth_feeHistory", [hex(_TIP_BLOCKS), "latest", [_TIP_PERCENTILE]]
            )
        except NodeRefusedError:
            return 0  # EthereumJS refuses it on a chain of few blocks
        rewards = answer.get("reward") if isinstance(answer, dict) else None
        if not isinstance(rewards, list):
            raise NodeFaultError(Message("node-fee-history-without-rewards", name=self.name))
        tips: list[int] = []
        for each in rewards:
            if not isinstance(each, list) or len(each) != 1:
                raise NodeFaultError(Message("node-fee-history-malformed", name=self.name))
            tips.append(_decode_quantity(each[0], label))
        paid = sorted(tip for tip in tips if tip)  # the tip of a block without transactions is 0
        return paid[len(paid) // 2] if paid else 0

    def _check_number(self, number: int, block_hash: Hash32) -> None:
        if (
            self.known(self.fetch_block(number), Message("block-by-number", number=number)).hash
            != block_hash
        ):
            raise NodeFaultError(Message("node-block-replaced", name=self.name, number=number))

    def _block_members(self, block: BlockId) -> dict[str, Any] | None:
        if isinstance(block, bytes):
            members = self.rpc.call("eth_getBlockByHash", [_hex(block), False])
        else:
            members = self.rpc.call("eth_getBlockByNumber", [_block_param(block), False])
        if members is not None and not isinstance(members, dict):
            raise NodeFaultError(Message("node-block-malformed", name=self.name))
        if members is not None:
            self._read.append(members)
        return members

    def _quantity(self, method: str, *params: Any) -> int:
        return _decode_quantity(self.rpc.call(method, params), self._label_result(method))

    def _optional_quantity(self, members: dict[str, Any], name: str, part: Message) -> int | None:
        value = members.get(name)
        return None if value is None else _decode_quantity(value, self._label(part))

    def _hash(self, value: object, part: Message) -> Hash32:
        data = _decode_data(value, self._label(part))
        if len(data) != 32:
            raise NodeFaultError(Message("node-value-not-hash", label=self._label(part)))
        return Hash32(data)

    def _label(self, part: Message) -> Message:
        return Message("node-part", name=self.name, part=part)

    def _label_result(self, method: str) -> Message:
        return Message("node-method-result", name=self.name, method=method)


def _encode_call(sender: Address, to: Address | None, data: bytes) -> dict[str, str]:
    call = {"from": _hex(sender), "data": _hex(data)}
    return call if to is None else call | {"to": _hex(to)}


def _decode_quantity(value: object, label: Message) -> int:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise NodeFaultError(Message("node-value-not-quantity", label=label))
    return int(value, 16)


def _decode_data(value: object, label: Message) -> bytes:
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise NodeFaultError(Message("node-value-not-data", label=label))
    return bytes.fromhex(value[2:])


def _block_param(block: BlockId) -> str | dict[str, Any]:
    if isinstance(block, bytes):
        return {"blockHash": _hex(block), "requireCanonical": True}
    return hex(block) if isinstance(block, int) else block


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
