"""The registry's behaviour on storage slots, without an EVM, and what else a call may reach.

``contracts/AnchorRegistry.sol`` is the original: the same slots, words, order of checks and custom
errors.  ``succeed`` is not modelled.  What it takes in gas is made up, and enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode, encode

from anchor.base.errors import MismatchError
from anchor.base.types import Address, Anchor, ChainId, Hash32, LogId, log_owner
from anchor.ethereum.keccak import hash_keccak256
from anchor.log.merkle import verify_consistency
from anchor.registry.artifact import CREATE2_PROXY, load_artifact, registry_address, runtime_code
from anchor.registry.calldata import encode_deployment
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    decode_anchor,
    encode_anchor,
    head_slot,
    operator_id_slot,
    operator_key_slot,
    successor_slot,
)

REGISTRY = registry_address()
_ZERO = Hash32(bytes(32))


class Revert(Exception):
    """A call that reverts with ``data``."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(data.hex())
        self.data = data


@dataclass
class State:
    """Everything that calls can read and write."""

    nonces: dict[Address, int] = field(default_factory=dict)
    balances: dict[Address, int] = field(default_factory=dict)
    codes: dict[Address, bytes] = field(default_factory=dict)
    storage: dict[tuple[Address, Hash32], Hash32] = field(default_factory=dict)

    def copy(self) -> State:
        return State(dict(self.nonces), dict(self.balances), dict(self.codes), dict(self.storage))

    def read(self, slot: Hash32, address: Address = REGISTRY) -> Hash32:
        return self.storage.get((address, slot), _ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as a block runs it."""

    sender: Address
    to: Address | None
    data: bytes
    chain_id: ChainId
    block_number: int
    timestamp: int


def run_call(state: State, call: Call) -> int:
    """Run ``call`` on ``state`` and return the gas it takes beside the intrinsic.

    Raises:
        Revert: it reverts; ``state`` is as before.
    """
    if call.to == CREATE2_PROXY and CREATE2_PROXY in state.codes:
        if call.data != encode_deployment():
            raise NotImplementedError("another contract's deployment")
        if REGISTRY in state.codes:
            raise Revert
        state.codes[REGISTRY] = runtime_code(call.chain_id)
        return 2_500_000
    if call.to is None:
        raise NotImplementedError("a deployment without the CREATE2 proxy")
    if call.to not in state.codes:
        return 0  # an account without code takes anything
    if call.to != REGISTRY:
        raise NotImplementedError("a call to another contract")
    for name, function in (("anchor", _anchor), ("setOperator", _set_operator)):
        selector, types = _signature("function", name)
        if call.data[:4] == selector:
            return function(state, call, *decode(types, call.data[4:]))
    raise Revert  # the registry has no fallback


def _anchor(
    state: State, call: Call, log: LogId, root: Hash32, size: int, proof: tuple[Hash32, ...]
) -> int:
    operator_id = 0
    if call.sender != log_owner(log):
        operator_id = _number(state.read(operator_id_slot(log, call.sender)))
        if operator_id == 0:
            raise _error("NotAuthorised", log, call.sender)
    head = state.read(head_slot(log))
    if head == CLOSED_HEAD:
        raise _error("LogClosed", log, state.read(successor_slot(log)))
    if root in (_ZERO, CLOSED_HEAD):
        raise _error("InvalidRoot", root)
    if decode_anchor(state.read(anchor_slot(log, root))) is not None:
        raise _error("AlreadyAnchored", log, root)
    before = decode_anchor(state.read(anchor_slot(log, head)))
    old_size = before.size if before else 0
    if size <= old_size or size >= 2**48:
        raise _error("InvalidSize", size, old_size)
    if before is None:
        if proof:
            raise _error("UnexpectedProof", log, len(proof))
    else:
        try:
            verify_consistency(
                old_size=old_size, old_root=head, new_size=size, new_root=root, proof=proof
            )
        except MismatchError:
            raise _error("InvalidConsistencyProof", old_size, head, size, root) from None
    stored = Anchor(
        size=size,
        sequence=(before.sequence if before else 0) + 1,
        block_number=call.block_number,
        timestamp=call.timestamp,
        operator_id=operator_id,
    )
    state.storage[REGISTRY, anchor_slot(log, root)] = Hash32(encode_anchor(stored))
    state.storage[REGISTRY, head_slot(log)] = root
    return 60_000 + 3_000 * len(proof)


def _set_operator(state: State, call: Call, log: LogId, key: str, operator_id: int) -> int:
    address = Address(bytes.fromhex(key[2:]))
    if call.sender != log_owner(log):
        raise _error("NotOwner", log, call.sender)
    if state.read(head_slot(log)) == CLOSED_HEAD:
        raise _error("LogClosed", log, state.read(successor_slot(log)))
    if address in (bytes(20), call.sender):
        raise _error("InvalidOperatorKey", log, address)
    if _number(state.read(operator_id_slot(log, address))) == operator_id:
        raise _error("OperatorUnchanged", log, address, operator_id)
    if operator_id:
        holder = Address(state.read(operator_key_slot(log, operator_id))[12:])
        if holder not in (bytes(20), address):
            raise _error("OperatorIdTaken", log, operator_id, holder)
        state.storage[REGISTRY, operator_key_slot(log, operator_id)] = Hash32(bytes(12) + address)
    word = Hash32(operator_id.to_bytes(32, "big"))
    state.storage[REGISTRY, operator_id_slot(log, address)] = word
    return 60_000


def _error(name: str, *operands: Any) -> Revert:
    selector, types = _signature("error", name)
    return Revert(selector + encode(types, operands))


def _signature(kind: str, name: str) -> tuple[bytes, list[str]]:
    item = next(
        item for item in load_artifact().abi if item["type"] == kind and item["name"] == name
    )
    types = [operand["type"] for operand in item["inputs"]]
    return hash_keccak256(f"{name}({','.join(types)})".encode())[:4], types


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")
