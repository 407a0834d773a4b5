"""Events of the registry about a log's operators: hints at ids, and since when a key may anchor.

Nodes may have dropped events (EIP-4444), or refuse to search many blocks for them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from anchor.base.errors import CannotCheckError, NodeFaultError, NodeUnreachableError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Block, LogId
from anchor.chain.node import Node
from anchor.ethereum.keccak import hash_keccak256
from anchor.project.config import Config

_SET_TOPIC = hash_keccak256(b"OperatorSet(bytes32,address,uint72)")
MAX_ID = 2**72 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorChange:
    """An ``OperatorSet`` event: from that block on, ``key`` has ``id``, or no id if that is 0."""

    block_number: int
    key: Address
    id: int


def fetch_changes(
    config: Config, log: LogId, node: Node, from_block: int, final: Block
) -> tuple[OperatorChange, ...] | None:
    """Return the changes up to block ``final`` that enough nodes agree on, or None."""
    try:
        return node.read_with_quorum(
            lambda one: _read_changes(config, log, one, from_block, final.number)
        )
    except NodeUnreachableError:
        raise
    except CannotCheckError:
        return None


def fetch_named_ids(config: Config, log: LogId, node: Node, from_block: int) -> set[int]:
    """Return the ids in events up to the newest block, by a single node: only a hint."""
    with suppress(CannotCheckError):
        changes = _read_changes(config, log, node, from_block, None)
        return {change.id for change in changes}
    return set()


def _read_changes(
    config: Config, log: LogId, node: Node, from_block: int, until: int | None
) -> tuple[OperatorChange, ...]:
    asked = {
        "address": "0x" + config.registry.hex(),
        "topics": ["0x" + _SET_TOPIC.hex(), "0x" + log.hex()],
        "fromBlock": hex(min(from_block, until if until is not None else from_block)),
        "toBlock": "latest" if until is None else hex(until),
    }
    entries = node.rpc.call("eth_getLogs", [asked])
    if not isinstance(entries, list):
        raise NodeFaultError(Message("node-events-not-list", name=node.name))
    changes = (_parse_change(entry, log, node) for entry in entries)
    return tuple(
        change for _, change in sorted(changes, key=lambda pair: (pair[1].block_number, pair[0]))
    )


def _parse_change(entry: Any, log: LogId, node: Node) -> tuple[int, OperatorChange]:
    """Return an event with its position in the block."""
    try:
        topic, of, key = (bytes.fromhex(word[2:]) for word in entry["topics"])
        change = OperatorChange(
            block_number=int(entry["blockNumber"], 16),
            key=Address(key[12:]),
            id=int(entry["data"], 16),
        )
        log_index = int(entry["logIndex"], 16)
    except (KeyError, TypeError, ValueError) as error:
        raise NodeFaultError(Message("node-event-malformed", name=node.name)) from error
    if (topic, of, len(key)) != (_SET_TOPIC, log, 32) or not 0 <= change.id <= MAX_ID:
        raise NodeFaultError(Message("node-event-of-other-log", name=node.name))
    if not 0 <= change.block_number < 2**48:
        raise NodeFaultError(Message("node-event-block-impossible", name=node.name))
    return log_index, change
