"""Checks before sealing, signing or promising: chain, registry, log and key.

Each check raises if going on could do harm.  One node's answer is compared with the others'
before a conclusion is drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from anchor.chain.node import Node
from anchor.chain.node_agreement import said_by_enough
from anchor.chain.registry_reader import NewestRoot, RegistryReader
from anchor.errors import (
    CannotCheckError,
    ChainGuardError,
    ContradictedError,
    NodeFaultError,
    QuorumError,
    SignerError,
)
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
from anchor.types import Address, Block, ChainId, Hash32, Head, log_owner

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
        ChainGuardError: The nodes are on another chain than the project.
    """
    node.select_primary()
    chain_id, genesis = _fetch_pins(node)
    if chain_id != config.chain_id or (genesis is not None and genesis.hash != config.genesis):
        check_shared(node, _fetch_pins, (chain_id, genesis), "the chain")
    if chain_id != config.chain_id:
        raise ChainGuardError(
            f"the node {node.name} is on chain {chain_id}, this project on chain {config.chain_id}",
            hint="point chain.rpc at a node of the project's chain; nothing was sent",
        )
    if genesis is None:
        raise NodeFaultError(
            f"the node {node.name} has no genesis block, which tells no chain from another",
            hint="wait, or name another node; nothing was sent",
        )
    if genesis.hash != config.genesis:
        raise ChainGuardError(
            f"the node {node.name} has another genesis block than this project pinned",
            hint="it is another chain with the same id (a restarted devnet, say); nothing was sent",
        )


def _fetch_pins(node: Node) -> tuple[ChainId, Block | None]:
    return node.fetch_chain_id(), node.fetch_block(0)


def is_deployed(config: Config, node: Node) -> bool:
    """Return whether this release's registry is deployed at its address; False if no code is.

    Raises:
        ChainGuardError: Other code is at that address.
        QuorumError: The nodes disagree about the code.
    """
    read = partial(Node.fetch_code_hash, address=config.registry, block="latest")
    code_hash = said_by_enough(node.ask_each(read), node.needed)
    if code_hash is None:
        raise QuorumError(
            f"the nodes disagree about the code at {format_address(config.registry)}",
            hint="one side lags, is wrong or on a fork; nothing was sent",
        )
    if code_hash == config.code_hash:
        return True
    if code_hash == EMPTY_CODE_HASH:
        return False
    raise _foreign_code(config, code_hash)


def check_shared(node: Node, read: Callable[[Node], object], answer: object, topic: str) -> None:
    """Check that enough nodes give the answer of one, before a conclusion is drawn from it.

    Raises:
        QuorumError: Too few nodes give it.
    """
    if node.needed == 1:
        return
    count = node.ask_all(read).count(answer)
    if count < node.needed:
        raise QuorumError(
            f"{node.name} shows {topic} otherwise than others: {count} of the nodes say the same, "
            f"and {node.needed} have to",
            hint="one side lags, is wrong or on a fork; nothing was sent",
        )


def _foreign_code(config: Config, code_hash: Hash32) -> ChainGuardError:
    return ChainGuardError(
        f"the code at {format_address(config.registry)} has hash 0x{code_hash.hex()}, not our "
        f"registry's 0x{config.code_hash.hex()}",
        hint="nothing was sent; check which chain and address this is",
    )


def check_registry(config: Config, node: Node) -> None:
    """Check that our registry is deployed where this project expects it.

    Raises:
        ChainGuardError: The address has no code, or code other than the registry's.
    """
    if not is_deployed(config, node):
        raise ChainGuardError(
            f"there is no registry at {format_address(config.registry)} on chain {config.chain_id}",
            hint="deploy it with `anchor deploy`",
        )


def read_chain_state(project: OpenProject, node: Node) -> ChainState:
    """Return the head in the registry and the newest sealed one.

    Raises:
        ContradictedError: The log is closed, or its head on chain is not one of this store.
    """
    config = project.config
    read = partial(RegistryReader(config.registry, config.log).newest_root, block="latest")
    stored = read(node)
    with project.database.read() as connection:
        sealed = newest_head(connection)
        on_chain = None if stored.root is None else find_head(connection, stored.root)
        final = newest_final_anchor(connection, config.chain_id)
    if is_refuted(stored, on_chain):
        check_shared(node, read, stored, "the log's head in the registry")
        raise _contradicted(stored)
    if final is not None and (on_chain is None or on_chain.size < final.head.size):
        size = 0 if on_chain is None else on_chain.size
        raise NodeFaultError(
            f"the node {node.name} shows a head of {size} leaves in the registry, and one of "
            f"{final.head.size} is final",
            hint="it lags behind, or its chain was rolled back: wait, or name another node",
        )
    return ChainState(head_on_chain=on_chain, newest=sealed.head if sealed else None)


def _contradicted(stored: NewestRoot) -> ContradictedError:
    if stored.is_closed or stored.root is None:
        return ContradictedError(
            "this log was closed with `succeed`", hint="go on in its successor's project"
        )
    return ContradictedError(
        f"the registry's head 0x{stored.root.hex()} is not in this store: the store is older than "
        "the chain, or another program anchors for this log",
        hint="rebuild the store with `anchor restore`; sealing on would fork the log, so "
        "nothing was sent",
    )


def check_standing(project: OpenProject, node: Node) -> ChainState:
    """Check chain, registry and head before the log grows or a promise is given; return the heads.

    Raises:
        ChainGuardError: The nodes are on another chain, the registry is not there, the store is
            older than the chain, or the chain contradicts a final anchor.
    """
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
        f"the node {node.name} does not show anchor {anchored.sequence}, which was final "
        f"in block {anchored.block_number}; what is final now does not tell",
        hint="it lags behind, or its chain was rolled back: wait, or name another node",
    )


def check_sender(node: Node, key: Address) -> None:
    """Check that only ``key`` can use nonces of its account.

    Raises:
        ChainGuardError: The account has code, or delegates to a contract (EIP-7702).
        QuorumError: One node reports that, and too few others agree.
    """
    code = node.fetch_code(key, "latest")
    if not code:
        return
    read = partial(Node.fetch_code, address=key, block="latest")
    check_shared(node, read, code, f"the code of the account {format_address(key)}")
    kind = "code"
    if code.startswith(_DELEGATION):
        kind = f"a delegation to {format_address(Address(code[len(_DELEGATION) :]))} (EIP-7702)"
    raise ChainGuardError(
        f"the account {format_address(key)} has {kind}: others could use its nonces",
        hint="withdraw the delegation, or give this log a key of its own; nothing was sent",
    )


def check_authority(config: Config, node: Node, key: Address) -> int:
    """Check that ``key`` may anchor in the log; return its operator id, 0 for the owner.

    Raises:
        SignerError: The key is neither the owner's nor an operator's.
        QuorumError: One node reports that, and too few others agree.
    """
    if key == log_owner(config.log):
        return 0
    registry = RegistryReader(config.registry, config.log)
    read = partial(registry.operator_id, key=key, block="latest")
    operator_id = read(node)
    if operator_id == 0:
        check_shared(node, read, operator_id, f"the authority of {format_address(key)}")
        raise SignerError(
            f"{format_address(key)} is neither this log's owner nor its operator",
            hint="use the owner's key, or let the owner run `anchor operator add "
            f"{format_address(key)}`",
        )
    return operator_id


def check_code_at(config: Config, node: Node, final: Block) -> None:
    """Check the registry's code in the final block, which may be older than its deployment."""
    code_hash = node.read_with_quorum(lambda one: one.fetch_code_hash(config.registry, final.hash))
    if code_hash not in (config.code_hash, EMPTY_CODE_HASH):
        raise _foreign_code(config, code_hash)
