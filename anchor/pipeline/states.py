"""Putting state proofs into receipts, so that they can be verified by a block's hash alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from anchor.chain.node import Node
from anchor.config import Config
from anchor.errors import CannotCheckError, NotTrustedError, UnknownVersionError
from anchor.receipt import Receipt, ReceiptAnchor
from anchor.registry.slots import anchor_slot
from anchor.stateproof import StateProof, check_state
from anchor.types import Hash32, LogId
from anchor.verify import Block


class StateProofs:
    """Completes receipts, all by one final block.

    Whatever the node does not give is left out: the receipt is as good as before, and can be
    completed later.  The user is told once.
    """

    def __init__(self, config: Config, node: Node, report: Callable[[str], None]) -> None:
        """Prepare to ask ``node``; nothing is asked before a receipt needs it."""
        self._config = config
        self._node = node
        self._report = report
        self._block: Block | None = None
        self._proofs: dict[Hash32, StateProof | None] = {}
        self._has_given_up = False

    def complete(self, receipt: Receipt) -> Receipt:
        """Return the receipt with a state proof in each anchor of this project's that has none.

        Raises:
            ChainGuardError: finality was violated.
        """
        if receipt.log != self._config.log:
            return receipt
        anchors = tuple(self._complete(receipt.log, anchor) for anchor in receipt.anchors)
        return replace(receipt, anchors=anchors)

    def _complete(self, log: LogId, anchor: ReceiptAnchor) -> ReceiptAnchor:
        here = (self._config.chain_id, self._config.registry)
        if anchor.state is not None or (anchor.chain_id, anchor.registry) != here:
            return anchor
        if anchor.head.root not in self._proofs and not self._has_given_up:
            try:
                self._proofs[anchor.head.root] = self._prove(log, anchor)
            except (CannotCheckError, UnknownVersionError, NotTrustedError) as error:
                self._has_given_up = True
                self._report(
                    f"receipts go without state proofs: {error.message}; `anchor upgrade` adds "
                    "them once a node gives them"
                )
        return replace(anchor, state=self._proofs.get(anchor.head.root))

    def _prove(self, log: LogId, anchor: ReceiptAnchor) -> StateProof | None:
        """Fetch the proof of the anchor's slot; None where it does not prove what is stated."""
        config, root = self._config, anchor.head.root
        if self._block is None:
            self._block = self._node.fetch_final_block(config.finality)
        proof = self._node.fetch_state_proof(
            config.registry,
            anchor_slot(log, root),
            self._block.hash,
            code_hash=config.code_hash,
        )
        stored = check_state(
            proof,
            block_hash=self._block.hash,
            registry=config.registry,
            code_hash=config.code_hash,
            log=log,
            root=root,
        ).anchor
        stated = (anchor.head.size, anchor.sequence, anchor.block_number, anchor.timestamp)
        found = stored and (stored.size, stored.sequence, stored.block_number, stored.timestamp)
        if found == stated:
            return proof
        self._report(
            f"the registry says otherwise in final block {self._block.number} than a receipt about "
            f"the anchor of size {anchor.head.size}: it gets no state proof"
        )
        return None
