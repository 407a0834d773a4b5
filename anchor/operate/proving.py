"""Making receipts for stored evidence."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from anchor.base.errors import CannotCheckError, ChainGuardError, NotFinalError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32, Head
from anchor.chain.node import Node
from anchor.log.merkle import hash_leaf
from anchor.log.tiles import TileTree
from anchor.operate.finality import update_anchors
from anchor.operate.preconditions import check_standing
from anchor.operate.settled_receipts import SettledReceipts
from anchor.operate.state_proofs import StateProofs
from anchor.project.project import OpenProject
from anchor.receipt.format import AnchorHints, Promise, Receipt, ReceiptAnchor
from anchor.store.evidence import StoredEvidence
from anchor.store.heads import AnchoredHead, load_anchors, load_heads
from anchor.store.kept_proofs import read_kept
from anchor.store.receipt_basis import load_edition
from anchor.store.sealing import open_tree

# Heads whose trees are kept open at a time; each caches some MiB of tiles.
_OPEN_TREES = 8


def open_prover(
    project: OpenProject,
    open_node: Callable[[], Node],
    report: Callable[[Message], None],
) -> Prover:
    """Update the stored anchors from the chain; return a prover with state proofs.

    If no node answers, ``report`` is called, and receipts rest on the state stored last.
    """
    try:
        node = open_node()
        check_standing(project, node)
        kept = read_kept(project.database, project.config.chain_id)
        proofs = StateProofs(project.config, node, report, kept)
        if project.database.read_only_note is None:  # a store on read-only media cannot be updated
            update_anchors(project, node, proofs)
    except CannotCheckError as error:
        report(Message("node-unread-store-used", reason=error.message))
        return Prover(project)
    return Prover(project, proofs, SettledReceipts(project.config, node))


class Prover:
    """Makes receipts from one snapshot of the log.

    A receipt carries the first *final* anchor that covers its leaf; before that it carries the
    operator's promise: the first head that covers it.
    """

    def __init__(
        self,
        project: OpenProject,
        states: StateProofs | None = None,
        settled: SettledReceipts | None = None,
    ) -> None:
        """Take the snapshot; with ``states``, receipts get state proofs."""
        self._project = project
        self._states = states
        self._settled = settled
        with project.database.read() as connection:
            self.edition = load_edition(connection, project.config.chain_id)
            self._heads = load_heads(connection)
            self._anchors = [
                anchored
                for anchored in load_anchors(connection, project.config.chain_id)
                if anchored.final
            ]
        self._trees: dict[int, TileTree] = {}

    @property
    def size(self) -> int:
        """Return how many leaves have a head that covers them."""
        return self._heads[-1].size if self._heads else 0

    def prove(self, evidence: StoredEvidence) -> Receipt:
        """Return the receipt for ``evidence``.

        Raises:
            NotFinalError: The evidence is accepted, but has no place in the log before a seal.
            UsageError: The record of the evidence was erased, or is lost.
            ChainGuardError: The stored record is not the one that was accepted.
        """
        if evidence.record is None:
            raise UsageError(
                Message("record-lost-with-proof"),
                hint=Message("receipt-earlier-valid-hint"),
            )
        if hash_leaf(evidence.record) != evidence.leaf:
            raise ChainGuardError(
                Message("record-leaf-mismatch", identity=evidence.identity.hex()),
                hint=Message("store-altered-no-receipt-hint"),
            )
        index = evidence.leaf_index
        if index is None or not self._heads or index >= self._heads[-1].size:
            raise NotFinalError(
                Message("evidence-not-sealed"),
                hint=Message("evidence-not-sealed-hint"),
            )
        place = bisect_right(self._anchors, index, key=lambda anchored: anchored.head.size)
        anchored = self._anchors[place] if place < len(self._anchors) else None
        if anchored is not None:
            head = anchored.head
        else:
            head = self._heads[bisect_right(self._heads, index, key=lambda head: head.size)]
        path = tuple(self._tree(head).inclusion_path(index, head.size))
        receipt = Receipt(
            record=evidence.record,
            log=self._project.config.log,
            index=index,
            promise=Promise(head=head, path=path) if anchored is None else None,
            anchors=() if anchored is None else (self._anchor(anchored, path),),
        )
        return receipt if self._states is None else self._states.complete(receipt)

    def is_settled(self, old: Receipt, new: Receipt) -> bool:
        """Return whether ``old`` is final and proves what ``new`` does; False if unknown."""
        return self._settled is not None and self._settled.is_settled(old, new)

    def _tree(self, head: Head) -> TileTree:
        if head.size not in self._trees:
            if len(self._trees) >= _OPEN_TREES:
                self._trees.clear()
            tree = open_tree(self._project.database, self._project.tiles, head)
            self._trees[head.size] = tree
        return self._trees[head.size]

    def _anchor(self, anchored: AnchoredHead, path: tuple[Hash32, ...]) -> ReceiptAnchor:
        hints = None
        if anchored.tx_hash is not None and anchored.block_hash is not None:
            hints = AnchorHints(tx_hash=anchored.tx_hash, block_hash=anchored.block_hash)
        return ReceiptAnchor(
            chain_id=self._project.config.chain_id,
            registry=self._project.config.registry,
            head=anchored.head,
            path=path,
            sequence=anchored.sequence,
            block_number=anchored.block_number,
            timestamp=anchored.timestamp,
            hints=hints,
            state=None,
        )
