"""Checks before sealing, signing or promising: chain, registry, log and key.

Each check raises if going on could do harm.  One node's answer is compared with the others'
before a conclusion is drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from anchor.base.errors import (
    CannotCheckError,
    ChainGuardError,
    ContradictedError,
    NodeFaultError,
    QuorumError,
    SignerError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Address, Block, ChainId, Hash32, Head, log_owner
from anchor.chain.node import Node
from anchor.chain.node_agreement import said_by_enough
from anchor.chain.registry_reader import NewestRoot, RegistryReader
from anchor.ethereum.keccak import EMPTY_CODE_HASH, format_address
from anchor.operate.contradiction import is_refuted, place_of
from anchor.operate.incident_handling import (
    check_incidents,
    check_no_incident,
    fetch_final,
    note_contradictions,
)
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store.heads import find_head, newest_final_anchor, newest_head

# Prefix of an account's code that delegates to a contract (EIP-7702).
_DELEGATION = bytes.fromhex("ef0100")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """The log's head on chain, and the newest sealed head."""

    head_on_chain: Head | None
    newest: Head | None


def check_chain(config: Config, node: Node) -> None:
    """Choose the node to read from now on, and compare its chain with the pins.

    Raises:
        CannotCheckError: No node can be read, or one is on another chain than enough others.
    """
    node.select_primary()
    chain_id, genesis = _fetch_pins(node)
    if chain_id != config.chain_id or (genesis is not None and genesis.hash != config.genesis):
        check_shared(node, _fetch_pins, (chain_id, genesis), Message("chain-subject"))
    if chain_id != config.chain_id:
        raise ChainGuardError(
            Message(
                "node-chain-differs", name=node.name, actual=chain_id, expected=config.chain_id
            ),
            hint=Message("node-chain-differs-hint"),
        )
    if genesis is None:
        raise NodeFaultError(
            Message("node-genesis-missing", name=node.name),
            hint=Message("node-genesis-missing-hint"),
        )
    if genesis.hash != config.genesis:
        raise ChainGuardError(
            Message("node-genesis-differs", name=node.name),
            hint=Message("node-genesis-differs-hint"),
        )


def _fetch_pins(node: Node) -> tuple[ChainId, Block | None]:
    return node.fetch_chain_id(), node.fetch_block(0)


def is_deployed(config: Config, node: Node) -> bool:
    """Return whether this release's registry is deployed at its address; False if no code is."""
    read = partial(Node.fetch_code_hash, address=config.registry, block="latest")
    code_hash = said_by_enough(node.ask_each(read), node.needed)
    if code_hash is None:
        raise QuorumError(
            Message("node-code-disagreement", address=format_address(config.registry)),
            hint=Message("node-side-wrong-hint"),
        )
    if code_hash == config.code_hash:
        return True
    if code_hash == EMPTY_CODE_HASH:
        return False
    raise _foreign_code(config, code_hash)


def check_shared(
    node: Node, read: Callable[[Node], object], answer: object, topic: Message
) -> None:
    """Check that enough nodes give the same answer as one, before a conclusion is drawn from it."""
    if node.needed == 1:
        return
    count = node.ask_all(read).count(answer)
    if count < node.needed:
        raise QuorumError(
            Message(
                "node-answer-unshared", name=node.name, topic=topic, count=count, needed=node.needed
            ),
            hint=Message("node-side-wrong-hint"),
        )


def _foreign_code(config: Config, code_hash: Hash32) -> ChainGuardError:
    return ChainGuardError(
        Message(
            "registry-code-foreign",
            address=format_address(config.registry),
            actual=code_hash.hex(),
            expected=config.code_hash.hex(),
        ),
        hint=Message("registry-code-foreign-hint"),
    )


def check_registry(config: Config, node: Node) -> None:
    """Check that our registry is deployed where this project expects it."""
    if not is_deployed(config, node):
        raise ChainGuardError(
            Message(
                "registry-missing", address=format_address(config.registry), chain=config.chain_id
            ),
            hint=Message("registry-not-deployed-hint"),
        )


def read_chain_state(project: OpenProject, node: Node) -> ChainState:
    """Return the head in the registry and the newest sealed one."""
    config = project.config
    read = partial(RegistryReader(config.registry, config.log).newest_root, block="latest")
    stored = read(node)
    with project.database.read() as connection:
        sealed = newest_head(connection)
        on_chain = None if stored.root is None else find_head(connection, stored.root)
        final = newest_final_anchor(connection, config.chain_id)
    if is_refuted(stored, on_chain):
        check_shared(node, read, stored, Message("registry-log-head"))
        raise _contradicted(stored)
    if final is not None and (on_chain is None or on_chain.size < final.head.size):
        size = 0 if on_chain is None else on_chain.size
        raise NodeFaultError(
            Message("node-head-behind-final", name=node.name, actual=size, final=final.head.size),
            hint=Message("node-lagging-hint"),
        )
    return ChainState(head_on_chain=on_chain, newest=sealed.head if sealed else None)


def _contradicted(stored: NewestRoot) -> ContradictedError:
    if stored.is_closed or stored.root is None:
        return ContradictedError(Message("log-closed"), hint=Message("log-closed-hint"))
    return ContradictedError(
        Message("registry-head-not-in-store", root=stored.root.hex()),
        hint=Message("registry-head-not-in-store-hint"),
    )


def check_standing(project: OpenProject, node: Node) -> ChainState:
    """Check chain, registry and head before the log grows or a promise is given; return heads."""
    check_chain_and_incidents(project, node)
    check_registry(project.config, node)
    check_final_anchors(project, node)
    return read_chain_state(project, node)


def check_chain_and_incidents(project: OpenProject, node: Node) -> None:
    """Check the chain, then the incidents; an open incident takes precedence over an outage."""
    try:
        check_chain(project.config, node)
    except CannotCheckError:
        check_no_incident(project)
        raise
    check_incidents(project, node)


def check_final_anchors(project: OpenProject, node: Node) -> None:
    """Compare the newest final anchor with the newest block, then if needed with a final one."""
    config = project.config
    anchored = project.read(newest_final_anchor)
    if anchored is None:
        return
    stored = RegistryReader(config.registry, config.log).anchor(node, anchored.head.root, "latest")
    if stored is not None and place_of(stored) == place_of(anchored):
        return
    note_contradictions(project, node, fetch_final(project, node))
    check_no_incident(project)
    raise CannotCheckError(
        Message(
            "node-final-anchor-missing",
            name=node.name,
            sequence=anchored.sequence,
            block=anchored.block_number,
        ),
        hint=Message("node-lagging-hint"),
    )


def check_sender(node: Node, key: Address) -> None:
    """Check that only ``key`` can use nonces of its account.

    Raises:
        ChainGuardError: The account has code, or delegates to a contract (EIP-7702).
    """
    code = node.fetch_code(key, "latest")
    if not code:
        return
    read = partial(Node.fetch_code, address=key, block="latest")
    check_shared(node, read, code, Message("account-code-named", address=format_address(key)))
    kind = Message("account-code")
    if code.startswith(_DELEGATION):
        other = Address(code[len(_DELEGATION) :])
        kind = Message("account-delegation", address=format_address(other))
    raise ChainGuardError(
        Message("account-has-code", address=format_address(key), kind=kind),
        hint=Message("account-has-code-hint"),
    )


def check_authority(config: Config, node: Node, key: Address) -> int:
    """Check that ``key`` may anchor in the log; return its operator id, 0 for the owner."""
    if key == log_owner(config.log):
        return 0
    registry = RegistryReader(config.registry, config.log)
    read = partial(registry.operator_id, key=key, block="latest")
    operator_id = read(node)
    if operator_id == 0:
        check_shared(
            node, read, operator_id, Message("key-authority-named", address=format_address(key))
        )
        raise SignerError(
            Message("signer-not-authorised", address=format_address(key)),
            hint=Message("signer-not-authorised-hint", address=format_address(key)),
        )
    return operator_id


def check_code_at(config: Config, node: Node, final: Block) -> None:
    """Check the registry's code in the final block, which may be older than its deployment."""
    code_hash = node.read_with_quorum(lambda one: one.fetch_code_hash(config.registry, final.hash))
    if code_hash not in (config.code_hash, EMPTY_CODE_HASH):
        raise _foreign_code(config, code_hash)
