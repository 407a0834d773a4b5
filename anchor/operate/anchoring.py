"""Bringing the chain's head up to the newest sealed head, and watching it become final."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from anchor.chain.node import BlockId, Node
from anchor.chain.node_agreement import said_by_enough
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer import Signer
from anchor.chain.tx_manager import FeeLimits, Intent, TransactionManager
from anchor.chain.tx_settlement import Settlement
from anchor.chain.tx_state import Inclusion
from anchor.errors import (
    CannotCheckError,
    ChainGuardError,
    ContradictedError,
    ForeignUseError,
    NodeFaultError,
    NodeUnreachableError,
    QuorumError,
    SignerError,
)
from anchor.ethereum.keccak import EMPTY_CODE_HASH, format_address
from anchor.log import merkle
from anchor.operate.contradiction import (
    Contradiction,
    HeadReading,
    contradiction_of,
    place_of,
)
from anchor.operate.incident_handling import (
    check_incidents,
    check_no_incident,
    fetch_final,
    note_contradictions,
)
from anchor.operate.own_transactions import find_own_nonces
from anchor.operate.state_proofs import StateProofs, watch_proofs
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.registry.calldata import encode_anchor_call
from anchor.registry.storage import head_slot, operator_id_slot
from anchor.store.heads import (
    AnchoredHead,
    find_anchored,
    find_head,
    forget_anchor,
    load_anchors,
    load_heads,
    load_reversible_anchors,
    newest_final_anchor,
    newest_head,
    reversible_anchor,
    save_anchor,
)
from anchor.store.sequencer import open_tree
from anchor.store.tx_journal import StoredJournal
from anchor.system.clock import Clock, utc_now
from anchor.types import Address, Anchor, Block, ChainId, Hash32, Head, log_owner

# How many nonces one call may sign for: more means that somebody interferes, or the node lies.
_MOST_NEW = 3
# What an account's code starts with that lets a contract act for it (EIP-7702).
_DELEGATION = bytes.fromhex("ef0100")
# Seconds between two looks while waiting for finality.
_FINALITY_POLL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """Where the log stands on chain, and what is waiting."""

    head_on_chain: Head | None
    newest: Head | None


def check_chain(config: Config, node: Node) -> None:
    """Choose the node to read for what follows, and compare its chain with the pins.

    Raises:
        CannotCheckError: no node can be read, or one is on another chain than enough others.
        ChainGuardError: another chain.
    """
    node.choose()
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
    """Return whether this release's registry code is at the registry's address; False if none is.

    Raises:
        ChainGuardError: Other code is at that address.
        QuorumError: The nodes disagree about the code.
    """
    read = partial(Node.fetch_code_hash, address=config.registry, block="latest")
    found = said_by_enough(node.ask_each(read), node.needed)
    if found is None:
        raise QuorumError(
            f"the nodes disagree about the code at {format_address(config.registry)}",
            hint="one side lags, is wrong or on a fork; nothing was sent",
        )
    if found == config.code_hash:
        return True
    if found == EMPTY_CODE_HASH:
        return False
    raise _foreign_code(config, found)


def check_shared(node: Node, read: Callable[[Node], object], found: object, what: str) -> None:
    """Check that enough nodes say what one said, before something is concluded from it.

    Raises:
        QuorumError: too few do.
    """
    if node.needed == 1:
        return
    count = node.ask_all(read).count(found)
    if count < node.needed:
        raise QuorumError(
            f"{node.name} shows {what} otherwise than others: {count} of the nodes say the same, "
            f"and {node.needed} have to",
            hint="one side lags, is wrong or on a fork; nothing was sent",
        )


def _foreign_code(config: Config, found: Hash32) -> ChainGuardError:
    return ChainGuardError(
        f"the code at {format_address(config.registry)} has hash 0x{found.hex()}, not our "
        f"registry's 0x{config.code_hash.hex()}",
        hint="nothing was sent; check which chain and address this is",
    )


def check_registry(config: Config, node: Node) -> None:
    """Check that our registry is deployed where this project expects it.

    Raises:
        ChainGuardError: nothing is there, or other code.
    """
    if not is_deployed(config, node):
        raise ChainGuardError(
            f"there is no registry at {format_address(config.registry)} on chain {config.chain_id}",
            hint="deploy it with `anchor deploy`",
        )


def read_chain_state(project: OpenProject, node: Node) -> ChainState:
    """Return the head in the registry and the newest sealed one.

    Raises:
        ContradictedError: the log is closed, or its head on chain is none of ours.
    """
    config = project.config
    slot = head_slot(config.log)
    word = node.fetch_storage(config.registry, slot, "latest")
    with project.database.read() as connection:
        sealed = newest_head(connection)
        on_chain = find_head(connection, word) if any(word) else None
        final = newest_final_anchor(connection, config.chain_id)
    contradiction = contradiction_of(HeadReading(word=word, head=on_chain))
    if contradiction is not None:
        read = partial(Node.fetch_storage, address=config.registry, slot=slot, block="latest")
        check_shared(node, read, word, "the log's head in the registry")
        raise _contradicted(contradiction, word)
    if final is not None and (on_chain is None or on_chain.size < final.head.size):
        size = 0 if on_chain is None else on_chain.size
        raise NodeFaultError(
            f"the node {node.name} shows a head of {size} leaves in the registry, and one of "
            f"{final.head.size} is final",
            hint="it lags behind, or its chain was rolled back: wait, or name another node",
        )
    return ChainState(head_on_chain=on_chain, newest=sealed.head if sealed else None)


def _contradicted(contradiction: Contradiction, word: Hash32) -> ContradictedError:
    if contradiction is Contradiction.CLOSED:
        return ContradictedError(
            "this log was closed with `succeed`", hint="go on in its successor's project"
        )
    return ContradictedError(
        f"the registry's head 0x{word.hex()} is not in this store: the store is older than the "
        "chain, or another program anchors for this log",
        hint="rebuild the store with `anchor restore`; sealing on would fork the log, so "
        "nothing was sent",
    )


def check_standing(project: OpenProject, node: Node) -> ChainState:
    """Check chain, registry and head before the log grows or a promise is given; return the heads.

    Raises:
        ChainGuardError: another chain, no registry, a store older than the chain, or a final anchor
            that the chain contradicts.
    """
    check_chain_and_incidents(project, node)
    check_registry(project.config, node)
    _check_final_anchors(project, node)
    return read_chain_state(project, node)


def check_chain_and_incidents(project: OpenProject, node: Node) -> None:
    """Check the chain; an incident that the nodes do not clear up is graver than their silence."""
    try:
        check_chain(project.config, node)
    except CannotCheckError:
        check_no_incident(project)
        raise
    check_incidents(project, node)


def _check_final_anchors(project: OpenProject, node: Node) -> None:
    """Compare the newest final anchor with the newest block, and where they differ a final one."""
    config = project.config
    with project.database.read() as connection:
        anchored = newest_final_anchor(connection, config.chain_id)
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


def make_manager(
    project: OpenProject, node: Node, signer: Signer, clock: Clock, report: Callable[[str], None]
) -> TransactionManager:
    """Return the transaction manager of this project's key.

    Raises:
        ChainGuardError: the key's account has code.
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
    report: Callable[[str], None],
    standing: ChainState,
) -> AnchoredHead | None:
    """Bring the chain's head up to the newest sealed head and wait until that is included.

    An anchor already on chain is adopted, never sent again; the key is opened only to send.  None
    for a log without leaves.  ``standing`` is what ``check_standing`` has just returned, with the
    newest head that is sealed by now; it is read anew after everything that is sent.

    Raises:
        OperatorActionError: key without authority, no funds, a store older than the chain, …
        NotFinalError: sent, but not included in time; a later call goes on.
    """
    manager: TransactionManager | None = None
    inclusion: Inclusion | None = None
    seen: set[Inclusion] = set()
    states = _follow_state(project, node, standing)
    # What a deep reorganisation undid is sent again nonce by nonce, however many they are.
    while manager is None or manager.new_nonces <= _MOST_NEW:
        state = next(states)
        if state.newest is None:
            return None
        if state.head_on_chain == state.newest:
            follow_inclusions(project, node)
            block: BlockId = inclusion.block_hash if inclusion else "latest"
            return _record_anchor(project, node, state.newest, block, inclusion)
        try:
            if manager is None:
                signer = open_signer()
                check_authority(project.config, node, signer.address)
                manager = make_manager(project, node, signer, clock, report)
                resumed = manager.resume(_make_intent(project, state.head_on_chain, state.newest))
                if resumed is not None:
                    inclusion = resumed if resumed.succeeded else None
                    continue
            inclusion = manager.send(_make_intent(project, state.head_on_chain, state.newest))
        except ForeignUseError as error:
            if not project.config.signer.shared:
                raise
            # What the registry holds now decides what comes next: a head of others stops it.
            report(f"warning: {error.message}; going on, because signer.shared is set")
            continue
        if inclusion in seen:
            raise NodeFaultError(
                f"the node {node.name} shows that transaction 0x{inclusion.tx_hash.hex()} was "
                "included, and does not show the head that it anchors",
                hint="nothing counts as anchored; run again, or ask another node",
            )
        seen.add(inclusion)
    raise ChainGuardError("the registry's head does not follow our transactions; run again later")


def _follow_state(project: OpenProject, node: Node, standing: ChainState) -> Iterator[ChainState]:
    """Yield the state that was just read, and then what the chain says each time."""
    yield standing
    while True:
        yield read_chain_state(project, node)


def follow_inclusions(project: OpenProject, node: Node) -> None:
    """Note in the journal which open or lost transaction is included by now, where nodes say so."""
    settlement = Settlement(
        node=node,
        chain_id=project.config.chain_id,
        journal=StoredJournal(project.database, utc_now),
        finality=project.config.finality,
        report=lambda _: None,
    )
    with suppress(CannotCheckError):  # then whoever sends next does
        settlement.follow()


def refresh_anchors(project: OpenProject, node: Node) -> list[AnchoredHead]:
    """Compare the chain with the pins, then do what ``update_anchors`` does and return the same.

    Raises:
        ChainGuardError: the node is on another chain than the project's, or as ``update_anchors``.
        CannotCheckError: no node can be read, or as ``update_anchors``.
    """
    check_chain_and_incidents(project, node)
    return update_anchors(project, node)


def update_anchors(
    project: OpenProject, node: Node, proofs: StateProofs | None = None
) -> list[AnchoredHead]:
    """Look at every anchor that is not final yet and store what the chain says of it.

    An anchor found in the final block is final; one that a reorganisation took back is forgotten
    (the next run anchors again).  Where the chain has no final block yet, nothing changes.  Returns
    those that have just become final; ``proofs`` keeps the state proof of the newest of them.  That
    the node is on the project's chain is checked by the caller, since it last waited.

    Raises:
        ChainGuardError: the node has other code at the registry's address.
        QuorumError: too few nodes agree on what is final, so nothing new is.
    """
    with project.database.read() as connection:
        if not load_reversible_anchors(connection, project.config.chain_id):
            return []
    try:
        final = fetch_final(project, node)
    except (NodeUnreachableError, QuorumError):
        raise
    except CannotCheckError:
        return []
    return _update_by(project, node, final, proofs)


def _update_by(
    project: OpenProject, node: Node, final: Block, proofs: StateProofs | None
) -> list[AnchoredHead]:
    """Store what block ``final`` says of the anchors that are not final yet."""
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    with project.database.read() as connection:
        reversible = load_reversible_anchors(connection, config.chain_id)
    _check_code_at(config, node, final)
    now_final: list[AnchoredHead] = []
    for anchored in reversible:
        root = anchored.head.root
        stored = node.confirm(partial(registry.anchor, root=root, block=final.hash))
        is_final = stored is not None
        if stored is None:
            stored = registry.anchor(node, root, "latest")
        if stored is not None and place_of(stored) != place_of(anchored):
            anchored = _renew_hints(node, anchored, stored)
        with project.database.write() as connection:
            known = find_anchored(connection, config.chain_id, anchored.head)
            if known is not None and known.final:
                continue  # another process has seen more meanwhile
            if stored is None:
                forget_anchor(connection, config.chain_id, anchored.head)
                continue
            anchored = replace(
                anchored,
                sequence=stored.sequence,
                block_number=stored.block_number,
                timestamp=stored.timestamp,
                final=is_final,
                final_at=utc_now() if is_final else None,
            )
            save_anchor(connection, config.chain_id, anchored, keep_hints=False)
        if is_final:
            now_final.append(anchored)
    watch_proofs(project, proofs or StateProofs(config, node, lambda _: None), now_final, final)
    return now_final


def _renew_hints(node: Node, anchored: AnchoredHead, stored: Anchor) -> AnchoredHead:
    """Return ``anchored`` with the hints for its new place; without, where they are not known."""
    receipt = None if anchored.tx_hash is None else node.fetch_receipt(anchored.tx_hash)
    if receipt is None or not receipt.succeeded or receipt.block_number != stored.block_number:
        return replace(anchored, tx_hash=None, block_hash=None)
    return replace(anchored, block_hash=receipt.block_hash)


def wait_until_final(
    project: OpenProject, node: Node, head: Head, clock: Clock, proofs: StateProofs | None = None
) -> bool:
    """Wait until ``head``'s anchor is final, at most as long as the configuration allows.

    Its anchor was read from the node a moment ago, so that the node is on the project's chain;
    after each pause that is checked anew.

    Raises:
        CannotCheckError: the node does not say what is final, so waiting would be for nothing.
    """
    deadline = clock.monotonic() + project.config.wait_seconds
    _update_by(project, node, fetch_final(project, node), proofs)
    while True:
        with project.database.read() as connection:
            anchored = find_anchored(connection, project.config.chain_id, head)
        if anchored is not None and anchored.final:
            return True
        if clock.monotonic() >= deadline or anchored is None:
            return False
        clock.sleep(_FINALITY_POLL)
        check_chain_and_incidents(project, node)
        update_anchors(project, node, proofs)


def check_sender(node: Node, key: Address) -> None:
    """Check that nothing but ``key`` moves its account's nonce.

    Raises:
        ChainGuardError: the account has code, or delegates to some (EIP-7702).
        QuorumError: one node says so, and too few others.
    """
    code = node.fetch_code(key, "latest")
    if not code:
        return
    read = partial(Node.fetch_code, address=key, block="latest")
    check_shared(node, read, code, f"the code of the account {format_address(key)}")
    what = "code"
    if code.startswith(_DELEGATION):
        what = f"a delegation to {format_address(Address(code[len(_DELEGATION) :]))} (EIP-7702)"
    raise ChainGuardError(
        f"the account {format_address(key)} has {what}: others could use its nonces",
        hint="withdraw the delegation, or give this log a key of its own; nothing was sent",
    )


def check_authority(config: Config, node: Node, key: Address) -> int:
    """Check that ``key`` may anchor in the log; return its operator id, 0 for the owner.

    Raises:
        SignerError: it is neither the owner nor an operator.
        QuorumError: one node says so, and too few others.
    """
    if key == log_owner(config.log):
        return 0
    slot = operator_id_slot(config.log, key)
    word = node.fetch_storage(config.registry, slot, "latest")
    if not any(word):
        read = partial(Node.fetch_storage, address=config.registry, slot=slot, block="latest")
        check_shared(node, read, word, f"the authority of {format_address(key)}")
        raise SignerError(
            f"{format_address(key)} is neither this log's owner nor its operator",
            hint="use the owner's key, or let the owner run `anchor operator add "
            f"{format_address(key)}`",
        )
    return int.from_bytes(word, "big")


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
    anchor = RegistryReader(config.registry, config.log).anchor(node, head.root, block)
    if anchor is None:
        raise NodeFaultError(f"the node {node.name} shows the head, but not its anchor")
    if anchor.size != head.size:
        read = partial(
            RegistryReader(config.registry, config.log).anchor, root=head.root, block=block
        )
        check_shared(node, read, anchor, f"the anchor of root {head.root.hex()}")
        raise ChainGuardError(f"the registry holds root {head.root.hex()} under another size")
    now = reversible_anchor(
        head,
        anchor,
        tx_hash=inclusion.tx_hash if inclusion else None,
        block_hash=inclusion.block_hash if inclusion else None,
    )
    with project.database.write() as connection:
        before = find_anchored(connection, config.chain_id, head)
        if before is None or not before.final:
            save_anchor(connection, config.chain_id, now)
            return now
    if place_of(before) != place_of(now):
        # It moved since this round began, by one node's word of a block that is not final.
        _check_final_anchors(project, node)
    return before


def _check_code_at(config: Config, node: Node, final: Block) -> None:
    """Check the registry's code in the final block, which may be older than its deployment."""
    found = node.confirm(lambda one: one.fetch_code_hash(config.registry, final.hash))
    if found not in (config.code_hash, EMPTY_CODE_HASH):
        raise _foreign_code(config, found)


def record_anchors(project: OpenProject, node: Node) -> int:
    """Store the anchors that the registry has of this store's heads and the store knows nothing of.

    Such there are after a crash between an inclusion and its note.  Returns how many they were.
    """
    config = project.config
    head = RegistryReader(config.registry, config.log).head(node, "latest")
    with project.database.read() as connection:
        anchors = load_anchors(connection, config.chain_id)
        if head is None or len(anchors) >= head.anchor.sequence:
            return 0
        known = {item.head.size for item in anchors}
        heads = [item for item in load_heads(connection) if item.size not in known]
    found = 0
    for item in heads:
        anchor = RegistryReader(config.registry, config.log).anchor(node, item.root, "latest")
        if anchor is not None and anchor.size == item.size:
            with project.database.write() as connection:
                save_anchor(connection, config.chain_id, reversible_anchor(item, anchor))
            found += 1
    return found
