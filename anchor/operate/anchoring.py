"""Anchoring: brings the registry's head up to the newest sealed head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from anchor.base.errors import CannotCheckError, ChainGuardError, ForeignUseError, NodeFaultError
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock, utc_now
from anchor.base.types import Head
from anchor.chain.call_simulation import Intent
from anchor.chain.node import BlockId, Node
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer import Signer
from anchor.chain.tx_manager import TransactionManager
from anchor.chain.tx_offer import FeeLimits
from anchor.chain.tx_settlement import Settlement
from anchor.chain.tx_state import Inclusion
from anchor.log import merkle
from anchor.operate.contradiction import place_of
from anchor.operate.own_transactions import find_own_nonces
from anchor.operate.preconditions import (
    ChainState,
    check_authority,
    check_final_anchors,
    check_sender,
    check_shared,
    read_chain_state,
)
from anchor.project.project import OpenProject
from anchor.registry.calldata import encode_anchor_call
from anchor.store.heads import (
    AnchoredHead,
    find_anchored,
    load_anchors,
    load_heads,
    reversible_anchor,
    save_anchor,
)
from anchor.store.sealing import open_tree
from anchor.store.tx_journal import StoredJournal

# Nonces that one call may sign for: more indicates interference or a lying node.
_MOST_NEW = 3


def make_manager(
    project: OpenProject,
    node: Node,
    signer: Signer,
    clock: Clock,
    report: Callable[[Message], None],
) -> TransactionManager:
    """Return the transaction manager of this project's key.

    Raises:
        ChainGuardError: The key's account has code.
    """
    config = project.config
    check_sender(node, signer.address)
    return TransactionManager(
        node=node,
        chain_id=config.chain_id,
        signer=signer,
        journal=StoredJournal(project.database, utc_now),
        clock=clock,
        limits=FeeLimits(
            fee_cap=config.fee_cap,
            wait_seconds=config.wait_seconds,
            finality=config.finality,
            budget=config.budget,
            legacy=config.legacy_fees,
        ),
        report=report,
        find_own=partial(find_own_nonces, project, node),
    )


def anchor_newest(
    project: OpenProject,
    node: Node,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[Message], None],
    standing: ChainState,
) -> AnchoredHead | None:
    """Bring the chain's head up to the newest sealed head and wait until that is included.

    An anchor already on chain is adopted, never sent again; the key is opened only to send.  The
    result is None for a log without leaves.  ``standing`` is what ``check_standing`` has just
    returned, with the newest sealed head; the state is read again after each transaction.

    Raises:
        NotFinalError: A transaction was sent, but not included in time; a later call continues.
    """
    manager: TransactionManager | None = None
    inclusion: Inclusion | None = None
    seen: set[Inclusion] = set()
    states = _follow_state(project, node, standing)
    # After a deep reorganisation, every removed transaction is sent again; only new nonces
    # count here.
    while manager is None or manager.new_nonces <= _MOST_NEW:
        state = next(states)
        if state.newest is None:
            return None
        if state.head_on_chain == state.newest:
            follow_inclusions(project, node)
            block: BlockId = inclusion.block_hash if inclusion else "latest"
            return _record_anchor(project, node, state.newest, block, inclusion)
        is_first = manager is None
        try:
            if manager is None:
                signer = open_signer()
                check_authority(project.config, node, signer.address)
                manager = make_manager(project, node, signer, clock, report)
            intent = _make_intent(project, state.head_on_chain, state.newest)
            resumed = manager.resume(intent) if is_first else None
            if resumed is not None:
                inclusion = resumed if resumed.succeeded else None
                continue
            inclusion = manager.send(intent)
        except ForeignUseError as error:
            if not project.config.signer.shared:
                raise
            # The registry's current head decides what comes next: a head of another key stops it.
            report(Message("signer-foreign-use-tolerated", reason=error.message))
            continue
        except ChainGuardError:
            # The state was read before the seal: the refusal may rest on an outdated state.
            if state is not standing or read_chain_state(project, node) == standing:
                raise
            continue
        if inclusion in seen:
            raise NodeFaultError(
                Message("node-head-not-shown", name=node.name, tx_hash=inclusion.tx_hash.hex()),
                hint=Message("node-head-not-shown-hint"),
            )
        seen.add(inclusion)
    raise ChainGuardError(Message("anchor-head-not-following"))


def _follow_state(project: OpenProject, node: Node, standing: ChainState) -> Iterator[ChainState]:
    """Yield the given state first, then a fresh reading each time."""
    yield standing
    while True:
        yield read_chain_state(project, node)


def follow_inclusions(project: OpenProject, node: Node) -> None:
    """Record in the journal which open or lost transactions are included now, if nodes answer."""
    settlement = Settlement(
        node=node,
        chain_id=project.config.chain_id,
        journal=StoredJournal(project.database, utc_now),
        finality=project.config.finality,
        report=lambda _: None,
    )
    with suppress(CannotCheckError):  # the next process that sends settles them
        settlement.follow()


def _make_intent(project: OpenProject, old: Head | None, new: Head) -> Intent:
    tree = open_tree(project.database, project.tiles, new)
    proof = tree.consistency_proof(old.size, new.size) if old else []
    if old is not None:
        # The same check the registry makes; failing here costs nothing.
        merkle.verify_consistency(
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
            proof=proof,
        )
    return Intent(
        to=project.config.registry,
        data=encode_anchor_call(project.config.log, new, proof),
        head_size=new.size,
    )


def _record_anchor(
    project: OpenProject, node: Node, head: Head, block: BlockId, inclusion: Inclusion | None
) -> AnchoredHead:
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    anchor = registry.anchor(node, head.root, block)
    if anchor is None:
        raise NodeFaultError(Message("node-head-without-anchor", name=node.name))
    if anchor.size != head.size:
        read = partial(registry.anchor, root=head.root, block=block)
        check_shared(node, read, anchor, Message("anchor-of-root", root=head.root.hex()))
        raise ChainGuardError(Message("anchor-size-differs", root=head.root.hex()))
    included = reversible_anchor(
        head,
        anchor,
        tx_hash=inclusion.tx_hash if inclusion else None,
        block_hash=inclusion.block_hash if inclusion else None,
    )
    with project.database.write() as connection:
        before = find_anchored(connection, config.chain_id, head)
        if before is None or not before.final:
            save_anchor(connection, config.chain_id, included)
            return included
    if place_of(before) != place_of(included):
        # Since this round began, one node shows the anchor elsewhere, in a block that is
        # not final.
        check_final_anchors(project, node)
    return before


def record_anchors(project: OpenProject, node: Node) -> int:
    """Store the registry's anchors of this store's heads that the store does not know yet.

    A crash between an inclusion and its recording leaves such anchors.  Returns their number.
    """
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    newest = registry.head(node, "latest")
    with project.database.read() as connection:
        anchors = load_anchors(connection, config.chain_id)
        if newest is None or len(anchors) >= newest.anchor.sequence:
            return 0
        known = {anchored.head.size for anchored in anchors}
        heads = [head for head in load_heads(connection) if head.size not in known]
    recorded = 0
    for head in heads:
        anchor = registry.anchor(node, head.root, "latest")
        if anchor is not None and anchor.size == head.size:
            with project.database.write() as connection:
                save_anchor(connection, config.chain_id, reversible_anchor(head, anchor))
            recorded += 1
    return recorded
