"""Tracking of included anchors until they are final, or removed by a reorganisation."""

from __future__ import annotations

from dataclasses import replace

from anchor.base.errors import CannotCheckError, NodeUnreachableError, QuorumError
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock, utc_now
from anchor.base.types import Anchor, Block, Head
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.operate.contradiction import place_of
from anchor.operate.incident_handling import fetch_final
from anchor.operate.preconditions import check_chain_and_incidents, check_code_at
from anchor.operate.state_proofs import StateProofs, watch_proofs
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store.announcements import announce_final
from anchor.store.heads import (
    AnchoredHead,
    find_anchored,
    forget_anchor,
    load_reversible_anchors,
    save_anchor,
)

# Seconds between two checks while waiting for finality.
_FINALITY_POLL = 1.0


def anchored_message(*, is_by_depth: bool) -> Message:
    """Return the message of a final anchor.

    ``is_by_depth`` is whether a number of blocks, and not the nodes, decides what is final: the
    message then says so.
    """
    if is_by_depth:
        return Message("anchor-state-final-by-depth")
    return Message("anchor-state-final")


def build_finality_json(config: Config) -> dict[str, int]:
    """Return the members of JSON objects that say who decides what is final; none: the nodes."""
    return {} if config.final_after is None else {"final_after_blocks": config.final_after}


def refresh_anchors(
    project: OpenProject, node: Node, proofs: StateProofs | None = None
) -> list[AnchoredHead]:
    """Compare the chain with the pins, then update anchors as ``update_anchors`` does."""
    check_chain_and_incidents(project, node)
    return update_anchors(project, node, proofs)


def update_anchors(
    project: OpenProject, node: Node, proofs: StateProofs | None = None
) -> list[AnchoredHead]:
    """Read every anchor that is not final yet from the chain, and store its state.

    An anchor found in the final block is final; one removed by a reorganisation is deleted (the
    next run anchors again).  If the chain has no final block yet, no anchor changes.  Returns those
    that have just become final; ``proofs`` keeps the state proof of the newest of them.  The caller
    has to call ``check_chain`` first, and again after each wait.

    Raises:
        QuorumError: Too few nodes agree on the final block, so that no anchor becomes final.
    """
    if not project.read(load_reversible_anchors):
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
    """Store the state of the anchors that are not final yet, as block ``final`` shows them."""
    config = project.config
    registry = RegistryReader(config.registry, config.log)
    reversible = project.read(load_reversible_anchors)
    check_code_at(config, node, final)
    now_final: list[AnchoredHead] = []
    for anchored in reversible:
        root = anchored.head.root
        stored = registry.agree_on_anchor(node, root, final.hash)
        is_final = stored is not None
        if stored is None:
            stored = registry.anchor(node, root, "latest")
        if stored is not None and place_of(stored) != place_of(anchored):
            anchored = _renew_hints(node, anchored, stored)
        with project.database.write() as connection:
            known = find_anchored(connection, config.chain_id, anchored.head)
            if known is not None and known.final:
                continue  # another process has stored a later state meanwhile
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
                announce_final(connection, config.chain_id, anchored)
        if is_final:
            now_final.append(anchored)
    watch_proofs(project, proofs or StateProofs(config, node, lambda _: None), now_final, final)
    return now_final


def _renew_hints(node: Node, anchored: AnchoredHead, stored: Anchor) -> AnchoredHead:
    """Return ``anchored`` with the hints for its new block; without hints if they are unknown."""
    receipt = None if anchored.tx_hash is None else node.fetch_receipt(anchored.tx_hash)
    if receipt is None or not receipt.succeeded or receipt.block_number != stored.block_number:
        return replace(anchored, tx_hash=None, block_hash=None)
    return replace(anchored, block_hash=receipt.block_hash)


def wait_until_final(
    project: OpenProject, node: Node, head: Head, clock: Clock, proofs: StateProofs | None = None
) -> bool:
    """Wait until ``head``'s anchor is final, at most as long as the configuration allows.

    The chain is compared with the pins before each check: sending may have taken long as well.

    Raises:
        CannotCheckError: The node does not report a final block, so that waiting is pointless.
    """
    deadline = clock.monotonic() + project.config.wait_seconds
    check_chain_and_incidents(project, node)
    _update_by(project, node, fetch_final(project, node), proofs)
    while True:
        anchored = project.read(find_anchored, head)
        if anchored is not None and anchored.final:
            return True
        if clock.monotonic() >= deadline or anchored is None:
            return False
        clock.sleep(_FINALITY_POLL)
        check_chain_and_incidents(project, node)
        update_anchors(project, node, proofs)
